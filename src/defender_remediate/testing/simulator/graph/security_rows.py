"""The rows of ``securityresources``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.defender.assessments import SimulatedAssessment
from defender_remediate.testing.simulator.defender.governance import TYPE as GOVERNANCE
from defender_remediate.testing.simulator.defender.governance import render
from defender_remediate.testing.simulator.defender.routes import is_on, portal_link
from defender_remediate.testing.simulator.defender.scores import control_scores, overall
from defender_remediate.testing.simulator.defender.state import PRICINGS
from defender_remediate.testing.simulator.graph.rows import place_of, row
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant

ASSESSMENTS = "microsoft.security/assessments"


def security_rows(
    tenant: Tenant, subscriptions: frozenset[str], types: frozenset[str] | None
) -> Iterator[tuple[Any, ...]]:
    """Yields what Defender knows of the subscriptions where it is on."""
    subscriptions = frozenset(one for one in subscriptions if is_on(tenant, one))

    def is_wanted(name: str) -> bool:
        return types is None or name.lower() in types

    if is_wanted(ASSESSMENTS):
        for assessment in tenant.assessor.current():
            place = assessment.resource_id
            if fold(place_of(place)[1]) in subscriptions:
                name, make = assessment.definition.key, partial(assessment_properties, tenant, assessment)
                yield row(assessment.id, ASSESSMENTS, make, name=name, within=place)
    # A CVE belongs to no subscription.
    for identifier, kind, properties in tenant.exposure.rows(is_tenant_wide=True):
        subscription = ids.subscription_of(identifier)
        if not subscription or fold(subscription) in subscriptions:
            yield row(identifier, kind, partial(dict, properties))
    for subscription in sorted(subscriptions):
        scope = f"/subscriptions/{subscription}"
        for resource in tenant.store.resources(scope, PRICINGS):
            yield row(resource.id, PRICINGS, partial(_properties, resource))
        if is_wanted(_SCORES):
            score = overall(tenant, subscription)
            yield row(score["id"], _SCORES, partial(dict, score["properties"], environment="Azure"))
        if is_wanted(_CONTROLS):
            for control in control_scores(tenant, subscription, expand=True):
                yield row(control["id"], _CONTROLS, partial(dict, control["properties"]))
    for identifier, assigned in tenant.governance.values():
        if fold(ids.subscription_of(identifier)) in subscriptions:
            yield row(identifier, GOVERNANCE, partial(_governed, identifier, assigned))


def _properties(resource: Resource) -> Any:
    return resource.render()["properties"]


def _governed(identifier: str, assigned: Mapping[str, Any]) -> Any:
    return render(identifier, assigned)["properties"]


_SCORES, _CONTROLS = "Microsoft.Security/secureScores", "Microsoft.Security/secureScores/secureScoreControls"


def assessment_properties(tenant: Tenant, assessment: SimulatedAssessment) -> dict[str, Any]:
    """Returns an assessment as this table shows it: PascalCase details, metadata inside, a link without scheme."""
    details = {name[:1].upper() + name[1:]: item for name, item in assessment.details.items()}
    target = ids.path_of(assessment.resource_id)
    if details["Source"] == "Azure":
        details.setdefault("ResourceType", (target.types[-1] if target else "subscription").lower())
        details.setdefault("ResourceProvider", (target.namespace if target else "microsoft.resources").lower())
        details.setdefault("ResourceName", ids.segments(assessment.resource_id)[-1])
    elif "/securityEntityData/" in assessment.resource_id:
        details["AzureResourceId"] = assessment.resource_id
        details["ConnectorId"] = assessment.resource_id.partition("/securityEntityData/")[0]
    properties: dict[str, Any] = {
        "displayName": assessment.definition.metadata["displayName"],
        "resourceDetails": details,
        "status": assessment.render_status(tenant.clock),
        "links": {"azurePortal": portal_link(assessment)},
        "metadata": dict(assessment.definition.metadata),
        "additionalData": dict(assessment.additional),
    }
    if assessment.resource_data:
        properties["resourceAdditionalData"] = dict(assessment.resource_data)
    risk = assessment.render_risk()
    if risk is not None:
        properties["risk"] = risk
    return properties
