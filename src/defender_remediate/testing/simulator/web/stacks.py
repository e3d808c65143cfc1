"""The runtimes that App Service and Functions offer, in a small selection: clients look a runtime up before they create an app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_SYSTEMS = ("linux", "windows")


def list_stacks(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the runtimes of web apps or of function apps; ``stackOsType`` chooses the operating system."""
    del captured
    kind = "functionAppStacks" if fold(call.path.rstrip("/")).endswith("functionappstacks") else "webAppStacks"
    wanted = fold(call.query.get("stackostype", "all"))
    systems = [system for system in _SYSTEMS if wanted in ("all", system)]
    return tenant.page(call, [_stack(kind, stack, systems) for stack in facts("stacks")[kind]])


def _stack(kind: str, stack: Mapping[str, Any], systems: list[str]) -> dict[str, Any]:
    versions = [_version(kind, stack, version, systems) for version in stack["versions"]]
    return {
        "id": f"/providers/Microsoft.Web/{kind}/{stack['value']}",
        "name": stack["value"],
        "type": f"Microsoft.Web/{kind}",
        "properties": {
            "displayText": stack["text"],
            "value": stack["value"],
            "preferredOs": "windows" if "linux" not in stack["versions"][0] else "linux",
            "majorVersions": versions,
        },
    }


def _version(kind: str, stack: Mapping[str, Any], version: Mapping[str, str], systems: list[str]) -> dict[str, Any]:
    settings = {
        f"{system}RuntimeSettings": _settings(kind, stack, version, system) for system in systems if system in version
    }
    minor = {"displayText": version["text"], "value": version["value"], "stackSettings": settings}
    return {"displayText": version["text"], "value": version["value"], "minorVersions": [minor]}


def _settings(kind: str, stack: Mapping[str, Any], version: Mapping[str, str], system: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "runtimeVersion": version[system],
        "remoteDebuggingSupported": False,
        "appInsightsSettings": {"isSupported": True},
        "gitHubActionSettings": {"isSupported": True, "supportedVersion": version["value"]},
        "isPreview": False,
    }
    if kind == "functionAppStacks":
        config = {"linuxFxVersion": version[system]} if system == "linux" else {}
        shown["appSettingsDictionary"] = {"FUNCTIONS_WORKER_RUNTIME": stack["worker"]}
        shown["siteConfigPropertiesDictionary"] = {"use32BitWorkerProcess": False, **config}
        shown["supportedFunctionsExtensionVersions"] = ["~4"]
        shown["isDefault"] = version is stack["versions"][0]
    return shown


ROUTES = tuple(
    Route(
        methods=("GET",),
        pattern=f"/providers/Microsoft.Web/{place}{kind}",
        type="Microsoft.Web/sites",
        handler=list_stacks,
    )
    for kind in ("webAppStacks", "functionAppStacks")
    for place in ("", "locations/{location}/")
)
