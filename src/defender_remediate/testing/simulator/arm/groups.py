"""Resource groups: create, change, delete and export; and the registration of resource providers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.computed import as_known
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import LOCATION, OperationForm, first_reply
from defender_remediate.testing.simulator.arm.platform import known_namespaces, provider
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.arm.strictness import check_region, checked_tags
from defender_remediate.testing.simulator.monitor.audit import end, logged, outcome
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.applied import GROUPS, Target, target_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import REGISTERED, Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Resources/resourceGroups"
_ACTION = "Microsoft.Resources/subscriptions/resourceGroups"
_NAME = re.compile(r"[-\w.()]{0,89}[-\w()]\Z")
_MEMBERS = frozenset(["id", "name", "type", "location", "managedBy", "properties", "tags"])
_SECONDS = 20.0
_SCHEMA = "https://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#"


def put_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or updates a resource group."""
    subscription = tenant.store.subscription(captured["subscription"])
    found = subscription.groups.get(fold(captured["group"]))
    group_id = f"/subscriptions/{subscription.id}/resourceGroups/{captured['group']}" if found is None else found["id"]

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, group_id)
        body = _body(call)
        if not _NAME.match(captured["group"]):
            raise refusal("InvalidResourceGroupName", group=captured["group"])
        if not isinstance(body.get("location"), str):
            raise refusal("LocationRequired", type=_TYPE)
        check_region(body["location"], "LocationNotAvailableForResourceGroup")
        place = body["location"].replace(" ", "").lower()
        if found is not None and place != found["location"]:
            raise refusal("InvalidResourceGroupLocation", wanted=place, group=found["name"], location=found["location"])
        _check_rest(found)
        group = {
            "id": group_id,
            "name": captured["group"] if found is None else found["name"],
            "type": _TYPE,
            "location": place,
            "properties": {"provisioningState": "Succeeded"},
        }
        for name in ("tags", "managedBy"):
            if body.get(name) is not None:
                group[name] = checked_tags(body[name]) if name == "tags" else body[name]
        group = tenant.policy_effects.admit(Target(id=group_id, kind=GROUPS, body=group, api_version=call.api_version))
        subscription.groups[fold(captured["group"])] = group
        tenant.store.touch(group_id)
        return Reply.json(as_known(_TYPE, call.api_version, group), status=201 if found is None else 200), False

    return logged(tenant, call, f"{_ACTION}/write", group_id, work)


def patch_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Changes the tags of a resource group."""
    found = tenant.store.group(captured["subscription"], captured["group"])

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PATCH", operation.action, found["id"])
        body = _body(call)
        _check_rest(found)
        changed = dict(found)
        for name in ("tags", "managedBy"):
            if name in body:
                changed[name] = checked_tags(body[name] or {}) if name == "tags" else body[name]
        target = Target(id=found["id"], kind=GROUPS, body=changed, api_version=call.api_version)
        found.update(tenant.policy_effects.admit(target))
        tenant.store.touch(found["id"])
        return Reply.json(as_known(_TYPE, call.api_version, found)), False

    return logged(tenant, call, f"{_ACTION}/write", found["id"], work)


def _body(call: Call) -> dict[str, Any]:
    body = json_body(call)
    unknown = sorted(set(body) - _MEMBERS)
    if unknown:
        raise refusal(
            "InvalidRequestContent", problem=f"Could not find member '{unknown[0]}' on object of type 'ResourceGroup'"
        )
    return body


def _check_rest(group: Mapping[str, Any] | None) -> None:
    if group is not None and group["properties"]["provisioningState"] == "Deleting":
        raise refusal("ResourceGroupBeingDeleted", group=group["name"])


def delete_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes a resource group with everything in it, by a long-running operation."""
    subscription = tenant.store.subscription(captured["subscription"])
    found = tenant.store.group(captured["subscription"], captured["group"])
    group_id = str(found["id"])

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, group_id)
        inner = [lock.scope for lock in tenant.access.locks if ids.within(lock.scope, group_id)]
        if inner:
            raise refusal("ScopeLocked", scope=group_id, verb="delete", locked="','".join(inner))
        _check_rest(found)
        for resource in tenant.store.resources(group_id):
            tenant.policy_effects.check_delete(target_of(resource.type, resource.id, resource.render()), below=group_id)
        tenant.policy_effects.check_delete(Target(id=group_id, kind=GROUPS, body=found))
        found["properties"] = {"provisioningState": "Deleting"}

        def finish(ending: str, moment: float) -> None:
            with tenant.changes.by(operation):
                tenant.store.remove(group_id)
            subscription.groups.pop(fold(captured["group"]), None)
            end(tenant, operation, *outcome(ending), moment=moment)

        tenant.clock.monotonic()
        running = tenant.operations.start(
            tenant.new_id(), OperationForm(form=LOCATION, seconds=_SECONDS, retry_after=15), group_id, finish=finish
        )
        tenant.store.touch(group_id)
        return first_reply(call, running, Reply(status=202)), True

    return logged(tenant, call, f"{_ACTION}/delete", group_id, work)


