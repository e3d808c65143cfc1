"""What App Service adds to a new app: its kind, its host names, its state, and what it takes over from its plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant

_SITES = ("microsoft.web/sites", "microsoft.web/sites/slots")
_DOMAIN = "azurewebsites.net"


def completed(tenant: Tenant, type_name: str, resource_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the body of an app as App Service stores it; any other body as it is. What a body has, it keeps."""
    if fold(type_name) not in _SITES:
        return dict(body)
    properties = dict(body.get("properties") or {})
    plan = tenant.store.find(str(properties.get("serverFarmId") or ""))
    names = ids.segments(resource_id)
    host = f"{names[-1] if fold(type_name) == _SITES[0] else f'{names[-3]}-{names[-1]}'}.{_DOMAIN}".lower()
    is_linux = bool(properties.get("reserved") or (plan is not None and plan.body["properties"].get("reserved")))
    found = {
        "state": "Running",
        "enabled": True,
        "hostNames": [host],
        "defaultHostName": host,
        "enabledHostNames": [host, host.replace(".", ".scm.", 1)],
        "reserved": is_linux,
    }
    if plan is not None:
        found["sku"] = (plan.body.get("sku") or {}).get("tier")
    for name, value in found.items():
        if properties.get(name) is None:
            properties[name] = value
    return {**body, "kind": body.get("kind") or ("app,linux" if is_linux else "app"), "properties": properties}


def write_settings(tenant: Tenant, app: Resource, config: Any) -> None:
    """Keeps the settings and connection strings in the ``siteConfig`` of an app where they are read from."""
    if fold(app.type.name) not in _SITES or not isinstance(config, Mapping):
        return
    kind = tenant.types.get(f"{app.type.name}/config")
    assert kind is not None  # it ships with the simulator
    settings, strings = config.get("appSettings"), config.get("connectionStrings")
    if isinstance(settings, list):
        values = {str(one.get("name")): one.get("value") for one in settings if isinstance(one, Mapping)}
        tenant.store.write(f"{app.id}/config/appsettings", kind.for_name("appsettings"), {"properties": values})
    if isinstance(strings, list):
        found = {
            str(one.get("name")): {"value": one.get("connectionString"), "type": one.get("type")}
            for one in strings
            if isinstance(one, Mapping)
        }
        tenant.store.write(
            f"{app.id}/config/connectionstrings", kind.for_name("connectionstrings"), {"properties": found}
        )
