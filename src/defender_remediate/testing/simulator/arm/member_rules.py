"""What a caller may send of a body: the members that a type has, and those of them whose value the caller decides."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.catalog.read_only import read_only_members
from defender_remediate.fixes.paths import EACH, pattern
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.merge_patch import merge_patch
from defender_remediate.testing.simulator.state.store import copied
from defender_remediate.testing.simulator.state.types import ResourceType

TOP_LEVEL = frozenset(
    [
        "id",
        "name",
        "type",
        "location",
        "tags",
        "identity",
        "sku",
        "kind",
        "zones",
        "plan",
        "extendedLocation",
        "managedBy",
        "etag",
        "systemData",
        "properties",
    ]
)


def check_names(resource_type: ResourceType, body: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Refuses a member that the type does not have. A name that the resource already shows is known.

    Raises:
        ArmError: 400 InvalidRequestContent, naming the member and its path.
    """
    for name in body:
        if name not in TOP_LEVEL and _spelling(name, (*current, *resource_type.top, *TOP_LEVEL)) is None:
            raise _unknown_member(resource_type, name)
    properties = body.get("properties")
    if properties is not None and not isinstance(properties, Mapping):
        raise refusal("InvalidRequestContent", problem="'properties' is not an object")
    if resource_type.known is not None and properties:
        for path in _unknown_names(resource_type.known, properties, current.get("properties"), "properties"):
            raise _unknown_member(resource_type, path)


def _unknown_member(resource_type: ResourceType, path: str) -> Exception:
    name, last_type = path.rpartition(".")[2], resource_type.last_type
    problem = f"Could not find member '{name}' on object of type '{last_type}'. Path '{path}'"
    return refusal("InvalidRequestContent", problem=problem)


def _unknown_names(known: Mapping[str, Any], value: Any, current: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        items = current if isinstance(current, list) else []
        for item in value:
            yield from _unknown_names(known, item, _all_members(items), path)
    elif isinstance(value, Mapping):
        shown = current if isinstance(current, Mapping) else {}
        for name, inner in value.items():
            spelling = _spelling(name, known)
            if spelling is None:
                if name not in shown:
                    yield f"{path}.{name}"
            elif known[spelling] is not None:
                yield from _unknown_names(known[spelling], inner, shown.get(name), f"{path}.{name}")


def _all_members(items: list[Any]) -> dict[str, Any]:
    """Returns the members of all objects in a list as one object, and so in the objects below them."""
    found: dict[str, Any] = {}
    for item in items:
        if isinstance(item, Mapping):
            for name, value in item.items():
                if isinstance(value, Mapping):
                    found[name] = _all_members([found.get(name), value])
                elif isinstance(value, list):
                    there = found.get(name)
                    found[name] = [*(there if isinstance(there, list) else []), *value]
                else:
                    found.setdefault(name, value)
    return found


def writable(resource_type: ResourceType, properties: Mapping[str, Any], current: Any) -> dict[str, Any]:
    """Returns what a body sets, spelled as the resource or its type spells it, without what GET never shows."""
    sent = _spelled(resource_type.known, without_read_only(resource_type, properties), current)
    for path in resource_type.write_only:
        _remove(sent, path.split("."))
    assert isinstance(sent, dict)
    return sent


def _spelled(known: Mapping[str, Any] | None, value: Any, current: Any) -> Any:
    if not isinstance(value, Mapping) or known is None:
        return value
    shown = current if isinstance(current, Mapping) else {}
    spelled: dict[str, Any] = {}
    for name, inner in value.items():
        spelling = _spelling(name, shown) or _spelling(name, known) or name
        spelled[spelling] = _spelled(known.get(spelling), inner, shown.get(spelling))
    return spelled


def _spelling(name: str, known: Collection[str]) -> str | None:
    """Returns how one of the known names is spelled; None for a name that none of them is."""
    if name in known:
        return name
    folded = fold(name)
    return next((one for one in known if fold(one) == folded), None)


def without_read_only(resource_type: ResourceType, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the properties without those that ignore a caller's value."""
    kept: dict[str, Any] = copied(properties)
    kept.pop("provisioningState", None)
    for path in resource_type.read_only:
        _remove(kept, path.split("."))
    return kept


def read_only_part(resource_type: ResourceType, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Returns only the properties that ignore a caller's value."""
    part: dict[str, Any] = {}
    for path in (*resource_type.read_only, "provisioningState"):
        names = path.split(".")
        value: Any = properties
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None:
            for name in reversed(names):
                value = {name: value}
            part = merge_patch(part, value)
    return part


def _remove(value: Any, names: list[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _remove(item, names)
    elif isinstance(value, dict):
        if len(names) == 1:
            value.pop(names[0], None)
        else:
            _remove(value.get(names[0]), names[1:])


def keep_read_only_members(resource_type: ResourceType, before: Mapping[str, Any], result: dict[str, Any]) -> None:
    """Shows what is read-only in objects and elements that stay as it was, whatever a caller sent there."""
    named = read_only_members(resource_type.name, str(before.get("name", "")))
    _keep_read_only(result, before, _tree_of(resource_type.read_only, named))


@lru_cache(maxsize=1000)
def _tree_of(below_properties: tuple[str, ...], named: tuple[str, ...]) -> Mapping[str, Any]:
    """Returns the read-only members as a tree of their folded names; an empty name marks where a path ends."""
    tree: dict[str, Any] = {}
    for path in (*(f"properties.{path}" for path in below_properties), *named):
        inner = tree
        for part in pattern(path):
            inner = inner.setdefault(fold(str(part)), {})
        inner[""] = {}
    return tree


def _keep_read_only(result: Any, before: Any, tree: Mapping[str, Any]) -> None:
    if isinstance(result, list):
        for position, element in enumerate(result):
            there = _counterpart(element, position, len(result), before)
            # The simulator's own paths do not mark arrays.
            _keep_read_only(element, there, tree)
            _keep_read_only(element, there, tree.get(EACH, {}))
        return
    if not isinstance(result, dict) or not isinstance(before, Mapping):
        return
    for name, value in before.items():
        if name in result and result[name] == value:
            continue
        for inner in (tree.get(fold(name)), tree.get(EACH) if name in result else None):
            if inner is not None and "" in inner:
                result[name] = copied(value)
            elif inner is not None:
                _keep_read_only(result.get(name), value, inner)


def _counterpart(element: Any, position: int, count: int, before: Any) -> Any:
    """Returns what an element was before: the one with its id or name; without these, the one at its place."""
    there = before if isinstance(before, list) else []
    for key in ("id", "name"):
        own = element.get(key) if isinstance(element, Mapping) else None
        if isinstance(own, str):
            same = (one for one in there if isinstance(one, Mapping) and fold(str(one.get(key))) == fold(own))
            return next(same, None)
    return there[position] if len(there) == count else None


def member_at(value: Any, path: str) -> Any:
    """Returns the member at a path such as ``sku.name``, whatever the case of the names; None if there is no such member."""
    for name in path.split("."):
        held = value if isinstance(value, Mapping) else {}
        value = next((inner for one, inner in held.items() if fold(str(one)) == fold(name)), None)
    return value
