"""Resources of any type: read, list, patch, put and delete, as their type allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import OperationForm, RunningOperation
from defender_remediate.testing.simulator.arm.routing import find_type, json_body, unknown_route
from defender_remediate.testing.simulator.arm.writes import patched, put
from defender_remediate.testing.simulator.defender.plans import extension_outcomes
from defender_remediate.testing.simulator.monitor.audit import end, logged, outcome
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType
from defender_remediate.testing.simulator.transport.exchange import Call, Reply


def handle(tenant: Tenant, call: Call) -> Reply:
    """Answer a call for a resource, or for all resources of a type at a scope."""
    target = ids.path_of(call.path)
    if target is None:
        raise unknown_route(call)
    resource_type = find_type(tenant, call, target.type)
    if resource_type.routed or call.method not in _HANDLERS:
        raise unknown_route(call)
    check_scope(tenant, target)
    if fold(resource_type.namespace) == "microsoft.security":
        tenant.access.check_registered(target.subscription, resource_type.namespace)
    if target.is_collection:
        if call.method != "GET":
            raise unknown_route(call)
        return _collection(tenant, call, target, resource_type)
    return _HANDLERS[call.method](tenant, call, target, resource_type)


def check_scope(tenant: Tenant, target: ids.ResourcePath) -> None:
    """Refuse a path into nothing.

    Raises:
        ArmError: 404 SubscriptionNotFound, ResourceGroupNotFound or ParentResourceNotFound.
    """
    if target.subscription:
        tenant.store.subscription(target.subscription)
    if target.group:
        tenant.store.group(target.subscription, target.group)
    owner = target.parent if target.is_nested else target.scope
    above = ids.path_of(owner)
    if above is None or above.is_collection or fold(above.type).endswith("/locations"):
        # A provider's locations are always there, and nobody makes them.
        return
    if tenant.store.find(owner) is None:
        raise refusal("ParentResourceNotFound", parent=f"{above.type}/{above.name}")


def _collection(tenant: Tenant, call: Call, target: ids.ResourcePath, resource_type: ResourceType) -> Reply:
    owner = target.parent
    action = f"{resource_type.name}/read"
    if target.is_nested or resource_type.extension or resource_type.at:
        found = list(tenant.store.children(owner, resource_type.name))
    else:
        found = [resource for resource in tenant.store.resources(owner) if resource.type.name == resource_type.name]
    # A list leaves out what the caller may not read; who may read nothing of it, and not here either, is refused.
    readable = [resource for resource in found if tenant.access.may_look(action, resource.id)]
    if not readable:
        tenant.access.check_read(action, owner)
    return tenant.page(call, [resource.render() for resource in readable])


def existing(tenant: Tenant, target: ids.ResourcePath) -> Resource:
    """The resource.

    Raises:
        ArmError: 404 ResourceNotFound.
    """
    found = tenant.store.find(target.id)
    if found is None:
        path = "/".join(part for pair in zip(target.types, target.names, strict=True) for part in pair[1:])
        raise refusal("ResourceNotFound", type=target.type, name=path, group=target.group)
    return found


def _get(tenant: Tenant, call: Call, target: ids.ResourcePath, resource_type: ResourceType) -> Reply:
    tenant.access.check_read(f"{resource_type.name}/read", target.id)
    reply = shown(existing(tenant, target))
    if resource_type.name == "Microsoft.Compute/virtualMachines":
        return _with_instance_view(reply, expand=fold(call.query.get("$expand", "")) == "instanceview")
    return reply


def _with_instance_view(reply: Reply, *, expand: bool) -> Reply:
    """A virtual machine with its power state, which Azure shows on request only; it runs unless the state says otherwise."""
    body = reply.body
    properties = body.get("properties", {})
    view = properties.pop("instanceView", {"statuses": [{"code": "PowerState/running", "displayStatus": "VM running"}]})
    if expand:
        properties["instanceView"] = view
    return Reply.json(body, status=reply.status, headers=dict(reply.headers))


def shown(resource: Resource, status: int = 200) -> Reply:
    """The resource as an answer."""
    return Reply.json(resource.render(), status=status, headers={"ETag": resource.etag} if resource.type.etag else {})


def _head(tenant: Tenant, call: Call, target: ids.ResourcePath, resource_type: ResourceType) -> Reply:
    del call
    tenant.access.check_read(f"{resource_type.name}/read", target.id)
    return Reply(status=204 if resource_type.head and tenant.store.find(target.id) else 404)


def _write(tenant: Tenant, call: Call, target: ids.ResourcePath, resource_type: ResourceType) -> Reply:
    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write(call.method, operation.action, target.id)
        tenant.access.check_registered(target.subscription, resource_type.namespace)
        body = json_body(call)
        current = tenant.store.find(target.id)
        check_etag(call, current, resource_type)
        return change(tenant, call, target, resource_type, body, operation)

    return logged(tenant, call, f"{resource_type.name}/write", target.id, work)


def check_etag(call: Call, current: Resource | None, resource_type: ResourceType) -> None:
    """Refuse a conditional request whose condition does not hold; types without etags do not look.

    Raises:
        ArmError: 412 PreconditionFailed.
    """
    if not resource_type.etag:
        return
    wanted = call.headers.get("if-match", "")
    if wanted and call.method != "PATCH" and current is None and call.method == "PUT":
        raise refusal("PreconditionFailed", header="If-Match")
    if wanted and current is not None and wanted not in ("*", current.etag):
        raise refusal("PreconditionFailed", header="If-Match")
    if call.headers.get("if-none-match", "") == "*" and current is not None and call.method == "PUT":
        raise refusal("PreconditionFailed", header="If-None-Match")


def change(
    tenant: Tenant,
    call: Call,
    target: ids.ResourcePath,
    resource_type: ResourceType,
    body: Mapping[str, Any],
    operation: LoggedOperation,
) -> tuple[Reply, bool]:
    """Patch or put a resource, at once or slowly; the second value says which."""
    found = tenant.store.find(target.id)
    if found is None and call.method == "PATCH":
        existing(tenant, target)
    if found is not None and found.busy:
        raise refusal(resource_type.busy)
    if resource_type.fixed and fold(target.name) not in (fold(name) for name in resource_type.fixed):
        raise refusal("ResourceNotFound", type=target.type, name=target.name, group=target.group)
    current = found.render() if found else None
    result = (
        patched(resource_type, current or {}, body) if call.method == "PATCH" else put(resource_type, current, body)
    )
    tenant.policies.check(target.id, resource_type.name, result)
    slow = tenant.operation_form(call.method, target.id, resource_type)
    status = (resource_type.patch_status if call.method == "PATCH" else 200) if found else 201
    if slow is not None:
        return _slowly(tenant, call, target, resource_type, result, slow, operation, status), not slow.at_once
    return shown(store_body(tenant, target.id, resource_type, result), status), False


def store_body(tenant: Tenant, resource_id: str, resource_type: ResourceType, body: Mapping[str, Any]) -> Resource:
    """Put a body into the tenant, and what it says about children where they are."""
    found = tenant.store.find(resource_id)
    content = dict(body)
    properties = dict(content.get("properties") or {})
    handed = {name: properties.pop(name, None) for name in resource_type.projects}
    content["properties"] = extension_outcomes(tenant, resource_type, resource_id, properties)
    written = tenant.store.write(found.id if found else resource_id, resource_type, content)
    for name, child in resource_type.projects.items():
        if handed[name]:
            child_kind = tenant.types.get(f"{resource_type.name}/{child.split('/')[0]}")
            held = tenant.store.find(f"{written.id}/{child}")
            if child_kind is not None and held is not None:
                merged = patched(child_kind, held.render(), {"properties": handed[name]})
                tenant.store.write(held.id, child_kind, merged)
    return written


def _slowly(
    tenant: Tenant,
    call: Call,
    target: ids.ResourcePath,
    resource_type: ResourceType,
    result: dict[str, Any],
    slow: OperationForm,
    operation: LoggedOperation,
    status: int,
) -> Reply:
    found = tenant.store.find(target.id)
    before = found.render() if found else {**result, "properties": {}}
    if slow.at_once:
        failed = _in_state(before, "Failed")
        return shown(tenant.store.write(found.id if found else target.id, resource_type, failed), status)
    marked = _in_state(before if found else result, "Updating" if found else "Creating")
    resource = tenant.store.write(found.id if found else target.id, resource_type, marked)
    resource.busy = True

    finish = _finisher(tenant, resource, before, result, operation)
    running = RunningOperation(
        id=tenant.new_id(),
        slow=slow,
        resource_id=resource.id,
        started=tenant.clock.monotonic(),
        due=tenant.clock.monotonic() + slow.seconds,
        result=lambda: shown(resource),
        finish=finish,
    )
    tenant.operations.start(running)
    return tenant.operations.first_reply(call, running, shown(resource, status if status == 201 else 200))


def _finisher(
    tenant: Tenant, resource: Resource, before: Mapping[str, Any], result: Mapping[str, Any], operation: LoggedOperation
) -> Callable[[str, float], None]:
    """What ends a slow write: the new body on success, the old one and the bad news otherwise."""

    def finish(ending: str, moment: float) -> None:
        resource.busy = False
        if ending == "Succeeded":
            rested = dict(result)
            rested["properties"] = {k: v for k, v in result["properties"].items() if k != "provisioningState"}
            store_body(tenant, resource.id, resource.type, rested)
        else:
            tenant.store.write(resource.id, resource.type, _in_state(before, ending))
        status_word, sub_status = outcome(ending)
        end(tenant, operation, status_word, sub_status, moment=moment)

    return finish


def _in_state(body: Mapping[str, Any], state: str) -> dict[str, Any]:
    return {**body, "properties": {**(body.get("properties") or {}), "provisioningState": state}}


def _delete(tenant: Tenant, call: Call, target: ids.ResourcePath, resource_type: ResourceType) -> Reply:
    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target.id)
        if not resource_type.deletable:
            raise refusal("MethodNotAllowed", method="DELETE")
        found = tenant.store.find(target.id)
        check_etag(call, found, resource_type)
        if found is None:
            return Reply(status=204), False
        if found.busy:
            raise refusal(resource_type.busy)
        tenant.store.remove(found.id)
        return Reply(status=200), False

    return logged(tenant, call, f"{resource_type.name}/delete", target.id, work)


_HANDLERS = {"GET": _get, "HEAD": _head, "PATCH": _write, "PUT": _write, "DELETE": _delete}
