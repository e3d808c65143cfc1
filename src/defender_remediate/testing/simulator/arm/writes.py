"""What a write does to a body, and which bodies the providers refuse."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.catalog.read_only import read_only_members
from defender_remediate.fixes.paths import EACH, pattern
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.strictness import (
    check_number_of_tags,
    check_values,
    checked_tags,
    merged_tags,
)
from defender_remediate.testing.simulator.arm.value_rules import required_members
from defender_remediate.testing.simulator.state.store import copied
from defender_remediate.testing.simulator.state.types import NONE, TAGS, ResourceType

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
_READ_ONLY_TOP = ("id", "name", "type", "etag", "eTag", "systemData", "location")
_IDENTITY_IDS = ("principalId", "tenantId")


def merge_patch(target: Any, patch: Any) -> Any:
    """Merges as RFC 7396 says: objects merge, null removes, everything else replaces. Changes neither argument."""
    return copied(_merged(target, patch))


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def patched(resource_type: ResourceType, current: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the resource after a PATCH.

    Raises:
        ArmError: The type does not support such a PATCH, or refuses its body.
    """
    if resource_type.patch == NONE:
        raise refusal("MethodNotAllowed", method="PATCH")
    if resource_type.patch == TAGS and set(body) - {"tags"}:
        raise refusal("InvalidRequestFormat", type=resource_type.name, member=min(set(body) - {"tags"}))
    check_names(resource_type, body, current)
    _check_tags(body, current)
    check_values(resource_type, body, current)
    _check_state(resource_type, current, body)
    for name in set(body) & {"location", "name", "type"}:
        if _region(body[name]) != _region(current.get(name, "")):
            raise refusal("PropertyChangeNotAllowed", property=name)
    result = dict(current)
    for name, value in body.items():
        if name == "properties":
            changes = _writable(resource_type, value or {}, current.get(name))
            result[name] = merge_patch(current.get(name) or {}, changes)
        elif value is None:
            result.pop(name, None)
        elif name not in _READ_ONLY_TOP:
            value = _as_held(value, current.get(name) or {}) if name == "identity" else value
            result[name] = merged_tags(value) if name == "tags" else merge_patch(current.get(name), value)
    _check_irreversible(resource_type, current, result)
    _keep_read_only_members(resource_type, current, result)
    return _with_identity(resource_type, current, result)


def _as_held(identity: Any, known: Mapping[str, Any]) -> Any:
    """Returns a change of an identity that spells the ids of user-assigned identities as the resource spells them."""
    users = identity.get("userAssignedIdentities") if isinstance(identity, Mapping) else None
    if not isinstance(users, Mapping):
        return identity
    spelled = {fold(one): one for one in known.get("userAssignedIdentities") or {}}
    return {**identity, "userAssignedIdentities": {spelled.get(fold(one), one): ids for one, ids in users.items()}}


