"""Restoring what a change replaced, when someone else may have changed the target since."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.fixes.conditions import same
from defender_remediate.fixes.merge import NO_IDENTITY, without
from defender_remediate.fixes.paths import assign, is_below, join, look_up, member, split
from defender_remediate.json_values import ABSENT
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.step import PropertyChange

GONE = Condition(operator=Operator.EXISTS, path="", value=False)
"""The condition that proves a removal: the target does not exist."""

_IDENTITY = frozenset({"id", "name", "type"})
# The provider gives a new identity new ones.
_GIVEN = frozenset({"principalid", "tenantid"})
# Removing one of these removes everything that others put into it.
_NEVER_REMOVED = "microsoft.resources/"


@attrs.frozen(kw_only=True)
class Restoration:
    """What undoing some changes results in.

    Attributes:
        body: The target with everything restored that can be.
        restored: The paths that this restores.
        preserved: The paths that someone else changed since; they stay as they are.
    """

    body: Any = attrs.field(repr=False)
    restored: tuple[str, ...] = ()
    preserved: tuple[str, ...] = ()


class _Owner(Enum):
    """Who made a member what it is now, compared three ways: as it was, as the change left it, as it is now."""

    SAME = "it is as it was, so there is nothing to do"
    OURS = "it is as the change left it"
    THEIRS = "someone else changed it since"


def restoration(
    changes: Iterable[PropertyChange],
    current: Any,
    *,
    values: Mapping[str, Any] | None = None,
    read_only: Collection[str] = (),
) -> Restoration:
    """Undo changes in a resource as it is now, and overwrite nothing that someone else changed since.

    Args:
        changes: The changes to undo. A member that was absent becomes absent again, which is not null.
        current: The resource as it is now.
        values: What stands for "absent" where Azure does not remove a member, by its path in lower case.
        read_only: The members that no request sets. They do not tell who changed what is around them.
    """
    body = current
    restored: list[str] = []
    preserved: list[str] = []
    pending = deque(changes)
    while pending:
        change = pending.popleft()
        own = [one for one in read_only if is_below(one, change.path)]
        now, after = (_compared(change.path, one, own) for one in (look_up(body, change.path), change.after))
        wanted = (values or {}).get(fold(change.path), change.before)
        owner = _owner(body, change, wanted, own)
        if owner is _Owner.OURS:
            cleaned = _compared(change.path, wanted, own)
            body = assign(body, change.path, wanted if cleaned is ABSENT else cleaned)
            restored.append(change.path)
        elif (
            owner is _Owner.THEIRS
            and _is_nothing(change.before)
            and isinstance(now, Mapping)
            and isinstance(after, Mapping)
        ):
            # Something was added to an object that the change had created: the change's own members go, the others stay.
            for name, value in reversed(list(change.after.items())):
                path = join((*split(change.path), member(now, name)))
                pending.appendleft(PropertyChange(path=path, after=value))
        elif owner is _Owner.THEIRS:
            preserved.append(change.path)
    return Restoration(body=body, restored=tuple(restored), preserved=tuple(preserved))


def _owner(body: Any, change: PropertyChange, wanted: Any, read_only: Collection[str]) -> _Owner:
    now, before, after, target = (
        _compared(change.path, value, read_only)
        for value in (look_up(body, change.path), change.before, change.after, wanted)
    )
    was_absent_and_is = wanted is not change.before and _is_nothing(now)
    if _equal(now, before) or _equal(now, target) or was_absent_and_is:
        return _Owner.SAME
    # Providers show a member that was removed as null or not at all.
    is_ours = _equal(now, after) or (now is None and after is ABSENT)
    *outer, _ = split(change.path)
    # A member that is missing because the object around it is gone was changed by someone else.
    has_place = isinstance(look_up(body, join(outer)), Mapping)
    return _Owner.OURS if is_ours and has_place else _Owner.THEIRS


def _is_nothing(value: Any) -> bool:
    return value is ABSENT or value is None


def _compared(path: str, value: Any, read_only: Collection[str] = ()) -> Any:
    """The part of a value that tells who changed it: of an identity its type and what was assigned to it."""
    if read_only and isinstance(value, (Mapping, list, tuple)):
        value = look_up(without(assign({}, path, value), read_only), path)
    if fold(path) == "identity.type" and isinstance(value, str) and same(value, NO_IDENTITY):
        return ABSENT
    if fold(path) != "identity" or not isinstance(value, Mapping):
        return value
    own = {name: item for name, item in value.items() if fold(name) not in _GIVEN}
    return ABSENT if same(own.get(member(own, "type"), NO_IDENTITY), NO_IDENTITY) and len(own) < 2 else own


def _equal(left: Any, right: Any) -> bool:
    if left is ABSENT or right is ABSENT:
        return left is right
    return same(left, right)


def is_restored(
    body: Any, paths: Iterable[str], *, may_be_absent: Container[str] = (), replaced: Any = None
) -> Condition:
    """The condition that proves a restoration: each path has the value that it has in the restored body.

    Args:
        body: The restored body.
        paths: The paths that were restored.
        may_be_absent: Those that may be absent as well, in lower case: they have Azure's default value.
        replaced: The body before the restoration, without read-only members: what it has in an element of an array and the
            restored one has not must be gone.
    """
    parts = []
    for path in paths:
        part = _as(path, look_up(body, path), replaced=look_up(replaced, path))
        if fold(path) in may_be_absent:
            absent = Condition(operator=Operator.EXISTS, path=path, value=False)
            part = Condition(operator=Operator.ANY, of=(part, absent))
        parts.append(part)
    return parts[0] if len(parts) == 1 else Condition(operator=Operator.ALL, of=tuple(parts))


def _as(path: str, value: Any, *, replaced: Any = ABSENT) -> Condition:
    if fold(path) == "identity":
        return _as(f"{path}.type", look_up(value, "type"))
    if value and isinstance(value, (list, tuple)) and all(one and isinstance(one, Mapping) for one in value):
        # Azure adds members of its own to the elements, such as the state of each.
        there = [one for one in replaced if isinstance(one, Mapping)] if isinstance(replaced, (list, tuple)) else []
        known = {path for one in there for path, _ in _members_as((), one, ())}
        elements = []
        for one in value:
            shown = tuple(condition for _, condition in _members_as((), one, there))
            added = sorted(path for path in known if look_up(one, path) is ABSENT)
            absent = tuple(Condition(operator=Operator.EXISTS, path=path, value=False) for path in added)
            elements.append(Condition(operator=Operator.ALL, of=(*shown, *absent)))
        some = [Condition(operator=Operator.SOME, path=path, of=(one,)) for one in elements]
        any_of_them = Condition(operator=Operator.ANY, of=tuple(elements))
        every = Condition(operator=Operator.EVERY, path=path, of=(any_of_them,))
        return Condition(operator=Operator.ALL, of=(*some, every))
    if _compared(path, value) not in (ABSENT, None):
        return Condition(operator=Operator.EQUALS, path=path, value=value)
    gone = Condition(operator=Operator.EXISTS, path=path, value=False)
    if fold(path) != "identity.type":
        return gone
    return Condition(
        operator=Operator.ANY, of=(gone, Condition(operator=Operator.EQUALS, path=path, value=NO_IDENTITY))
    )


def _members_as(at: tuple[str, ...], value: Mapping[str, Any], there: Sequence[Any]) -> Iterator[tuple[str, Condition]]:
    for name, item in value.items():
        path = join((*at, name))
        if item and isinstance(item, Mapping):
            yield from _members_as((*at, name), item, there)
        else:
            inner = [found for one in there if isinstance(found := look_up(one, path), (list, tuple))]
            yield path, _as(path, item, replaced=[element for elements in inner for element in elements])


def what_goes(body: Any) -> tuple[PropertyChange, ...]:
    """Every member of a resource that is removed, for people to read, except those that its id says already."""
    members = body.items() if isinstance(body, Mapping) else ()
    shown = [(name, value) for name, value in members if name not in _IDENTITY and value is not None]
    return tuple(PropertyChange(path=join((name,)), before=value) for name, value in shown)


def may_be_removed(resource_id: str) -> bool:
    """Whether a resource that a run created is one that a rollback may remove: never a group or a subscription."""
    try:
        kind = ResourceId.parse(resource_id).type
    except InvalidResourceIdError:
        return False
    return not fold(kind).startswith(_NEVER_REMOVED)
