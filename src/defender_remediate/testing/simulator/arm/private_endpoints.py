"""Private endpoints, which the resources that they lead to show as connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource, Store

CONNECTIONS = "privateEndpointConnections"
_ENDPOINTS = "/providers/microsoft.network/privateendpoints/"
# A manual connection waits for the approval of the resource's owner.
_STATUS = {"privateLinkServiceConnections": "Approved", "manualPrivateLinkServiceConnections": "Pending"}

# Types whose connections name the groups of the private link that they lead to.
_SHOWS_GROUPS = ("Microsoft.EventGrid/namespaces", "Microsoft.StorageSync/storageSyncServices")


class Connections:
    """Updates the connections of resources when private endpoints change.

    Bodies of most types show them; every type lists them as children.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        # Of resources whose bodies do not show them, by the key of the resource.
        self._unshown: dict[str, list[Any]] = {}
        store.listen(self._changed)

    def of(self, resource: Resource) -> list[Any]:
        """Returns the connections of a resource, each with its name and type, which many bodies leave out."""
        shown = resource.body["properties"].get(CONNECTIONS) or ()
        kind = f"{resource.type.name}/{CONNECTIONS}"
        return [
            {"name": str(each.get("id", "")).rpartition("/")[2], "type": kind, **each}
            for each in (*shown, *self._unshown.get(ids.key(resource.id), ()))
        ]

    def replace(self, resource: Resource, name: str, connection: Mapping[str, Any]) -> None:
        """Shows a connection of a resource in another state."""
        self._put_in_place(resource, name, [dict(connection)])

    def remove(self, resource: Resource, name: str) -> bool:
        """Removes a connection of a resource; returns whether it was there."""
        was_there = any(_name_of(each) == fold(name) for each in self.of(resource))
        self._put_in_place(resource, name, [])
        return was_there

    def _put_in_place(self, resource: Resource, name: str, instead: list[Any]) -> None:
        shown = list(resource.body["properties"].get(CONNECTIONS) or ())
        if any(_name_of(each) == fold(name) for each in shown):
            known = (resource.type.known or {}).get(CONNECTIONS)
            new = [_as_shown(each, known) for each in instead]
            kept = [inner for each in shown for inner in (new if _name_of(each) == fold(name) else [each])]
            self._show(resource, kept)
        key = ids.key(resource.id)
        self._unshown[key] = [
            inner
            for each in self._unshown.get(key, ())
            for inner in (instead if _name_of(each) == fold(name) else [each])
        ]

    def connect(self, resource: Resource, endpoint_id: str, status: str, groups: Sequence[str] = ()) -> str:
        """Shows a connection on a resource, in place of an earlier one of the endpoint; returns its id."""
        name = ids.segments(endpoint_id)[-1]
        connection = {
            "id": f"{resource.id}/{CONNECTIONS}/{name}",
            "name": name,
            "type": f"{resource.type.name}/{CONNECTIONS}",
            "properties": {
                "provisioningState": "Succeeded",
                "privateEndpoint": {"id": endpoint_id},
                "privateLinkServiceConnectionState": {"status": status, "description": ""},
                **({"groupIds": list(groups)} if resource.type.name in _SHOWS_GROUPS else {}),
            },
        }
        if shows_connections(resource):
            shown = _as_shown(connection, (resource.type.known or {}).get(CONNECTIONS))
            self._show(resource, [*self._others(resource, endpoint_id), shown])
        else:
            self._unshown.setdefault(ids.key(resource.id), []).append(connection)
        return str(connection["id"])

    def _changed(self, resource_id: str) -> None:
        if _ENDPOINTS not in ids.key(resource_id):
            return
        endpoint = self._store.find(resource_id)
        if endpoint is None:
            self._forget(resource_id)
            return
        for member, status in _STATUS.items():
            for link in endpoint.body["properties"].get(member) or ():
                target = self._store.find(str(link["properties"].get("privateLinkServiceId", "")))
                if target is not None:
                    self.connect(target, endpoint.id, status, link["properties"].get("groupIds") or ())

    def _forget(self, endpoint_id: str) -> None:
        for key, unshown in self._unshown.items():
            self._unshown[key] = [each for each in unshown if ids.key(_endpoint_of(each)) != ids.key(endpoint_id)]
        for resource in self._store.resources():
            there = resource.body["properties"].get(CONNECTIONS) or ()
            left = self._others(resource, endpoint_id)
            if len(left) < len(there):
                self._show(resource, left)

    def _others(self, resource: Resource, endpoint_id: str) -> list[Any]:
        there = resource.body["properties"].get(CONNECTIONS) or ()
        return [each for each in there if ids.key(_endpoint_of(each)) != ids.key(endpoint_id)]

    def _show(self, resource: Resource, connections: list[Any]) -> None:
        body = resource.render()
        body["properties"][CONNECTIONS] = connections
        self._store.write(resource.id, resource.type, body)


def _name_of(connection: Any) -> str:
    return fold(str(connection.get("id", "")).rpartition("/")[2])


def _endpoint_of(connection: Any) -> str:
    # A connection that a test added may lack the endpoint.
    properties = connection.get("properties") or {}
    return str((properties.get("privateEndpoint") or {}).get("id", ""))


def shows_connections(resource: Resource) -> bool:
    """Whether bodies of this type show private endpoints; a type that a test added may show anything."""
    return resource.type.known is None or CONNECTIONS in resource.type.known


def _as_shown(value: Any, known: Any) -> Any:
    """Returns only the members that the type knows: some types show the name of a connection, some only its id."""
    if not isinstance(value, Mapping) or not isinstance(known, Mapping):
        return value
    return {name: _as_shown(item, known[name]) for name, item in value.items() if name in known}
