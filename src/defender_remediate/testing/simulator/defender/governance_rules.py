"""Governance rules: which assessments they are about, and the assignments that they make when they are executed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import LOCATION, OperationForm
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.defender.assessments import UNHEALTHY, SimulatedAssessment
from defender_remediate.testing.simulator.defender.governance import assignment_id, is_enabled
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import TENANT_ID, Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

RULES = "Microsoft.Security/governanceRules"
_TYPES, _OWNERS = ("Integrated", "ServiceNow"), ("ByTag", "Manually")
_MOST_PRIORITY = 1000
_SECONDS = 60.0
_TIMESPAN = re.compile(r"(?:(\d{1,7})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})\Z")


def execute(tenant: Tenant, rule: Resource, *, override: bool) -> None:
    """Makes an assignment for each unhealthy assessment that a rule is about, where Defender CSPM is on.

    One that a rule of higher priority is about, too, is left to that rule.

    Args:
        tenant: The tenant.
        rule: The rule.
        override: Whether it replaces the assignments that exist.
    """
    place = rule.id.rpartition("/providers/")[0]
    rules = [one for one in tenant.store.resources("", RULES) if not one.body["properties"].get("isDisabled")]
    governed = {ids.key(identifier.rpartition("/")[0]): identifier for identifier, _ in tenant.governance.values()}
    for assessment in list(tenant.assessor.current(place if ids.subscription_of(place) else "")):
        if assessment.status is None or assessment.status.code != UNHEALTHY:
            continue
        about = [one for one in rules if _is_about(tenant, one, assessment)]
        if not about or min(about, key=_rank) is not rule:
            continue
        if not is_enabled(tenant, assessment.subscription):
            continue
        above = assignment_id(assessment.resource_id, assessment.definition.key, "").rstrip("/")
        existing = governed.get(ids.key(above))
        if existing is not None and not override:
            continue
        identifier = existing or f"{above}/{tenant.new_id()}"
        tenant.governance[ids.key(identifier)] = (identifier, _assigned(tenant, rule.body["properties"], assessment))
        tenant.store.touch(identifier)


def _rank(rule: Resource) -> tuple[bool, int]:
    """What orders rules: those of management groups come first, then those with the smaller number."""
    return bool(ids.subscription_of(rule.id)), int(rule.body["properties"].get("rulePriority", _MOST_PRIORITY))


def _is_about(tenant: Tenant, rule: Resource, assessment: SimulatedAssessment) -> bool:
    properties = rule.body["properties"]
    covers = tenant.store.covers
    if not covers(rule.id.rpartition("/providers/")[0], assessment.resource_id):
        return False
    if any(covers("/" + scope.strip("/"), assessment.resource_id) for scope in properties.get("excludedScopes") or []):
        return False
    sets = properties.get("conditionSets") or []
    return any(all(_holds(one, assessment) for one in group["conditions"]) for group in sets)


def _holds(condition: Mapping[str, Any], assessment: SimulatedAssessment) -> bool:
    """Whether a condition such as ``$.AssessmentKey In ["..."]`` is met; its value is JSON as text."""
    shown = {
        "assessmentkey": assessment.definition.key,
        "metadata": assessment.definition.metadata,
        "resourcedetails": assessment.details,
    }
    value: Any = shown
    for name in condition["property"].removeprefix("$.").split("."):
        members = {fold(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}
        value = members.get(fold(name))
    wanted = _values(condition["value"])
    return value is not None and fold(str(value)) in {fold(str(one)) for one in wanted}


def _values(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return [text]
    return found if isinstance(found, list) else [found]


def _assigned(tenant: Tenant, rule: Mapping[str, Any], assessment: SimulatedAssessment) -> dict[str, Any]:
    timeframe = rule.get("remediationTimeframe")
    due = tenant.clock.now() + (_timespan(timeframe) if timeframe else timedelta())
    made = {
        "owner": _owner(tenant, rule.get("ownerSource") or {}, assessment),
        "remediationDueDate": due.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "isGracePeriod": bool(rule.get("isGracePeriod", False)),
        "governanceEmailNotification": rule.get("governanceEmailNotification"),
    }
    return {name: value for name, value in made.items() if value is not None}


def _owner(tenant: Tenant, source: Mapping[str, Any], assessment: SimulatedAssessment) -> str | None:
    """The owner: the address of the rule, or the value of the tag that it names; None for a resource without the tag."""
    if source.get("type") != "ByTag":
        return source.get("value")
    found = tenant.store.find(assessment.resource_id)
    tags = found.body.get("tags") or {} if found else {}
    return next((str(value) for name, value in tags.items() if fold(name) == fold(str(source["value"]))), None)


def _timespan(text: str) -> timedelta:
    found = _TIMESPAN.match(text)
    if found is None:
        raise refusal("InvalidRequestContent", problem=f"remediationTimeframe '{text}' is not a time span")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _place(tenant: Tenant, captured: Mapping[str, str]) -> tuple[str, str]:
    scope = scope_of(tenant, captured)
    if ids.subscription_of(scope):
        tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
    return scope, f"{scope}/providers/{RULES}/{captured.get('name', '')}"


def list_rules(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the rules of a scope."""
    scope, head = _place(tenant, captured)
    tenant.access.check_read(f"{RULES}/read", scope)
    found = [one.render() for one in tenant.store.resources("", RULES) if ids.key(one.id).startswith(ids.key(head))]
    return tenant.page(call, found)


