"""The sizes of SQL databases: what a client names, and what Azure makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.testing.conftest import SUB, Caller

from defender_remediate.testing import ArmSimulator

SERVER = f"{SUB}/resourceGroups/rg/providers/Microsoft.Sql/servers/s"
STANDARD = {"name": "Standard", "tier": "Standard"}


@pytest.fixture
def write(sim: ArmSimulator, call: Caller) -> Any:
    """Creates or changes a database; returns it when the operation has ended."""
    sim.resources.add({"id": SERVER, "location": "westeurope", "properties": {}})
    database = f"{SERVER}/databases/d"

    def send(method: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = call(method, database, params={"api-version": "2021-11-01"}, json={"location": "westeurope", **body})
        assert answer.status_code < 300, answer.text()
        sim.clock.advance(60)
        shown: dict[str, Any] = call.get(database, "2021-11-01")
        return shown

    return send


@pytest.mark.parametrize(
    ("sent", "shown", "objective", "largest"),
    [
        ({"name": "S0"}, {**STANDARD, "capacity": 10}, "S0", 268435456000),
        ({"name": "Standard", "capacity": 50}, {**STANDARD, "capacity": 50}, "S2", 268435456000),
        ({"name": "Standard"}, {**STANDARD, "capacity": 10}, "S0", 268435456000),
        ({"name": "Basic"}, {"name": "Basic", "tier": "Basic", "capacity": 5}, "Basic", 2147483648),
        (
            {"name": "GP_S_Gen5_4"},
            {"name": "GP_S_Gen5", "tier": "GeneralPurpose", "family": "Gen5", "capacity": 4},
            "GP_S_Gen5_4",
            34359738368,
        ),
        (
            {"name": "HS_Gen5", "capacity": 8},
            {"name": "HS_Gen5", "tier": "Hyperscale", "family": "Gen5", "capacity": 8},
            "HS_Gen5_8",
            34359738368,
        ),
    ],
)
def test_a_size_is_completed(write: Any, sent: Any, shown: Any, objective: str, largest: int) -> None:
    """Named by its objective, or by its tier and capacity."""
    made = write("PUT", {"sku": sent, "properties": {}})
    properties = made["properties"]
    assert (made["sku"], properties["currentSku"]) == (shown, shown)
    assert (properties["requestedServiceObjectiveName"], properties["maxSizeBytes"]) == (objective, largest)


def test_a_change_of_size_keeps_the_rest(write: Any) -> None:
    """Within a tier the largest size stays; a size that is not known is shown as it was sent."""
    write("PUT", {"sku": {"name": "S0"}, "properties": {"maxSizeBytes": 1073741824}})
    changed = write("PATCH", {"sku": {"name": "S1"}})
    assert (changed["sku"]["capacity"], changed["properties"]["maxSizeBytes"]) == (20, 1073741824)
    assert write("PATCH", {"sku": {"name": "DW100c", "tier": "DataWarehouse"}})["sku"]["name"] == "DW100c"


def test_a_backup_policy_keeps_what_a_write_leaves_out(sim: ArmSimulator, write: Any, call: Caller) -> None:
    """The interval between differential backups stays."""
    write("PUT", {"properties": {}})
    policy = f"{SERVER}/databases/d/backupShortTermRetentionPolicies/default"
    call("PUT", policy, params={"api-version": "2021-11-01"}, json={"properties": {"retentionDays": 14}})
    sim.clock.advance(60)
    expected = {"retentionDays": 14, "diffBackupIntervalInHours": 12}
    assert call.get(policy, "2021-11-01")["properties"] == expected
