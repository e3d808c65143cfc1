"""The data modes of Azure Policy, and the tokens for external evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Authorization"
_MODES: Mapping[str, tuple[str, ...]] = {
    "Microsoft.KeyVault.Data": ("Audit", "Deny", "Disabled"),
    "Microsoft.Kubernetes.Data": ("Audit", "Deny", "Disabled", "Mutate"),
    "Microsoft.Network.Data": ("AddToNetworkGroup", "Disabled"),
    "Microsoft.ContainerService.Data": ("EnforceRegoPolicy", "Disabled"),
}


def _manifest(mode: str, effects: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": f"{AUTHORIZATION}/dataPolicyManifests/{mode}",
        "name": mode,
        "type": f"{_TYPE}/dataPolicyManifests",
        "properties": {
            "namespaces": [mode.rpartition(".")[0]],
            "policyMode": mode,
            "isBuiltInOnly": False,
            "resourceTypeAliases": [],
            "effects": [{"name": name, "detailsSchema": {}} for name in effects],
            "fieldValues": [],
            "resourceFunctions": {"standard": [], "custom": []},
        },
    }


def list_manifests(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the data modes; policies with one of them are stored and not evaluated."""
    del captured
    return tenant.page(call, [_manifest(mode, effects) for mode, effects in _MODES.items()])


def get_manifest(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a data mode."""
    del tenant, call
    for mode, effects in _MODES.items():
        if fold(mode) == fold(captured["name"]):
            return Reply.json(_manifest(mode, effects))
    raise refusal("DataPolicyManifestNotFound", name=captured["name"])


def acquire_token(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Returns a token: no policy here needs an external evaluation."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/acquirePolicyToken/action", scope)
    operation = json_body(call).get("operation")
    if not isinstance(operation, Mapping) or not operation.get("uri") or not operation.get("httpMethod"):
        raise refusal("InvalidRequestContent", problem="the operation needs a uri and an httpMethod")
    return Reply.json({"result": "Succeeded", "message": "No external evaluation is needed.", "results": []})


ROUTES = (
    Route(
        methods=("GET",),
        pattern=f"{AUTHORIZATION}/dataPolicyManifests",
        type=f"{_TYPE}/dataPolicyManifests",
        handler=list_manifests,
    ),
    Route(
        methods=("GET",),
        pattern=f"{AUTHORIZATION}/dataPolicyManifests/{{name}}",
        type=f"{_TYPE}/dataPolicyManifests",
        handler=get_manifest,
    ),
    Route(
        methods=("POST",),
        pattern=f"/{{scope*}}{AUTHORIZATION}/acquirePolicyToken",
        type=f"{_TYPE}/policyDefinitions",
        handler=acquire_token,
    ),
)
