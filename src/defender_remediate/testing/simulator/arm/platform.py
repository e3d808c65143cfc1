"""Resource Manager's own operations: subscriptions, groups, providers and the status of operations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from importlib import resources
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import published
from defender_remediate.testing.simulator.arm.computed import as_known
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.filters import group_filter, names_tags, resource_filter
from defender_remediate.testing.simulator.arm.routing import Route, json_body, positive_option
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import REGISTERED, TENANT_ID, Resource, Subscription
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_LIST_MEMBERS = ("id", "name", "type", "location", "tags", "sku", "kind", "identity", "managedBy", "plan", "zones")
LOCATIONS: tuple[tuple[str, str, str], ...] = tuple(
    (name, shown, geographies)
    for name, shown, geographies in json.loads(
        (resources.files("defender_remediate.testing.simulator") / "data" / "locations.json").read_text(
            encoding="utf-8"
        )
    )
)
"""The regions that a subscription lists: name, display name and group of geographies."""
# https://learn.microsoft.com/azure/azure-resource-manager/templates/error-reserved-resource-name
_RESERVED = frozenset(
    [
        "access",
        "azure",
        "bing",
        "bizspark",
        "biztalk",
        "cortana",
        "directx",
        "dotnet",
        "dynamics",
        "excel",
        "exchange",
        "forefront",
        "groove",
        "hololens",
        "hyperv",
        "kinect",
        "lync",
        "msdn",
        "o365",
        "office",
        "office365",
        "onedrive",
        "onenote",
        "outlook",
        "powerpoint",
        "sharepoint",
        "skype",
        "visio",
        "visualstudio",
        "word",
        "xbox",
    ]
)
SUBSCRIPTION, GROUP = "Microsoft.Resources/subscriptions", "Microsoft.Resources/resourceGroups"
_REGIONS = ["westeurope", "northeurope", "germanywestcentral", "eastus2", "global"]


def _subscription(found: Subscription) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{found.id}",
        "subscriptionId": found.id,
        "tenantId": TENANT_ID,
        "displayName": found.name,
        "state": found.state,
        **({"tags": dict(found.tags)} if found.tags else {}),
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    }


def list_subscriptions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the subscriptions."""
    del captured
    shown = partial(as_known, SUBSCRIPTION, call.api_version)
    return tenant.page(call, map(_subscription, tenant.store.subscriptions.values()), shown=shown)


