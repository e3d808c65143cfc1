"""Which members of a resource no request can set, and which ones Azure changes by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.catalog.type_facts import (
    ANY_NAME,
    ANYTHING,
    ELEMENT,
    READ_ONLY,
    facts_of,
    has_own_facts,
    inner,
)
from defender_remediate.fixes.paths import EACH, join, pattern
from defender_remediate.json_values import ABSENT

_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")

_OF_SITES = tuple(
    f"properties.{name}"
    for name in (
        "adminEnabled",
        "afdEnabled",
        "buildVersion",
        "cers",
        "contentAvailabilityState",
        "csrs",
        "deploymentId",
        "domainVerificationIdentifiers",
        "eligibleLogCategories",
        "ftpUsername",
        "ftpsHostName",
        "functionExecutionUnitsCache",
        "geoDistributions",
        "homeStamp",
        "hostNameSslStates[*].ipBasedSslResult",
        "hostNameSslStates[*].ipBasedSslState",
        "hostNameSslStates[*].toUpdateIpBasedSsl",
        "hostNameSslStates[*].virtualIPv6",
        "hostingEnvironment",
        "hostingEnvironmentId",
        "inFlightFeatures",
        "inboundIpAddress",
        "kind",
        "migrationState",
        "name",
        "owner",
        "possibleInboundIpAddresses",
        "privateEndpointConnections",
        "privateLinkIdentifiers",
        "runtimeAvailabilityState",
        "selfLink",
        "serverFarm",
        "siteDisabledReason",
        "siteMode",
        # The runtime version once more, which would contradict the site configuration.
        "siteProperties",
        "slotName",
        "sslCertificates",
        "storageRecoveryDefaultState",
        # The tags once more.
        "tags",
        "targetBuildVersion",
        "webSpace",
    )
)

SET_BY_AZURE: Mapping[str, tuple[str, ...]] = {
    # Read-only until the api-version 2025-10-01. Later versions take it to roll a pool back to an earlier image, so that
    # sending back what was read a moment before could undo an upgrade (azure-rest-api-specs#10294, #37229,
    # azure-cli-extensions#9736).
    "microsoft.containerservice/managedclusters": ("properties.agentPoolProfiles[*].nodeImageVersion",),
    # Recorded bodies show these; the packages do not know them, and no request sets them.
    "microsoft.web/sites": _OF_SITES,
    "microsoft.web/sites/slots": _OF_SITES,
    "microsoft.network/virtualnetworkgateways": (
        "properties.packetCaptureDiagnosticState",
        "properties.vpnClientConfiguration.vpnClientConnectionHealth",
    ),
    "microsoft.keyvault/managedhsms": ("properties.purgeDateTimeUtc",),
    "microsoft.servicebus/namespaces": ("properties.geoDataReplication.locations[*].replicaState",),
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


def unsettable_members(resource_type: str, name: str = "") -> tuple[str, ...]:
    """The members that no person changed when they change: the read-only ones, and those that Azure changes by itself.

    Args:
        resource_type: The type of the resource. Nothing is known to be read-only of a type without schema facts.
        name: Its name, for the types whose members depend on it, such as ``Microsoft.Web/sites/config``.

    Returns:
        Their paths, with ``[*]`` for each element of an array or member of an object.
    """
    return (*read_only_members(resource_type, name), *MOVED_BY_AZURE.get(fold(resource_type), ()))


def read_only_members(resource_type: str, name: str = "") -> tuple[str, ...]:
    """The members that no request sets, as paths like those of ``unsettable_members``. No PUT carries them."""
    # Few types have a resource whose name matters, and there may be thousands of names.
    return _read_only_of(resource_type, name if has_own_facts(resource_type, name) else "")


@cache
def _read_only_of(resource_type: str, name: str) -> tuple[str, ...]:
    facts = facts_of(resource_type, name)
    marked = () if facts is None else tuple(_read_only(facts.members, ()))
    return (*marked, *SET_BY_AZURE.get(fold(resource_type), ()))


def unknown_counters(body: Any, resource_type: str, name: str = "") -> tuple[str, ...]:
    """The members of a body that hold a number or a time, and that the schema facts of its type do not know.

    No client of Azure sets them, because none knows them; Azure counts something there. Of a type without facts nothing is
    known. A member of another kind may be a setting that is newer than the facts, so it counts as one.

    Returns:
        Their paths, as ``unsettable_members`` gives them.
    """
    facts = facts_of(resource_type, name)
    return () if facts is None else tuple(dict.fromkeys(_unknown_counters(body, facts.members, ())))


def is_unknown_member(path: str, resource_type: str, name: str = "") -> bool:
    """Whether the schema facts of a type do not know the member at a path; False for a type without facts.

    Raises:
        ValueError: The text is not a path.
    """
    facts = facts_of(resource_type, name)
    shape: Any = ANYTHING if facts is None else facts.members
    for part in pattern(path):
        shape = _inner(shape, ELEMENT if part == EACH else str(part))
    return shape is ABSENT


def _unknown_counters(value: Any, shape: Any, at: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, Mapping):
        has_free_names = isinstance(shape, Mapping) and ANY_NAME in shape
        for key, item in value.items():
            yield from _unknown_counters(item, _inner(shape, key), (*at, EACH if has_free_names else key))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _unknown_counters(item, _inner(shape, ELEMENT), (*at, EACH))
    elif shape is ABSENT and _is_count_or_time(value):
        yield _text(at)


def _is_count_or_time(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number or (isinstance(value, str) and _TIME.fullmatch(value) is not None)


def _inner(shape: Any, part: str) -> Any:
    """Below what is not known nothing is known either; an array or object where another kind is known is not known."""
    if isinstance(shape, Mapping) and ANY_NAME in shape and part == ELEMENT:
        return shape[ANY_NAME]
    return ABSENT if shape is ABSENT else inner(shape, part)


def _text(parts: tuple[str, ...]) -> str:
    return "".join(part if part == EACH else f".{join((part,))}" for part in parts).removeprefix(".")


def _read_only(shape: Any, at: tuple[str, ...]) -> Iterator[str]:
    if isinstance(shape, str) and shape.startswith(READ_ONLY):
        yield _text(at)
    elif isinstance(shape, Mapping):
        for name, below in shape.items():
            yield from _read_only(below, (*at, EACH if name in (ELEMENT, ANY_NAME) else name))
