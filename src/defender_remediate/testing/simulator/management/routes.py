"""Management groups, the groups below them, and their subscriptions. The root group is always there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body, object_in
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import hierarchy, ids
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


def _above(tenant: Tenant, group: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the names of the groups above a group, the nearest first; none for the root group."""
    if group["name"] == TENANT_ID:
        return []
    groups = tenant.store.management_groups
    chain = [*hierarchy.above(groups, group["name"]), _root_group(tenant)]
    return [{"name": one["name"], "displayName": one.get("shown", one["name"])} for one in chain]


def _root_group(tenant: Tenant) -> dict[str, Any]:
    groups = tenant.store.management_groups
    loose = [one for one in tenant.store.subscriptions if hierarchy.group_of(groups, one) is None]
    return {"name": TENANT_ID, "shown": "Tenant Root Group", "subscriptions": loose}


def list_groups(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the management groups that the caller may read."""
    del captured
    groups = tenant.store.management_groups.values()
    seen = [group for group in groups if tenant.access.may_look(f"{_TYPE}/read", f"{_ROOT}/{group['name']}")]
    return tenant.page(call, [_summary(group) for group in seen])


def get_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a management group or the root group; on request with what is below it, at any level with `$recurse`."""
    is_root = fold(captured["group"]) == TENANT_ID
    group = _root_group(tenant) if is_root else _found(tenant, captured)
    shown, chain = _summary(group), _above(tenant, group)
    details: dict[str, Any] = {"version": 1}
    if chain:
        details["parent"] = {"id": f"{_ROOT}/{chain[0]['name']}", **chain[0]}
    shown["properties"]["details"] = details
    word = fold(call.query.get("$expand", ""))
    if word not in ("", "children", "path", "ancestors"):
        raise refusal("InvalidQueryOption", name="$expand", value=call.query["$expand"])
    if word == "children":
        recurses = fold(call.query.get("$recurse", "")) == "true"
        shown["properties"]["children"] = _children(tenant, group, recurses=recurses) or None
    if word == "path":
        own = {"name": group["name"], "displayName": shown["properties"]["displayName"]}
        details["path"] = [*reversed(chain), own]
    if word == "ancestors":
        details["managementGroupAncestors"] = [one["name"] for one in chain]
        details["managementGroupAncestorsChain"] = chain
    return Reply.json(shown)


def _children(tenant: Tenant, group: Mapping[str, Any], *, recurses: bool) -> list[dict[str, Any]]:
    name = None if group["name"] == TENANT_ID else group["name"]
    found: list[dict[str, Any]] = []
    for child in hierarchy.children_of(tenant.store.management_groups, name):
        one = {"id": f"{_ROOT}/{child['name']}", "type": _TYPE, "name": child["name"]}
        one["displayName"] = child.get("shown", child["name"])
        if recurses:
            one["children"] = _children(tenant, child, recurses=True)
        found.append(one)
    return found + [
        {"type": "/subscriptions", "id": f"/subscriptions/{one}", "name": one, "displayName": _name(tenant, one)}
        for one in group["subscriptions"]
    ]


def _name(tenant: Tenant, subscription: str) -> str:
    return tenant.store.subscriptions[subscription].name


def list_subscriptions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the subscriptions directly in a management group."""
    group = _found(tenant, captured)
    return tenant.page(call, [_member(tenant, group, one) for one in group["subscriptions"]])


def get_subscription(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a subscription that is directly in a management group."""
    del call
    group = _found(tenant, captured)
    if fold(captured["subscription"]) not in group["subscriptions"]:
        name = f"{group['name']}/{captured['subscription']}"
        raise refusal("ResourceNotFound", type=f"{_TYPE}/subscriptions", name=name, group="")
    return Reply.json(_member(tenant, group, fold(captured["subscription"])))


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
    groups = tenant.store.management_groups
    shown = []
    for group in groups.values():
        if not tenant.access.may_look(f"{_TYPE}/read", f"{_ROOT}/{group['name']}"):
            continue
        below, children = list(hierarchy.below(groups, group["name"])), hierarchy.children_of(groups, group["name"])
        counts = {
            "numberOfDescendants": len(below) + len(hierarchy.subscriptions_in(groups, group["name"])),
            "numberOfChildren": len(children) + len(group["subscriptions"]),
            "numberOfChildGroups": len(children),
        }
        entity_id, title = f"{_ROOT}/{group['name']}", group.get("shown", group["name"])
        shown.append(_entity(entity_id, _TYPE, group["name"], title, _above(tenant, group), counts))
    for key, found in tenant.store.subscriptions.items():
        if tenant.access.may_look("Microsoft.Resources/subscriptions/read", f"/subscriptions/{found.id}"):
            nearest = hierarchy.group_of(groups, key)
            root = _root_group(tenant)
            chain = (
                []
                if nearest is None
                else [{"name": nearest["name"], "displayName": nearest.get("shown", nearest["name"])}]
            )
            chain += (
                _above(tenant, nearest)
                if nearest is not None
                else [{"name": root["name"], "displayName": root["shown"]}]
            )
            counts = {"numberOfDescendants": 0, "numberOfChildren": 0, "numberOfChildGroups": 0}
            shown.append(_entity(f"/subscriptions/{found.id}", "/subscriptions", found.id, found.name, chain, counts))
    return tenant.page(call, shown)


def list_descendants(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the subscriptions and groups below a management group, at any level."""
    groups = tenant.store.management_groups
    group = tenant.store.management_groups.get(fold(captured["group"]))
    if group is None:
        raise refusal("ManagementGroupNotFound", group=captured["group"])
    found = []
    for one in (group, *hierarchy.below(groups, group["name"])):
        place = f"/providers/Microsoft.Management/managementGroups/{one['name']}"
        children = [
            (f"/providers/Microsoft.Management/managementGroups/{child['name']}", "", child.get("shown", child["name"]))
            for child in hierarchy.children_of(groups, one["name"])
        ]
        children += [
            (f"/subscriptions/{member}", "/subscriptions", tenant.store.subscriptions[member].name)
            for member in one["subscriptions"]
        ]
        found += [
            {
                "id": identifier,
                "type": f"Microsoft.Management/managementGroups{kind}",
                "name": ids.segments(identifier)[-1],
                "properties": {"displayName": shown, "parent": {"id": place}},
            }
            for identifier, kind, shown in children
        ]
    return tenant.page(call, found)


def put_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates a management group, or moves and renames one; everyone in a tenant may, unless a test denies it."""
    groups, name = tenant.store.management_groups, captured["group"]
    target_id = f"{_ROOT}/{name}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_read(operation.action, target_id)
        properties = object_in(json_body(call), "properties")
        wanted = object_in(object_in(properties, "details"), "parent").get("id")
        held = groups.get(fold(name), {}).get("parent")
        above = held if wanted is None else _checked_parent(tenant, name, str(wanted))
        if fold(name) not in groups:
            tenant.access.own(target_id)  # who creates a management group becomes its owner
        group = groups.setdefault(fold(name), {"name": name, "subscriptions": []})
        group["parent"] = above
        group["shown"] = str(properties.get("displayName") or group.get("shown") or group["name"])
        tenant.store.touch(target_id)
        return Reply.json(_summary(group)), False

    return logged(tenant, call, f"{_TYPE}/write", target_id, work)


def _checked_parent(tenant: Tenant, name: str, parent: str) -> str | None:
    """Returns the folded name of the group that a group is to be below; None for the root group.

    Raises:
        ArmError: 404: the parent does not exist. 400: it is the group itself or below it, or there would be too many levels.
    """
    groups, above = tenant.store.management_groups, fold(ids.segments(parent)[-1]) if parent.strip("/") else ""
    if above == TENANT_ID:
        return None
    if above not in groups:
        raise refusal("ManagementGroupNotFound", group=above)
    problem = hierarchy.problem_of(groups, name, above)
    if problem is not None:
        raise refusal("InvalidRequestContent", problem=problem)
    return above


def patch_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Changes the display name of a management group, or moves it below another one."""
    group = _found(tenant, captured)
    target_id = f"{_ROOT}/{group['name']}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_read(operation.action, target_id)
        body = json_body(call)
        if body.get("parentGroupId"):
            group["parent"] = _checked_parent(tenant, group["name"], str(body["parentGroupId"]))
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
        if group["subscriptions"] or hierarchy.children_of(tenant.store.management_groups, group["name"]):
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


def _entity(
    entity_id: str, kind: str, name: str, shown: str, chain: list[dict[str, Any]], counts: Mapping[str, int]
) -> dict[str, Any]:
    properties = {
        "tenantId": TENANT_ID,
        "displayName": shown,
        "parent": {"id": f"{_ROOT}/{chain[0]['name']}"},
        "parentDisplayNameChain": [one["displayName"] for one in reversed(chain)],
        "parentNameChain": [one["name"] for one in reversed(chain)],
        **counts,
    }
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
        ("GET", f"{_ROOT}/{{group}}/subscriptions/{{subscription}}", get_subscription),
        ("GET", f"{_ROOT}/{{group}}/descendants", list_descendants),
        ("PUT", f"{_ROOT}/{{group}}/subscriptions/{{subscription}}", move_subscription),
        ("DELETE", f"{_ROOT}/{{group}}/subscriptions/{{subscription}}", move_subscription),
        ("POST", "/providers/Microsoft.Management/getEntities", list_entities),
    )
)
