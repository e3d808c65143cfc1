"""Management groups and their subscriptions. All groups are directly below the tenant's root group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import TENANT_ID
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Management/managementGroups"
_ROOT = f"/providers/{_TYPE}"


def _found(tenant: Tenant, captured: Mapping[str, str]) -> dict[str, Any]:
    group = tenant.store.management_groups.get(fold(captured["group"]))
    if group is None:
        raise refusal("ManagementGroupNotFound", group=captured["group"])
    tenant.access.check_read(f"{_TYPE}/read", f"{_ROOT}/{group['name']}")
    return group


def _summary(group: Mapping[str, Any]) -> dict[str, Any]:
    properties = {"tenantId": TENANT_ID, "displayName": group.get("shown", group["name"])}
    return {"id": f"{_ROOT}/{group['name']}", "type": _TYPE, "name": group["name"], "properties": properties}


def list_groups(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the management groups that the caller may read."""
    del captured
    groups = tenant.store.management_groups.values()
    seen = [group for group in groups if tenant.access.may_look(f"{_TYPE}/read", f"{_ROOT}/{group['name']}")]
    return tenant.page(call, [_summary(group) for group in seen])


def get_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a management group, on request with its subscriptions."""
    group = _found(tenant, captured)
    shown = _summary(group)
    parent = {"id": f"{_ROOT}/{TENANT_ID}", "name": TENANT_ID, "displayName": "Tenant Root Group"}
    shown["properties"]["details"] = {"version": 1, "parent": parent}
    word = fold(call.query.get("$expand", ""))
    if word not in ("", "children", "path", "ancestors"):
        raise refusal("InvalidQueryOption", name="$expand", value=call.query["$expand"])
    if word == "children":
        shown["properties"]["children"] = [
            {"type": "/subscriptions", "id": f"/subscriptions/{one}", "name": one, "displayName": _name(tenant, one)}
            for one in group["subscriptions"]
        ] or None
    return Reply.json(shown)


def _name(tenant: Tenant, subscription: str) -> str:
    return tenant.store.subscriptions[subscription].name


def list_subscriptions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the subscriptions directly in a management group."""
    group = _found(tenant, captured)
    return tenant.page(call, [_member(tenant, group, one) for one in group["subscriptions"]])


def _member(tenant: Tenant, group: Mapping[str, Any], subscription: str) -> dict[str, Any]:
    place = f"{_ROOT}/{group['name']}"
    return {
        "id": f"{place}/subscriptions/{subscription}",
        "type": f"{_TYPE}/subscriptions",
        "name": subscription,
        "properties": {
            "tenant": TENANT_ID,
            "displayName": _name(tenant, subscription),
            "parent": {"id": place},
            "state": tenant.store.subscriptions[subscription].state,
        },
    }


