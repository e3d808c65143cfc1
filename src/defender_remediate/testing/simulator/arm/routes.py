"""Resources of any type: read, list, patch, put and delete, as their type allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import Running, Slow
from defender_remediate.testing.simulator.arm.routing import find_kind, json_body, unknown_route
from defender_remediate.testing.simulator.arm.writes import patched, put
from defender_remediate.testing.simulator.defender.plans import extension_outcomes
from defender_remediate.testing.simulator.monitor.audit import end, logged, outcome
from defender_remediate.testing.simulator.monitor.state import Operation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import World
from defender_remediate.testing.simulator.state.types import Kind
from defender_remediate.testing.simulator.transport.exchange import Answer, Call


def handle(world: World, call: Call) -> Answer:
    """Answer a call for a resource, or for all resources of a type at a scope."""
    target = ids.target_of(call.path)
    if target is None:
        raise unknown_route(call)
    kind = find_kind(world, call, target.type)
    if kind.routed or call.method not in _HANDLERS:
        raise unknown_route(call)
    check_scope(world, target)
    if fold(kind.namespace) == "microsoft.security":
        world.access.check_registered(target.subscription, kind.namespace)
    if target.is_collection:
        if call.method != "GET":
            raise unknown_route(call)
        return _collection(world, call, target, kind)
    return _HANDLERS[call.method](world, call, target, kind)


def check_scope(world: World, target: ids.Target) -> None:
    """Refuse a path into nothing.

    Raises:
        ArmError: 404 SubscriptionNotFound, ResourceGroupNotFound or ParentResourceNotFound.
    """
    if target.subscription:
        world.store.subscription(target.subscription)
    if target.group:
        world.store.group(target.subscription, target.group)
    owner = target.parent if target.is_nested else target.scope
    above = ids.target_of(owner)
    if above is None or above.is_collection or fold(above.type).endswith("/locations"):
        # A provider's locations are always there, and nobody makes them.
        return
    if world.store.find(owner) is None:
        raise refusal("ParentResourceNotFound", parent=f"{above.type}/{above.name}")


def _collection(world: World, call: Call, target: ids.Target, kind: Kind) -> Answer:
    owner = target.parent
    action = f"{kind.name}/read"
    if target.is_nested or kind.extension or kind.at:
        found = list(world.store.children(owner, kind.name))
    else:
        found = [resource for resource in world.store.resources(owner) if resource.kind.name == kind.name]
    # A list leaves out what the caller may not read; who may read nothing of it, and not here either, is refused.
    readable = [resource for resource in found if world.access.may_look(action, resource.id)]
    if not readable:
        world.access.check_read(action, owner)
    return world.page(call, [resource.render() for resource in readable])


def existing(world: World, target: ids.Target) -> Resource:
    """The resource.

    Raises:
        ArmError: 404 ResourceNotFound.
    """
    found = world.store.find(target.id)
    if found is None:
        path = "/".join(part for pair in zip(target.types, target.names, strict=True) for part in pair[1:])
        raise refusal("ResourceNotFound", type=target.type, name=path, group=target.group)
    return found


def _get(world: World, call: Call, target: ids.Target, kind: Kind) -> Answer:
    del call
    world.access.check_read(f"{kind.name}/read", target.id)
    return shown(existing(world, target))


def shown(resource: Resource, status: int = 200) -> Answer:
    """The resource as an answer."""
    return Answer.json(resource.render(), status=status, headers={"ETag": resource.etag} if resource.kind.etag else {})


def _head(world: World, call: Call, target: ids.Target, kind: Kind) -> Answer:
    del call
    world.access.check_read(f"{kind.name}/read", target.id)
    return Answer(status=204 if kind.head and world.store.find(target.id) else 404)


def _write(world: World, call: Call, target: ids.Target, kind: Kind) -> Answer:
    def work(operation: Operation) -> tuple[Answer, bool]:
        world.access.check_write(call.method, operation.action, target.id)
        world.access.check_registered(target.subscription, kind.namespace)
        body = json_body(call)
        current = world.store.find(target.id)
        check_etag(call, current, kind)
        return change(world, call, target, kind, body, operation)

    return logged(world, call, f"{kind.name}/write", target.id, work)


def check_etag(call: Call, current: Resource | None, kind: Kind) -> None:
    """Refuse a conditional request whose condition does not hold; types without etags do not look.

    Raises:
        ArmError: 412 PreconditionFailed.
    """
    if not kind.etag:
        return
    wanted = call.headers.get("if-match", "")
    if wanted and call.method != "PATCH" and current is None and call.method == "PUT":
        raise refusal("PreconditionFailed", header="If-Match")
    if wanted and current is not None and wanted not in ("*", current.etag):
        raise refusal("PreconditionFailed", header="If-Match")
    if call.headers.get("if-none-match", "") == "*" and current is not None and call.method == "PUT":
        raise refusal("PreconditionFailed", header="If-None-Match")


def change(
    world: World, call: Call, target: ids.Target, kind: Kind, body: Mapping[str, Any], operation: Operation
) -> tuple[Answer, bool]:
    """Patch or put a resource, at once or slowly; the second value says which."""
    found = world.store.find(target.id)
    if found is None and call.method == "PATCH":
        existing(world, target)
    if found is not None and found.busy:
        raise refusal(kind.busy)
    if kind.fixed and fold(target.name) not in (fold(name) for name in kind.fixed):
        raise refusal("ResourceNotFound", type=target.type, name=target.name, group=target.group)
    current = found.render() if found else None
    result = patched(kind, current or {}, body) if call.method == "PATCH" else put(kind, current, body)
    world.policies.check(target.id, kind.name, result)
    slow = world.slowness(call.method, target.id, kind)
    status = (kind.patch_status if call.method == "PATCH" else 200) if found else 201
    if slow is not None:
        return _slowly(world, call, target, kind, result, slow, operation, status), not slow.at_once
    return shown(store(world, target.id, kind, result), status), False


def store(world: World, resource_id: str, kind: Kind, body: Mapping[str, Any]) -> Resource:
    """Put a body into the tenant, and what it says about children where they are."""
    found = world.store.find(resource_id)
    content = dict(body)
    properties = dict(content.get("properties") or {})
    handed = {name: properties.pop(name, None) for name in kind.projects}
    content["properties"] = extension_outcomes(world, kind, resource_id, properties)
    written = world.store.write(found.id if found else resource_id, kind, content)
    for name, child in kind.projects.items():
        if handed[name]:
            child_kind = world.kinds.get(f"{kind.name}/{child.split('/')[0]}")
            held = world.store.find(f"{written.id}/{child}")
            if child_kind is not None and held is not None:
                merged = patched(child_kind, held.render(), {"properties": handed[name]})
                world.store.write(held.id, child_kind, merged)
    return written


def _slowly(
    world: World,
    call: Call,
    target: ids.Target,
    kind: Kind,
    result: dict[str, Any],
    slow: Slow,
    operation: Operation,
    status: int,
) -> Answer:
    found = world.store.find(target.id)
    before = found.render() if found else {**result, "properties": {}}
    if slow.at_once:
        failed = _in_state(before, "Failed")
        return shown(world.store.write(found.id if found else target.id, kind, failed), status)
    marked = _in_state(before if found else result, "Updating" if found else "Creating")
    resource = world.store.write(found.id if found else target.id, kind, marked)
    resource.busy = True

    finish = _finisher(world, resource, before, result, operation)
    running = Running(
        id=world.new_id(),
        slow=slow,
        resource_id=resource.id,
        started=world.clock.monotonic(),
        due=world.clock.monotonic() + slow.seconds,
        result=lambda: shown(resource),
        finish=finish,
    )
    world.operations.start(running)
    return world.operations.first_answer(call, running, shown(resource, status if status == 201 else 200))


def _finisher(
    world: World, resource: Resource, before: Mapping[str, Any], result: Mapping[str, Any], operation: Operation
) -> Callable[[str, float], None]:
    """What ends a slow write: the new body on success, the old one and the bad news otherwise."""

    def finish(ending: str, moment: float) -> None:
        resource.busy = False
        if ending == "Succeeded":
            rested = dict(result)
            rested["properties"] = {k: v for k, v in result["properties"].items() if k != "provisioningState"}
            store(world, resource.id, resource.kind, rested)
        else:
            world.store.write(resource.id, resource.kind, _in_state(before, ending))
        status_word, sub_status = outcome(ending)
        end(world, operation, status_word, sub_status, moment=moment)

    return finish


def _in_state(body: Mapping[str, Any], state: str) -> dict[str, Any]:
    return {**body, "properties": {**(body.get("properties") or {}), "provisioningState": state}}


def _delete(world: World, call: Call, target: ids.Target, kind: Kind) -> Answer:
    def work(operation: Operation) -> tuple[Answer, bool]:
        world.access.check_write("DELETE", operation.action, target.id)
        if not kind.deletable:
            raise refusal("MethodNotAllowed", method="DELETE")
        found = world.store.find(target.id)
        check_etag(call, found, kind)
        if found is None:
            return Answer(status=204), False
        if found.busy:
            raise refusal(kind.busy)
        world.store.remove(found.id)
        return Answer(status=200), False

    return logged(world, call, f"{kind.name}/delete", target.id, work)


_HANDLERS = {"GET": _get, "HEAD": _head, "PATCH": _write, "PUT": _write, "DELETE": _delete}