def get_rule(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a rule."""
    del call
    scope, target_id = _place(tenant, captured)
    tenant.access.check_read(f"{RULES}/read", scope)
    return Reply.json(_found(tenant, target_id).render())


def _found(tenant: Tenant, target_id: str) -> Resource:
    found = tenant.store.find(target_id)
    if found is None:
        raise refusal("GovernanceRuleNotFound", name=ids.segments(target_id)[-1])
    return found


def put_rule(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces a rule. It assigns nothing until it is executed; Azure also runs rules by itself."""
    scope, target_id = _place(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        sent = json_body(call).get("properties")
        properties = dict(sent) if isinstance(sent, Mapping) else {}
        check_rule(properties)
        same = [one for one in tenant.store.resources("", RULES) if _shares_priority(one, scope, properties)]
        if any(ids.key(one.id) != ids.key(target_id) for one in same):
            raise refusal("InvalidRequestContent", problem="another rule of the scope has this rulePriority")
        kind, held, now = tenant.types.get(RULES), tenant.store.find(target_id), tenant.clock.timestamp()
        assert kind is not None  # it is shipped
        before = held.body["properties"].get("metadata") if held else None
        metadata = {
            "createdBy": CALLER_ID,
            "createdOn": now,
            **(before or {}),
            "updatedBy": CALLER_ID,
            "updatedOn": now,
        }
        body = {**properties, "tenantId": TENANT_ID, "metadata": metadata}
        written = tenant.store.write(target_id, kind, {"properties": body})
        return Reply.json(written.render(), status=200 if held else 201), False

    return logged(tenant, call, f"{RULES}/write", target_id, work)


def _shares_priority(rule: Resource, scope: str, properties: Mapping[str, Any]) -> bool:
    is_here = ids.key(rule.id.rpartition("/providers/")[0]) == ids.key(scope)
    return is_here and rule.body["properties"].get("rulePriority") == properties["rulePriority"]


def check_rule(properties: Mapping[str, Any]) -> None:
    """Refuses the properties of a rule that Azure would not take.

    Raises:
        ArmError: 400 InvalidRequestContent.
    """

    def problems() -> Iterator[str]:
        for name in ("displayName", "rulePriority", "ruleType", "sourceResourceType", "conditionSets", "ownerSource"):
            if properties.get(name) in (None, ""):
                yield f"'{name}' is missing"
        priority = properties.get("rulePriority")
        if not isinstance(priority, int) or not 0 <= priority <= _MOST_PRIORITY:
            yield f"rulePriority is not an integer from 0 to {_MOST_PRIORITY}"
        if properties.get("ruleType") not in _TYPES:
            yield f"ruleType is not one of {', '.join(_TYPES)}"
        owner = properties.get("ownerSource")
        if not isinstance(owner, Mapping) or owner.get("type") not in _OWNERS or not owner.get("value"):
            yield f"ownerSource needs a value and a type, one of {', '.join(_OWNERS)}"
        if not _are_conditions(properties.get("conditionSets")):
            yield "conditionSets is not a list of conditions with property, operator and value"

    for problem in problems():
        raise refusal("InvalidRequestContent", problem=problem)
    if properties.get("remediationTimeframe") is not None:
        _timespan(str(properties["remediationTimeframe"]))


def _are_conditions(sets: Any) -> bool:
    if not isinstance(sets, list) or not sets:
        return False
    for group in sets:
        conditions = group.get("conditions") if isinstance(group, Mapping) else None
        if not isinstance(conditions, list) or not conditions:
            return False
        for one in conditions:
            if not isinstance(one, Mapping) or one.get("operator") not in ("In", "Equals"):
                return False
            if not isinstance(one.get("property"), str) or not isinstance(one.get("value"), str):
                return False
    return True


def delete_rule(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes a rule; the assignments that it made stay."""
    _, target_id = _place(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        if tenant.store.find(target_id) is None:
            return Reply(status=204), False
        tenant.store.remove(target_id)
        return Reply(status=200), False

    return logged(tenant, call, f"{RULES}/delete", target_id, work)


def execute_rule(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Executes a rule: it assigns owners and due dates once the operation ends."""
    _, target_id = _place(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, target_id)
        rule = _found(tenant, target_id)
        override = bool(json_body(call, empty={}).get("override", False))

        def finish(outcome: str, moment: float) -> None:
            del outcome, moment
            if tenant.store.find(rule.id) is rule and not rule.body["properties"].get("isDisabled"):
                execute(tenant, rule, override=override)

        form = OperationForm(form=LOCATION, seconds=_SECONDS)
        running = tenant.operations.start(tenant.new_id(), form, rule.id, finish=finish)
        return Reply(status=202, headers=_location(call, rule.id, running.id)), True

    return logged(tenant, call, f"{RULES}/execute/action", target_id, work)


def _location(call: Call, rule_id: str, operation_id: str) -> dict[str, str]:
    path = f"{rule_id}/operationResults/{operation_id}"
    return {"Location": f"{call.base}{path}?api-version={call.api_version}", "Retry-After": "10"}


def get_result(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows how the execution of a rule ended: 202 while it runs."""
    scope, target_id = _place(tenant, captured)
    tenant.access.check_read(f"{RULES}/read", scope)
    status = tenant.operations.status(captured["operation"]).body["status"]
    if status == "InProgress":
        return Reply(status=202, headers=_location(call, target_id, captured["operation"]))
    return Reply.json({"status": status})


_AT = "/{scope*}/providers/Microsoft.Security/governanceRules"
ROUTES = tuple(
    Route(methods=(method,), pattern=pattern, type=RULES, handler=handler, reads=method == "GET")
    for method, pattern, handler in (
        ("GET", _AT, list_rules),
        ("GET", f"{_AT}/{{name}}", get_rule),
        ("PUT", f"{_AT}/{{name}}", put_rule),
        ("DELETE", f"{_AT}/{{name}}", delete_rule),
        ("POST", f"{_AT}/{{name}}/execute", execute_rule),
        ("GET", f"{_AT}/{{name}}/operationResults/{{operation}}", get_result),
    )
)
