"""The tables of Resource Graph, whose rows differ from the bodies of the REST APIs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.defender.assessments import SimulatedAssessment
from defender_remediate.testing.simulator.defender.routes import is_on, portal_link
from defender_remediate.testing.simulator.defender.scores import control_scores, overall
from defender_remediate.testing.simulator.defender.state import PRICINGS
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import DELETED, TENANT_ID
from defender_remediate.testing.simulator.state.tenant import Tenant

COLUMNS = frozenset(
    [
        "id",
        "name",
        "type",
        "tenantId",
        "kind",
        "location",
        "resourceGroup",
        "subscriptionId",
        "managedBy",
        "sku",
        "plan",
        "properties",
        "tags",
        "identity",
        "zones",
        "extendedLocation",
    ]
)
TABLES = ("resources", "resourcechanges", "securityresources")


def rows(
    tenant: Tenant, table: str, subscriptions: frozenset[str], *, is_tenant_wide: bool = False
) -> list[dict[str, Any]]:
    """Returns the rows of a table in these subscriptions that the caller may read.

    Args:
        tenant: The tenant.
        table: The table.
        subscriptions: The subscriptions of the query.
        is_tenant_wide: Whether the query is at management group or tenant scope, where rows of no subscription are shown.
    """
    every = tenant.store.subscriptions
    subscriptions = frozenset(s for s in subscriptions if every[s].state != DELETED)
    if table == "resourcechanges":
        return [*_changes(tenant, subscriptions)]
    if table == "resources":
        found = _resources(tenant)
    else:
        subscriptions = frozenset(s for s in subscriptions if is_on(tenant, s))
        found = _security(tenant, subscriptions, is_tenant_wide=is_tenant_wide)
        subscriptions |= {""}
    shown = [row for row in found if fold(str(row["subscriptionId"])) in subscriptions]
    if tenant.access.unlimited:
        return shown
    return [row for row in shown if tenant.access.may_look(f"{row['type']}/read", row["id"])]


def _row(resource_id: str, name: str, type_name: str, properties: Any, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(sorted(COLUMNS))
    row.update(
        id=resource_id,
        name=name,
        type=type_name.lower(),
        tenantId=TENANT_ID,
        kind="",
        location="",
        resourceGroup=ids.group_of(resource_id).lower(),
        subscriptionId=ids.subscription_of(resource_id),
        managedBy="",
        properties=properties,
    )
    row.update({name: item for name, item in more.items() if item is not None})
    return row


def _resources(tenant: Tenant) -> Iterator[dict[str, Any]]:
    for resource in tenant.store.resources():
        if resource.type.tracked and ids.group_of(resource.id):
            shown = resource.render()
            more = {name: shown.get(name) for name in ("kind", "location", "sku", "plan", "tags", "identity", "zones")}
            yield _row(resource.id, resource.name, resource.type.name, shown["properties"], **more)


def _changes(tenant: Tenant, subscriptions: frozenset[str]) -> Iterator[dict[str, Any]]:
    for record in tenant.changes.visible():
        if fold(ids.subscription_of(record.target_id)) not in subscriptions:
            continue
        if not tenant.access.unlimited and not tenant.access.may_look(f"{record.target_type}/read", record.target_id):
            continue
        row_id = f"{record.target_id}/providers/Microsoft.Resources/changes/{record.id}"
        yield _row(row_id, record.id, "microsoft.resources/changes", tenant.changes.render(record))


def _security(tenant: Tenant, subscriptions: frozenset[str], *, is_tenant_wide: bool) -> Iterator[dict[str, Any]]:
    for assessment in tenant.assessor.current():
        name = assessment.definition.key
        yield _row(assessment.id, name, "microsoft.security/assessments", assessment_properties(tenant, assessment))
    for identifier, kind, properties in tenant.exposure.rows(is_tenant_wide=is_tenant_wide):
        yield _row(identifier, ids.segments(identifier)[-1], kind, dict(properties))
    for resource in tenant.store.resources():
        if resource.type.name == PRICINGS:
            yield _row(resource.id, resource.name, PRICINGS, resource.render()["properties"])
    for subscription in tenant.store.subscriptions:
        if subscription not in subscriptions:
            continue
        score = overall(tenant, subscription)
        properties = {**score["properties"], "environment": "Azure"}
        yield _row(score["id"], score["name"], score["type"], properties)
        for control in control_scores(tenant, subscription, expand=True):
            yield _row(control["id"], control["name"], control["type"], control["properties"])


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
