"""The operations of apps that are no resources: settings are listed by POST; apps are started, stopped and restarted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_SITES = "Microsoft.Web/sites"
_SECRET = {
    "appsettings": {},
    "connectionstrings": {},
    "metadata": {},
    "azurestorageaccounts": {},
    "authsettingsv2": {
        "platform": {"enabled": False, "runtimeVersion": "~1"},
        "globalValidation": {"requireAuthentication": False, "unauthenticatedClientAction": "AllowAnonymous"},
        "identityProviders": {},
        "login": {"tokenStore": {"enabled": False}},
        "httpSettings": {"requireHttps": True},
    },
    "authsettings": {"enabled": False},
}
_SHOWN = {"authsettingsv2": "authsettingsV2"}
_STATES = {"start": "Running", "stop": "Stopped", "restart": None}


def _app(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Resource:
    """The app, or the slot of an app, that a call is for."""
    kind = f"{_SITES}/{captured['app']}/slots" if "app" in captured else _SITES
    return owner_of(tenant, call, captured, kind)


def list_settings(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows settings that may contain secrets; an app without them has the defaults of a new app.

    It is a POST, except for the authentication settings of version 2.
    """
    app = _app(tenant, call, captured)
    name = fold(ids.segments(call.path)[-2])

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, app.id)
        return Reply.json(_settings(tenant, app.id, name)), False

    return logged(tenant, call, f"{_SITES}/config/list/Action", app.id, work)


def _settings(tenant: Tenant, app_id: str, name: str) -> dict[str, Any]:
    shown = _SHOWN.get(name, name)
    held = tenant.store.find(f"{app_id}/config/{name}")
    if held is not None:
        return held.render()
    kind = _SITES if "/slots/" not in app_id else f"{_SITES}/slots"
    return {"id": f"{app_id}/config/{shown}", "name": shown, "type": f"{kind}/config", "properties": _SECRET[name]}


def set_state(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Starts, stops or restarts an app."""
    app = _app(tenant, call, captured)
    word = fold(ids.segments(call.path)[-1])

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, app.id)
        state = _STATES[word]
        if state is not None:
            body = app.render()
            tenant.store.write(app.id, app.type, {**body, "properties": {**body["properties"], "state": state}})
        return Reply(status=200), False

    return logged(tenant, call, f"{_SITES}/{word}/Action", app.id, work)


def show_publishing_profile(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Returns the publishing profile of an app as XML. Its password opens nothing."""
    app = _app(tenant, call, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, app.id)
        host = f"{app.name.lower()}.scm.azurewebsites.net"
        profiles = "".join(
            f'<publishProfile profileName="{app.name} - {method}" publishMethod="{method}" publishUrl="{url}" '
            f'userName="${app.name}" userPWD="simulated" msdeploySite="{app.name}"/>'
            for method, url in (("MSDeploy", f"{host}:443"), ("FTP", f"ftps://{host}/site/wwwroot"))
        )
        content = f"<publishData>{profiles}</publishData>".encode()
        return Reply(status=200, headers={"Content-Type": "application/xml"}, content=content), False

    return logged(tenant, call, f"{_SITES}/publishxml/Action", app.id, work)


_APPS = ((f"{_SITES}/{{name}}", _SITES), (f"{_SITES}/{{app}}/slots/{{name}}", f"{_SITES}/slots"))

ROUTES = (
    Route(
        methods=("POST",),
        pattern=f"{ITEM}/{_SITES}/{{name}}/publishxml",
        type=_SITES,
        handler=show_publishing_profile,
        reads=False,
    ),
    *(
        Route(
            methods=("GET" if name == "authsettingsv2" else "POST",),
            pattern=f"{ITEM}/{app}/config/{_SHOWN.get(name, name)}/list",
            type=f"{kind}/config",
            handler=list_settings,
            reads=False,
        )
        for name in _SECRET
        for app, kind in _APPS
    ),
    *(
        Route(methods=("POST",), pattern=f"{ITEM}/{app}/{word}", type=kind, handler=set_state, reads=False)
        for word in _STATES
        for app, kind in _APPS
    ),
)
