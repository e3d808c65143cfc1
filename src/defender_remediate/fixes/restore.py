"""Going back: what of a change can be undone, when somebody else may have touched the target since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.fixes.conditions import same
from defender_remediate.fixes.merge import NO_IDENTITY
from defender_remediate.fixes.paths import assign, join, look_up, member, split
from defender_remediate.json_values import ABSENT
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import PropertyChange

GONE = Condition(operator=Operator.EXISTS, path="", value=False)
"""The condition that proves a removal: the target does not exist."""

_IDENTITY = frozenset({"id", "name", "type"})
# The provider gives an identity these when it comes, and other ones when it comes again.
_GIVEN = frozenset({"principalid", "tenantid"})
# Removing one of these removes whatever anybody put into it.
_NEVER_REMOVED = "microsoft.resources/"


@attrs.frozen(kw_only=True)
class Restoration:
    """What undoing some changes comes to.

    Attributes:
        body: The target with everything put back that can be.
        restored: The paths that this puts back.
        preserved: The paths that somebody else changed since; they stay as they are.
    """

    body: Any = attrs.field(repr=False)
    restored: tuple[str, ...] = ()
    preserved: tuple[str, ...] = ()


def restoration(changes: Iterable[PropertyChange], current: Any) -> Restoration:
    """Compare three ways: as it was, as the change left it, as it is now.

    A member that is as the change left it goes back to what it was: also to being absent, which is not null. One that
    is as it was already needs nothing. Any other was changed by a third party, and is never overwritten.
    """
    found = Restoration(body=current)
    for change in changes:
        found = _undone(found, change)
    return found


def _undone(found: Restoration, change: PropertyChange) -> Restoration:
    now = _told(change.path, look_up(found.body, change.path))
    before, after = _told(change.path, change.before), _told(change.path, change.after)
    if _equal(now, before):
        return found
    # Providers show a member that was taken out as null or not at all.
    is_ours = _equal(now, after) or (now is None and after is ABSENT)
    if is_ours and _has_room(found.body, change.path):
        body = assign(found.body, change.path, change.before if before is ABSENT else before)
        return attrs.evolve(found, body=body, restored=(*found.restored, change.path))
    if isinstance(now, Mapping) and isinstance(after, Mapping) and before in (ABSENT, None):
        # Somebody added to an object that the change had brought: what came with it goes, what was added stays.
        for part in _members(change, now):
            found = _undone(found, part)
        return found
    return attrs.evolve(found, preserved=(*found.preserved, change.path))


def _told(path: str, value: Any) -> Any:
    """A value without what says nothing of who changed it: an identity is its type and what was assigned to it."""
    if fold(path) == "identity.type" and isinstance(value, str) and same(value, NO_IDENTITY):
        return ABSENT
    if fold(path) != "identity" or not isinstance(value, Mapping):
        return value
    own = {name: item for name, item in value.items() if fold(name) not in _GIVEN}
    return ABSENT if same(own.get(member(own, "type"), NO_IDENTITY), NO_IDENTITY) and len(own) < 2 else own


def _has_room(body: Any, path: str) -> bool:
    # A member that is missing because the object around it is gone, or is none any more, was changed by somebody.
    *outer, _ = split(path)
    return isinstance(look_up(body, join(outer)), Mapping)


def _members(change: PropertyChange, now: Mapping[str, Any]) -> Iterable[PropertyChange]:
    for name, value in change.after.items():
        yield PropertyChange(path=join((*split(change.path), member(now, name))), after=value)


def _equal(left: Any, right: Any) -> bool:
    if left is ABSENT or right is ABSENT:
        return left is right
    return same(left, right)


def is_restored(body: Any, paths: Iterable[str]) -> Condition:
    """The condition that proves a restoration: each path has the value that it has in the restored body."""
    parts = tuple(_as(path, look_up(body, path)) for path in paths)
    return parts[0] if len(parts) == 1 else Condition(operator=Operator.ALL, of=parts)


def _as(path: str, value: Any) -> Condition:
    if fold(path) == "identity":
        return _as(f"{path}.type", look_up(value, "type"))
    if _told(path, value) not in (ABSENT, None):
        return Condition(operator=Operator.EQUALS, path=path, value=value)
    gone = Condition(operator=Operator.EXISTS, path=path, value=False)
    if fold(path) != "identity.type":
        return gone
    return Condition(
        operator=Operator.ANY, of=(gone, Condition(operator=Operator.EQUALS, path=path, value=NO_IDENTITY))
    )


def what_goes(body: Any) -> tuple[PropertyChange, ...]:
    """Every member of a resource that is removed, for people to read; who it is stands in its id already."""
    members = body.items() if isinstance(body, Mapping) else ()
    told = ((name, value) for name, value in members if name not in _IDENTITY and value is not None)
    return tuple(PropertyChange(path=join((name,)), before=value) for name, value in told)


def may_be_removed(resource_id: str) -> bool:
    """Whether a resource that a run created is one that a rollback may remove: never a group or a subscription."""
    try:
        kind = ResourceId.parse(resource_id).type
    except InvalidResourceIdError:
        return False
    return not fold(kind).startswith(_NEVER_REMOVED)