def get_subscription(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a subscription."""
    # A deleted subscription is still shown with its state; everything in it is not found.
    found = tenant.store.subscriptions.get(fold(captured["subscription"]))
    shown = _subscription(found or tenant.store.subscription(captured["subscription"]))
    return Reply.json(as_known(SUBSCRIPTION, call.api_version, shown))


def list_tenants(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the tenants of the caller: there is one."""
    del captured
    shown = {
        "id": f"/tenants/{TENANT_ID}",
        "tenantId": TENANT_ID,
        "tenantCategory": "Home",
        "displayName": "Simulated",
        "defaultDomain": "simulated.onmicrosoft.com",
        "domains": ["simulated.onmicrosoft.com"],
        "countryCode": "NL",
        "tenantType": "AAD",
    }
    return tenant.page(call, [shown])


def list_locations(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the regions of a subscription."""
    scope = f"/subscriptions/{tenant.store.subscription(captured['subscription']).id}"
    tenant.access.check_read("Microsoft.Resources/subscriptions/locations/read", scope)
    regions = [
        {
            "id": f"{scope}/locations/{name}",
            "name": name,
            "type": "Region",
            "displayName": shown,
            "regionalDisplayName": f"({geography}) {shown}",
            "metadata": {"regionType": "Physical", "regionCategory": "Recommended", "geographyGroup": geography},
        }
        for name, shown, geography in LOCATIONS
    ]
    return tenant.page(call, regions)


def list_groups(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the resource groups of a subscription."""
    groups = list(tenant.store.subscription(captured["subscription"]).groups.values())
    text = call.query.get("$filter", "")
    if text:
        groups = list(filter(group_filter(text), groups))
    shown = partial(as_known, GROUP, call.api_version)
    return tenant.page(call, groups, size=positive_option(call, "$top"), shown=shown)


def get_group(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a resource group."""
    if call.method == "HEAD":
        groups = tenant.store.subscription(captured["subscription"]).groups
        return Reply(status=204 if fold(captured["group"]) in groups else 404)
    return Reply.json(
        as_known(GROUP, call.api_version, tenant.store.group(captured["subscription"], captured["group"]))
    )


def list_resources(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the resources of a subscription or resource group."""
    scope = f"/subscriptions/{captured['subscription']}"
    tenant.store.subscription(captured["subscription"])
    if "group" in captured:
        scope = str(tenant.store.group(captured["subscription"], captured["group"])["id"])
    text = call.query.get("$filter", "")
    is_wanted = resource_filter(text) if text else None
    hidden = "tags" if text and names_tags(text) else None
    expanded = _expansions(call)

    def shown(resource: Resource) -> dict[str, Any] | None:
        if not resource.type.tracked or not ids.group_of(resource.id):
            return None
        if is_wanted is not None and not is_wanted({**resource.body, **resource.identity()}):
            return None
        body = resource.render()
        item = {name: body[name] for name in _LIST_MEMBERS if name != hidden and body.get(name) is not None}
        created, changed = tenant.times.of(resource)
        extra = {
            "createdTime": tenant.clock.timestamp(created),
            "changedTime": tenant.clock.timestamp(changed),
            "provisioningState": body["properties"].get("provisioningState", "Succeeded"),
        }
        return {**item, **{name: extra[name] for name in expanded}}

    return tenant.page(call, tenant.store.resources(scope), size=positive_option(call, "$top"), shown=shown)


def _expansions(call: Call) -> list[str]:
    known = {fold(name): name for name in ("createdTime", "changedTime", "provisioningState")}
    asked = [fold(word.strip()) for word in call.query.get("$expand", "").split(",") if word.strip()]
    for word in asked:
        if word not in known:
            raise refusal("InvalidQueryOption", name="$expand", value=call.query["$expand"])
    return [known[word] for word in asked]


def known_namespaces(tenant: Tenant) -> dict[str, str]:
    """Returns the resource providers by their folded names: those with a type, and those with published operations."""
    every = {**published.namespaces(), **{fold(one): one for one in tenant.types.namespaces()}}
    return dict(sorted(every.items()))


def provider(tenant: Tenant, namespace: str, subscription: Subscription | None) -> dict[str, Any]:
    """Returns a resource provider as its API shows it."""
    known = {one.name: one for one in tenant.types.of_namespace(namespace)}
    if not known:
        known = {
            one.type_name: ResourceType(name=one.type_name, versions=(one.since,), tracked=False)
            for one in published.operations_of(namespace)
        }
    types = [
        {
            "resourceType": kind.name.partition("/")[2],
            "locations": _REGIONS,
            "apiVersions": sorted(kind.versions, reverse=True),
            "capabilities": "SupportsTags, SupportsLocation" if kind.tracked else "None",
        }
        for kind in known.values()
    ]
    shown: dict[str, Any] = {"namespace": namespace, "resourceTypes": types}
    if subscription is not None:
        shown["id"] = f"/subscriptions/{subscription.id}/providers/{namespace}"
        shown["registrationState"] = subscription.registration(namespace)
        shown["registrationPolicy"] = "RegistrationRequired"
    return shown


def list_provider_types(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the types of a resource provider."""
    return Reply.json({"value": get_provider(tenant, call, captured).body["resourceTypes"]})


def list_providers(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the resource providers."""
    found = tenant.store.subscription(captured["subscription"]) if "subscription" in captured else None
    return tenant.page(call, [provider(tenant, namespace, found) for namespace in known_namespaces(tenant).values()])


def get_provider(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a resource provider."""
    del call
    found = tenant.store.subscription(captured["subscription"]) if "subscription" in captured else None
    namespace = known_namespaces(tenant).get(fold(captured["namespace"]))
    if namespace is None:
        raise refusal("InvalidResourceNamespace", namespace=captured["namespace"])
    return Reply.json(provider(tenant, namespace, found))


def provider_permissions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows which applications of a resource provider act for it; there are none here."""
    tenant.store.subscription(captured["subscription"])
    if fold(captured["namespace"]) not in known_namespaces(tenant):
        raise refusal("InvalidResourceNamespace", namespace=captured["namespace"])
    return tenant.page(call, [])


def check_zone_peers(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Compares the availability zones of subscriptions: every subscription has the same ones."""
    scope = f"/subscriptions/{tenant.store.subscription(captured['subscription']).id}"
    tenant.access.check_read("Microsoft.Resources/checkZonePeers/action", scope)
    body = json_body(call)
    others = [ids.subscription_of(f"/{str(one).strip('/')}") for one in body.get("subscriptionIds") or ()]
    peers = [
        {
            "availabilityZone": zone,
            "peers": [
                {"subscriptionId": tenant.store.subscription(one).id, "availabilityZone": zone} for one in others
            ],
        }
        for zone in ("1", "2", "3")
    ]
    shown = {"subscriptionId": captured["subscription"], "location": body.get("location")}
    return Reply.json({**shown, "availabilityZonePeers": peers})


def check_resource_name(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Says whether a name of a resource contains a reserved word, as Azure documents them."""
    del tenant, captured
    body = json_body(call)
    name, kind = body.get("name"), body.get("type")
    if not isinstance(name, str) or not isinstance(kind, str):
        raise refusal("InvalidRequestContent", problem="'name' and 'type' are needed")
    folded = fold(name)
    reserved = folded in _RESERVED or folded.startswith("login") or "microsoft" in folded or "windows" in folded
    return Reply.json({"name": name, "type": kind, "status": "Reserved" if reserved else "Allowed"})


def _feature(subscription: Subscription, namespace: str, feature: str) -> dict[str, Any]:
    name = f"{namespace}/{feature}"
    return {
        "id": f"/subscriptions/{subscription.id}/providers/Microsoft.Features/providers/{namespace}/features/{feature}",
        "name": name,
        "type": "Microsoft.Features/providers/features",
        "properties": {"state": subscription.features.get(fold(name), REGISTERED)},
    }


def list_features(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the preview features of a subscription whose state was set; which others there are is not known."""
    subscription = tenant.store.subscription(captured["subscription"])
    tenant.access.check_read("Microsoft.Features/features/read", f"/subscriptions/{subscription.id}")
    wanted = fold(captured.get("namespace", ""))
    pairs = [name.split("/", 1) for name in subscription.features]
    return tenant.page(call, [_feature(subscription, *pair) for pair in pairs if wanted in ("", pair[0])])


def _get_feature(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """A preview feature, which is registered unless a test or a client says otherwise."""
    del call
    subscription = tenant.store.subscription(captured["subscription"])
    tenant.access.check_read("Microsoft.Features/providers/features/read", f"/subscriptions/{subscription.id}")
    return Reply.json(_feature(subscription, captured["namespace"], captured["feature"]))


def register_feature(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Registers a preview feature, or unregisters it, at once; Azure takes up to some days for it."""
    subscription = tenant.store.subscription(captured["subscription"])
    scope, word = f"/subscriptions/{subscription.id}", ids.segments(call.path)[-1].lower()
    tenant.access.check_write("POST", f"Microsoft.Features/providers/features/{word}/action", scope)
    state = REGISTERED if word == "register" else "Unregistered"
    subscription.features[fold(f"{captured['namespace']}/{captured['feature']}")] = state
    tenant.store.touch(scope)
    return Reply.json(_feature(subscription, captured["namespace"], captured["feature"]))


def operation_status(tenant: Tenant, call: Call) -> Reply | None:
    """Returns the answer of a status page; None if the path is not one. Every provider has these pages."""
    parts = ids.segments(call.path)
    if call.method != "GET" or len(parts) < 2:
        return None
    if fold(parts[-2]) == "operationstatuses":
        return tenant.operations.status(parts[-1])
    if fold(parts[-2]) == "operationresults":
        return tenant.operations.location(call, parts[-1])
    return None


_SUB = "/subscriptions/{subscription}"
_KIND = "Microsoft.Resources/"

ROUTES = tuple(
    Route(methods=methods, pattern=pattern, type=kind, handler=handler, reads=handler is not register_feature)
    for methods, pattern, kind, handler in (
        (("GET",), "/subscriptions", f"{_KIND}subscriptions", list_subscriptions),
        (("GET",), _SUB, f"{_KIND}subscriptions", get_subscription),
        (("GET",), "/tenants", f"{_KIND}tenants", list_tenants),
        (("GET",), f"{_SUB}/locations", f"{_KIND}locations", list_locations),
        (("GET",), f"{_SUB}/resourceGroups", f"{_KIND}resourceGroups", list_groups),
        (("GET", "HEAD"), f"{_SUB}/resourceGroups/{{group}}", f"{_KIND}resourceGroups", get_group),
        (("GET",), f"{_SUB}/resources", f"{_KIND}resources", list_resources),
        (("GET",), f"{_SUB}/resourceGroups/{{group}}/resources", f"{_KIND}resources", list_resources),
        (("GET",), f"{_SUB}/providers", f"{_KIND}providers", list_providers),
        (("GET",), f"{_SUB}/providers/{{namespace}}", f"{_KIND}providers", get_provider),
        (("GET",), f"{_SUB}/providers/{{namespace}}/resourceTypes", f"{_KIND}providers", list_provider_types),
        (
            ("GET",),
            f"{_SUB}/providers/Microsoft.Features/providers/{{namespace}}/features/{{feature}}",
            "Microsoft.Features/features",
            _get_feature,
        ),
        *(
            (("GET",), f"{_SUB}/providers/Microsoft.Features/{path}", "Microsoft.Features/features", list_features)
            for path in ("features", "providers/{namespace}/features")
        ),
        *(
            (
                ("POST",),
                f"{_SUB}/providers/Microsoft.Features/providers/{{namespace}}/features/{{feature}}/{word}",
                "Microsoft.Features/features",
                register_feature,
            )
            for word in ("register", "unregister")
        ),
        (("GET",), f"{_SUB}/providers/{{namespace}}/providerPermissions", f"{_KIND}providers", provider_permissions),
        (("POST",), f"{_SUB}/providers/Microsoft.Resources/checkZonePeers", f"{_KIND}subscriptions", check_zone_peers),
        (("POST",), "/providers/Microsoft.Resources/checkResourceName", f"{_KIND}resources", check_resource_name),
        (("GET",), "/providers", f"{_KIND}providers", list_providers),
        (("GET",), "/providers/{namespace}", f"{_KIND}providers", get_provider),
    )
)
