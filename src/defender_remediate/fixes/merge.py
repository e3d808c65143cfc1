"""Merges a fix into a body. Nothing that the fix does not name changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.fixes.conditions import holds, same
from defender_remediate.fixes.paths import assign, join, look_up, member, split
from defender_remediate.json_values import ABSENT, is_same_json, thaw
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import ArrayStrategy

NO_IDENTITY = "None"
"""The type of an absent identity: a request with it removes the identity, and some providers show it from then on."""

_Path = tuple[str, ...]
_Asked = Mapping[str, tuple[Condition, ...]]


def merge_into(
    before: Any,
    desired: Mapping[str, Any],
    *,
    lists: Mapping[str, Any],
    compliant_when: Condition,
    remove: Iterable[str] = (),
) -> dict[str, Any]:
    """The body after a fix: ``desired`` merged into ``before``, which may be None. It shares with ``before`` what stays as it is.

    Objects are merged member by member, arrays as ``lists`` says: see ``ArrayStrategy``. A comma-separated string is joined
    when ``lists`` says ``union``. What ``remove`` names is removed; null stays, because it means the same.
    A member that already satisfies the fix's own condition stays, so a stricter value is never weakened;
    the same holds for an element that ``some`` or ``every`` asks about.
    """
    merging = _Merging(
        lists={fold(join(split(path))): ArrayStrategy.parse(str(how)) for path, how in lists.items()},
        kept=_satisfied(compliant_when, before),
        asked=_asked_of_elements(compliant_when, ()),
    )
    start = before if isinstance(before, Mapping) else {}
    after = merging.objects(start, desired, ())
    for path in remove:
        found = look_up(after, path)
        if found is not ABSENT and found is not None and fold(join(split(path))) not in merging.kept:
            after = assign(after, path, ABSENT)
    return after


@attrs.frozen
class _Merging:
    """How one body is merged.

    Attributes:
        lists: What happens to an array, by path, with the member that its elements are known by.
        kept: The paths of members that stay as they are.
        asked: The condition that the elements of an array must meet, by the path of the array.
    """

    lists: Mapping[str, tuple[ArrayStrategy, str]]
    kept: frozenset[str]
    asked: _Asked

    def objects(self, before: Mapping[str, Any], desired: Mapping[str, Any], at: _Path) -> dict[str, Any]:
        after = dict(before)
        for name, value in desired.items():
            key = member(before, name)
            after[key] = self._value(before.get(key, ABSENT), value, (*at, name))
        return {key: value for key, value in after.items() if value is not ABSENT}

    def _value(self, before: Any, desired: Any, at: _Path) -> Any:
        path = fold(join(at))
        if path in self.kept:
            return before
        if isinstance(desired, Mapping):
            return self.objects(before if isinstance(before, Mapping) else {}, desired, at)
        how, name = self.lists.get(path, (None, ""))
        if isinstance(desired, (tuple, list)):
            if not isinstance(before, (tuple, list)):
                # There is no element to merge anything into.
                return before if how is ArrayStrategy.EACH else desired
            if how is ArrayStrategy.EACH:
                return [self._element(item, desired[0], at, name) for item in before]
            if how is ArrayStrategy.BY:
                return self._known_by(before, desired, at, name)
            return _unchanged(before, desired) if how is ArrayStrategy.REPLACE else _union(before, desired)
        if path == "identity.type" or how is ArrayStrategy.UNION:
            return _comma_union(before, desired)
        return _unchanged(before, desired)

    def _known_by(self, before: Sequence[Any], desired: Sequence[Any], at: _Path, name: str) -> list[Any]:
        after = list(before)
        for wanted in desired:
            key = _named(wanted, name)
            places = [place for place, item in enumerate(before) if key is not ABSENT and same(_named(item, name), key)]
            for place in places:
                after[place] = self._element(after[place], wanted, at, name)
            if not places:
                after.append(wanted)
        return after

    def _element(self, before: Any, desired: Mapping[str, Any], at: _Path, name: str) -> Any:
        if not isinstance(before, Mapping):
            return before
        asked = [where for where in self.asked.get(fold(join(at)), ()) if _is_about(where, name, before)]
        if asked and all(holds(where, before) for where in asked):
            return before
        kept = {fold(join((*at, *split(path)))) for where in asked for path in _satisfied(where, before)}
        inner = _asked_of_elements(Condition(operator=Operator.ALL, of=tuple(asked)), at)
        return attrs.evolve(self, kept=self.kept | kept, asked=inner).objects(before, desired, at)


def _named(element: Any, name: str) -> Any:
    return element.get(member(element, name), ABSENT) if isinstance(element, Mapping) else ABSENT


def _is_about(where: Condition, name: str, element: Mapping[str, Any]) -> bool:
    """Whether a condition can be about this element: not if it is about one that has another name."""
    if where.operator is Operator.ALL:
        return all(_is_about(part, name, element) for part in where.of)
    return not name or fold(where.path) != fold(name) or holds(where, element)


def _asked_of_elements(condition: Condition, at: _Path) -> dict[str, tuple[Condition, ...]]:
    if condition.operator in (Operator.SOME, Operator.EVERY):
        return {fold(join((*at, *split(condition.path)))): condition.of}
    found: dict[str, tuple[Condition, ...]] = {}
    if condition.operator in (Operator.ALL, Operator.ANY):
        for part in condition.of:
            for path, where in _asked_of_elements(part, at).items():
                found[path] = (*found.get(path, ()), *where)
    return found


def _unchanged(before: Any, desired: Any) -> Any:
    # Azure reads "enabled" and "Enabled" as one: a change of case alone is no change.
    return before if before is not ABSENT and same(before, desired) else desired


def _union(before: Any, desired: Any) -> Any:
    missing = [item for item in desired if not any(same(item, there) for there in before)]
    return [*before, *missing] if missing else before


def _comma_union(before: Any, desired: Any) -> Any:
    if not isinstance(before, str) or not isinstance(desired, str):
        return desired
    there = [word.strip() for word in before.split(",") if fold(word.strip()) not in ("", "none")]
    words = _union(there, [word.strip() for word in desired.split(",")])
    if len(words) == len(there):
        return before
    # The enumerations of identity types list "SystemAssigned, UserAssigned", and no type lists the other order.
    return ", ".join(sorted(words, key=lambda word: fold(word) != "systemassigned"))


def _satisfied(condition: Condition, before: Any) -> frozenset[str]:
    """The paths whose present value already meets what the condition asks of that path."""
    if condition.operator in (Operator.ALL, Operator.ANY):
        return frozenset().union(*(_satisfied(part, before) for part in condition.of))
    if condition.operator in (Operator.NOT, Operator.SOME, Operator.EVERY, Operator.EXISTS):
        return frozenset()
    return frozenset({fold(join(split(condition.path)))}) if holds(condition, before) else frozenset()


def merge_patch(
    before: Mapping[str, Any], after: Mapping[str, Any], *, send_whole: Iterable[str] = ()
) -> dict[str, Any]:
    """The smallest PATCH body that turns one body into the other, by the rules of Azure Resource Manager.

    It is the ``difference``, but ``tags`` are sent whole, and a change of ``identity`` names every user-assigned
    identity there is, because both are replaced whole. An identity is removed by a type of its own, not by null.
    An object named in ``send_whole`` is sent with all of its members when one of them differs.
    """
    patch = difference(before, after)
    for path in send_whole:
        whole = look_up(after, path)
        if look_up(patch, path) is not ABSENT and isinstance(whole, Mapping):
            patch = assign(patch, path, thaw(whole))
    tags, identity = member(patch, "tags"), member(patch, "identity")
    if tags in patch and isinstance(after.get(tags), Mapping):
        patch[tags] = thaw(after[tags])
    if identity in patch and isinstance(after.get(identity), Mapping):
        assigned = after[identity].get(member(after[identity], "userAssignedIdentities"))
        if isinstance(assigned, Mapping) and assigned:
            patch[identity]["userAssignedIdentities"] = {name: {} for name in assigned}
    if identity in patch and not after.get(identity):
        patch[identity] = {"type": NO_IDENTITY}
    return patch


def without(body: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """The body without the members at these paths; ``[*]`` stands for every element of an array or member of an object."""
    result = dict(body)
    for path in paths:
        outer, mark, inner = path.partition("[*]")
        found = look_up(result, outer)
        if found is ABSENT:
            continue
        if not mark:
            result = assign(result, path, ABSENT)
        elif isinstance(found, (list, tuple, Mapping)) and inner:
            inner = inner.removeprefix(".")
            is_object = isinstance(found, Mapping)
            names = list(found) if is_object else range(len(found))
            rest = [
                without(found[name], (inner,)) if isinstance(found[name], Mapping) else found[name] for name in names
            ]
            result = assign(result, outer, dict(zip(names, rest, strict=True)) if is_object else rest)
    return result


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) from one body to the other: null removes a member, arrays are whole."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name, ABSENT)
        if old is not ABSENT and is_same_json(old, value):
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
