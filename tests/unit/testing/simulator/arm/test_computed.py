"""What a provider adds to the answers of a type, by api-version."""

from __future__ import annotations

from typing import Any

from tests.unit.testing.conftest import SUB, Caller

from defender_remediate.testing import ArmSimulator

GROUP = f"{SUB}/resourceGroups/rg"


def test_older_versions_show_neither_etag_nor_state(sim: ArmSimulator, call: Caller) -> None:
    """Only the version that introduced them does, and later ones."""
    machine = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm"
    instance = f"{GROUP}/providers/Microsoft.Sql/managedInstances/mi"
    for resource in (machine, instance):
        sim.resources.add({"id": resource, "location": "westeurope", "properties": {}})

    def body_of(resource: str, version: str) -> Any:
        return call("GET", f"{resource}?api-version={version}").json()

    assert "etag" not in body_of(machine, "2023-03-01")
    assert "etag" in body_of(machine, "2024-07-01")
    assert "provisioningState" not in body_of(instance, "2015-05-01-preview")["properties"]
    assert body_of(instance, "2023-08-01")["properties"]["provisioningState"] == "Succeeded"


def test_some_members_are_only_in_the_answer_to_an_update(sim: ArmSimulator, call: Caller) -> None:
    """A hub answers an update with settings that a GET does not show."""
    hub = f"{GROUP}/providers/Microsoft.Devices/IotHubs/hub"
    sim.resources.add({"id": hub, "location": "westeurope", "sku": {"name": "S1", "capacity": 1}, "properties": {}})
    path = f"{hub}?api-version=2023-06-30"
    body = call("GET", path).json()
    assert "operationsMonitoringProperties" not in body["properties"]
    answer = call("PUT", path, json={**body, "properties": {**body["properties"], "eventHubEndpoints": {}}})
    assert "operationsMonitoringProperties" in answer.json()["properties"]
