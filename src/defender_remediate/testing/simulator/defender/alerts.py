"""Security alerts: how they are raised, which rules suppress them, and what states they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.policy.exemptions import instant
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType

ALERTS = "Microsoft.Security/locations/alerts"
RULES = "Microsoft.Security/alertsSuppressionRules"
ACTIVE, IN_PROGRESS, RESOLVED, DISMISSED = "Active", "InProgress", "Resolved", "Dismissed"
SEVERITIES = ("Informational", "Low", "Medium", "High")
STATE_ACTIONS: Mapping[str, str] = {
    "activate": ACTIVE,
    "inProgress": IN_PROGRESS,
    "resolve": RESOLVED,
    "dismiss": DISMISSED,
}
"""The state that each action sets."""
BUNDLES: Mapping[str, str] = {
    "AppServices": "Microsoft.Web/sites",
    "DNS": "Microsoft.Compute/virtualMachines",
    "KeyVaults": "Microsoft.KeyVault/vaults",
    "KubernetesService": "Microsoft.ContainerService/managedClusters",
    "ResourceManager": "",
    "SqlServers": "Microsoft.Sql/servers",
    "StorageAccounts": "Microsoft.Storage/storageAccounts",
    "VirtualMachines": "Microsoft.Compute/virtualMachines",
    "CosmosDbs": "Microsoft.DocumentDB/databaseAccounts",
}
"""The type of resource that the sample alerts of a bundle are about; empty for the subscription."""
_DEFAULT_LOCATION = "westeurope"


def alert_type(tenant: Tenant) -> ResourceType:
    """Returns the type of alerts."""
    found = tenant.types.get(ALERTS)
    assert found is not None  # it is shipped
    return found


def raise_alert(
    tenant: Tenant,
    resource_id: str,
    *,
    name: str | None = None,
    location: str | None = None,
    properties: Mapping[str, Any],
) -> Resource:
    """Raises an alert about a resource or a subscription. A suppression rule that matches it dismisses it at once.

    Args:
        tenant: Where.
        resource_id: What it is about. The alert is in its resource group, or in its subscription.
        name: The name of the alert; None for a new one.
        location: Where Defender keeps it; None for the location of the resource.
        properties: Its properties; what they lack is filled in.
    """
    subject = tenant.store.find(resource_id)
    place = location or str(subject.body.get("location") if subject else "") or _DEFAULT_LOCATION
    scope = f"/subscriptions/{ids.subscription_of(resource_id)}"
    if ids.group_of(resource_id):
        scope += f"/resourceGroups/{ids.group_of(resource_id)}"
    name = name or tenant.new_id()
    alert_id = f"{scope}/providers/Microsoft.Security/locations/{place}/alerts/{name}"
    body = _complete(tenant, alert_id, resource_id, properties)
    if body["status"] == ACTIVE and any(_suppresses(tenant, rule, body) for rule in _rules(tenant, scope)):
        body["status"] = DISMISSED
    return tenant.store.write(alert_id, alert_type(tenant), {"properties": body})


def _complete(tenant: Tenant, alert_id: str, resource_id: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    now, name = tenant.clock.timestamp(), ids.segments(alert_id)[-1]
    return {
        "version": "2022-01-01.0",
        "alertType": "SIMULATED_Alert",
        "systemAlertId": name,
        "productComponentName": None,
        "alertDisplayName": "Simulated alert",
        "description": "",
        "severity": "Medium",
        "intent": "Unknown",
        "startTimeUtc": now,
        "endTimeUtc": now,
        "resourceIdentifiers": [{"type": "AzureResource", "azureResourceId": resource_id}],
        "remediationSteps": [],
        "vendorName": "Microsoft",
        "status": ACTIVE,
        "extendedLinks": [],
        "alertUri": f"https://portal.azure.com/#blade/Microsoft_Azure_Security/AlertBlade/alertId/{name}",
        "timeGeneratedUtc": now,
        "productName": "Microsoft Defender for Cloud",
        "processingEndTimeUtc": now,
        "entities": [],
        "isIncident": False,
        "correlationKey": None,
        "extendedProperties": {},
        "compromisedEntity": ids.segments(resource_id)[-1],
        "techniques": [],
        "subTechniques": [],
        **properties,
    }


def _rules(tenant: Tenant, scope: str) -> Iterator[Mapping[str, Any]]:
    for rule in tenant.store.resources(f"/subscriptions/{ids.subscription_of(scope)}", RULES):
        yield rule.body["properties"]


def rule_state(tenant: Tenant, properties: Mapping[str, Any]) -> str:
    """Returns the state of a suppression rule now: one whose time has passed is ``Expired``."""
    expires = instant(properties.get("expirationDateUtc"))
    if expires is not None and expires <= tenant.clock.now():
        return "Expired"
    return str(properties.get("state", "Enabled"))


def _suppresses(tenant: Tenant, rule: Mapping[str, Any], alert: Mapping[str, Any]) -> bool:
    """Whether a rule that is in force is about an alert: its type, and every element of its scope."""
    if rule_state(tenant, rule) != "Enabled":
        return False
    if rule["alertType"] not in ("*", alert["alertType"]):
        return False
    elements = (rule.get("suppressionAlertsScope") or {}).get("allOf") or []
    return all(_matches(element, alert) for element in elements)


def _matches(element: Mapping[str, Any], alert: Mapping[str, Any]) -> bool:
    """Whether an element of a scope, such as ``entities.ip.address`` with ``in`` or ``contains``, is met by an alert."""
    values = [fold(value) for value in _entity_values(str(element.get("field", "")), alert.get("entities") or [])]
    if "in" in element:
        wanted = {fold(str(one)) for one in element["in"]}
        return any(value in wanted for value in values)
    part = fold(str(element.get("contains", "")))
    return bool(part) and any(part in value for value in values)


def _entity_values(field: str, entities: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    head, _, rest = field.partition(".")
    kind, _, path = rest.partition(".")
    if fold(head) != "entities":
        return
    for entity in entities:
        if fold(str(entity.get("type", ""))) != fold(kind):
            continue
        value: Any = entity
        for name in path.split("."):
            folded = {fold(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}
            value = folded.get(fold(name))
        if value is not None:
            yield str(value)


def set_state(tenant: Tenant, alert: Resource, state: str) -> None:
    """Changes the state of an alert."""
    body = {**alert.body, "properties": {**alert.body["properties"], "status": state}}
    tenant.store.write(alert.id, alert.type, body)


def simulate(tenant: Tenant, subscription: str, location: str, bundles: Sequence[str]) -> None:
    """Raises the sample alerts of some bundles: one each, about the first resource of the bundle's type or the subscription."""
    scope = f"/subscriptions/{subscription}"
    for bundle in bundles:
        kind = BUNDLES[bundle]
        found = next(tenant.store.resources(scope, kind), None) if kind else None
        raise_alert(
            tenant,
            found.id if found else scope,
            location=location,
            properties={
                "alertType": f"SIMULATED_{bundle}",
                "alertDisplayName": f"[SAMPLE ALERT] Suspicious activity ({bundle})",
                "description": "THIS IS A SAMPLE ALERT: the simulator made it up.",
                "severity": "High",
                "extendedProperties": {"isSample": "true", "bundle": bundle},
            },
        )
