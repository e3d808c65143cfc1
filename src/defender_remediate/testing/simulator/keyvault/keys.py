"""Versions of keys in vaults and managed HSMs: over the management API each key has the one with which it was created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_OWNERS = ("Microsoft.KeyVault/vaults", "Microsoft.KeyVault/managedHSMs")


def _key(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Resource:
    kind = _OWNERS[0] if "/vaults/" in fold(call.path) else _OWNERS[1]
    return owner_of(tenant, call, captured, f"{kind}/{captured['owner']}/keys")


def _version(key: Resource) -> dict[str, Any]:
    body = key.render()
    name = str(body["properties"].get("keyUriWithVersion") or "").rpartition("/")[2]
    return {**body, "id": f"{key.id}/versions/{name}", "name": name, "type": f"{key.type.name}/versions"}


def list_versions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the versions of a key."""
    key = _key(tenant, call, captured)
    tenant.access.check_read(f"{key.type.name}/versions/read", key.id)
    return tenant.page(call, [_version(key)])


def get_version(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a version of a key."""
    key = _key(tenant, call, captured)
    tenant.access.check_read(f"{key.type.name}/versions/read", key.id)
    version = _version(key)
    if fold(version["name"]) != fold(captured["version"]):
        name = f"{captured['owner']}/{key.name}/{captured['version']}"
        raise refusal("ResourceNotFound", type=version["type"], name=name, group=captured["group"])
    return Reply.json(version)


ROUTES = tuple(
    Route(methods=("GET",), pattern=f"{ITEM}/{kind}/{{owner}}/keys/{{name}}/versions{rest}", type=kind, handler=handler)
    for kind in _OWNERS
    for rest, handler in (("", list_versions), ("/{version}", get_version))
)
