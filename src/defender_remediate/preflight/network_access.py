"""Changes that would cut off what is in use: a door shut while there is no other, storage that functions run on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.fixes.conditions import same
from defender_remediate.fixes.paths import look_up
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.preflight.subject import Subject

STORAGE = "microsoft.storage/storageaccounts"
_ENDPOINTS = "privateEndpointConnections"
_UNSHOWN = frozenset({"microsoft.datafactory/factories"})
"""Types that keep their private endpoints out of their own body."""
_OTHER_WAYS = dict.fromkeys(("microsoft.compute/disks", "microsoft.compute/snapshots"), ("diskAccessId",))
"""Types that are reached another way than through a private endpoint of their own, and the members that name it."""


@attrs.frozen(kw_only=True)
class Door:
    """A member whose value lets the network in or keeps it out.

    Attributes:
        member: Its name, in lower case.
        inside: The names of the object around it, in lower case; empty for any.
        shut: The values that keep everybody out who does not come another way.
        other_ways: The members of which one that is not empty is another way in.
        rules: The members beside it that let somebody in all the same.
        why: What happens without another way.
    """

    member: str
    shut: tuple[Any, ...]
    other_ways: tuple[str, ...]
    inside: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    why: str


DOORS = (
    Door(
        member="publicnetworkaccess",
        shut=("Disabled", False),
        other_ways=(_ENDPOINTS,),
        why="only private endpoints get in then, whatever firewall rules there are, and none is approved",
    ),
    Door(
        member="publicnetworkaccessforingestion",
        shut=("Disabled",),
        other_ways=("privateLinkScopedResources",),
        why="only a private link scope gets telemetry in then, and there is none",
    ),
    Door(
        member="publicnetworkaccessforquery",
        shut=("Disabled",),
        other_ways=("privateLinkScopedResources",),
        why="only a private link scope can query then, and there is none",
    ),
    Door(
        member="defaultaction",
        # In "properties" itself where the rules are a child of their own, as with Event Hubs and Service Bus.
        inside=("networkacls", "networkruleset", "networkrulesets", "accountaccess", "properties"),
        shut=("Deny",),
        other_ways=(_ENDPOINTS,),
        rules=("ipRules", "virtualNetworkRules", "resourceAccessRules", "ipSecurityRules"),
        why="no address and no network is let in, and no private endpoint is approved",
    ),
)
"""The doors of every type: Azure gives them the same names everywhere."""

FUNCTION_CONTAINERS = {
    "azure-webjobs-hosts": "the leases and listener state of a Functions host",
    "azure-webjobs-secrets": "the access keys of a function app",
}
"""Blob containers that the Functions runtime makes in the account it lives on, and what is in them."""


def judge(subject: Subject) -> tuple[CheckResult, ...]:
    """Whether a step shuts the last door of its target, as far as can be seen."""
    return tuple(
        _finding(subject, f"{path} becomes {after!r}", door)
        for path, after, door, around in _shut(subject)
        if not _has_another_way(subject, door) and not any(wire.pick(around, rule) for rule in door.rules)
    )


def _finding(subject: Subject, what: str, door: Door) -> CheckResult:
    ways = _ways(subject, door)
    if not _are_shown(subject):
        return CheckResult(
            check=CheckName.PRIVATE_ENDPOINT,
            status=CheckStatus.UNCHECKED,
            message=f"{what}, and what was read does not show whether there is another way in",
            evidence=tuple(f"{name}: not shown" for name in ways),
            advice='see that a private endpoint is approved; pass waive={"private_endpoint": "why"} then',
        )
    return CheckResult(
        check=CheckName.PRIVATE_ENDPOINT,
        status=CheckStatus.BLOCKED,
        message=f"{what}: {door.why}",
        evidence=tuple(f"{name}: none" for name in (*ways, *door.rules)),
        advice="first make a private endpoint and have it approved, or add rules for those who need to get in",
    )


def _ways(subject: Subject, door: Door) -> tuple[str, ...]:
    return _OTHER_WAYS.get(fold(subject.target_type), door.other_ways)


def _are_shown(subject: Subject) -> bool:
    """Whether what is another way in can be seen: it is in the body of the resource, and not in that of a child."""
    is_child = fold(subject.step.target_id) != fold(subject.written_id)
    is_read = subject.resource is not None or not is_child
    return is_read and fold(subject.target_type) not in _UNSHOWN


def cuts_off_functions(subject: Subject) -> bool:
    """Whether a step shuts the network or the shared keys of a storage account, both of which a function app may use."""
    if fold(subject.target_type) != STORAGE or not isinstance(subject.after, Mapping):
        return False
    key = "properties.allowSharedKeyAccess"
    loses_keys = look_up(subject.after, key) is False and look_up(subject.before, key) is not False
    return loses_keys or any(_shut(subject))


def can_hold_functions(subject: Subject) -> bool:
    """Whether a storage account has blobs at all: premium file shares have none."""
    return fold(wire.text(subject.before, "kind")) != "filestorage"


def judge_containers(names: Iterable[str]) -> tuple[CheckResult, ...]:
    """What the blob containers of a storage account say about function apps on it, when the step cuts them off."""
    seen = sorted(name for name in names if fold(name) in FUNCTION_CONTAINERS)
    if not seen:
        return ()
    return (
        CheckResult(
            check=CheckName.FUNCTION_APP,
            status=CheckStatus.BLOCKED,
            message="a function app lives on this storage account, and does not start without it",
            evidence=tuple(f"container {name}: {FUNCTION_CONTAINERS[fold(name)]}" for name in seen),
            advice="first connect the app through a private endpoint, and with its identity in place of a key",
        ),
    )


def _shut(subject: Subject) -> Iterator[tuple[str, Any, Door, Any]]:
    """The doors that a step shuts: path, new value, door, and the object around it."""
    if not isinstance(subject.after, Mapping):
        return
    for path, name, around, inside in _members(subject.after):
        value = around[name]
        for door in DOORS:
            is_door = door.member == fold(name) and (not door.inside or fold(inside) in door.inside)
            if is_door and _is_shut(door, value) and not _is_shut(door, look_up(subject.before, path)):
                yield path, value, door, around


def _is_shut(door: Door, value: Any) -> bool:
    return any(same(value, shut) for shut in door.shut)


def _members(body: Mapping[str, Any], path: str = "", inside: str = "") -> Iterator[tuple[str, str, Any, str]]:
    for name, value in body.items():
        if not name.isidentifier():
            continue
        yield f"{path}{name}", name, body, inside
        if isinstance(value, Mapping):
            yield from _members(value, f"{path}{name}.", name)


def _has_another_way(subject: Subject, door: Door) -> bool:
    return any(
        name != _ENDPOINTS or _is_approved(item)
        for body in (subject.before, subject.written_body)
        for name in _ways(subject, door)
        for item in _listed(wire.pick(wire.pick(body, "properties"), name))
    )


def _listed(found: Any) -> Iterable[Any]:
    if isinstance(found, str) and found:
        return (found,)
    return found if isinstance(found, (list, tuple)) else ()


def _is_approved(connection: Any) -> bool:
    state = wire.pick(wire.pick(connection, "properties"), "privateLinkServiceConnectionState")
    return fold(wire.text(state, "status")) == "approved"
