"""Deleted vaults and managed HSMs, which can be recovered until their retention ends: list, show and purge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import published
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.KeyVault/deletedVaults"
_DAYS = 90
# What is deleted, by the folded word of the paths: its type, the word as it is shown, and the member that has its id.
_KINDS = {
    "deletedvaults": ("Microsoft.KeyVault/vaults", "deletedVaults", "vaultId"),
    "deletedmanagedhsms": ("Microsoft.KeyVault/managedHSMs", "deletedManagedHSMs", "mhsmId"),
}


def _word(call: Call) -> str:
    return next(word for word in _KINDS if f"/{word}" in fold(call.path))


def _action(call: Call) -> str:
    return f"Microsoft.KeyVault/locations/{_KINDS[_word(call)][1]}"


def _deleted(tenant: Tenant, call: Call, subscription: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Returns the deleted vaults or managed HSMs of a subscription by folded location and name."""
    scope = f"/subscriptions/{tenant.store.subscription(subscription).id}"
    found = {}
    kind, shown, member = _KINDS[_word(call)]
    for vault, moment in tenant.times.gone(kind, scope):
        properties, place = vault.body["properties"], str(vault.body.get("location") or "global")
        wanted = properties.get("softDeleteRetentionInDays")
        days = wanted if isinstance(wanted, int) else _DAYS
        since, until = tenant.clock.at(moment), tenant.clock.at(moment) + timedelta(days=days)
        if until <= tenant.clock.now():
            continue
        found[fold(place), fold(vault.name)] = {
            "id": f"{scope}/providers/Microsoft.KeyVault/locations/{place}/{shown}/{vault.name}",
            "name": vault.name,
            "type": f"Microsoft.KeyVault/{shown}",
            "properties": {
                member: vault.id,
                "location": place,
                "tags": vault.body.get("tags") or {},
                "deletionDate": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "scheduledPurgeDate": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "purgeProtectionEnabled": bool(properties.get("enablePurgeProtection")),
            },
        }
    return found


def list_deleted(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the deleted vaults or managed HSMs of a subscription until their retention ends."""
    found = _deleted(tenant, call, captured["subscription"])
    tenant.access.check_read(
        f"Microsoft.KeyVault/{_KINDS[_word(call)][1]}/read", f"/subscriptions/{captured['subscription']}"
    )
    return tenant.page(call, found.values())


def _one(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> dict[str, Any]:
    found = _deleted(tenant, call, captured["subscription"]).get((fold(captured["location"]), fold(captured["name"])))
    if found is None:
        raise refusal("DeletedVaultNotFound", name=captured["name"], location=captured["location"])
    return found


def get_deleted(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a deleted vault or managed HSM."""
    tenant.access.check_read(f"{_action(call)}/read", f"/subscriptions/{captured['subscription']}")
    return Reply.json(_one(tenant, call, captured))


def purge(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Removes a deleted vault or managed HSM for good, unless purge protection forbids it."""
    scope = f"/subscriptions/{captured['subscription']}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, scope)
        properties = _one(tenant, call, captured)["properties"]
        if properties["purgeProtectionEnabled"]:
            raise refusal("VaultPurgeProtected", name=captured["name"])
        resource_id = properties[_KINDS[_word(call)][2]]
        tenant.times.forget(resource_id)
        tenant.store.touch(ids.key(resource_id))
        return Reply(status=published.settled("POST", call.path, 200)), False

    return logged(tenant, call, f"{_action(call)}/purge/action", scope, work)


_SUB = "/subscriptions/{subscription}/providers/Microsoft.KeyVault"
ROUTES = tuple(
    Route(methods=(method,), pattern=pattern, type=_TYPE, handler=handler, reads=method == "GET")
    for _, word, _ in _KINDS.values()
    for method, pattern, handler in (
        ("GET", f"{_SUB}/{word}", list_deleted),
        ("GET", f"{_SUB}/locations/{{location}}/{word}/{{name}}", get_deleted),
        ("POST", f"{_SUB}/locations/{{location}}/{word}/{{name}}/purge", purge),
    )
)
