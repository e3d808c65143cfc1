"""The private endpoint connections below a resource of any type: listed, shown, approved, rejected and removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import published
from defender_remediate.testing.simulator.arm.checks import check_scope, existing
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.merge_patch import merge_patch
from defender_remediate.testing.simulator.arm.private_endpoints import CONNECTIONS
from defender_remediate.testing.simulator.arm.refusal_forms import missing
from defender_remediate.testing.simulator.arm.routing import find_type, json_body, unknown_route
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply


def answer(tenant: Tenant, call: Call, target: ids.ResourcePath) -> Reply:
    """Lists the private endpoint connections of a resource, shows one, approves or rejects it, or removes it."""
    above = ids.path_of(target.parent)
    if above is None or above.is_collection or call.method not in ("GET", "PUT", "DELETE"):
        raise unknown_route(call)
    if tenant.types.get(above.type) is None and tenant.store.find(above.id) is None:
        raise unknown_route(call)
    if tenant.types.get(above.type) is not None:
        find_type(tenant, call, above.type)
    check_scope(tenant, above)
    owner = existing(tenant, above)
    action = f"{owner.type.name}/{CONNECTIONS}"
    if target.is_collection:
        if call.method != "GET":
            raise unknown_route(call)
        tenant.access.check_read(f"{action}/read", owner.id)
        return tenant.page(call, tenant.connections.of(owner))
    if call.method == "GET":
        tenant.access.check_read(f"{action}/read", owner.id)
        return Reply.json(_connection(tenant, owner, target))

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write(call.method, operation.action, owner.id)
        if call.method == "DELETE":
            removed = tenant.connections.remove(owner, target.name)
            return Reply(status=published.settled("DELETE", target.id, 200 if removed else 204)), False
        found = _connection(tenant, owner, target)
        state = (json_body(call).get("properties") or {}).get("privateLinkServiceConnectionState")
        if not isinstance(state, Mapping) or state.get("status") not in (
            "Approved",
            "Rejected",
            "Pending",
            "Disconnected",
        ):
            problem = "privateLinkServiceConnectionState.status is not Approved, Rejected, Pending or Disconnected"
            raise refusal("InvalidRequestContent", problem=problem)
        changed = merge_patch(found, {"properties": {"privateLinkServiceConnectionState": dict(state)}})
        tenant.connections.replace(owner, target.name, changed)
        return Reply.json(changed, status=published.settled("PUT", target.id, 200)), False

    return logged(tenant, call, f"{action}/{'delete' if call.method == 'DELETE' else 'write'}", owner.id, work)


def _connection(tenant: Tenant, owner: Resource, target: ids.ResourcePath) -> Any:
    for connection in tenant.connections.of(owner):
        if fold(str(connection.get("id", "")).rpartition("/")[2]) == fold(target.name):
            return connection
    raise missing(target)
