"""The tables of Resource Graph and the shape of their rows, which differs from the bodies of the REST APIs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from defender_remediate.testing.simulator.graph.kql.relation import Column, Deferred
from defender_remediate.testing.simulator.graph.kql.values import Kind, plain
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import TENANT_ID

_DYNAMIC = ("sku", "plan", "properties", "tags", "identity", "zones", "extendedLocation")
_NAMES = [
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
COLUMNS = (
    *(Column(name, Kind.DYNAMIC if name in _DYNAMIC else Kind.STRING) for name in _NAMES),
    Column("apiVersion", Kind.STRING, is_hidden=True),
)
"""The columns of every table. The last one is shown only to who asks for it."""
ID, NAME, TYPE, GROUP, SUBSCRIPTION, PROPERTIES = 0, 1, 2, 6, 7, 11
EMPTY = frozenset(
    [
        "advisorresources",
        "alertsmanagementresources",
        "appserviceresources",
        "awsresources",
        "azurebusinesscontinuityresources",
        "azuredevopsplatformresources",
        "batchresources",
        "capabilityresources",
        "capacityresources",
        "cdnresources",
        "chaosresources",
        "communitygalleryresources",
        "computeresources",
        "desktopvirtualizationresources",
        "dnsresources",
        "edgeorderresources",
        "elasticsanresources",
        "extendedlocationresources",
        "extensibilityresources",
        "featureresources",
        "guestconfigurationresources",
        "healthresourcechanges",
        "healthresources",
        "impactreportresources",
        "insightsresources",
        "iotsecurityresources",
        "kubernetesconfigurationresources",
        "kustoresources",
        "maintenanceresources",
        "managedserviceresources",
        "migrateresources",
        "networkresources",
        "orbitalresources",
        "patchassessmentresources",
        "patchinstallationresources",
        "quotaresources",
        "quotaresourcechanges",
        "recoveryservicesresources",
        "resourcecontainerchanges",
        "serviceappresources",
        "servicefabricresources",
        "servicehealthresources",
        "sportresources",
        "spotresources",
        "supportresources",
        "tagsresources",
        "virtualmachineresources",
        "workloadmonitorresources",
    ]
)
"""The tables that exist in Azure and whose resources are not simulated."""


def row(
    resource_id: str,
    type_name: str,
    properties: Deferred | Callable[[], Any],
    *,
    name: str | None = None,
    within: str | None = None,
    tops: Mapping[str, Any] | None = None,
) -> tuple[Any, ...]:
    """Returns the row of a resource. Its properties are made when they are read.

    Args:
        resource_id: Its id.
        type_name: Its type.
        properties: Its properties, or what makes them.
        name: Its name, where that is not the end of its id.
        within: The id of the resource that it is about; its own id by default.
        tops: Its members besides these, such as ``location``, ``sku`` and ``tags``.
    """
    found = tops or {}
    group, subscription = place_of(within or resource_id)
    return (
        resource_id,
        ids.segments(resource_id)[-1] if name is None else name,
        type_name.lower(),
        TENANT_ID,
        found.get("kind") or "",
        found.get("location") or "",
        group,
        subscription,
        found.get("managedBy") or "",
        _later(found.get("sku")),
        _later(found.get("plan")),
        properties if isinstance(properties, Deferred) else Deferred(lambda: plain(properties())),
        _later(found.get("tags")),
        _later(found.get("identity")),
        _later(found.get("zones")),
        _later(found.get("extendedLocation")),
        found.get("apiVersion") or "",
    )


@lru_cache(maxsize=20_000)
def place_of(resource_id: str) -> tuple[str, str]:
    """Returns the resource group in lower case and the subscription of an id; empty where it has none."""
    return ids.group_of(resource_id).lower(), ids.subscription_of(resource_id)


def _later(value: Any) -> Any:
    return None if value is None else Deferred(lambda: plain(value))
