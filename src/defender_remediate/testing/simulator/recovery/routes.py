"""GET backupProtectedItems: what a vault backs up, whatever the fabric and container below which it was written."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.testing.simulator.arm.checks import check_scope, existing
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.RecoveryServices/vaults/backupProtectedItems"
_ITEM = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems"


def list_items(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the protected items of a vault."""
    del captured
    vault = ids.path_of(call.path.rstrip("/").rpartition("/")[0])
    assert vault is not None  # the route matches vaults only
    check_scope(tenant, vault)
    owner = existing(tenant, vault)
    tenant.access.check_read(f"{_TYPE}/read", owner.id)
    items = [found.render() for found in tenant.store.resources(owner.id) if found.type.name == _ITEM]
    return tenant.page(call, items)


ROUTES = (
    Route(
        methods=("GET",),
        pattern="/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.RecoveryServices"
        "/vaults/{vault}/backupProtectedItems",
        type=_TYPE,
        handler=list_items,
    ),
)
