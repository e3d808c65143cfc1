"""Which members of a resource no request can set, and which ones Azure changes by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.catalog.type_facts import ANY_NAME, ELEMENT, READ_ONLY, facts_of
from defender_remediate.fixes.paths import EACH, join

SET_BY_AZURE: Mapping[str, tuple[str, ...]] = {
    # Read-only until the api-version 2025-10-01. Later versions take it to roll a pool back to an earlier image, so that
    # sending back what was read a moment before could undo an upgrade (azure-rest-api-specs#10294, #37229,
    # azure-cli-extensions#9736).
    "microsoft.containerservice/managedclusters": ("properties.agentPoolProfiles[*].nodeImageVersion",),
    # Recorded bodies show these; the packages do not know them, and no request sets them.
    "microsoft.operationalinsights/workspaces": ("properties.sku.lastSkuUpdate",),
    "microsoft.storage/storageaccounts": ("properties.lastKeyRotationTimestamp",),
}
"""Members by resource type, in lower case, that only Azure sets although the packages do not mark them as read-only."""

MOVED_BY_AZURE: Mapping[str, tuple[str, ...]] = {
    # The cluster autoscaler sets the node count (learn.microsoft.com/azure/aks/cluster-autoscaler).
    "microsoft.containerservice/managedclusters": ("properties.agentPoolProfiles[?enableAutoScaling].count",),
    # Autoscale sets the capacity (learn.microsoft.com/azure/azure-monitor/autoscale/autoscale-overview).
    "microsoft.compute/virtualmachinescalesets": ("sku.capacity",),
    # Auto-inflate raises the throughput units (learn.microsoft.com/azure/event-hubs/event-hubs-auto-inflate).
    "microsoft.eventhub/namespaces": ("sku.capacity",),
    # Access that was requested and that expires (Defender for Servers, just-in-time access).
    "microsoft.security/locations/jitnetworkaccesspolicies": ("properties.requests",),
}
"""Members by resource type, in lower case, that a request can set and that Azure changes by itself. A PUT sends them back."""


@cache
def unsettable_members(resource_type: str, name: str = "") -> tuple[str, ...]:
    """The members that no person changed when they change: the read-only ones, and those that Azure changes by itself.

    Args:
        resource_type: The type of the resource. Nothing is known to be read-only of a type without schema facts.
        name: Its name, for the types whose members depend on it, such as ``Microsoft.Web/sites/config``.

    Returns:
        Their paths, with ``[*]`` for each element of an array or member of an object.
    """
    return (*read_only_members(resource_type, name), *MOVED_BY_AZURE.get(fold(resource_type), ()))


@cache
def read_only_members(resource_type: str, name: str = "") -> tuple[str, ...]:
    """The members that no request sets, as paths like those of ``unsettable_members``. No PUT carries them."""
    facts = facts_of(resource_type, name)
    marked = () if facts is None else tuple(_read_only(facts.members, ()))
    return (*marked, *SET_BY_AZURE.get(fold(resource_type), ()))


def _read_only(shape: Any, at: tuple[str, ...]) -> Iterator[str]:
    if isinstance(shape, str) and shape.startswith(READ_ONLY):
        yield "".join(part if part == EACH else f".{join((part,))}" for part in at).removeprefix(".")
    elif isinstance(shape, Mapping):
        for name, inner in shape.items():
            yield from _read_only(inner, (*at, EACH if name in (ELEMENT, ANY_NAME) else name))
