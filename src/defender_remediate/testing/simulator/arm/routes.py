"""Resources of any type: read, list, patch, put and delete, as their type allows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import answers, computed, published
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.identities import with_ids
from defender_remediate.testing.simulator.arm.operations import (
    BODY,
    OperationForm,
    first_reply,
    write_of,
)
from defender_remediate.testing.simulator.arm.private_endpoints import CONNECTIONS
from defender_remediate.testing.simulator.arm.refusal_forms import check_use, missing
from defender_remediate.testing.simulator.arm.request_rules import Write, check_write, fault_found_later
from defender_remediate.testing.simulator.arm.routing import find_type, json_body, take_version, unknown_route
from defender_remediate.testing.simulator.arm.strictness import check_expand
from defender_remediate.testing.simulator.arm.writes import changed_members, merge_patch, patched, put
from defender_remediate.testing.simulator.compute.answers import answer_to_write
from defender_remediate.testing.simulator.defender import contacts
from defender_remediate.testing.simulator.defender.automations import check_automation
from defender_remediate.testing.simulator.defender.plans import check_enablement, extension_outcomes
from defender_remediate.testing.simulator.monitor.audit import end, logged, outcome
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.network import elements
from defender_remediate.testing.simulator.policy.applied import target_of
from defender_remediate.testing.simulator.sql import sizes
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType, published_since
from defender_remediate.testing.simulator.transport.exchange import Call, Reply
from defender_remediate.testing.simulator.web import contracts, sites

# The locations of a provider, and the fabric of a vault with a container for every machine, exist without being created.
_VERBS = ("GET", "PUT", "POST", "PATCH", "DELETE")
_ALWAYS_THERE = ("/locations", "/vaults/backupfabrics", "/vaults/backupfabrics/protectioncontainers")


def handle(tenant: Tenant, call: Call) -> Reply:
    """Answers a call for a resource, or for all resources of a type at a scope."""
    target = ids.path_of(call.path)
    if target is None:
        raise unknown_route(call)
    if tenant.types.get(target.type) is None and fold(target.types[-1]) == fold(CONNECTIONS):
        return answer_connections(tenant, call, target)
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


def answer_connections(tenant: Tenant, call: Call, target: ids.ResourcePath) -> Reply:
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


def check_scope(tenant: Tenant, target: ids.ResourcePath) -> None:
    """Refuses a path whose subscription, resource group or parent resource does not exist.

    Raises:
        ArmError: 404 SubscriptionNotFound, ResourceGroupNotFound or ParentResourceNotFound.
    """
    if target.subscription:
        tenant.store.subscription(target.subscription)
    if target.group:
        tenant.store.group(target.subscription, target.group)
    owner = target.parent if target.is_nested else target.scope
    above = ids.path_of(owner)
    if above is None or above.is_collection or fold(above.type).endswith(_ALWAYS_THERE):
        return
    if tenant.store.find(owner) is None:
        raise refusal("ParentResourceNotFound", parent=f"{above.type}/{above.name}")


def existing(tenant: Tenant, target: ids.ResourcePath) -> Resource:
    """Returns the resource.

    Raises:
        ArmError: 404 ResourceNotFound, or what the provider answers.
    """
    found = tenant.store.find(target.id)
    if found is None:
        raise missing(target)
    return found


def shown(resource: Resource, version: str, status: int = 200) -> Reply:
    """Returns the resource as an answer with an api-version; older ones show no etag or provisioningState of some types."""
    body, kind = resource.render(), resource.type
    shows_etag = resource.etag is not None and version >= kind.etag_since
    if not shows_etag and kind.etag is not None:
        body.pop(kind.etag_member, None)
    if version < kind.state_since:
        body["properties"].pop("provisioningState", None)
    body = _renamed(kind, version, body)
    body = computed.as_known(kind.name, version, contracts.shown(kind.name, resource.id, version, body))
    return Reply.json(body, status=status, headers={"ETag": str(resource.etag)} if shows_etag else {})


def _renamed(kind: ResourceType, version: str, body: dict[str, Any], *, back: bool = False) -> dict[str, Any]:
    """A body with the names that an api-version has for properties; ``back`` turns those into today's."""
    for name, (former, last) in kind.former.items():
        if version > last:
            continue
        given, wanted = (former, name) if back else (name, former)
        properties = body.get("properties")
        if isinstance(properties, dict) and given in properties:
            kept = {key: value for key, value in properties.items() if key != given}
            body = {**body, "properties": {**kept, wanted: properties[given]}}
    return contacts.stored(kind.name, version, body) if back else contacts.shown(kind.name, version, body)


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
        body = _renamed(one.type, call.api_version, one.render())
        if one.type.name == "Microsoft.Compute/virtualMachines":
            body["properties"].pop("instanceView", None)
        return contracts.shown(one.type.name, one.id, call.api_version, body)

    return tenant.page(call, found, shown=item)


