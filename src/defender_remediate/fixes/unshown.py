"""What a request would do and the changes of its step do not show, and the other way round: a plan is what it shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.fixes.diff import changes as differences
from defender_remediate.fixes.diff import settled
from defender_remediate.fixes.merge import NO_IDENTITY, patched
from defender_remediate.fixes.paths import assign, look_up, member, split
from defender_remediate.json_values import ABSENT, canonical
from defender_remediate.models.step import PlannedRequest, PropertyChange

_Path = tuple[str, ...]
# Azure replaces these whole, so a PATCH that changes a part of one carries all of it.
_REPLACED_WHOLE: tuple[_Path, ...] = (("tags",), ("identity", "userassignedidentities"))


def unshown_members(request: PlannedRequest, changes: Sequence[PropertyChange]) -> tuple[str, ...]:
    """The paths at which the body of a PATCH or a PUT and the changes that are shown of it differ. Pure.

    What a PATCH carries only because Azure replaces the object around it whole is not among them: whether that is as it
    was shows when the target is read, see ``unshown_effects``.
    """
    try:
        shown = {tuple(str(part) for part in split(change.path)): change for change in changes}
    except ValueError as error:
        return (str(error),)
    whole = _whole_paths(request)
    sent: set[_Path] = set()
    found = list(_unshown(request.body, (), shown, whole, sent))
    for path, change in shown.items():
        # A member is removed from an object that is sent whole by leaving it out.
        if path not in sent and not (change.after is ABSENT and _is_below(path, whole)):
            found.append(change.path)
    return tuple(dict.fromkeys(found))


def _unshown(
    body: Mapping[str, Any],
    at: _Path,
    shown: Mapping[_Path, PropertyChange],
    whole: Sequence[_Path],
    sent: set[_Path],
) -> Iterator[str]:
    for name, value in body.items():
        path = (*at, name)
        if path in shown:
            sent.add(path)
            if not _sends(value, shown[path], path):
                yield ".".join(path)
        elif isinstance(value, Mapping) and any(other[: len(path)] == path for other in shown):
            yield from _unshown(value, path, shown, whole, sent)
        elif not _is_below(path, whole):
            yield ".".join(path)


def _sends(value: Any, change: PropertyChange, path: _Path) -> bool:
    if change.after is ABSENT:
        is_identity = _folded(path) == ("identity",)
        return value is None or (is_identity and canonical(value) == canonical({"type": NO_IDENTITY}))
    if _folded(path[:2]) == _REPLACED_WHOLE[1] and canonical(value) == canonical({}):
        # An identity is assigned by its id alone.
        return True
    return canonical(value) == canonical(change.after)


def unshown_effects(request: PlannedRequest, changes: Sequence[PropertyChange], before: Any) -> tuple[str, ...]:
    """The paths of a target that a PATCH or a PUT would change although no change of them is shown. Pure.

    Args:
        request: What would be sent.
        changes: What is shown of it.
        before: The target's body; None if it does not exist.
    """
    start = settled(before) or {}
    after = patched(start, request.body)
    for path in _whole_paths(request):
        text = ".".join(path)
        sent = look_up(request.body, text)
        if isinstance(sent, Mapping):
            there = look_up(start, text)
            after = assign(after, text, _as_there(sent, there) if len(path) > 1 else sent)
    shown = [_folded(_parts(change.path)) for change in changes]
    found = []
    for effect in differences(start, after):
        folded = _folded(_parts(effect.path))
        if not any(folded[: len(one)] == one or one[: len(folded)] == folded for one in shown):
            found.append(effect.path)
    return tuple(found)


def _as_there(sent: Mapping[str, Any], there: Any) -> dict[str, Any]:
    """Members that are sent by their name alone, with the values that they have at the target."""
    if not isinstance(there, Mapping):
        return dict(sent)
    return {name: there.get(member(there, name), value) if value == {} else value for name, value in sent.items()}


def _whole_paths(request: PlannedRequest) -> tuple[_Path, ...]:
    if request.is_merge_patch:
        return ()
    return (*_REPLACED_WHOLE, *(_parts(path) for path in request.send_whole))


def _parts(path: str) -> _Path:
    return tuple(str(part) for part in split(path))


def _folded(path: _Path) -> _Path:
    return tuple(fold(part) for part in path)


def _is_below(path: _Path, outer: Sequence[_Path]) -> bool:
    return any(_folded(path[: len(one)]) == _folded(one) for one in outer)
