"""Answers published operations that nothing else answers, by their form alone.

What a client writes is kept and shown again, unchecked. Lists show what was written. What only a provider could know is
missing: a list is empty, an object has no properties, and an action has no effect.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import published
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.private_endpoints import CONNECTIONS
from defender_remediate.testing.simulator.arm.published import ARRAY, LIST, NOTHING, STRING, PublishedOperation
from defender_remediate.testing.simulator.arm.routes import delete_resource, get_resource, head_resource, write_resource
from defender_remediate.testing.simulator.arm.routing import find_type, json_body, take_version
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType, published_since
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

FIDELITY_HEADER = "x-ms-simulated-fidelity"
_RESOURCE_VERBS = ("GET", "HEAD", "PUT", "PATCH", "DELETE")
_SECRET_WORDS = ("key", "secret", "credential", "connectionstring", "token", "password")
_SECRETS = (
    "primaryKey",
    "secondaryKey",
    "key1",
    "key2",
    "authKey1",
    "authKey2",
    "primaryMasterKey",
    "secondaryMasterKey",
)
_CONNECTIONS = ("primaryConnectionString", "secondaryConnectionString")


def handle(tenant: Tenant, call: Call) -> Reply | None:
    """Returns the answer to a published operation; None if a type of resources answers the call, or none is published."""
    operation = published.find(call.method, call.path)
    target = ids.path_of(call.path)
    if operation is None or target is None:
        return None
    known = tenant.types.get(target.type)
    if known is None and fold(target.types[-1]) == fold(CONNECTIONS):
        return None
    if known is not None and _answers(known, call, operation, target):
        return None
    if known is not None and not known.routed:
        find_type(tenant, call, known.name)
    else:
        since = published_since(target.type) or operation.since
        take_version(tenant, call, operation.type_name, since=min(since, operation.since))
    if target.subscription and fold(operation.namespace) == "microsoft.security":
        tenant.access.check_registered(target.subscription, operation.namespace)
    _check_place(tenant, operation, target)
    reply = _answer(tenant, call, operation, target)
    return attrs.evolve(reply, headers={**reply.headers, FIDELITY_HEADER: "form"})


def _answers(known: ResourceType, call: Call, operation: PublishedOperation, target: ids.ResourcePath) -> bool:
    """Whether a type of resources answers by itself; what its routes do not write, nothing writes."""
    if known.routed:
        return call.method in ("PUT", "PATCH", "DELETE")
    if call.method not in _RESOURCE_VERBS or operation.answer == ARRAY:
        return False
    names = [fold(name) for name in known.fixed]
    return target.is_collection or not names or operation.parts[-1] == published.ANY or fold(target.name) in names


def _check_place(tenant: Tenant, operation: PublishedOperation, target: ids.ResourcePath) -> None:
    """Refuses a path whose subscription, group, owner or parent does not exist.

    Raises:
        ArmError: 404 SubscriptionNotFound, ResourceGroupNotFound or ParentResourceNotFound.
    """
    if target.subscription:
        tenant.store.subscription(target.subscription)
    if target.group:
        tenant.store.group(target.subscription, target.group)
    owner = ids.path_of(target.scope)
    if owner is not None and not owner.is_collection and not _is_there(tenant, target.scope):
        raise refusal("ParentResourceNotFound", parent=f"{owner.type}/{owner.name}")
    head = len(ids.segments(target.scope)) + 2
    everything = ids.segments(target.id)
    last = len(operation.parts) - (1 if target.is_collection else 2)
    for count in range(2, last + 1, 2):
        path = "/" + "/".join(everything[: head + count])
        if not published.has_to_be_created(operation.namespace, operation.parts[:count]) or _is_there(tenant, path):
            continue
        above = ids.path_of(path)
        assert above is not None  # it has a type and a name
        raise refusal("ParentResourceNotFound", parent=f"{above.type}/{above.name}")


def _is_there(tenant: Tenant, path: str) -> bool:
    target = ids.path_of(path)
    if target is None or tenant.store.find(path) is not None:
        return True
    known = tenant.types.get(target.type)
    return known is not None and known.routed  # such as an assessment or a management group, which are kept elsewhere


def _answer(tenant: Tenant, call: Call, operation: PublishedOperation, target: ids.ResourcePath) -> Reply:
    if call.method == "GET" and (operation.answer in (LIST, ARRAY) or target.is_collection):
        return _list(tenant, call, operation, target)
    if call.method in _RESOURCE_VERBS and not target.is_collection:
        return _resource(tenant, call, operation, target)
    return _action(tenant, call, operation, target)


def _list(tenant: Tenant, call: Call, operation: PublishedOperation, target: ids.ResourcePath) -> Reply:
    owner = target.parent if target.is_collection else target.id
    tenant.access.check_read(f"{operation.type_name}/read", owner)
    if fold(operation.path) == "operations":
        return tenant.page(call, operations_list(operation.namespace))
    found = [
        resource.render()
        for resource in tenant.store.resources(owner)
        if fold(resource.type.namespace) == fold(operation.namespace)
        and fold(resource.type.last_type) == fold(target.types[-1])
        and (not target.is_nested or ids.key(resource.id).rpartition("/")[0] == ids.key(call.path))
    ]
    if operation.answer == ARRAY:
        return Reply.json(found)
    if operation.answer == STRING:
        return Reply.json("")
    return tenant.page(call, found)


def operations_list(namespace: str) -> list[dict[str, Any]]:
    """Returns the operations of a provider as its list shows them: what a role can allow."""
    names: dict[str, None] = {}
    for operation in published.operations_of(namespace):
        word = {"GET": "read", "HEAD": "read", "DELETE": "delete", "POST": "action"}.get(operation.method, "write")
        names[f"{operation.type_name}/{word}"] = None
    return [
        {
            "name": name,
            "isDataAction": False,
            "display": {
                "provider": namespace,
                "resource": name.split("/", 1)[1].rpartition("/")[0],
                "operation": name.rpartition("/")[2],
                "description": "",
            },
        }
        for name in names
    ]


def _resource(tenant: Tenant, call: Call, operation: PublishedOperation, target: ids.ResourcePath) -> Reply:
    held = tenant.store.find(target.id)
    kind = _type_of(operation) if held is None else held.type
    if call.method == "HEAD":
        return head_resource(tenant, call, target, kind)
    if call.method == "GET":
        if held is None and published.is_always_there(operation):
            tenant.access.check_read(f"{kind.name}/read", target.id)
            name = target.name if operation.parts[-1] == published.ANY else operation.parts[-1]
            return Reply.json({"id": target.id, "name": name, "type": kind.name, "properties": {}})
        return get_resource(tenant, call, target, kind)
    if call.method == "DELETE":
        reply = delete_resource(tenant, call, target, kind)
        return attrs.evolve(reply, status=operation.status(reply.status, 200, 204, 202))
    if not call.content:
        # What needs no properties is created without a body.
        call = attrs.evolve(call, content=b"{}", headers={**call.headers, "content-type": "application/json"})
    body = json_body(call)
    taken = attrs.evolve(kind, top=tuple(body), tracked=False)
    if held is None and call.method == "PATCH" and published.is_always_there(operation):
        tenant.store.write(target.id, kind, {"properties": {}})
    reply = write_resource(tenant, call, target, taken)
    written = tenant.store.find(target.id)
    if written is not None and held is None:
        written.type = published.kind_of(target.id, body) or written.type
    return attrs.evolve(reply, status=operation.status(reply.status, 200, 201, 202))


def _type_of(operation: PublishedOperation) -> ResourceType:
    return ResourceType(name=operation.type_name, versions=(operation.since,), tracked=False)


def _action(tenant: Tenant, call: Call, operation: PublishedOperation, target: ids.ResourcePath) -> Reply:
    owner = target.parent if target.is_collection else target.id
    word = operation.parts[-1] if operation.parts[-1] != published.ANY else operation.parts[-2]
    action = f"{operation.type_name}/action"

    def work(logged_operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write(call.method, logged_operation.action, owner)
        return _result(tenant, call, operation, owner, fold(word)), False

    if fold(word).startswith("check") or operation.answer in (LIST, ARRAY):
        tenant.access.check_read(action, owner or "/")
        return _result(tenant, call, operation, owner, fold(word))
    return logged(tenant, call, action, owner, work)


def _result(tenant: Tenant, call: Call, operation: PublishedOperation, owner: str, word: str) -> Reply:
    if operation.answer == NOTHING:
        return Reply(status=operation.status(200, 204, 202))
    status = operation.status(200, 201, 202)
    if operation.answer == LIST:
        return Reply.json({operation.member: []}, status=status)
    if operation.answer == ARRAY:
        return Reply.json([], status=status)
    if operation.answer == STRING:
        return Reply.json("", status=status)
    if "availability" in word:
        return Reply.json(_availability(tenant, call, operation), status=status)
    if any(part in word for part in _SECRET_WORDS):
        return Reply.json(
            _secrets(tenant, owner, renew=word.startswith(("regenerate", "reset", "rotate"))), status=status
        )
    return Reply.json({}, status=status)


def _availability(tenant: Tenant, call: Call, operation: PublishedOperation) -> dict[str, Any]:
    """Says whether a name is free among the resources of the provider, in all the tenant."""
    body = json_body(call)
    name, kind = str(body.get("name") or body.get("resourceName") or ""), fold(str(body.get("type") or ""))
    if not name:
        raise refusal("InvalidRequestContent", problem="Required property 'name' not found in JSON")
    taken = any(
        fold(resource.name) == fold(name)
        and fold(resource.type.namespace) == fold(operation.namespace)
        and kind in ("", fold(resource.type.name), fold(resource.type.last_type))
        for resource in tenant.store.resources()
    )
    if not taken:
        return {"nameAvailable": True, "available": True, "name": name}
    message = f"The name '{name}' is already taken."
    return {"nameAvailable": False, "available": False, "name": name, "reason": "AlreadyExists", "message": message}


def _secrets(tenant: Tenant, owner: str, *, renew: bool) -> dict[str, Any]:
    """Keys under each name that providers use for them. They open nothing."""
    place = (ids.key(owner), "")
    if renew:
        tenant.key_generations[place] = tenant.key_generations.get(place, 0) + 1
        tenant.store.touch(owner)

    def key(name: str) -> str:
        text = f"{place[0]}:{name}:{tenant.key_generations.get(place, 0)}"
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    host = f"{fold(owner).rpartition('/')[2]}.simulated.example"
    shown: dict[str, Any] = {name: key(name) for name in _SECRETS}
    return {**shown, **{name: f"Endpoint=sb://{host}/;SharedAccessKey={key(name)}" for name in _CONNECTIONS}}
