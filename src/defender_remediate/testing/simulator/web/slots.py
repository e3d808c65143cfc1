"""Swaps of deployment slots, the apps of a plan, and the apps that were deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource, copied
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_SITES = "Microsoft.Web/sites"
_PLANS = "Microsoft.Web/serverfarms"
_PRODUCTION = "production"
# The settings that go with the content of an app, and the members of slotConfigNames that name what stays with the slot.
_SWAPPED = {
    "appsettings": "appSettingNames",
    "connectionstrings": "connectionStringNames",
    "azurestorageaccounts": "azureStorageConfigNames",
}


def swap(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Swaps the settings of an app and one of its slots, or of two slots, but for those that stay with their slot."""
    app = owner_of(tenant, call, {**captured, "name": captured["app"]}, _SITES)
    source = _slot(tenant, app, captured.get("slot", _PRODUCTION))

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, source.id)
        wanted = json_body(call).get("targetSlot")
        if not isinstance(wanted, str) or not wanted:
            raise refusal("InvalidRequestContent", problem="'targetSlot' is missing")
        target = _slot(tenant, app, wanted)
        if target.id == source.id:
            raise refusal("InvalidRequestContent", problem="the source and the target slot are the same")
        for name, sticky_member in _SWAPPED.items():
            _swap_settings(tenant, source, target, name, _sticky(tenant, app, sticky_member))
        return Reply(status=200), False

    return logged(tenant, call, f"{source.type.name}/slotsswap/Action", source.id, work)


def _slot(tenant: Tenant, app: Resource, name: str) -> Resource:
    if fold(name) == _PRODUCTION:
        return app
    slot = tenant.store.find(f"{app.id}/slots/{name}")
    if slot is None:
        raise refusal("ResourceNotFound", type=f"{_SITES}/slots", name=f"{app.name}/{name}", group=ids.group_of(app.id))
    return slot


def _sticky(tenant: Tenant, app: Resource, member: str) -> list[str]:
    names = tenant.store.find(f"{app.id}/config/slotConfigNames")
    found = None if names is None else names.body["properties"].get(member)
    return [str(one) for one in found or ()]


def _swap_settings(tenant: Tenant, source: Resource, target: Resource, name: str, sticky: list[str]) -> None:
    first, second = (tenant.store.find(f"{one.id}/config/{name}") for one in (source, target))
    if first is None and second is None:
        return
    values = [copied(one.body["properties"] or {}) if one is not None else {} for one in (first, second)]
    for app, mine, other in ((source, values[0], values[1]), (target, values[1], values[0])):
        moved = {key: value for key, value in other.items() if key not in sticky}
        kept = {key: value for key, value in mine.items() if key in sticky}
        kind = tenant.types.get(f"{app.type.name}/config")
        assert kind is not None  # it ships with the simulator
        tenant.store.write(f"{app.id}/config/{name}", kind.for_name(name), {"properties": {**moved, **kept}})


def list_apps_of_plan(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the apps that run on a plan."""
    plan = owner_of(tenant, call, captured, _PLANS)
    tenant.access.check_read(f"{_PLANS}/sites/read", plan.id)
    found = [
        app.render()
        for app in tenant.store.resources(f"/subscriptions/{captured['subscription']}", _SITES)
        if ids.key(str(app.body["properties"].get("serverFarmId") or "/")) == ids.key(plan.id)
    ]
    return tenant.page(call, found)


def list_deleted(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the apps that were deleted in a subscription, or in one of its regions."""
    scope = f"/subscriptions/{tenant.store.subscription(captured['subscription']).id}"
    tenant.access.check_read("Microsoft.Web/deletedSites/read", scope)
    found = []
    for number, (app, moment) in enumerate(tenant.times.gone(_SITES, scope), start=1):
        place = str(app.body.get("location") or "")
        if "location" in captured and _place(place) != _place(captured["location"]):
            continue
        found.append(_deleted(tenant, scope, app, moment, number, place))
    return tenant.page(call, found)


def _place(location: str) -> str:
    return fold(location.replace(" ", ""))


def _deleted(tenant: Tenant, scope: str, app: Resource, moment: float, number: int, place: str) -> dict[str, Any]:
    return {
        "id": f"{scope}/providers/Microsoft.Web/locations/{place}/deletedSites/{number}",
        "name": str(number),
        "type": "Microsoft.Web/deletedSites",
        "properties": {
            "deletedSiteId": number,
            "deletedTimestamp": tenant.clock.at(moment).strftime("%Y-%m-%dT%H:%M:%S.%f"),
            "subscription": ids.subscription_of(app.id),
            "resourceGroup": ids.group_of(app.id),
            "deletedSiteName": app.name,
            "slot": "Production",
            "kind": app.body.get("kind"),
            "geoRegionName": place,
        },
    }


_APP = f"{ITEM}/{_SITES}/{{app}}"
_SUB = "/subscriptions/{subscription}/providers/Microsoft.Web"
ROUTES = tuple(
    Route(methods=(method,), pattern=pattern, type=kind, handler=handler, reads=method == "GET")
    for method, pattern, kind, handler in (
        ("POST", f"{_APP}/slotsswap", _SITES, swap),
        ("POST", f"{_APP}/slots/{{slot}}/slotsswap", _SITES, swap),
        ("GET", f"{ITEM}/{_PLANS}/{{name}}/sites", _PLANS, list_apps_of_plan),
        ("GET", f"{_SUB}/deletedSites", _SITES, list_deleted),
        ("GET", f"{_SUB}/locations/{{location}}/deletedSites", _SITES, list_deleted),
    )
)
