"""What Azure Resource Manager answers by itself: subscriptions, groups, providers, operation status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import TENANT, Subscription
from defender_remediate.testing.simulator.state.tenant import World
from defender_remediate.testing.simulator.transport.exchange import Answer, Call

_TYPE_FILTER = re.compile(r"\s*resourceType\s+eq\s+'([^']+)'\s*\Z", re.IGNORECASE)
_LIST_MEMBERS = ("id", "name", "type", "location", "tags", "sku", "kind", "identity", "managedBy", "plan", "zones")
_REGIONS = ["westeurope", "northeurope", "germanywestcentral", "eastus2", "global"]


def _subscription(found: Subscription) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{found.id}",
        "subscriptionId": found.id,
        "tenantId": TENANT,
        "displayName": found.name,
        "state": found.state,
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    }


def _list_subscriptions(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    del holes
    return world.page(call, [_subscription(found) for found in world.store.subscriptions.values()])


def _get_subscription(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    del call
    # A deleted one is still shown with its state; whatever else is asked about it is not found.
    found = world.store.subscriptions.get(fold(holes["subscription"]))
    return Answer.json(_subscription(found or world.store.subscription(holes["subscription"])))


def _list_groups(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    return world.page(call, list(world.store.subscription(holes["subscription"]).groups.values()))


def _get_group(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    if call.method == "HEAD":
        groups = world.store.subscription(holes["subscription"]).groups
        return Answer(status=204 if fold(holes["group"]) in groups else 404)
    return Answer.json(world.store.group(holes["subscription"], holes["group"]))


def _list_resources(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    scope = f"/subscriptions/{holes['subscription']}"
    world.store.subscription(holes["subscription"])
    if "group" in holes:
        scope = str(world.store.group(holes["subscription"], holes["group"])["id"])
    text = call.query.get("$filter", "")
    wanted = _TYPE_FILTER.match(text)
    if text and not wanted:
        raise refusal("InvalidFilter", filter=text)
    found = []
    for resource in world.store.resources(scope):
        target = ids.target_of(resource.id)
        if not resource.kind.tracked or target is None or not target.group:
            continue
        if wanted and fold(resource.kind.name) != fold(wanted.group(1)):
            continue
        shown = resource.render()
        found.append({name: shown[name] for name in _LIST_MEMBERS if shown.get(name) is not None})
    return world.page(call, found, size=int(call.query["$top"]) if "$top" in call.query else None)


def _provider(world: World, namespace: str, subscription: Subscription | None) -> dict[str, Any]:
    types = [
        {
            "resourceType": kind.name.partition("/")[2],
            "locations": _REGIONS,
            "apiVersions": sorted(kind.versions, reverse=True),
            "capabilities": "SupportsTags, SupportsLocation" if kind.tracked else "None",
        }
        for kind in world.kinds.of_namespace(namespace)
    ]
    shown: dict[str, Any] = {"namespace": namespace, "resourceTypes": types}
    if subscription is not None:
        shown["id"] = f"/subscriptions/{subscription.id}/providers/{namespace}"
        shown["registrationState"] = subscription.registration(namespace)
        shown["registrationPolicy"] = "RegistrationRequired"
    return shown


def _list_providers(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    found = world.store.subscription(holes["subscription"]) if "subscription" in holes else None
    return world.page(call, [_provider(world, namespace, found) for namespace in world.kinds.namespaces()])


def _get_provider(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    del call
    found = world.store.subscription(holes["subscription"]) if "subscription" in holes else None
    for namespace in world.kinds.namespaces():
        if fold(namespace) == fold(holes["namespace"]):
            return Answer.json(_provider(world, namespace, found))
    raise refusal("InvalidResourceNamespace", namespace=holes["namespace"])


def _descendants(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    group = world.store.management_groups.get(fold(holes["group"]))
    if group is None:
        raise refusal("ManagementGroupNotFound", group=holes["group"])
    parent = {"id": f"/providers/Microsoft.Management/managementGroups/{group['name']}"}
    return world.page(
        call,
        [
            {
                "id": f"/subscriptions/{subscription_id}",
                "type": "Microsoft.Management/managementGroups/subscriptions",
                "name": subscription_id,
                "properties": {
                    "displayName": world.store.subscriptions[subscription_id].name,
                    "parent": parent,
                },
            }
            for subscription_id in group["subscriptions"]
        ],
    )


def operation_status(world: World, call: Call) -> Answer | None:
    """The answer of a status page; None when the path is not one. These pages exist in every namespace."""
    parts = ids.segments(call.path)
    if call.method != "GET" or len(parts) < 2:
        return None
    if fold(parts[-2]) == "operationstatuses":
        return world.operations.status(parts[-1])
    if fold(parts[-2]) == "operationresults":
        return world.operations.location(call, parts[-1])
    return None


_SUB = "/subscriptions/{subscription}"
_KIND = "Microsoft.Resources/"

ROUTES = tuple(
    Route(methods=methods, pattern=pattern, type=kind, handler=handler)
    for methods, pattern, kind, handler in (
        (("GET",), "/subscriptions", f"{_KIND}subscriptions", _list_subscriptions),
        (("GET",), _SUB, f"{_KIND}subscriptions", _get_subscription),
        (("GET",), f"{_SUB}/resourceGroups", f"{_KIND}resourceGroups", _list_groups),
        (("GET", "HEAD"), f"{_SUB}/resourceGroups/{{group}}", f"{_KIND}resourceGroups", _get_group),
        (("GET",), f"{_SUB}/resources", f"{_KIND}resources", _list_resources),
        (("GET",), f"{_SUB}/resourceGroups/{{group}}/resources", f"{_KIND}resources", _list_resources),
        (("GET",), f"{_SUB}/providers", f"{_KIND}providers", _list_providers),
        (("GET",), f"{_SUB}/providers/{{namespace}}", f"{_KIND}providers", _get_provider),
        (("GET",), "/providers", f"{_KIND}providers", _list_providers),
        (("GET",), "/providers/{namespace}", f"{_KIND}providers", _get_provider),
        (
            ("GET",),
            "/providers/Microsoft.Management/managementGroups/{group}/descendants",
            "Microsoft.Management/managementGroups",
            _descendants,
        ),
    )
)
