"""What a write does to a body: RFC 7396 for properties, replacement for tags, and what providers refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.state.types import NONE, TAGS, ResourceType

_TOP = frozenset(
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
_READ_ONLY_TOP = ("id", "name", "type", "etag", "systemData", "location")


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: objects merge, null removes, everything else (arrays too) replaces. Changes neither argument."""
    if not isinstance(patch, Mapping):
        return deepcopy(patch)
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return deepcopy(merged)


def patched(resource_type: ResourceType, current: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The resource after a PATCH.

    Raises:
        ArmError: The type takes no such PATCH, or the body is not one it takes.
    """
    if resource_type.patch == NONE:
        raise refusal("MethodNotAllowed", method="PATCH")
    if resource_type.patch == TAGS and set(body) - {"tags"}:
        raise refusal("InvalidRequestFormat", type=resource_type.name, member=min(set(body) - {"tags"}))
    check_names(resource_type, body, current)
    _check_state(resource_type, current, body)
    result = deepcopy(dict(current))
    for name in set(body) & {"location", "name", "type"}:
        if fold(str(body[name]).replace(" ", "")) != fold(str(current.get(name, "")).replace(" ", "")):
            raise refusal("PropertyChangeNotAllowed", property=name)
    for name, value in body.items():
        if name == "properties":
            result[name] = merge_patch(current.get(name) or {}, without_read_only(resource_type, value or {}))
        elif name not in _READ_ONLY_TOP:
            _replace(result, name, value if name == "tags" else merge_patch(current.get(name), value))
    _check_irreversible(resource_type, current, result)
    return _without_identity(current, result)


def put(resource_type: ResourceType, current: Mapping[str, Any] | None, body: Mapping[str, Any]) -> dict[str, Any]:
    """The resource after a PUT: what the body says, the provider's defaults, and what is not the caller's to write.

    Raises:
        ArmError: The body is not one that the type takes.
    """
    check_names(resource_type, body, current or {})
    _check_state(resource_type, current or {}, body)
    result = {name: deepcopy(value) for name, value in body.items() if name not in _READ_ONLY_TOP and value is not None}
    if resource_type.tracked:
        result["location"] = _location(resource_type, current, body)
    if current is None:
        for name in resource_type.required:
            if not body.get(name):
                raise refusal("InvalidRequestContent", problem=f"Required property '{name}' not found in JSON")
    properties = without_read_only(resource_type, body.get("properties") or {})
    kept = read_only_part(resource_type, (current or {}).get("properties") or {})
    sticky = {
        name: (current or {}).get("properties", {})[name]
        for name in resource_type.irreversible
        if (current or {}).get("properties", {}).get(name) and name not in properties
    }
    written = merge_patch(merge_patch(resource_type.defaults, kept), {**sticky, **properties})
    result["properties"] = written
    _check_irreversible(resource_type, current or {}, result)
    return _without_identity(current or {}, result)


def _without_identity(current: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The same without an identity that was written with the type None: that is how one is taken away."""
    # Some bodies show the type None where there is none: what was so stays so.
    if _has_no_identity(result) and not _has_no_identity(current):
        del result["identity"]
    return result


def _has_no_identity(body: Mapping[str, Any]) -> bool:
    identity = body.get("identity")
    return isinstance(identity, Mapping) and identity.get("type") == "None"


def _location(resource_type: ResourceType, current: Mapping[str, Any] | None, body: Mapping[str, Any]) -> str:
    wanted = body.get("location")
    if not wanted:
        raise refusal("LocationRequired", type=resource_type.name)
    if current is not None and _region(wanted) != _region(current.get("location", wanted)):
        raise refusal(
            "InvalidResourceLocation", name=current.get("name"), location=current.get("location"), wanted=wanted
        )
    return str((current or body)["location"])


def _region(text: Any) -> str:
    return fold(str(text).replace(" ", ""))


def _replace(result: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        result.pop(name, None)
    else:
        result[name] = deepcopy(value)


def check_names(resource_type: ResourceType, body: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Refuse a member that the type does not have. A name that the resource already has is known.

    Raises:
        ArmError: 400 InvalidRequestContent, naming the member and its path.
    """
    for name in body:
        if name not in _TOP and name not in current:
            raise refusal("InvalidRequestContent", problem=_unknown(name, resource_type, name))
    properties = body.get("properties")
    if properties is not None and not isinstance(properties, Mapping):
        raise refusal("InvalidRequestContent", problem="'properties' is not an object")
    if resource_type.known is not None and properties:
        for path in _strangers(resource_type.known, properties, current.get("properties"), "properties"):
            raise refusal("InvalidRequestContent", problem=_unknown(path.rpartition(".")[2], resource_type, path))


def _unknown(name: str, resource_type: ResourceType, path: str) -> str:
    return f"Could not find member '{name}' on object of type '{resource_type.last_type}'. Path '{path}'"


def _strangers(known: Mapping[str, Any], value: Any, current: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _strangers(known, item, None, path)
    elif isinstance(value, Mapping):
        has = current if isinstance(current, Mapping) else {}
        for name, inner in value.items():
            below = f"{path}.{name}"
            if name not in known:
                if name not in has:
                    yield below
            elif known[name] is not None:
                yield from _strangers(known[name], inner, has.get(name), below)


def _check_state(resource_type: ResourceType, current: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    # The contract lets a caller send provisioningState back as it was read, and nothing else.
    sent = (body.get("properties") or {}).get("provisioningState")
    actual = (current.get("properties") or {}).get("provisioningState")
    if sent is not None and sent != actual:
        raise refusal(
            "InvalidRequestContent", problem=f"provisioningState '{sent}' is not '{actual}' of {resource_type.name}"
        )


def _check_irreversible(resource_type: ResourceType, current: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    before = current.get("properties") or {}
    after = result.get("properties") or {}
    for name in resource_type.irreversible:
        if before.get(name) is True and after.get(name) is not True:
            raise refusal("IrreversibleProperty", property=name)


def without_read_only(resource_type: ResourceType, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties without those that a caller's value never reaches."""
    kept = deepcopy(dict(properties))
    kept.pop("provisioningState", None)
    for path in resource_type.read_only:
        _cut(kept, path.split("."))
    return kept


def read_only_part(resource_type: ResourceType, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Only the properties that a caller's value never reaches."""
    part: dict[str, Any] = {}
    for path in (*resource_type.read_only, "provisioningState"):
        names = path.split(".")
        value = _look(properties, names)
        if value is not None:
            part = merge_patch(part, _nest(names, value))
    return part


def _cut(value: Any, names: list[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _cut(item, names)
    elif isinstance(value, dict):
        if len(names) == 1:
            value.pop(names[0], None)
        else:
            _cut(value.get(names[0]), names[1:])


def _look(value: Any, names: list[str]) -> Any:
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _nest(names: list[str], value: Any) -> Any:
    for name in reversed(names):
        value = {name: value}
    return value
