"""Failover groups as both servers show them: a write of the group of the primary server is one of its partner's, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state.store import Resource, Store

SERVERS = "Microsoft.Sql/servers"
GROUPS = f"{SERVERS}/failoverGroups"
PRIMARY, SECONDARY = "Primary", "Secondary"


class FailoverGroups:
    """Keeps the group of the partner server like that of the primary one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.record(self._wrote)

    def _wrote(self, resource: Resource, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        if fold(resource.type.name) != fold(GROUPS):
            return
        properties = (after or before or {}).get("properties") or {}
        if properties.get("replicationRole") != PRIMARY:
            return
        for partner_id in _partners(properties):
            place = f"{partner_id}/failoverGroups/{resource.name}"
            if after is None and self._store.find(place) is not None:
                self._store.remove(place)
            elif after is not None and self._store.find(partner_id) is not None:
                self._store.write(place, resource.type, {**after, "properties": _mirrored(resource, properties)})


def _partners(properties: Mapping[str, Any]) -> list[str]:
    return [
        str(one["id"]) for one in properties.get("partnerServers") or () if isinstance(one, Mapping) and "id" in one
    ]


def _mirrored(resource: Resource, properties: Mapping[str, Any]) -> dict[str, Any]:
    server = resource.id.rpartition("/failoverGroups/")[0]
    databases = []
    for partner_id in _partners(properties):
        databases += [
            f"{partner_id}/databases/{str(one).rpartition('/')[2]}" for one in properties.get("databases") or ()
        ]
    partners = [{"id": server, "replicationRole": PRIMARY}]
    return {**properties, "replicationRole": SECONDARY, "partnerServers": partners, "databases": databases}