def get_resource(tenant: Tenant, call: Call, target: ids.ResourcePath, resource_type: ResourceType) -> Reply:
    """Shows a resource."""
    tenant.access.check_read(f"{resource_type.name}/read", target.id)
    check_expand(resource_type.name, call.query.get("$expand", ""))
    reply = shown(existing(tenant, target), call.api_version)
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
        _check_etag(call, found, resource_type)
        if found is None:
            return Reply(status=published.settled("DELETE", target.id, 204)), False
        if found.busy:
            raise refusal(resource_type.busy)
        check_use(target, found.body.get("properties") or {}, tenant.store)
        tenant.policy_effects.check_delete(target_of(resource_type, found.id, found.render()))
        tenant.store.remove(found.id)
        return Reply(status=published.settled("DELETE", target.id, 200)), False

    return logged(tenant, call, f"{resource_type.name}/delete", target.id, work)


def write_resource(tenant: Tenant, call: Call, target: ids.ResourcePath, resource_type: ResourceType) -> Reply:
    """Patches or puts a resource, at once or by a long-running operation."""

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write(call.method, operation.action, target.id)
        tenant.access.check_registered(target.subscription, resource_type.namespace)
        # Clients create and update a table or a queue without a body.
        body = json_body(call, empty=None if resource_type.tracked else {})
        body = _renamed(resource_type, call.api_version, body, back=True)
        found = tenant.store.find(target.id)
        _check_etag(call, found, resource_type)
        if found is None and call.method == "PATCH":
            existing(tenant, target)
        if found is not None and found.busy:
            raise refusal(resource_type.busy)
        if found is None and call.method == "PUT":
            tenant.creations.check(target, resource_type, body)
        if resource_type.fixed and fold(target.name) not in (fold(name) for name in resource_type.fixed):
            raise missing(target)
        current = found.render() if found else None
        wanted = Write(
            target=target,
            kind=resource_type.name,
            version=call.api_version,
            body=body,
            current=current or {},
            store=tenant.store,
        )
        check_write(wanted)
        now = tenant.clock.timestamp()
        if call.method == "PATCH":
            result = sizes.completed(resource_type.name, current, body, patched(resource_type, current or {}, body))
            result = tenant.policy_effects.admit(target_of(resource_type, target.id, result, call.api_version))
            now = tenant.clock.timestamp()
            if contracts.covers(resource_type.name):
                result = contracts.completed(resource_type.name, target.id, call.api_version, now, current, result)
            else:
                result = computed.completed_patch(
                    resource_type.name, target.id, call.api_version, now, current or {}, result, body
                )
        else:
            # Azure Policy sees what is sent, before the provider adds its defaults.
            sent = tenant.policy_effects.admit(target_of(resource_type, target.id, body, call.api_version))
            result = put(resource_type, current, sent)
            result = sizes.completed(resource_type.name, current, sent, result)
            result = elements.completed(resource_type, target.id, call.api_version, current, result)
            result = computed.completed(resource_type.name, target.id, call.api_version, now, current, result, sent)
            result = answers.completed(resource_type.name, target.id, now, current, result)
        result = with_ids(tenant, result, assigned=not resource_type.identities_late)
        check_enablement(resource_type, target.name, current, result)
        check_automation(resource_type, result)
        write = write_of(call.method, exists=found is not None)
        answering = sites.answers_late(resource_type, result)
        answer = answering.answer_to(write, call.api_version, partial(changed_members, current, body))
        form = tenant.operation_form(call.method, target.id, answering, answer)
        fault = fault_found_later(wanted)
        if fault is not None and form is None:
            raise fault
        if fault is not None and form is not None:
            form = form.failing(fault.reply.body["error"])
        status = int(answer[0])
        if status == 202:  # what a write that does not end at once is answered
            status = 200 if found else 201
        if form is None:
            if write not in resource_type.operations:
                status = published.settled(call.method, target.id, status)
            written = store_body(tenant, target.id, resource_type, result)
            reply = _answered(tenant, call, shown(written, call.api_version, status), resource_type, current)
            return Reply(status=204) if status == 204 else _as_parent(tenant, reply, written), False
        reply = start_operation(tenant, call, target, resource_type, result, form, operation, status)
        return reply, not form.at_once

    return logged(tenant, call, f"{resource_type.name}/write", target.id, work)


def _check_etag(call: Call, current: Resource | None, resource_type: ResourceType) -> None:
    """Refuses a conditional request whose condition is not met; a type that ignores If-Match takes it.

    Raises:
        ArmError: 412 PreconditionFailed.
    """
    if not resource_type.if_match:
        return
    wanted = call.headers.get("if-match")
    if wanted and current is None and call.method == "PUT":
        raise refusal("PreconditionFailed", header="If-Match")
    if wanted and current is not None and wanted != "*" and wanted.strip('"') != str(current.etag).strip('"'):
        raise refusal("PreconditionFailed", header="If-Match")
    if call.headers.get("if-none-match") == "*" and current is not None and call.method == "PUT":
        raise refusal("PreconditionFailed", header="If-None-Match")


