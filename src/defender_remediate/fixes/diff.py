"""The difference between two bodies, for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.fixes.paths import join, member, split
from defender_remediate.json_values import ABSENT, is_same_json
from defender_remediate.models.step import PropertyChange

# Members that move without anyone having changed the resource.
_VOLATILE = ("etag", "eTag", "systemData")


def changes(before: Any, after: Any) -> tuple[PropertyChange, ...]:
    """Every member that differs, in the order of the new body.

    Arrays count as one value, and so does an object that was not there: to undo its coming, it has to go whole.
    """
    return tuple(_walk(before, after, ()))


def _walk(before: Any, after: Any, at: tuple[str, ...]) -> Iterator[PropertyChange]:
    if before is after and after is not ABSENT:
        # A merged body shares with the body before what it leaves as it is.
        return
    if isinstance(after, Mapping) and isinstance(before, Mapping):
        for name in [*after, *(name for name in before if name not in after)]:
            yield from _walk(before.get(name, ABSENT), after.get(name, ABSENT), (*at, name))
    elif before is ABSENT or after is ABSENT or not is_same_json(before, after):
        yield PropertyChange(path=join(at), before=before, after=after)


def spelled_out(change: PropertyChange) -> Iterator[PropertyChange]:
    """A change of a whole object, member by member, for people to read; any other change as it is."""
    if change.before is not ABSENT or not isinstance(change.after, Mapping) or not change.after:
        yield change
        return
    for name, value in change.after.items():
        path = join((*split(change.path), name))
        yield from spelled_out(PropertyChange(path=path, after=value))


def settled(body: Any) -> Any:
    """The body without the members that move by themselves and that no request may carry."""
    if not isinstance(body, Mapping):
        return body
    dropped = {member(body, name) for name in _VOLATILE}
    rest = {name: value for name, value in body.items() if name not in dropped}
    inner = member(rest, "properties")
    if isinstance(rest.get(inner), Mapping):
        state = member(rest[inner], "provisioningState")
        rest[inner] = {name: value for name, value in rest[inner].items() if name != state}
    return rest
