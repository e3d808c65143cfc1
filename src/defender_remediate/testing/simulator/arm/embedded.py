"""Children that their parent shows in an array: subnets of a network, rules of a security group.

Either side can be written. The other follows, as in Azure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource, Store
from defender_remediate.testing.simulator.state.types import ResourceType, ResourceTypes

# The parent type, the member that shows its children, and the type of these.
_ARRAYS = {
    "microsoft.network/virtualnetworks": {
        "subnets": "Microsoft.Network/virtualNetworks/subnets",
    },
    "microsoft.network/networksecuritygroups": {
        "securityRules": "Microsoft.Network/networkSecurityGroups/securityRules",
    },
}


class EmbeddedChildren:
    """Keeps both sides the same when one of them changes."""

    def __init__(self, store: Store, types: ResourceTypes) -> None:
        self._store = store
        self._types = types
        self._is_following = False
        store.listen(self._changed)

    def _changed(self, resource_id: str) -> None:
        if self._is_following or "/microsoft.network/" not in ids.key(resource_id):
            return
        self._is_following = True
        try:
            self._follow(resource_id)
        finally:
            self._is_following = False

    def _follow(self, resource_id: str) -> None:
        path = ids.path_of(resource_id)
        assert path is not None  # it has a provider
        own = self._store.find(resource_id)
        if own is not None and fold(path.type) in _ARRAYS:
            for member, type_name in _ARRAYS[fold(path.type)].items():
                self._write_children(own, member, type_name)
            return
        parent = self._store.find(path.parent) if path.is_nested else None
        for member, type_name in _ARRAYS.get(fold(parent.type.name), {}).items() if parent is not None else ():
            if fold(type_name) == fold(path.type):
                self._write_parent(parent, member, type_name)

    def _write_children(self, parent: Resource, member: str, type_name: str) -> None:
        kind = self._types.get(type_name)
        shown = parent.body["properties"].get(member)
        if kind is None or not isinstance(shown, list):
            self._write_parent(parent, member, type_name)
            return
        wanted: dict[str, Mapping[str, Any]] = {}
        for item in shown:
            if isinstance(item, Mapping) and isinstance(item.get("name"), str):
                wanted[ids.key(f"{parent.id}/{member}/{item['name']}")] = item
        for child in list(self._store.children(parent.id, type_name)):
            if ids.key(child.id) not in wanted:
                self._store.remove(child.id)
        for key, item in wanted.items():
            self._write_child(f"{parent.id}/{member}/{item['name']}", key, kind, item)
        self._write_parent(parent, member, type_name)

    def _write_child(self, child_id: str, key: str, kind: ResourceType, item: Mapping[str, Any]) -> None:
        held = self._store.find(key)
        given = item.get("properties")
        properties = dict(given) if isinstance(given, Mapping) else {}
        if held is None or _without_state(held.body["properties"]) != _without_state(properties):
            self._store.write(held.id if held else child_id, kind, {"properties": properties})

    def _write_parent(self, parent: Resource | None, member: str, type_name: str) -> None:
        assert parent is not None  # it was found before
        body = parent.render()
        shown = body["properties"].get(member)
        # Bodies of old api-versions do not show the type of a child.
        items = [item for item in shown if isinstance(item, Mapping)] if isinstance(shown, list) else []
        hidden = {"type"} if shown and not any("type" in item for item in items) else set()
        children = [
            {name: value for name, value in child.render().items() if name not in hidden}
            for child in self._store.children(parent.id, type_name)
        ]
        if body["properties"].get(member) != children:
            body["properties"][member] = children
            self._store.write(parent.id, parent.type, body)


def _without_state(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name != "provisioningState"}
