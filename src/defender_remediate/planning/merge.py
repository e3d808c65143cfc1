"""What a body becomes when a fix is laid over it. Nothing that the fix does not name changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.models._json import ABSENT, FrozenMap, canonical, thaw
from defender_remediate.models.condition import Condition, Test
from defender_remediate.models.fix import ListMerge
from defender_remediate.planning.compliance import holds, same
from defender_remediate.planning.paths import join, member, split

_Path = tuple[str, ...]


def lay_over(
    before: Any, desired: Mapping[str, Any], *, lists: Mapping[str, Any], compliant_when: Condition
) -> FrozenMap:
    """The body after a fix: ``desired`` merged into ``before``, which may be None.

    Objects are merged member by member. Arrays are joined unless ``lists`` says ``replace``; a comma-separated text is
    joined when ``lists`` says ``union``. A member that already satisfies the fix's own condition is left as it is, so
    a stricter value is never weakened.
    """
    merging = _Merging(
        lists={join(split(path)).casefold(): str(how) for path, how in lists.items()},
        kept=_satisfied(compliant_when, before),
    )
    start = before if isinstance(before, Mapping) else {}
    return FrozenMap(merging.objects(start, desired, ()))


class _Merging:
    def __init__(self, *, lists: Mapping[str, str], kept: frozenset[str]) -> None:
        self._lists = lists
        self._kept = kept

    def objects(self, before: Mapping[str, Any], desired: Mapping[str, Any], at: _Path) -> dict[str, Any]:
        after = dict(before)
        for name, value in desired.items():
            key = member(before, name)
            after[key] = self._value(before.get(key, ABSENT), value, (*at, name))
        return {key: value for key, value in after.items() if value is not ABSENT}

    def _value(self, before: Any, desired: Any, at: _Path) -> Any:
        path = join(at).casefold()
        if path in self._kept:
            return before
        if isinstance(desired, Mapping):
            return self.objects(before if isinstance(before, Mapping) else {}, desired, at)
        if isinstance(desired, (tuple, list)):
            replace = self._lists.get(path) == ListMerge.REPLACE
            return (
                _unchanged(before, desired)
                if replace or not isinstance(before, (tuple, list))
                else _union(before, desired)
            )
        if path == "identity.type" or self._lists.get(path) == ListMerge.UNION:
            return _comma_union(before, desired)
        return _unchanged(before, desired)


def _unchanged(before: Any, desired: Any) -> Any:
    # Azure reads "enabled" and "Enabled" as one: a change of case alone is no change.
    return before if before is not ABSENT and same(before, desired) else desired


def _union(before: Any, desired: Any) -> Any:
    missing = [item for item in desired if not any(same(item, there) for there in before)]
    return [*before, *missing] if missing else before


def _comma_union(before: Any, desired: Any) -> Any:
    if not isinstance(before, str) or not isinstance(desired, str):
        return desired
    there = [word.strip() for word in before.split(",") if word.strip().casefold() not in ("", "none")]
    words = _union(there, [word.strip() for word in desired.split(",")])
    return before if len(words) == len(there) else ", ".join(words)


def _satisfied(condition: Condition, before: Any) -> frozenset[str]:
    """The paths whose present value already meets what the condition asks of that path."""
    if condition.test in (Test.ALL, Test.ANY):
        return frozenset().union(*(_satisfied(part, before) for part in condition.of))
    if condition.test in (Test.NOT, Test.SOME, Test.EVERY, Test.EXISTS):
        return frozenset()
    return frozenset({join(split(condition.path)).casefold()}) if holds(condition, before) else frozenset()


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest PATCH body that turns one body into the other, by the rules of Azure Resource Manager.

    It is the ``difference``, but ``tags`` are sent whole, and a change of ``identity`` names every user-assigned
    identity there is, because both are replaced whole.
    """
    patch = difference(before, after)
    tags, identity = member(patch, "tags"), member(patch, "identity")
    if tags in patch and isinstance(after.get(tags), Mapping):
        patch[tags] = thaw(after[tags])
    if identity in patch and isinstance(after.get(identity), Mapping):
        assigned = after[identity].get(member(after[identity], "userAssignedIdentities"))
        if isinstance(assigned, Mapping) and assigned:
            patch[identity]["userAssignedIdentities"] = {name: {} for name in assigned}
    return patch


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) from one body to the other: null removes a member, arrays are whole."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name, ABSENT)
        if old is not ABSENT and canonical(old) == canonical(value):
            continue
        nested = isinstance(old, Mapping) and isinstance(value, Mapping)
        patch[name] = difference(old, value) if nested else thaw(value)
    return patch


def patched(body: Any, patch: Any) -> Any:
    """The body after a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return thaw(patch)
    result = dict(body) if isinstance(body, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = patched(result.get(name), value)
    return result
