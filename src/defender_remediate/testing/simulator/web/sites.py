"""What App Service adds to an app that it stores: its state, what it takes over from its plan, and its two views on settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.merge_patch import merge_patch
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import CREATE, PATCH, AnswerCase, ResourceType
from defender_remediate.testing.simulator.web import plans
from defender_remediate.testing.simulator.web.contracts import (
    PLAN,
    RESTRICTIONS,
    SETTINGS,
    SHOWN_IN_SITE_CONFIG,
    SITE,
    SLOT,
    covers,
    host_names,
)

_WEB = "config/web"


def answers_late(resource_type: ResourceType, body: Mapping[str, Any]) -> ResourceType:
    """Returns the type of an app with its way to answer a write: an app on Container Apps, and a clone, take their time."""
    properties = body.get("properties") or {}
    if fold(resource_type.name) not in (SITE, SLOT) or not (
        properties.get("cloningInfo") or properties.get("managedEnvironmentId")
    ):
        return resource_type
    late = (AnswerCase(answer="202 L"),)
    return attrs.evolve(resource_type, operations={**resource_type.operations, CREATE: late, PATCH: late})


def completed(tenant: Tenant, type_name: str, resource_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the body of an app or its settings as App Service stores it; any other body as it is. What a body has, it keeps."""
    if not covers(type_name):
        return dict(body)
    if fold(type_name) == PLAN:
        return plans.completed(body)
    if fold(type_name) not in (SITE, SLOT):
        app = tenant.store.find(resource_id.rsplit("/", 2)[0])
        place = {"location": app.body["location"]} if app is not None and "location" in app.body else {}
        properties = body.get("properties")
        if isinstance(properties, Mapping) and f"/{fold(resource_id)}".endswith(f"/{_WEB}"):
            properties = {name: None if name in SETTINGS else value for name, value in properties.items()}
        return {**place, **body, "properties": properties}
    properties = dict(body.get("properties") or {})
    plan = tenant.store.find(str(properties.get("serverFarmId") or ""))
    host, scm = host_names(resource_id)
    is_linux = bool(properties.get("reserved") or (plan is not None and plan.body["properties"].get("reserved")))
    found = {
        "state": "Running",
        "enabled": True,
        "hostNames": [host],
        "defaultHostName": host,
        "enabledHostNames": [host, scm],
        "reserved": is_linux,
    }
    for name, value in found.items():
        if properties.get(name) is None:
            properties[name] = value
    if plan is not None:
        properties["sku"] = (plan.body.get("sku") or {}).get("tier")
    properties["siteConfig"] = _at_rest(tenant, resource_id, properties.get("siteConfig"))
    return {**body, "kind": body.get("kind") or ("app,linux" if is_linux else "app"), "properties": properties}


def _at_rest(tenant: Tenant, app_id: str, config: Any) -> dict[str, Any] | None:
    """``siteConfig`` as a GET shows it: null in an app that never showed it, and most of its members null."""
    held = tenant.store.find(app_id)
    if not isinstance(config, Mapping) or (held is not None and held.body["properties"].get("siteConfig") is None):
        return None
    return {name: value if name in (*SHOWN_IN_SITE_CONFIG, *RESTRICTIONS) else None for name, value in config.items()}


def wrote(tenant: Tenant, written: Resource, sent: Mapping[str, Any]) -> None:
    """Keeps what an app shows in several places the same, after a write of the app or of its ``config/web``.

    Args:
        tenant: The tenant.
        written: What was written.
        sent: Its properties before ``completed`` took away what it does not show.
    """
    if fold(written.type.name) in (SITE, SLOT):
        for child in tenant.store.children(written.id, f"{written.type.name}/config"):
            if "location" in written.body:
                child.body.setdefault("location", written.body["location"])
        config = sent.get("siteConfig")
        if isinstance(config, Mapping):
            _show_in_web_configuration(tenant, written, config)
            _write_settings(tenant, written, config)
    elif covers(written.type.name) and fold(written.name) == "web":
        app = tenant.store.find(written.id.rsplit("/", 2)[0])
        if app is not None:
            _show_in_app(tenant, app, written.body["properties"])
            _write_settings(tenant, app, sent)


def _show_in_web_configuration(tenant: Tenant, app: Resource, config: Mapping[str, Any]) -> None:
    web = tenant.store.find(f"{app.id}/{_WEB}")
    changes = {name: value for name, value in config.items() if value is not None and name not in SETTINGS}
    if web is not None and any(web.body["properties"].get(name) != value for name, value in changes.items()):
        tenant.store.write(web.id, web.type, merge_patch(web.render(), {"properties": changes}))


def _show_in_app(tenant: Tenant, app: Resource, settings: Mapping[str, Any]) -> None:
    config = app.body["properties"].get("siteConfig")
    if not isinstance(config, Mapping):
        return
    now = {name: settings.get(name, value) if name in SHOWN_IN_SITE_CONFIG else value for name, value in config.items()}
    if now != config:
        body = app.render()
        tenant.store.write(app.id, app.type, {**body, "properties": {**body["properties"], "siteConfig": now}})


def _write_settings(tenant: Tenant, app: Resource, config: Mapping[str, Any]) -> None:
    kind = tenant.types.get(f"{app.type.name}/config")
    assert kind is not None  # it ships with the simulator
    place = {"location": app.body["location"]} if "location" in app.body else {}
    settings, strings = config.get("appSettings"), config.get("connectionStrings")
    if isinstance(settings, list):
        values = {str(one.get("name")): one.get("value") for one in settings if isinstance(one, Mapping)}
        body = {**place, "properties": values}
        tenant.store.write(f"{app.id}/config/appsettings", kind.for_name("appsettings"), body)
    if isinstance(strings, list):
        found = {
            str(one.get("name")): {"value": one.get("connectionString"), "type": one.get("type")}
            for one in strings
            if isinstance(one, Mapping)
        }
        body = {**place, "properties": found}
        tenant.store.write(f"{app.id}/config/connectionstrings", kind.for_name("connectionstrings"), body)