def export_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Returns a template of the resources in a group. Their names are parameters, without values unless asked for."""
    found = tenant.store.group(captured["subscription"], captured["group"])
    tenant.access.check_role(f"{_ACTION}/exportTemplate/action", str(found["id"]))
    body = json_body(call)
    wanted = [str(one) for one in body.get("resources") or ()]
    options = {fold(word.strip()) for word in str(body.get("options") or "").split(",")}
    chosen = [
        resource
        for resource in tenant.store.resources(str(found["id"]))
        if "*" in wanted or any(ids.within(resource.id, one) for one in wanted)
    ]
    parameters: dict[str, Any] = {}
    template = {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": parameters,
        "variables": {},
        "resources": [
            _exported(one, parameters, with_values="includeparameterdefaultvalue" in options) for one in chosen
        ],
    }
    return Reply.json({"template": template})


def _exported(resource: Resource, parameters: dict[str, Any], *, with_values: bool) -> dict[str, Any]:
    target = ids.path_of(resource.id)
    assert target is not None  # it is the id of a resource
    first = target.names[0]
    parameter = re.sub(r"\W", "_", f"{target.types[0]}_{first}_name")
    parameters[parameter] = {**({"defaultValue": first} if with_values else {}), "type": "String"}
    rest = "".join(f"/{name}" for name in target.names[1:])
    name = f"concat(parameters('{parameter}'), '{rest}')" if rest else f"parameters('{parameter}')"
    shown = resource.render()
    kept: dict[str, Any] = {
        member: shown[member] for member in ("location", "tags", "sku", "kind", "identity", "zones") if member in shown
    }
    read_only = {path.split(".")[0] for path in resource.type.read_only} | {"provisioningState"}
    properties = {member: value for member, value in shown["properties"].items() if member not in read_only}
    return {
        "type": resource.type.name,
        "apiVersion": resource.type.versions[-1],
        "name": f"[{name}]",
        **kept,
        "properties": properties,
    }


def register_provider(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Registers a resource provider, or unregisters it; either takes some seconds."""
    subscription = tenant.store.subscription(captured["subscription"])
    namespace = known_namespaces(tenant).get(fold(captured["namespace"]))
    if namespace is None:
        raise refusal("InvalidResourceNamespace", namespace=captured["namespace"])
    registers = fold(call.path.rstrip("/")).endswith("/register")
    during, after = ("Registering", REGISTERED) if registers else ("Unregistering", "NotRegistered")
    action = f"{namespace}/{'register' if registers else 'unregister'}/action"
    scope = f"/subscriptions/{subscription.id}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, scope)
        if subscription.registration(namespace) == after:
            return Reply.json(provider(tenant, namespace, subscription)), False

        def finish(ending: str, moment: float) -> None:
            del ending, moment
            if subscription.registration(namespace) == during:
                subscription.registrations[fold(namespace)] = after

        subscription.registrations[fold(namespace)] = during
        tenant.clock.monotonic()
        form = OperationForm(seconds=_SECONDS)
        tenant.operations.start(tenant.new_id(), form, scope, finish=finish)
        tenant.store.touch(scope)
        return Reply.json(provider(tenant, namespace, subscription)), False

    return logged(tenant, call, action, scope, work)


_SUB = "/subscriptions/{subscription}"
_GROUP = f"{_SUB}/resourceGroups/{{group}}"
ROUTES = (
    *(
        Route(methods=(method,), pattern=pattern, type=_TYPE, handler=handler, reads=False)
        for method, pattern, handler in (
            ("PUT", _GROUP, put_group),
            ("PATCH", _GROUP, patch_group),
            ("DELETE", _GROUP, delete_group),
            ("POST", f"{_GROUP}/exportTemplate", export_group),
        )
    ),
    *(
        Route(
            methods=("POST",),
            pattern=f"{_SUB}/providers/{{namespace}}/{word}",
            type="Microsoft.Resources/providers",
            handler=register_provider,
            reads=False,
        )
        for word in ("register", "unregister")
    ),
)
