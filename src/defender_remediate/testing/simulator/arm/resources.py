"""Resources of any type: which operation answers a call for one or for a list of them, and those that read or delete."""

from __future__ import annotations

from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import private_endpoint_routes, published, rendering
from defender_remediate.testing.simulator.arm.checks import check_etag, check_scope, existing
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.expansions import expanded
from defender_remediate.testing.simulator.arm.private_endpoints import CONNECTIONS
from defender_remediate.testing.simulator.arm.refusal_forms import check_use, missing
from defender_remediate.testing.simulator.arm.routing import find_type, take_version, unknown_route
from defender_remediate.testing.simulator.arm.strictness import check_expand
from defender_remediate.testing.simulator.arm.writes import write_resource
from defender_remediate.testing.simulator.compute import instance_view
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.applied import target_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType, published_since
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_VERBS = ("GET", "PUT", "POST", "PATCH", "DELETE")


def handle(tenant: Tenant, call: Call) -> Reply:
    """Answers a call for a resource, or for all resources of a type at a scope."""
    target = ids.path_of(call.path)
    if target is None:
        raise unknown_route(call)
    if tenant.types.get(target.type) is None and fold(target.types[-1]) == fold(CONNECTIONS):
        return private_endpoint_routes.answer(tenant, call, target)
    is_unknown = tenant.types.get(target.type) is None and any(tenant.types.of_namespace(target.namespace))
    if is_unknown and (call.method == "POST" or published.has_other_verbs(call.path)):
        raise unknown_route(call)  # an action, not a type
    since = published_since(target.type)
    if tenant.types.get(target.type) is None and since is not None and call.reads and not target.is_collection:
        # Azure has the type and the simulator does not, so that this one was never created.
        take_version(tenant, call, target.type, since=since)
        check_scope(tenant, target)
        raise missing(target)
    resource_type = find_type(tenant, call, target.type)
    if resource_type.routed or call.method not in _HANDLERS:
        raise unknown_route(call)
    check_scope(tenant, target)
    if fold(resource_type.namespace) == "microsoft.security":
        tenant.access.check_registered(target.subscription, resource_type.namespace)
    if target.is_collection:
        if call.method != "GET":
            raise unknown_route(call)
        return list_resources(tenant, call, target, resource_type)
    return _HANDLERS[call.method](tenant, call, target, resource_type.for_name(target.name))


def methods(tenant: Tenant, path: str) -> frozenset[str]:
    """Returns the verbs that a resource, or a list of resources, takes."""
    target = ids.path_of(path)
    kind = None if target is None else tenant.types.get(target.type)
    published_ones = frozenset(verb for verb in _VERBS if published.find(verb, path) is not None)
    if target is None or kind is None or kind.routed:
        return published_ones
    if target.is_collection:
        return published_ones | {"GET"}
    return published_ones | (_HANDLERS.keys() - ({"DELETE"} if not kind.deletable else set()))


def list_resources(tenant: Tenant, call: Call, target: ids.ResourcePath, resource_type: ResourceType) -> Reply:
    """Lists the resources of a type at a scope."""
    owner = target.parent
    action = f"{resource_type.name}/read"
    if target.is_nested or resource_type.extension or resource_type.at:
        found = list(tenant.store.children(owner, resource_type.name))
    else:
        found = list(tenant.store.resources(owner, resource_type.name))
    # A list omits what the caller may not read; a caller who may read nothing of it, nor here, is refused.
    if not any(tenant.access.may_look(action, resource.id) for resource in found):
        tenant.access.check_read(action, owner)

    def item(one: Resource) -> Any:
        if not tenant.access.may_look(action, one.id):
            return None
        return rendering.in_list(one, call.api_version)

    return tenant.page(call, found, shown=item)


def get_resource(tenant: Tenant, call: Call, target: ids.ResourcePath, resource_type: ResourceType) -> Reply:
    """Shows a resource."""
    tenant.access.check_read(f"{resource_type.name}/read", target.id)
    check_expand(resource_type.name, call.query.get("$expand", ""))
    found = existing(tenant, target)
    body = rendering.body_of(found, call.api_version)
    expands = fold(call.query.get("$expand", "")) == "instanceview"
    body = expanded(resource_type.name, call.query.get("$expand", ""), body, tenant.clock.now())
    body = instance_view.shown(resource_type.name, body, expand=expands)
    return Reply.json(body, headers=rendering.headers_of(found, call.api_version))


def head_resource(tenant: Tenant, call: Call, target: ids.ResourcePath, resource_type: ResourceType) -> Reply:
    """Says whether a resource exists."""
    del call
    tenant.access.check_read(f"{resource_type.name}/read", target.id)
    return Reply(status=204 if resource_type.head and tenant.store.find(target.id) else 404)


def delete_resource(tenant: Tenant, call: Call, target: ids.ResourcePath, resource_type: ResourceType) -> Reply:
    """Deletes a resource."""

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target.id)
        if not resource_type.deletable and ids.path_of(target.scope) is None:  # a resource's own plan can be deleted
            raise refusal("MethodNotAllowed", method="DELETE")
        found = tenant.store.find(target.id)
        check_etag(call, found, resource_type)
        if found is None:
            return Reply(status=published.settled("DELETE", target.id, 204)), False
        if found.busy:
            raise refusal(resource_type.busy)
        check_use(target, found.body.get("properties") or {}, tenant.store)
        tenant.policy_effects.check_delete(target_of(resource_type, found.id, found.render()))
        tenant.store.remove(found.id)
        return Reply(status=published.settled("DELETE", target.id, 200)), False

    return logged(tenant, call, f"{resource_type.name}/delete", target.id, work)


_HANDLERS = {
    "GET": get_resource,
    "HEAD": head_resource,
    "PATCH": write_resource,
    "PUT": write_resource,
    "DELETE": delete_resource,
}