def put(resource_type: ResourceType, current: Mapping[str, Any] | None, body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the resource after a PUT: the body, the provider's defaults, and what the provider keeps.

    Raises:
        ArmError: The type refuses the body.
    """
    before = current or {}
    check_names(resource_type, body, before)
    _check_tags(body, before)
    check_values(resource_type, body, before, whole=True)
    _check_state(resource_type, before, body)
    if current is None:
        is_recovery = fold(str((body.get("properties") or {}).get("createMode"))) == "recover"
        for path in dict.fromkeys((*resource_type.required, *required_members(resource_type.name))):
            if not is_recovery and _member_at(body, path.split(".")) in (None, "", {}):
                raise refusal("InvalidRequestContent", problem=f"Required property '{path}' not found in JSON")
    result = {name: copied(value) for name, value in body.items() if name not in _READ_ONLY_TOP and value is not None}
    if "tags" in result:
        result["tags"] = merged_tags(result["tags"])
    location = before.get("location") or body.get("location")
    if resource_type.tracked:
        if not body.get("location"):
            raise refusal("LocationRequired", type=resource_type.name)
        if _region(body["location"]) != _region(location):
            raise refusal(
                "InvalidResourceLocation", name=before.get("name"), location=location, wanted=body["location"]
            )
    if location:
        result["location"] = location
    if "systemData" in before:
        result["systemData"] = copied(before["systemData"])
    properties = before.get("properties") or {}
    given = _writable(resource_type, body.get("properties") or {}, properties)
    irreversible = {n: properties[n] for n in resource_type.irreversible if properties.get(n) and n not in given}
    # What an update leaves out goes back to its default, unless the resource never showed it.
    defaults = {n: v for n, v in resource_type.defaults.items() if current is None or not properties or n in properties}
    kept = merge_patch(defaults, read_only_part(resource_type, properties))
    result["properties"] = merge_patch(kept, {**irreversible, **given})
    for path in resource_type.keeps:
        _keep(result, body, before, path.split("."))
    _check_irreversible(resource_type, before, result)
    _keep_read_only_members(resource_type, before, result)
    return _with_identity(resource_type, before, result)


def changed_members(current: Mapping[str, Any] | None, body: Mapping[str, Any]) -> Iterator[str]:
    """Yields the members that a body changes, those of ``properties`` one by one; a null changes nothing that is absent."""
    held = current or {}
    for name, value in body.items():
        if name == "properties" and isinstance(value, Mapping):
            properties = held.get(name) or {}
            for inner, wanted in value.items():
                if not _agrees(wanted, properties.get(inner)):
                    yield f"properties.{inner}"
        elif not (_region(value) == _region(held.get(name)) if name == "location" else _agrees(value, held.get(name))):
            yield name


def _agrees(wanted: Any, held: Any) -> bool:
    """Whether a resource that has one value has the other already: objects may have more members than are wanted."""
    if isinstance(wanted, Mapping) and isinstance(held, Mapping):
        spelled = {fold(str(name)): value for name, value in held.items()}
        return all(_agrees(value, spelled.get(fold(str(name)))) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(held, list):
        return len(wanted) == len(held) and all(map(_agrees, wanted, held))
    if isinstance(wanted, str) and isinstance(held, str):
        return fold(wanted) == fold(held)
    return bool(wanted == held) or (wanted in ({}, []) and held is None)


def _check_tags(body: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    tags, held = body.get("tags"), current.get("tags") or {}
    if tags is None or tags == held:
        return
    if isinstance(tags, Mapping) and held:  # what the resource has was taken before
        if len(tags) > len(held):
            check_number_of_tags(len(tags))
        tags = {name: value for name, value in tags.items() if name not in held or held[name] != value}
    checked_tags(tags)


def _member_at(value: Any, names: list[str]) -> Any:
    for name in names:
        held = value if isinstance(value, Mapping) else {}
        value = next((inner for one, inner in held.items() if fold(str(one)) == fold(name)), None)
    return value


def _keep_read_only_members(resource_type: ResourceType, before: Mapping[str, Any], result: dict[str, Any]) -> None:
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


def _keep(result: Any, body: Any, before: Any, names: list[str]) -> None:
    """Copies what ``before`` has at a path, and below it, to where the body says nothing."""
    name, *rest = names
    value = before.get(name)
    sent = body.get(name) if isinstance(body, Mapping) else None
    if value is None or (rest and not isinstance(value, Mapping)):
        return
    if rest:
        if sent is None or isinstance(sent, Mapping):
            _keep(result.setdefault(name, {}), sent, value, rest)
    elif sent is None:
        result[name] = copied(value)
    elif isinstance(value, Mapping) and isinstance(sent, Mapping):
        for inner in value:
            _keep(result.setdefault(name, {}), sent, value, [inner])


def _with_identity(resource_type: ResourceType, current: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """An identity of the type ``None`` removes the identity; some types go on showing the type.

    An identity that stays keeps its ids, also if the request leaves them out; one whose kind the type no longer names goes.
    """
    identity, known = result.get("identity"), current.get("identity") or {}
    if not isinstance(identity, Mapping) or identity == known:
        return result
    if not _is_assigned(identity):
        removes = identity.get("type") == "None" and _is_assigned(known)
        if removes and not resource_type.shows_no_identity:
            del result["identity"]
        else:
            result["identity"] = {name: identity[name] for name in identity if name not in _IDENTITY_IDS}
        return result
    shown = dict(identity)
    if not _is_system_assigned(identity):
        shown = {name: value for name, value in shown.items() if name not in _IDENTITY_IDS}
    elif _is_system_assigned(known):
        shown = {**{name: known[name] for name in _IDENTITY_IDS if name in known}, **shown}
    users = shown.pop("userAssignedIdentities", None)
    if users and ("userassigned" in fold(str(identity["type"])) or "userassigned" not in fold(str(known.get("type")))):
        held = {fold(one): ids for one, ids in (known.get("userAssignedIdentities") or {}).items()}
        shown["userAssignedIdentities"] = {one: ids or held.get(fold(one)) or {} for one, ids in users.items()}
    result["identity"] = shown
    return result


def _is_system_assigned(identity: Mapping[str, Any]) -> bool:
    return "systemassigned" in fold(str(identity.get("type")))


def _is_assigned(identity: Mapping[str, Any]) -> bool:
    return "assigned" in fold(str(identity.get("type")))


def _region(text: Any) -> str:
    return fold(str(text).replace(" ", ""))


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


def _check_state(resource_type: ResourceType, current: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    # The contract lets a caller send provisioningState back as it was read, and nothing else; network providers ignore it.
    if resource_type.namespace == "Microsoft.Network":
        return
    sent = (body.get("properties") or {}).get("provisioningState")
    actual = (current.get("properties") or {}).get("provisioningState")
    if sent is not None and sent != actual:
        problem = f"provisioningState '{sent}' is not '{actual}' of {resource_type.name}"
        raise refusal("InvalidRequestContent", problem=problem)


def _check_irreversible(resource_type: ResourceType, current: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    before = current.get("properties") or {}
    after = result.get("properties") or {}
    for name in resource_type.irreversible:
        switched_off = before.get(name) is True and after.get(name) is not True
        # A vault refuses the value also where it was never switched on, except where it has it already.
        never = name == "enablePurgeProtection" and after.get(name) is False and before.get(name) is not False
        if switched_off or never:
            raise refusal("IrreversibleProperty", property=name)


def _writable(resource_type: ResourceType, properties: Mapping[str, Any], current: Any) -> dict[str, Any]:
    """Returns what a body sets, spelled as the resource or its type spells it, without what GET never shows."""
    writable = _spelled(resource_type.known, without_read_only(resource_type, properties), current)
    for path in resource_type.write_only:
        _remove(writable, path.split("."))
    assert isinstance(writable, dict)
    return writable


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
