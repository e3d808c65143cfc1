"""Management groups as they can be read. All of them are below the tenant's root group; they are changed by controls only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
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
    properties = {"tenantId": TENANT_ID, "displayName": group["name"]}
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
    place = f"{_ROOT}/{group['name']}"
    shown = [
        {
            "id": f"{place}/subscriptions/{one}",
            "type": f"{_TYPE}/subscriptions",
            "name": one,
            "properties": {
                "tenant": TENANT_ID,
                "displayName": _name(tenant, one),
                "parent": {"id": place},
                "state": tenant.store.subscriptions[one].state,
            },
        }
        for one in group["subscriptions"]
    ]
    return tenant.page(call, shown)


def list_entities(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the management groups and subscriptions that the caller may read, each with its parent."""
    del captured
    parents = {
        one: group["name"] for group in tenant.store.management_groups.values() for one in group["subscriptions"]
    }
    shown = [
        _entity(f"{_ROOT}/{group['name']}", _TYPE, group["name"], group["name"], TENANT_ID)
        for group in tenant.store.management_groups.values()
        if tenant.access.may_look(f"{_TYPE}/read", f"{_ROOT}/{group['name']}")
    ]
    for key, found in tenant.store.subscriptions.items():
        if tenant.access.may_look("Microsoft.Resources/subscriptions/read", f"/subscriptions/{found.id}"):
            parent = parents.get(key, TENANT_ID)
            shown.append(_entity(f"/subscriptions/{found.id}", "/subscriptions", found.id, found.name, parent))
    return tenant.page(call, shown)


def _entity(entity_id: str, kind: str, name: str, shown: str, parent: str) -> dict[str, Any]:
    properties = {"tenantId": TENANT_ID, "displayName": shown, "parent": {"id": f"{_ROOT}/{parent}"}}
    return {"id": entity_id, "type": kind, "name": name, "properties": {**properties, "permissions": "edit"}}


ROUTES = tuple(
    Route(methods=(method,), pattern=pattern, type=_TYPE, handler=handler)
    for method, pattern, handler in (
        ("GET", _ROOT, list_groups),
        ("GET", f"{_ROOT}/{{group}}", get_group),
        ("GET", f"{_ROOT}/{{group}}/subscriptions", list_subscriptions),
        ("POST", "/providers/Microsoft.Management/getEntities", list_entities),
    )
)