def list_entities(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the management groups and subscriptions that the caller may read, each with its parent."""
    del captured
    parents = {
        one: group["name"] for group in tenant.store.management_groups.values() for one in group["subscriptions"]
    }
    shown = [
        _entity(f"{_ROOT}/{group['name']}", _TYPE, group["name"], group.get("shown", group["name"]), TENANT_ID)
        for group in tenant.store.management_groups.values()
        if tenant.access.may_look(f"{_TYPE}/read", f"{_ROOT}/{group['name']}")
    ]
    for key, found in tenant.store.subscriptions.items():
        if tenant.access.may_look("Microsoft.Resources/subscriptions/read", f"/subscriptions/{found.id}"):
            parent = parents.get(key, TENANT_ID)
            shown.append(_entity(f"/subscriptions/{found.id}", "/subscriptions", found.id, found.name, parent))
    return tenant.page(call, shown)


def put_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates a management group below the root group; everyone in a tenant may, unless a test denies it."""
    groups, name = tenant.store.management_groups, captured["group"]
    target_id = f"{_ROOT}/{name}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_read(operation.action, target_id)
        properties = json_body(call).get("properties") or {}
        parent = ((properties.get("details") or {}).get("parent") or {}).get("id", f"{_ROOT}/{TENANT_ID}")
        if ids.key(parent) != ids.key(f"{_ROOT}/{TENANT_ID}"):
            raise refusal("NotSimulated", what="management groups below others")
        if fold(name) not in groups:
            tenant.access.own(target_id)  # who creates a management group becomes its owner
        group = groups.setdefault(fold(name), {"name": name, "subscriptions": []})
        group["shown"] = str(properties.get("displayName") or group.get("shown") or group["name"])
        tenant.store.touch(target_id)
        return Reply.json(_summary(group)), False

    return logged(tenant, call, f"{_TYPE}/write", target_id, work)


def patch_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Changes the display name of a management group."""
    group = _found(tenant, captured)
    target_id = f"{_ROOT}/{group['name']}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_read(operation.action, target_id)
        body = json_body(call)
        parent = body.get("parentGroupId") or f"{_ROOT}/{TENANT_ID}"
        if ids.key(str(parent)) != ids.key(f"{_ROOT}/{TENANT_ID}"):
            raise refusal("NotSimulated", what="management groups below others")
        group["shown"] = str(body.get("displayName") or group.get("shown") or group["name"])
        tenant.store.touch(target_id)
        return Reply.json(_summary(group)), False

    return logged(tenant, call, f"{_TYPE}/write", target_id, work)


def delete_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes an empty management group."""
    group = _found(tenant, captured)
    target_id = f"{_ROOT}/{group['name']}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_read(operation.action, target_id)
        if group["subscriptions"]:
            raise refusal("ManagementGroupNotEmpty", group=group["name"])
        del tenant.store.management_groups[fold(group["name"])]
        tenant.store.touch(target_id)
        return Reply(status=204), False

    return logged(tenant, call, f"{_TYPE}/delete", target_id, work)


def move_subscription(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Moves a subscription into a management group (PUT), or back below the root group (DELETE)."""
    group = _found(tenant, captured)
    subscription = tenant.store.subscription(captured["subscription"])
    target_id = f"{_ROOT}/{group['name']}/subscriptions/{subscription.id}"
    word = "write" if call.method == "PUT" else "delete"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_read(operation.action, target_id)
        # Moving a subscription takes the rights of an owner there.
        tenant.access.check_role("Microsoft.Authorization/roleAssignments/write", f"/subscriptions/{subscription.id}")
        is_here = fold(subscription.id) in group["subscriptions"]
        if is_here or call.method == "PUT":
            for other in tenant.store.management_groups.values():
                other["subscriptions"][:] = [one for one in other["subscriptions"] if one != fold(subscription.id)]
        if call.method == "PUT":
            group["subscriptions"].append(fold(subscription.id))
        tenant.assessor.reassess(f"/subscriptions/{subscription.id}")
        tenant.store.touch(target_id)
        if call.method == "DELETE":
            return Reply(status=200 if is_here else 204), False
        return Reply.json(_member(tenant, group, fold(subscription.id))), False

    return logged(tenant, call, f"{_TYPE}/subscriptions/{word}", target_id, work)


def _entity(entity_id: str, kind: str, name: str, shown: str, parent: str) -> dict[str, Any]:
    properties = {"tenantId": TENANT_ID, "displayName": shown, "parent": {"id": f"{_ROOT}/{parent}"}}
    return {"id": entity_id, "type": kind, "name": name, "properties": {**properties, "permissions": "edit"}}


ROUTES = tuple(
    Route(methods=(method,), pattern=pattern, type=_TYPE, handler=handler, reads=method in ("GET", "POST"))
    for method, pattern, handler in (
        ("GET", _ROOT, list_groups),
        ("GET", f"{_ROOT}/{{group}}", get_group),
        ("PUT", f"{_ROOT}/{{group}}", put_group),
        ("PATCH", f"{_ROOT}/{{group}}", patch_group),
        ("DELETE", f"{_ROOT}/{{group}}", delete_group),
        ("GET", f"{_ROOT}/{{group}}/subscriptions", list_subscriptions),
        ("PUT", f"{_ROOT}/{{group}}/subscriptions/{{subscription}}", move_subscription),
        ("DELETE", f"{_ROOT}/{{group}}/subscriptions/{{subscription}}", move_subscription),
        ("POST", "/providers/Microsoft.Management/getEntities", list_entities),
    )
)
