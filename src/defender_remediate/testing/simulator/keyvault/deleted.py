"""Deleted vaults, which can be recovered until their retention ends: list, show and purge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.KeyVault/deletedVaults"
_ACTION = "Microsoft.KeyVault/locations/deletedVaults"
_DAYS = 90


def _deleted(tenant: Tenant, subscription: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Returns the deleted vaults of a subscription by folded location and name."""
    scope = f"/subscriptions/{tenant.store.subscription(subscription).id}"
    found = {}
    for vault, moment in tenant.times.gone("Microsoft.KeyVault/vaults", scope):
        properties, place = vault.body["properties"], str(vault.body.get("location") or "global")
        wanted = properties.get("softDeleteRetentionInDays")
        days = wanted if isinstance(wanted, int) else _DAYS
        since, until = tenant.clock.at(moment), tenant.clock.at(moment) + timedelta(days=days)
        if until <= tenant.clock.now():
            continue
        found[fold(place), fold(vault.name)] = {
            "id": f"{scope}/providers/Microsoft.KeyVault/locations/{place}/deletedVaults/{vault.name}",
            "name": vault.name,
            "type": _TYPE,
            "properties": {
                "vaultId": vault.id,
                "location": place,
                "tags": vault.body.get("tags") or {},
                "deletionDate": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "scheduledPurgeDate": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "purgeProtectionEnabled": bool(properties.get("enablePurgeProtection")),
            },
        }
    return found


def list_deleted(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the deleted vaults of a subscription until their retention ends."""
    found = _deleted(tenant, captured["subscription"])
    tenant.access.check_read("Microsoft.KeyVault/deletedVaults/read", f"/subscriptions/{captured['subscription']}")
    return tenant.page(call, found.values())


def _one(tenant: Tenant, captured: Mapping[str, str]) -> dict[str, Any]:
    found = _deleted(tenant, captured["subscription"]).get((fold(captured["location"]), fold(captured["name"])))
    if found is None:
        raise refusal("DeletedVaultNotFound", name=captured["name"], location=captured["location"])
    return found


def get_deleted(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a deleted vault."""
    del call
    tenant.access.check_read(f"{_ACTION}/read", f"/subscriptions/{captured['subscription']}")
    return Reply.json(_one(tenant, captured))


def purge(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Removes a deleted vault for good, unless purge protection forbids it."""
    scope = f"/subscriptions/{captured['subscription']}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, scope)
        properties = _one(tenant, captured)["properties"]
        if properties["purgeProtectionEnabled"]:
            raise refusal("VaultPurgeProtected", name=captured["name"])
        tenant.times.forget(properties["vaultId"])
        tenant.store.touch(ids.key(properties["vaultId"]))
        return Reply(status=200), False

    return logged(tenant, call, f"{_ACTION}/purge/action", scope, work)


_SUB = "/subscriptions/{subscription}/providers/Microsoft.KeyVault"
_ITEM = f"{_SUB}/locations/{{location}}/deletedVaults/{{name}}"
ROUTES = tuple(
    Route(methods=(method,), pattern=pattern, type=_TYPE, handler=handler, reads=method == "GET")
    for method, pattern, handler in (
        ("GET", f"{_SUB}/deletedVaults", list_deleted),
        ("GET", _ITEM, get_deleted),
        ("POST", f"{_ITEM}/purge", purge),
    )
)
