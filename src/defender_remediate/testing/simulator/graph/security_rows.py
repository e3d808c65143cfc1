"""The rows of ``securityresources``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import attrs

from defender_remediate.testing.simulator.defender import compliance
from defender_remediate.testing.simulator.defender.exemptions import TYPE as STANDARD_ASSIGNMENTS
from defender_remediate.testing.simulator.defender.exemptions import StandardAssignment
from defender_remediate.testing.simulator.defender.governance import TYPE as GOVERNANCE
from defender_remediate.testing.simulator.defender.governance import render
from defender_remediate.testing.simulator.defender.routes import is_on
from defender_remediate.testing.simulator.defender.scores import control_scores, overall
from defender_remediate.testing.simulator.graph.assessment_rows import ASSESSMENTS, assessment_rows
from defender_remediate.testing.simulator.graph.kql.relation import Row
from defender_remediate.testing.simulator.graph.rows import ID, row
from defender_remediate.testing.simulator.graph.scopes import RowScope
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant

_SCORES, _CONTROLS = "Microsoft.Security/secureScores", "Microsoft.Security/secureScores/secureScoreControls"
_ALERTS = "Microsoft.Security/locations/alerts"
COMPLIANCE = (compliance.STANDARDS, compliance.CONTROLS, compliance.ASSESSMENTS)
STORED = (
    "Microsoft.Security/pricings",
    "Microsoft.Security/assessments/subAssessments",
    _ALERTS,
    "Microsoft.Security/iotAlerts",
    *COMPLIANCE,
    "Microsoft.Security/governanceRules",
    "Microsoft.Security/insights/classification",
    "Microsoft.Security/softwareInventories",
    "Microsoft.Security/securityStandards",
    "Microsoft.Security/customRecommendations",
    "Microsoft.Security/apiCollections",
)
"""The types that are kept as resources. Those with tags, such as automations and connectors, are in ``resources`` instead."""


def security_rows(tenant: Tenant, scope: RowScope) -> Iterator[Row]:
    """Yields what Defender knows of the subscriptions where it is on."""
    subscriptions = frozenset(one for one in scope.subscriptions if is_on(tenant, one))
    scope = attrs.evolve(scope, subscriptions=subscriptions)
    is_wanted, is_here = scope.wants_type, scope.has
    if is_wanted(ASSESSMENTS):
        yield from assessment_rows(tenant, subscriptions)
    for identifier, kind, properties in tenant.exposure.rows():
        if is_here(identifier):
            yield row(identifier, kind, partial(dict, properties))
    for kind in filter(is_wanted, STORED):
        for resource in filter(lambda one: is_here(one.id), tenant.store.resources("", kind)):
            yield row(resource.id, kind, partial(_alert if kind == _ALERTS else _properties, resource))
    for subscription in sorted(subscriptions):
        if is_wanted(_SCORES):
            score = overall(tenant, subscription)
            yield row(score["id"], _SCORES, partial(dict, score["properties"], environment="Azure"))
        if is_wanted(_CONTROLS):
            for control in control_scores(tenant, subscription, expand=True):
                yield row(control["id"], _CONTROLS, partial(dict, control["properties"]))
        if any(map(is_wanted, COMPLIANCE)):
            for one in tenant.compliance.everything_of(subscription):
                # What a test added as a resource is a row already.
                if tenant.store.find(one["id"]) is None:
                    yield row(one["id"], one["type"], partial(dict, one["properties"]))
    yield from filter(lambda one: is_here(one[ID]), _assignments(tenant))


def _assignments(tenant: Tenant) -> Iterator[Row]:
    for identifier, assigned in tenant.governance.values():
        yield row(identifier, GOVERNANCE, partial(_governed, identifier, assigned))
    for assignment in tenant.assessor.standard_assignments:
        yield row(assignment.id, STANDARD_ASSIGNMENTS, partial(_assigned, assignment))


def _properties(resource: Resource) -> Any:
    return resource.render()["properties"]


def _alert(resource: Resource) -> dict[str, Any]:
    """An alert, whose members begin with capitals here."""
    return {name[:1].upper() + name[1:]: value for name, value in resource.render()["properties"].items()}


def _governed(identifier: str, assigned: Mapping[str, Any]) -> Any:
    return render(identifier, assigned)["properties"]


def _assigned(assignment: StandardAssignment) -> dict[str, Any]:
    """An exemption or attestation, whose data names the recommendation without a bag around its key here."""
    properties = dict(assignment.properties)
    for name in ("exemptionData", "attestationData"):
        data = properties.get(name)
        if isinstance(data, Mapping) and isinstance(data.get("assignedAssessment"), Mapping):
            kept = {key: value for key, value in data.items() if key != "assignedAssessment"}
            properties[name] = {**kept, **data["assignedAssessment"]}
    return properties
