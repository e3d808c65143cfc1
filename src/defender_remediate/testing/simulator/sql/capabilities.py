"""The editions and sizes of SQL databases that a region offers, in a small selection: clients look a size up before they create."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_VCORES = (2, 4, 8, 16)
_STANDARD = {"S0": 10, "S1": 20, "S2": 50, "S3": 100}
_POOL_SIZES = {"BasicPool": ("Basic", (50, 100)), "StandardPool": ("Standard", (50, 100, 200))}


def show_capabilities(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows the editions of databases and elastic pools with their sizes; the first of each is the default."""
    del call
    tenant.store.subscription(captured["subscription"])
    version = {
        "name": "12.0",
        "supportedEditions": _editions("supportedServiceLevelObjectives", _databases()),
        "supportedElasticPoolEditions": _editions("supportedElasticPoolPerformanceLevels", _pools()),
        "status": "Default",
    }
    return Reply.json({"name": captured["location"], "supportedServerVersions": [version], "status": "Available"})


def _databases() -> dict[str, list[dict[str, Any]]]:
    return {
        "GeneralPurpose": [
            *(_size(f"GP_Gen5_{count}", "GP_Gen5", "GeneralPurpose", count, "Gen5") for count in _VCORES),
            *(_size(f"GP_S_Gen5_{count}", "GP_S_Gen5", "GeneralPurpose", count, "Gen5") for count in (1, *_VCORES)),
        ],
        "BusinessCritical": [
            _size(f"BC_Gen5_{count}", "BC_Gen5", "BusinessCritical", count, "Gen5") for count in _VCORES
        ],
        "Hyperscale": [_size(f"HS_Gen5_{count}", "HS_Gen5", "Hyperscale", count, "Gen5") for count in _VCORES],
        "Basic": [_size("Basic", "Basic", "Basic", 5)],
        "Standard": [_size(name, "Standard", "Standard", capacity) for name, capacity in _STANDARD.items()],
        "Premium": [_size("P1", "Premium", "Premium", 125), _size("P2", "Premium", "Premium", 250)],
    }


def _pools() -> dict[str, list[dict[str, Any]]]:
    found = {
        "GeneralPurpose": [_size(f"GP_Gen5_{count}", "GP_Gen5", "GeneralPurpose", count, "Gen5") for count in _VCORES],
        "BusinessCritical": [
            _size(f"BC_Gen5_{count}", "BC_Gen5", "BusinessCritical", count, "Gen5") for count in _VCORES
        ],
    }
    for name, (edition, capacities) in _POOL_SIZES.items():
        found[edition] = [_size(name, name, edition, capacity) for capacity in capacities]
    return found


def _size(name: str, sku: str, tier: str, capacity: int, family: str | None = None) -> dict[str, Any]:
    by_family = {} if family is None else {"family": family}
    return {
        "name": name,
        "sku": {"name": sku, "tier": tier, "capacity": capacity, **by_family},
        "performanceLevel": {"value": capacity, "unit": "DTU" if family is None else "VCores"},
        "supportedMaxSizes": [{"minValue": {"limit": 250, "unit": "Gigabytes"}, "status": "Default"}],
    }


def _editions(sizes: str, listed: Mapping[str, Iterable[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {
            "name": edition,
            sizes: [{**one, "status": "Available" if place else "Default"} for place, one in enumerate(found)],
            "zoneRedundant": edition in ("GeneralPurpose", "BusinessCritical", "Premium"),
            "status": "Default" if edition == "GeneralPurpose" else "Available",
        }
        for edition, found in listed.items()
    ]


ROUTES = (
    Route(
        methods=("GET",),
        pattern="/subscriptions/{subscription}/providers/Microsoft.Sql/locations/{location}/capabilities",
        type="Microsoft.Sql/servers",
        handler=show_capabilities,
    ),
)
