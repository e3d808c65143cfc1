"""The instances of scale sets: as many as the capacity says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Compute/virtualMachineScaleSets"
_INSTANCES = f"{_TYPE}/virtualMachines"


def _instances(scale_set: Resource) -> list[dict[str, Any]]:
    """The instances of a uniform scale set; those of a flexible one are ordinary machines."""
    sku = scale_set.body.get("sku") or {}
    properties = scale_set.body["properties"]
    if fold(str(properties.get("orchestrationMode", "Uniform"))) != "uniform":
        return []
    return [_instance(scale_set, str(number)) for number in range(int(sku.get("capacity") or 0))]


def _instance(scale_set: Resource, number: str) -> dict[str, Any]:
    profile = scale_set.body["properties"].get("virtualMachineProfile") or {}
    key = hashlib.sha256(f"{ids.key(scale_set.id)}:{number}".encode()).hexdigest()
    kept = ("storageProfile", "osProfile", "securityProfile", "diagnosticsProfile")
    return {
        "id": f"{scale_set.id}/virtualMachines/{number}",
        "name": f"{scale_set.name}_{number}",
        "type": _INSTANCES,
        "instanceId": number,
        "location": scale_set.body.get("location"),
        "sku": {name: value for name, value in (scale_set.body.get("sku") or {}).items() if name in ("name", "tier")},
        "properties": {
            **{name: profile[name] for name in kept if name in profile},
            "latestModelApplied": True,
            "provisioningState": "Succeeded",
            "vmId": f"{key[:8]}-{key[8:12]}-4{key[13:16]}-8{key[17:20]}-{key[20:32]}",
        },
    }


def list_instances(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the instances of a scale set."""
    scale_set = owner_of(tenant, call, captured, _TYPE)
    tenant.access.check_read(f"{_INSTANCES}/read", scale_set.id)
    return tenant.page(call, _instances(scale_set))


def get_instance(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows an instance of a scale set."""
    scale_set = owner_of(tenant, call, captured, _TYPE)
    tenant.access.check_read(f"{_INSTANCES}/read", scale_set.id)
    for instance in _instances(scale_set):
        if instance["instanceId"] == captured["instance"]:
            return Reply.json(instance)
    group = ids.group_of(scale_set.id)
    raise refusal("ResourceNotFound", type=_INSTANCES, name=f"{scale_set.name}/{captured['instance']}", group=group)


_PATH = f"{ITEM}/{_TYPE}/{{name}}/virtualMachines"
ROUTES = (
    Route(methods=("GET",), pattern=_PATH, type=_TYPE, handler=list_instances),
    Route(methods=("GET",), pattern=f"{_PATH}/{{instance}}", type=_TYPE, handler=get_instance),
)
