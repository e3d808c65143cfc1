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
class _EmbeddedResource:
    array: str
    body: dict[str, Any]


def completed(
    kind: ResourceType, resource_id: str, version: str, before: Mapping[str, Any] | None, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the body of a network resource with what the provider computes of its elements; any other body as it is."""
    if kind.namespace != _NAMESPACE:
        return dict(body)
    result: dict[str, Any] = copied(body)
    known = {"properties": kind.known}
    held = [
        element.body for element in _ElementSearch(resource_id, kind.name, "", shows_type=False).of(before or {}, known)
    ]
    shows_type = any("type" in element for element in held) if held else version >= _TYPE_SINCE
    digits = hashlib.sha256(repr(result).encode()).hexdigest()
    etag = f'W/"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"'
    found = list(_ElementSearch(resource_id, kind.name, etag, shows_type=shows_type).of(result, known, writes=True))
    _show_referrers(_REFERRERS.get(fold(kind.name), {}), found)
    return result


@attrs.frozen
class _ElementSearch:
    place: str
    type: str
    etag: str
    shows_type: bool = attrs.field(kw_only=True)

    def of(self, body: Any, known: Any, *, writes: bool = False) -> Iterator[_EmbeddedResource]:
        """Yields the elements in an object, those in elements last; on request, completes them and cuts references."""
        for name, value in body.items() if isinstance(body, Mapping) else ():
            below = known.get(name) if isinstance(known, Mapping) else None
            if isinstance(value, Mapping):
                if writes and isinstance(value.get("id"), str) and len(value) > 1:
                    body[name] = {"id": value["id"]}
                else:
                    yield from self.of(value, below, writes=writes)
            for position, item in enumerate(value if isinstance(value, list) else ()):
                if not isinstance(item, dict):
                    continue
                place = f"{self.place}/{name}/{item.get('name')}"
                if not _is_element(item, below, place):
                    if writes and isinstance(item.get("id"), str) and item["id"]:
                        value[position] = {"id": item["id"]}
                    else:
                        yield from self.of(item, below, writes=writes)
                    continue
                inner = _ElementSearch(place, f"{self.type}/{name}", self.etag, shows_type=self.shows_type)
                if writes:
                    inner.complete(item, below)
                yield _EmbeddedResource(name, item)
                yield from inner.of(item, below, writes=writes)

    def complete(self, item: dict[str, Any], known: Any) -> None:
        """Gives an element what its kind of element has: an id, an etag, a type and a provisioningState."""
        item["id"] = self.place
        if known is None or "etag" in known:
            item["etag"] = self.etag
        if self.shows_type and (known is None or "type" in known):
            item["type"] = self.type
        elif not self.shows_type:
            item.pop("type", None)
        properties = known.get("properties") if known is not None else None
        if known is None or "properties" in known:
            own = item.setdefault("properties", {})
            if isinstance(own, dict) and (properties is None or "provisioningState" in properties):
                own["provisioningState"] = "Succeeded"


def _is_element(item: Mapping[str, Any], known: Any, place: str) -> bool:
    if not isinstance(item.get("name"), str):
        return False
    if "id" not in known if known is not None else "properties" not in item:
        return False
    return not item.get("id") or fold(str(item["id"])) == fold(place)


def _show_referrers(shown_as: Mapping[str, str], elements: list[_EmbeddedResource]) -> None:
    by_id = {fold(element.body["id"]): element.body.get("properties") for element in elements}
    referrers: dict[str, dict[str, list[Any]]] = {}
    for element in elements:
        if element.array in shown_as:
            for referred in _references(element.body.get("properties") or {}, set(shown_as.values())):
                lists = referrers.setdefault(fold(referred), {})
                lists.setdefault(shown_as[element.array], []).append({"id": element.body["id"]})
    for place, properties in by_id.items():
        if isinstance(properties, dict):
            for name in [
                name for name in properties if name in shown_as.values() and _are_references(properties[name])
            ]:
                del properties[name]
            properties.update(referrers.get(place, {}))


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
