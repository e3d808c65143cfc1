"""The body of a resource after a PATCH or a PUT: what is merged, kept, reset and refused, before the provider adds to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.identities import merged_identity, spelled_as_held
from defender_remediate.testing.simulator.arm.member_rules import (
    check_names,
    keep_read_only_members,
    member_at,
    read_only_part,
    writable,
)
from defender_remediate.testing.simulator.arm.merge_patch import merge_patch
from defender_remediate.testing.simulator.arm.strictness import (
    check_number_of_tags,
    check_values,
    checked_tags,
    merged_tags,
)
from defender_remediate.testing.simulator.arm.value_rules import required_members
from defender_remediate.testing.simulator.state.store import copied
from defender_remediate.testing.simulator.state.types import NONE, TAGS, ResourceType

_READ_ONLY_TOP = ("id", "name", "type", "etag", "eTag", "systemData", "location")


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
            changes = writable(resource_type, value or {}, current.get(name))
            result[name] = merge_patch(current.get(name) or {}, changes)
        elif value is None:
            result.pop(name, None)
        elif name not in _READ_ONLY_TOP:
            value = spelled_as_held(value, current.get(name) or {}) if name == "identity" else value
            result[name] = merged_tags(value) if name == "tags" else merge_patch(current.get(name), value)
    _check_irreversible(resource_type, current, result)
    keep_read_only_members(resource_type, current, result)
    return merged_identity(resource_type, current, result)


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
            if not is_recovery and member_at(body, path) in (None, {}):
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
    given = writable(resource_type, body.get("properties") or {}, properties)
    irreversible = {n: properties[n] for n in resource_type.irreversible if properties.get(n) and n not in given}
    # What an update leaves out goes back to its default, unless the resource never showed it.
    defaults = {n: v for n, v in resource_type.defaults.items() if current is None or not properties or n in properties}
    kept = merge_patch(defaults, read_only_part(resource_type, properties))
    result["properties"] = merge_patch(kept, {**irreversible, **given})
    for path in resource_type.keeps:
        _keep(result, body, before, path.split("."))
    _check_irreversible(resource_type, before, result)
    keep_read_only_members(resource_type, before, result)
    return merged_identity(resource_type, before, result)


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
        # An id that is a name, such as that of an assigned identity, is a value by itself.
        added = any(str(name).startswith("/") and fold(str(name)) not in spelled for name in wanted)
        return not added and all(_agrees(value, spelled.get(fold(str(name)))) for name, value in wanted.items())
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


def _region(text: Any) -> str:
    return fold(str(text).replace(" ", ""))


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
