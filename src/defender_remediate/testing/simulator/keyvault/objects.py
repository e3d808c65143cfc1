"""What a vault adds to its keys and secrets: whether they are enabled, when they were created, and their addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.store import Resource, Store
from defender_remediate.testing.simulator.transport.hosts import VAULTS

_VAULT_TYPE = "Microsoft.KeyVault/vaults"
# The member with the address, by the folded type.
_ADDRESSES = {f"{fold(_VAULT_TYPE)}/keys": "keyUri", f"{fold(_VAULT_TYPE)}/secrets": "secretUri"}


def version_of(resource: Resource) -> str:
    """Returns the version of a key or a secret: 32 hexadecimal digits that change when it is replaced."""
    created = (resource.body["properties"].get("attributes") or {}).get("created")
    return hashlib.sha256(f"{ids.key(resource.id)}:{created}".encode()).hexdigest()[:32]


class VaultObjects:
    """Completes keys and secrets as they are written, by Resource Manager, by the vault or by a test."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self._clock = clock
        store.record(self._wrote)

    def _wrote(self, one: Resource, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        address = _ADDRESSES.get(fold(one.type.name))
        if address is None or after is None:
            return
        now = int(self._clock.now().timestamp())
        held = ((before or {}).get("properties") or {}).get("attributes") or {}
        properties = after["properties"]
        usual = {"enabled": True, "created": held.get("created", now)}
        properties["attributes"] = {**usual, **(properties.get("attributes") or {}), "updated": now}
        kind = fold(one.type.name).rpartition("/")[2]
        vault = ids.segments(one.id)[-3]
        properties[address] = f"https://{fold(vault)}.{VAULTS}/{kind}/{one.name}"
        properties[f"{address}WithVersion"] = f"{properties[address]}/{version_of(one)}"
