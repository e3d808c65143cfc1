"""Drift: whether something that a step depends on changed. What Azure changes by itself is not drift."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import takewhile
from json.encoder import encode_basestring_ascii
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.fixes.paths import EACH, join, look_up, member, pattern, split
from defender_remediate.json_values import ABSENT, canonical, sha256
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.dependencies import Dependencies
from defender_remediate.models.step import PlannedRequest

NEVER_SET = frozenset({"etag", "systemdata", "provisioningstate"})
"""Members that no request can set, wherever they stand, in lower case. Tags and settings may have these names."""

# Azure keeps the time of the last of something under such a name, also where the schema facts do not know it yet.
_TIME_NAME = re.compile(
    r"(last|modified|updated|changed)\w*|\w*(modified|updated|changed)(at|on|time|date|timestamp)?(utc)?"
)
_TIME_STAMP = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")

_FREE_NAMES = frozenset({"tags", "appsettings"})
"""Objects whose member names a person chooses, in lower case."""

_IDENTITY_IDS = (
    "identity.principalId",
    "identity.tenantId",
    "identity.userAssignedIdentities[*].principalId",
    "identity.userAssignedIdentities[*].clientId",
)


def depends_on(
    *,
    changed: Iterable[str] = (),
    conditions: Iterable[Condition] = (),
    is_whole: bool = False,
    ignored: Iterable[str] = (),
) -> Dependencies:
    """What a step depends on.

    Args:
        changed: The paths that its request changes. Tags and identities are replaced whole, so all of them count.
        conditions: The conditions that are evaluated on the target's body.
        is_whole: Whether the request is a PUT or a DELETE, so that every member counts that is not ignored.
        ignored: The members that no request can set, and those that Azure changes by itself.
    """
    paths: set[str] = set()
    for path in filter(None, changed):
        outermost = str(pattern(path)[0])
        paths.add(outermost if fold(outermost) in ("tags", "identity") else path)
    for condition in conditions:
        paths.update(members_read(condition))
    return _dependencies(frozenset(paths), is_whole, tuple(ignored))


@lru_cache(1024)
def _dependencies(paths: frozenset[str], is_whole: bool, ignored: tuple[str, ...]) -> Dependencies:  # noqa: FBT001
    """The same for the steps of one fix, of which there may be thousands."""
    outer = tuple(f"{fold(path)}{mark}" for path in paths for mark in ".[")
    never = {path for path in (*ignored, *_IDENTITY_IDS) if is_whole or fold(path).startswith(outer)}
    return Dependencies(
        members=tuple(sorted(paths, key=fold)), is_whole=is_whole, ignored=tuple(sorted(never, key=fold))
    )


def sent_whole(request: PlannedRequest) -> tuple[str, ...]:
    """The objects that a PATCH carries with all of their members, so that it depends on all of them."""
    return tuple(path for path in request.send_whole if look_up(request.body, path) is not ABSENT)


def fingerprint(body: Any, dependencies: Dependencies) -> str:
    """SHA-256 of what a step depends on in its target's body; None is a target that does not exist.

    The order and the case of member names, the case of resource ids, and ``1`` or ``1.0`` make no difference.
    """
    if body is None:
        return sha256(None)
    ignored = _folded_paths(dependencies.ignored)
    selected = [[fold(path), _selected(body, _folded(path), ignored)] for path in dependencies.members]
    whole = _comparable(body, ignored) if dependencies.is_whole else None
    return sha256({"members": selected, "whole": whole})


@lru_cache(4096)
def is_watched(path: str, dependencies: Dependencies) -> bool:
    """Whether a change of the member at a path would be drift. A place in an array counts as the whole array."""
    bodies: list[Any] = [1, 2]
    plain = takewhile(lambda part: isinstance(part, str), split(path))
    for part in reversed(tuple(plain)):
        bodies = [{part: body} for body in bodies]
    first, second = (fingerprint(body, dependencies) for body in bodies)
    return first != second


@lru_cache(1024)
def members_read(condition: Condition) -> frozenset[str]:
    """The paths that a condition reads. A place in an array is the whole array: elements shift when one is removed."""
    inner: frozenset[str] = frozenset().union(*(members_read(part) for part in condition.of))
    if condition.operator in (Operator.SOME, Operator.EVERY):
        return frozenset(f"{condition.path}{EACH}{path if path.startswith('[') else f'.{path}'}" for path in inner)
    parts = pattern(condition.path)
    index = next((place for place, part in enumerate(parts) if isinstance(part, int)), len(parts))
    return inner | ({join(parts[:index])} if parts[:index] else set())


_Parts = tuple[str | int, ...]


@lru_cache(1024)
def _folded_paths(paths: tuple[str, ...]) -> tuple[_Parts, ...]:
    return tuple(map(_folded, paths))


@lru_cache(1024)
def _folded(path: str) -> _Parts:
    return tuple(fold(part) if isinstance(part, str) else part for part in pattern(path))


def _selected(value: Any, parts: _Parts, ignored: tuple[_Parts, ...], *, free_names: bool = False) -> Any:
    """What a path leads to; with ``[*]`` one value for each element of an array or member of an object."""
    if not parts:
        return {"found": _comparable(value, ignored, free_names=free_names)}
    head, rest = parts[0], parts[1:]
    if isinstance(value, (list, tuple)) and head == EACH:
        return [_selected(item, rest, _inside(ignored, None, item)) for item in value]
    if isinstance(value, Mapping) and head == EACH:
        return {fold(name): _selected(item, rest, _inside(ignored, name, item)) for name, item in value.items()}
    if not isinstance(value, Mapping):
        return {"another_kind": _comparable(value, ignored)}
    name = member(value, str(head))
    if name not in value:
        return "absent"
    inside = _inside(ignored, name, value[name])
    return _selected(value[name], rest, inside, free_names=fold(name) in _FREE_NAMES)


def _comparable(value: Any, ignored: tuple[_Parts, ...], *, free_names: bool = False) -> Any:
    """The value in the one form in which equal values are equal strings, without what is ignored."""
    if isinstance(value, Mapping):
        members = []
        for name, item in value.items():
            folded, inside = fold(name), _inside(ignored, name, item)
            if () not in inside and (free_names or not (folded in NEVER_SET or _is_time_of_last(folded, item))):
                members.append([folded, _comparable(item, inside, free_names=folded in _FREE_NAMES)])
        return {"members": sorted(members, key=_place_of(members))}
    if isinstance(value, (list, tuple)):
        elements = [(item, _inside(ignored, None, item)) for item in value]
        return [_comparable(item, inside) for item, inside in elements if () not in inside]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and fold(value).startswith(("/subscriptions/", "/providers/")):
        return fold(value)
    return value


def _place_of(members: list[list[Any]]) -> Callable[[list[Any]], str]:
    """What members are sorted by: their canonical text, which begins with the name."""
    names = {member[0] for member in members}
    return canonical if len(names) < len(members) else lambda member: encode_basestring_ascii(member[0])


def _is_time_of_last(name: str, value: Any) -> bool:
    """Whether a member says when something happened last: no person sets that."""
    is_time = isinstance(value, str) and value[4:5] == "-" and _TIME_STAMP.fullmatch(value) is not None
    return is_time and _TIME_NAME.fullmatch(name) is not None


def _inside(ignored: tuple[_Parts, ...], name: str | None, item: Any) -> tuple[_Parts, ...]:
    """What is ignored inside a member of this name, or inside an element of an array; ``()`` is the item itself."""
    if not ignored:
        return ignored
    return tuple(parts[1:] for parts in ignored if parts and _is_meant(parts[0], name, item))


def _is_meant(part: str | int, name: str | None, item: Any) -> bool:
    if part == EACH:
        return True
    if name is not None:
        return part == fold(name)
    # "[?enableAutoScaling]": the elements in which this member is true.
    is_filter = isinstance(part, str) and part.startswith("[?") and isinstance(item, Mapping)
    return is_filter and item.get(member(item, str(part)[2:-1])) is True