def _as_parent(tenant: Tenant, reply: Reply, written: Resource) -> Reply:
    """Some child resources are answered with the id, name and type of their parent."""
    parent = tenant.store.find(written.id.rsplit("/", 2)[0])
    if parent is None or fold(written.name) not in (fold(name) for name in written.type.answers_as_parent):
        return reply
    about = {
        name: value for name, value in parent.render().items() if name in ("id", "name", "type", "location", "tags")
    }
    return Reply.json({**reply.body, **about}, status=reply.status, headers=reply.headers)


def store_body(tenant: Tenant, resource_id: str, resource_type: ResourceType, body: Mapping[str, Any]) -> Resource:
    """Stores a body, and what it says about children in the children."""
    found = tenant.store.find(resource_id)
    content = dict(body)
    properties = dict(content.get("properties") or {})
    content["properties"] = extension_outcomes(tenant, resource_type, resource_id, properties)
    content = sites.completed(tenant, resource_type.name, resource_id, content)
    content = with_ids(tenant, content, assigned=True)
    written = tenant.store.write(found.id if found else resource_id, resource_type, content)
    tenant.policy_effects.wrote(written.id)
    sites.wrote(tenant, written, properties)
    return written


def start_operation(
    tenant: Tenant,
    call: Call,
    target: ids.ResourcePath,
    resource_type: ResourceType,
    result: dict[str, Any],
    form: OperationForm,
    operation: LoggedOperation,
    status: int,
) -> Reply:
    """Starts the long-running operation of a write. While it runs, the resource shows its old body and a state."""
    found = tenant.store.find(target.id)
    before = found.render() if found else {**result, "properties": {}}
    resource_id = found.id if found else target.id
    if form.at_once:
        failed = tenant.store.write(resource_id, resource_type, _in_state(before, "Failed"))
        return shown(failed, call.api_version, status)
    state = form.state or ("Updating" if found else "Creating")
    moving = before if found else computed.answer_to_creation(resource_type.name, result, json_body(call, empty={}))
    shows_state = resource_type.state is not None or form.status is None or form.form == BODY
    if shows_state:
        moving = _in_state(moving, state)
    resource = tenant.store.write(resource_id, resource_type, moving)
    resource.busy = True

    def finish(ending: str, moment: float) -> None:
        resource.busy = False
        with tenant.changes.by(operation):
            settle(ending)
        end(tenant, operation, *outcome(ending), moment=moment)

    def settle(ending: str) -> None:
        if ending == "Succeeded":
            rested = dict(result)
            rested["properties"] = {k: v for k, v in result["properties"].items() if k != "provisioningState"}
            store_body(tenant, resource.id, resource_type, rested)
        elif found is None and not shows_state:
            tenant.store.remove(resource.id)  # what could not be created, and has no state to say so, is not there
        else:
            ended = _in_state(before, ending) if shows_state else before
            tenant.store.write(resource.id, resource_type, ended)

    tenant.clock.monotonic()
    running = tenant.operations.start(
        tenant.new_id(), form, resource.id, finish=finish, result=lambda: shown(resource, call.api_version)
    )
    reply = shown(resource, call.api_version, status if status == 201 else 200)
    shown_state = reply.body["properties"].get("provisioningState")
    if found and isinstance(result.get("properties"), dict):
        # Most identities are there at once, also where the properties change late.
        late = {"properties": before.get("properties", {})} if resource_type.updates_late else {}
        if late and resource_type.identities_late and "identity" in before:
            late["identity"] = before["identity"]
        there = Resource(id=resource.id, type=resource.type, body={**result, **late}, revision=resource.revision)
        reply = shown(there, call.api_version, reply.status)
    answer = _answered(tenant, call, reply, resource_type, before if found else None)
    if shown_state is not None:
        # The operation is under way, whatever a resource of the type shows that rests.
        body = answer.body
        body["properties"] = {**body["properties"], "provisioningState": shown_state}
        answer = Reply.json(body, status=answer.status, headers=dict(answer.headers))
    return first_reply(call, running, answer)


def _answered(tenant: Tenant, call: Call, reply: Reply, kind: ResourceType, before: Mapping[str, Any] | None) -> Reply:
    """The answer to a write as its type gives it."""
    body, version = reply.body, call.api_version
    request = json_body(call, empty={}) if call.method == "PUT" else None
    if before is not None:
        now = tenant.clock.timestamp()
        body = computed.answer_to_update(kind.name, body["id"], version, now, body, request)
    else:
        body = computed.answer_to_creation(kind.name, body, json_body(call, empty={}))
    if call.method == "PUT":
        body = contracts.answer_to_put(kind.name, body)
    body = answer_to_write(kind, version, before, body, request)
    return Reply.json(body, status=reply.status, headers=dict(reply.headers))


def _in_state(body: Mapping[str, Any], state: str) -> dict[str, Any]:
    return {**body, "properties": {**(body.get("properties") or {}), "provisioningState": state}}


_HANDLERS = {
    "GET": get_resource,
    "HEAD": head_resource,
    "PATCH": write_resource,
    "PUT": write_resource,
    "DELETE": delete_resource,
}
