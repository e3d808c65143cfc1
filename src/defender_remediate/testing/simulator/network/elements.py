"""Elements of a network resource that are resources themselves: the listeners of a gateway, the rules of a load balancer.

Three rules hold for every type of Microsoft.Network, as recorded traffic shows without an exception. An element has an id
below the resource that holds it, an etag, a type and a provisioningState. What refers to another resource or element shows
its id and nothing else. An element of a gateway or load balancer shows what refers to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state.store import copied
from defender_remediate.testing.simulator.state.types import ResourceType

_NAMESPACE = "Microsoft.Network"
# Recordings made before the summer of 2018 with versions before this one show no type of an element.
_TYPE_SINCE = "2017-10-01"
# What refers to an element is shown there in a list of this name.
_REFERRERS = {
    "microsoft.network/applicationgateways": {
        "backendHttpSettingsCollection": "backendHttpSettings",
        "backendSettingsCollection": "backendSettings",
        "httpListeners": "httpListeners",
        "listeners": "listeners",
        "pathRules": "pathRules",
        "redirectConfigurations": "redirectConfiguration",
        "requestRoutingRules": "requestRoutingRules",
        "routingRules": "routingRules",
        "urlPathMaps": "urlPathMaps",
    },
    "microsoft.network/loadbalancers": {
        "inboundNatPools": "inboundNatPools",
        "inboundNatRules": "inboundNatRules",
        "loadBalancingRules": "loadBalancingRules",
        "outboundRules": "outboundRules",
    },
}


@attrs.frozen
class _Part:
    """An element of an array, with its place and type, or a reference, which has none."""

    array: str
    holder: Any
    key: Any
    body: dict[str, Any]
    known: Any
    path: tuple[str, ...]
    place: str = ""
    type: str = ""


def completed(
    kind: ResourceType, resource_id: str, version: str, before: Mapping[str, Any] | None, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the body of a network resource with what the provider computes of its elements; any other body as it is.

    A reference that was shown with more than its id, as ``$expand`` shows it, stays as it was.
    """
    if kind.namespace != _NAMESPACE:
        return dict(body)
    result: dict[str, Any] = copied(body)
    known = {"properties": kind.known}
    held = [part.body for part in _parts(before or {}, known, resource_id, kind.name) if part.place]
    shows_type = any("type" in one for one in held) if held else version >= _TYPE_SINCE
    digits = hashlib.sha256(repr(result).encode()).hexdigest()
    etag = f'W/"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"'
    elements = []
    for part in _parts(result, known, resource_id, kind.name):
        if part.place:
            _complete(part, etag, shows_type=shows_type)
            elements.append(part)
        elif not _shows_more(before, part):
            part.holder[part.key] = {"id": part.body["id"]}
    _show_referrers(_REFERRERS.get(fold(kind.name), {}), elements)
    return result


def _parts(
    body: Mapping[str, Any], known: Any, place: str, type_name: str, path: tuple[str, ...] = ()
) -> Iterator[_Part]:
    """Yields the elements and the references in an object, those in an element after it."""
    for name, value in body.items():
        below = known.get(name) if isinstance(known, Mapping) else None
        items = enumerate(value) if isinstance(value, list) else ((name, value),)
        holder = value if isinstance(value, list) else body
        for key, item in items:
            if not isinstance(item, dict):
                continue
            own_place, own_type = f"{place}/{name}/{item.get('name')}", f"{type_name}/{name}"
            own_path = (*path, name, *([str(item.get("name"))] if isinstance(value, list) else []))
            if isinstance(value, list) and _is_element(item, below, own_place):
                yield _Part(name, holder, key, item, below, own_path, own_place, own_type)
                yield from _parts(item, below, own_place, own_type, own_path)
            elif isinstance(item.get("id"), str) and item["id"]:
                yield _Part(name, holder, key, item, below, own_path)
            else:
                yield from _parts(item, below, place, type_name, own_path)


def _shows_more(before: Any, reference: _Part) -> bool:
    """Whether an object showed what a reference has besides its id."""
    for name in reference.path:
        if isinstance(before, list):
            before = next((item for item in before if isinstance(item, Mapping) and item.get("name") == name), None)
        else:
            before = before.get(name) if isinstance(before, Mapping) else None
    rest = {name: value for name, value in reference.body.items() if name != "id"}
    return bool(rest) and isinstance(before, Mapping) and all(before.get(one) == rest[one] for one in rest)


def _complete(element: _Part, etag: str, *, shows_type: bool) -> None:
    """Gives an element what its kind of element has: an id, an etag, a type and a provisioningState."""
    item = element.body
    item["id"] = element.place
    given: dict[str, Any] = {"etag": etag, "type": element.type if shows_type else None, "properties": {}}
    for name, value in given.items():
        if value is None:
            item.pop(name, None)
        elif element.known is None or name in element.known:
            item[name] = item.get(name, value) if name == "properties" else value
    inner = (element.known or {}).get("properties")
    if isinstance(item.get("properties"), dict) and (inner is None or "provisioningState" in inner):
        item["properties"]["provisioningState"] = "Succeeded"


def _is_element(item: Mapping[str, Any], known: Any, place: str) -> bool:
    has_id = "id" in known if known is not None else "properties" in item
    if not has_id or not isinstance(item.get("name"), str):
        return False
    return not item.get("id") or fold(str(item["id"])) == fold(place)


def _show_referrers(shown_as: Mapping[str, str], elements: list[_Part]) -> None:
    with_properties = [one for one in elements if isinstance(one.body.get("properties"), dict)]
    referrers: dict[str, dict[str, list[Any]]] = {}
    for element in with_properties:
        if element.array in shown_as:
            for referred in _references(element.body["properties"], set(shown_as.values())):
                lists = referrers.setdefault(fold(referred), {})
                lists.setdefault(shown_as[element.array], []).append({"id": element.body["id"]})
    for element in with_properties:
        properties = element.body["properties"]
        for name in set(shown_as.values()).intersection(properties):
            if _are_references(properties[name]):
                del properties[name]
        properties.update(referrers.get(fold(element.place), {}))


def _are_references(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) and set(item) == {"id"} for item in value)


def _references(properties: Mapping[str, Any], back: set[str]) -> Iterator[str]:
    """Yields the ids that an element refers to, without those of what refers to it."""
    for name, value in properties.items():
        if name in back and isinstance(value, list):
            continue
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, Mapping) and set(item) == {"id"}:
                yield item["id"]
