"""Workflow automations: what Defender checks of them. What an automation would send is not simulated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body, object_in, objects_in
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Store
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

AUTOMATIONS = "Microsoft.Security/automations"
_SOURCES = (
    "Assessments",
    "AssessmentsSnapshot",
    "SubAssessments",
    "SubAssessmentsSnapshot",
    "Alerts",
    "SecureScores",
    "SecureScoresSnapshot",
    "SecureScoreControls",
    "SecureScoreControlsSnapshot",
    "RegulatoryComplianceAssessment",
    "RegulatoryComplianceAssessmentSnapshot",
    "AttackPaths",
    "AttackPathsSnapshot",
)
_TARGETS = {"LogicApp": "logicAppResourceId", "EventHub": "eventHubResourceId", "Workspace": "workspaceResourceId"}
"""The member of each type of action that names its target."""
_OPERATORS = (
    "Equals",
    "GreaterThan",
    "GreaterThanOrEqualTo",
    "LesserThan",
    "LesserThanOrEqualTo",
    "NotEquals",
    "Contains",
    "StartsWith",
    "EndsWith",
)
_KINDS = ("String", "Integer", "Number", "Boolean")


def check_automation(resource_type: ResourceType, body: Mapping[str, Any]) -> None:
    """Refuses an automation whose form Defender does not take; other types are taken.

    Raises:
        ArmError: 400.
    """
    if resource_type.name == AUTOMATIONS:
        for problem in _problems(body.get("properties")):
            raise refusal("InvalidRequestContent", problem=problem)


def validate(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Says whether an automation could be created: its form, and whether what its actions name exists."""
    scope = scope_of(tenant, captured)
    tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
    tenant.access.check_read(f"{AUTOMATIONS}/read", scope)
    properties = object_in(json_body(call), "properties")
    problem = next(_problems(properties), None) or next(_missing(tenant.store, properties), None)
    return Reply.json({"isValid": problem is None, "message": problem or "Validation succeeded"})


def _problems(properties: Any) -> Iterator[str]:
    given = properties if isinstance(properties, Mapping) else {}
    for name in ("scopes", "sources", "actions"):
        items = given.get(name) or []
        if not isinstance(items, list) or not all(isinstance(one, Mapping) for one in items):
            return iter((f"{name} is not a list of objects",))
    return _wrong_items(given)


def _wrong_items(given: Mapping[str, Any]) -> Iterator[str]:
    for scope in given.get("scopes") or []:
        if not ids.subscription_of(str(scope.get("scopePath", ""))):
            yield f"the scope '{scope.get('scopePath')}' is not in a subscription"
    for source in given.get("sources") or []:
        if source.get("eventSource") not in _SOURCES:
            yield f"the event source '{source.get('eventSource')}' is not one of {', '.join(_SOURCES)}"
        for rules in objects_in(source, "ruleSets"):
            for rule in objects_in(rules, "rules"):
                if rule.get("operator") not in _OPERATORS or rule.get("propertyType") not in _KINDS:
                    yield f"the rule about '{rule.get('propertyJPath')}' has an operator or a type that does not exist"
    for action in given.get("actions") or []:
        member = _TARGETS.get(str(action.get("actionType")))
        if member is None:
            yield f"the action type '{action.get('actionType')}' is not one of {', '.join(_TARGETS)}"
        elif ids.path_of(str(action.get(member, ""))) is None:
            yield f"'{member}' of an action is not the id of a resource"


def _missing(store: Store, properties: Mapping[str, Any]) -> Iterator[str]:
    for action in properties.get("actions") or []:
        target = action[_TARGETS[action["actionType"]]]
        if store.find(target) is None:
            yield f"the resource '{target}' was not found"


ROUTES = (
    Route(
        methods=("POST",),
        pattern=f"/{{scope*}}/providers/{AUTOMATIONS}/{{name}}/validate",
        type=AUTOMATIONS,
        handler=validate,
    ),
)
