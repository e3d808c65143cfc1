"""Answers published operations that nothing else answers, by their form and by what is known of the provider's answers.

What a client writes is kept and shown again, unchecked. Lists show what was written, and what is known to exist without. What
only a provider could know is missing: a list is empty, an object has no properties, and an action has no effect.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import answers, published
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.private_endpoints import CONNECTIONS
from defender_remediate.testing.simulator.arm.published import (
    ARRAY,
    IDENTIFIED,
    LIST,
    NOTHING,
    OWNER,
    STRING,
    PublishedOperation,
)
from defender_remediate.testing.simulator.arm.refusal_forms import check_action
from defender_remediate.testing.simulator.arm.resources import delete_resource, get_resource, head_resource
from defender_remediate.testing.simulator.arm.routing import find_type, json_body, take_version
from defender_remediate.testing.simulator.arm.writes import write_resource
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType, published_since
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

FIDELITY_HEADER = "x-ms-simulated-fidelity"
_RESOURCE_VERBS = ("GET", "HEAD", "PUT", "PATCH", "DELETE")
_SECRET_WORDS = ("key", "secret", "credential", "connectionstring", "token", "password")
_RENEWING = ("regenerate", "reset", "rotate")
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
    if known is not None and _answers(tenant, known, call, operation, target):
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
    if answers.of_type(operation.type_name).there or answers.of_action(operation.action_name).is_known:
        return reply
    return attrs.evolve(reply, headers={**reply.headers, FIDELITY_HEADER: "form"})


def _answers(
    tenant: Tenant, known: ResourceType, call: Call, operation: PublishedOperation, target: ids.ResourcePath
) -> bool:
    """Whether a type of resources answers by itself; what its routes do not write, nothing writes."""
    if known.routed:
        return call.method in ("PUT", "PATCH", "DELETE")
    if call.method not in _RESOURCE_VERBS or operation.answer == ARRAY:
        return False
    if answers.of_type(known.name).there and call.method in ("GET", "PATCH"):
        return not target.is_collection and tenant.store.find(target.id) is not None
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
    if answers.standing(target, "") is not None:
        return True
    known = tenant.types.get(target.type)
    return known is not None and known.routed  # such as an assessment or a management group, which are kept elsewhere


def _answer(tenant: Tenant, call: Call, operation: PublishedOperation, target: ids.ResourcePath) -> Reply:
    if call.method == "GET" and operation.answer == IDENTIFIED:
        tenant.access.check_read(f"{operation.type_name}/read", target.parent if target.is_collection else target.id)
        return Reply.json(_identified(tenant, call, operation))
    known = answers.of_action(operation.action_name)
    if call.method == "GET" and known.answer is not None and known.creates is None:
        tenant.access.check_read(f"{operation.type_name}/read", target.parent)
        return Reply.json(_known_answer(tenant, call, known, target.parent))
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
    found = {
        ids.key(resource.id): resource.render()
        for resource in tenant.store.resources(owner)
        if fold(resource.type.namespace) == fold(operation.namespace)
        and fold(resource.type.last_type) == fold(target.types[-1])
        and (not target.is_nested or ids.key(resource.id).rpartition("/")[0] == ids.key(call.path))
    }
    for resource_id, body in answers.standing_at(
        target, call.path.rstrip("/"), tenant.clock.timestamp(), _location(tenant, owner)
    ):
        found.setdefault(ids.key(resource_id), body)
    if operation.answer == ARRAY:
        return Reply.json(list(found.values()))
    if operation.answer == STRING:
        return Reply.json("")
    return tenant.page(call, list(found.values()))


def _location(tenant: Tenant, resource_id: str) -> str:
    held = tenant.store.find(resource_id)
    return "" if held is None else str(held.body.get("location") or "")


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
    stands = answers.standing(target, tenant.clock.timestamp(), _location(tenant, target.parent))
    if call.method == "GET":
        if held is None and stands is not None:
            tenant.access.check_read(f"{kind.name}/read", target.id)
            return Reply.json(stands)
        if held is None and published.is_always_there(operation):
            tenant.access.check_read(f"{kind.name}/read", target.id)
            return Reply.json(_always_there(tenant, operation, target, kind))
        return get_resource(tenant, call, target, kind)
    if call.method == "DELETE":
        reply = delete_resource(tenant, call, target, kind)
        if operation.answer == OWNER and held is not None:
            return Reply.json(held.render())
        return attrs.evolve(reply, status=operation.status(reply.status, 200, 204, 202))
    if not call.content:
        # What needs no properties is created without a body.
        call = attrs.evolve(call, content=b"{}", headers={**call.headers, "content-type": "application/json"})
    body = json_body(call)
    taken = attrs.evolve(kind, top=(*body, *answers.of_type(kind.name).new), tracked=False)
    if held is None and call.method == "PATCH" and (stands is not None or published.is_always_there(operation)):
        before = stands or _always_there(tenant, operation, target, kind)
        tenant.store.write(
            target.id, kind, {name: value for name, value in before.items() if name not in ("id", "name", "type")}
        )
    was_there = held is not None or stands is not None or published.is_always_there(operation)
    reply = write_resource(tenant, call, target, taken)
    written = tenant.store.find(target.id)
    if written is not None and held is None:
        written.type = published.kind_of(target.id, body) or written.type
    usual = 200 if was_there and reply.status == 201 else reply.status
    return attrs.evolve(reply, status=operation.status(usual, 200, 201, 202))


def _always_there(
    tenant: Tenant, operation: PublishedOperation, target: ids.ResourcePath, kind: ResourceType
) -> dict[str, Any]:
    name = target.name if operation.parts[-1] == published.ANY else operation.parts[-1]
    body = {"id": target.id, "name": name, "type": kind.name, "properties": {}}
    return answers.completed(kind.name, target.id, tenant.clock.timestamp(), None, body)


def _type_of(operation: PublishedOperation) -> ResourceType:
    return published.type_of(operation)


def _action(tenant: Tenant, call: Call, operation: PublishedOperation, target: ids.ResourcePath) -> Reply:
    owner = target.parent if target.is_collection else target.id
    check_action(target)
    word = operation.parts[-1] if operation.parts[-1] != published.ANY else operation.parts[-2]
    action = f"{operation.type_name}/action"

    def work(logged_operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write(call.method, logged_operation.action, owner)
        _change(tenant, call, answers.of_action(operation.action_name), owner)
        return _result(tenant, call, operation, owner, fold(word)), False

    if fold(word).startswith("check") or operation.answer in (LIST, ARRAY):
        tenant.access.check_read(action, owner or "/")
        return _result(tenant, call, operation, owner, fold(word))
    return logged(tenant, call, action, owner, work)


def _change(tenant: Tenant, call: Call, action: answers.ActionAnswer, owner: str) -> None:
    """Changes what an action is known to change in its resource."""
    held = tenant.store.find(owner)
    if held is None or not action.sets:
        return
    body = held.render()
    changed = answers.changes_of(action, owner, tenant.clock.timestamp(), json_body(call, empty={}))
    tenant.store.write(held.id, held.type, {**body, "properties": {**body["properties"], **changed}})


def _known_answer(tenant: Tenant, call: Call, action: answers.ActionAnswer, owner: str) -> dict[str, Any]:
    now, location = tenant.clock.timestamp(), _location(tenant, owner)
    generation = tenant.key_generations.get((ids.key(owner), ""), 0)
    return answers.answer_of(action, owner, now, location, json_body(call, empty={}), generation)


def _create(tenant: Tenant, call: Call, action: answers.ActionAnswer, below: str, owner: str) -> Resource:
    """Creates what an action is known to create below its resource."""
    collection, _, name = f"{owner}/{below}".rstrip("/").rpartition("/")
    count = 1 + sum(ids.key(one.id).startswith(f"{ids.key(collection)}/") for one in tenant.store.children(owner))
    made = name.replace("{count}", str(count)).replace("{guid}", tenant.new_id() if "{guid}" in name else "")
    resource_id = f"{collection}/{made}"
    target = ids.path_of(resource_id)
    assert target is not None  # it is below a resource
    kind = ResourceType(name=target.type, versions=(call.api_version,), tracked=False, state=None)
    body = answers.answer_of(action, resource_id, tenant.clock.timestamp(), "", json_body(call, empty={}), count)
    return tenant.store.write(resource_id, kind, body)


def _identified(tenant: Tenant, call: Call, operation: PublishedOperation) -> dict[str, Any]:
    """An object that is no resource and looks like one: its id is the path of the operation."""
    action = answers.of_action(operation.action_name)
    target = ids.path_of(call.path)
    assert target is not None  # an operation is published for it
    about = {"id": target.id, "name": operation.parts[-1], "type": operation.type_name, "properties": {}}
    return {**about, **_known_answer(tenant, call, action, target.parent)}


def _resource_of(tenant: Tenant, call: Call, owner: str) -> dict[str, Any]:
    """The resource that an action is for, which may exist without being created.

    Raises:
        ArmError: 404 ResourceNotFound.
    """
    held, target = tenant.store.find(owner), ids.path_of(owner)
    assert target is not None  # an operation on it is published
    if held is not None:
        return held.render()
    operation = published.find("GET", owner) or published.find("PUT", owner)
    if operation is None or target.is_collection or published.is_always_there(operation):
        body = {"id": target.id, "name": ids.segments(target.id)[-1], "type": target.type, "properties": {}}
        return answers.completed(target.type, target.id, tenant.clock.timestamp(), None, body)
    return dict(get_resource(tenant, call, target, _type_of(operation)).body)


def _result(tenant: Tenant, call: Call, operation: PublishedOperation, owner: str, word: str) -> Reply:
    action = answers.of_action(operation.action_name)
    created = None if action.creates is None else _create(tenant, call, action, action.creates, owner)
    if operation.answer == NOTHING:
        return Reply(status=operation.status(200, 204, 202))
    status = operation.status(200, 201, 202)
    if created is not None:
        return Reply.json(created.render(), status=status)
    if action.shows is not None:
        place = f"{owner}/{action.shows}".rstrip("/")
        shown = _resource_of(tenant, call, place)
        if tenant.store.find(place) is None:
            shown = {**shown, **_known_answer(tenant, call, action, place)}
        return Reply.json(shown, status=status)
    if operation.answer == IDENTIFIED:
        return Reply.json(_identified(tenant, call, operation), status=status)
    if action.answer is not None:
        if any(part in word for part in _RENEWING):
            _renew(tenant, owner)
        return Reply.json(_known_answer(tenant, call, action, owner), status=status)
    if operation.answer == OWNER:
        return Reply.json(_resource_of(tenant, call, owner), status=status)
    if operation.answer == LIST:
        return Reply.json({operation.member: []}, status=status)
    if operation.answer == ARRAY:
        return Reply.json([], status=status)
    if operation.answer == STRING:
        return Reply.json("", status=status)
    if "availability" in word:
        return Reply.json(_availability(tenant, call, operation), status=status)
    if any(part in word for part in _SECRET_WORDS):
        if any(part in word for part in _RENEWING):
            _renew(tenant, owner)
        return Reply.json(_secrets(tenant, owner), status=status)
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


def _renew(tenant: Tenant, owner: str) -> None:
    place = (ids.key(owner), "")
    tenant.key_generations[place] = tenant.key_generations.get(place, 0) + 1
    tenant.store.touch(owner)


def _secrets(tenant: Tenant, owner: str) -> dict[str, Any]:
    """Keys under each name that providers use for them. They open nothing."""
    place = (ids.key(owner), "")

    def key(name: str) -> str:
        text = f"{place[0]}:{name}:{tenant.key_generations.get(place, 0)}"
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    host = f"{fold(owner).rpartition('/')[2]}.simulated.example"
    shown: dict[str, Any] = {name: key(name) for name in _SECRETS}
    return {**shown, **{name: f"Endpoint=sb://{host}/;SharedAccessKey={key(name)}" for name in _CONNECTIONS}}
