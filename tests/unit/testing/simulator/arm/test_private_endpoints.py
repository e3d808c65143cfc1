"""Private endpoint connections as children of the resources that they lead to, and the items that a vault backs up."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

SITE = "Microsoft.Web/sites/shop"
VAULT = "Microsoft.KeyVault/vaults/safe"
FACTORY = "Microsoft.DataFactory/factories/mill"
VERSIONS = {SITE: "2022-09-01", FACTORY: "2018-06-01", VAULT: "2023-07-01"}


@pytest.fixture(params=[SITE, FACTORY, VAULT])
def connected(request: Any, sim: ArmSimulator, scope: str) -> tuple[str, str, str]:
    """A resource with a private endpoint: its id, an api-version, and the id of the endpoint."""
    group = f"{scope}/resourceGroups/rg/providers"
    version = VERSIONS[request.param]
    made = sim.resources.add({"id": f"{group}/{request.param}", "location": "westeurope", "properties": {}}, (version,))
    endpoint = f"{group}/Microsoft.Network/privateEndpoints/pe"
    link = {"name": "pe", "properties": {"privateLinkServiceId": made, "groupIds": ["x"]}}
    lost = {"name": "lost", "properties": {"privateLinkServiceId": f"{made}-deleted"}}
    sim.resources.add(
        {"id": endpoint, "location": "westeurope", "properties": {"privateLinkServiceConnections": [link, lost]}},
        ("2024-05-01",),
    )
    return made, version, endpoint


def test_connections_are_listed_below_their_resource(
    sim: ArmSimulator, call: Any, connected: tuple[str, str, str]
) -> None:
    """Also those of a type whose body does not show them; without the endpoint there is none."""
    resource, version, endpoint = connected
    (found,) = call.get(f"{resource}/privateEndpointConnections", version)["value"]
    assert found["properties"]["privateLinkServiceConnectionState"]["status"] == "Approved"
    assert (found["name"], found["type"].rpartition("/")[2]) == ("pe", "privateEndpointConnections")
    assert call.get(f"{resource}/privateEndpointConnections/PE", version)["id"] == found["id"]
    missing = call("GET", f"{resource}/privateEndpointConnections/other?api-version={version}")
    assert missing.status_code == 404
    sim.resources.remove(endpoint)
    assert call.get(f"{resource}/privateEndpointConnections", version)["value"] == []


def test_a_connection_is_rejected_and_removed(call: Any, connected: tuple[str, str, str]) -> None:
    """By the owner of the resource; a state that does not exist and another verb are refused."""
    resource, version, _ = connected
    path = f"{resource}/privateEndpointConnections/pe?api-version={version}"
    state = {"privateLinkServiceConnectionState": {"status": "Rejected", "description": "no"}}
    assert call("PUT", path, json={"properties": state}).status_code in (200, 201, 202)
    assert (
        call.get(path.partition("?")[0], version)["properties"] | state
        == call.get(path.partition("?")[0], version)["properties"]
    )
    assert call("PUT", path, json={"properties": {}}).status_code == 400
    assert "MethodNotAllowed" in call("PATCH", path, json={}).text()
    assert "MethodNotAllowed" in call("PUT", path.replace("/pe?", "?"), json={}).text()
    assert call("DELETE", path).status_code in (200, 202, 204)
    assert call.get(f"{resource}/privateEndpointConnections", version)["value"] == []
    assert call("PUT", path, json={"properties": state}).status_code == 404
    assert call("DELETE", path).status_code in (202, 204)


def test_a_connection_of_a_missing_resource_is_not_found(call: Any, connected: tuple[str, str, str]) -> None:
    """Like any child of it."""
    resource, version, _ = connected
    assert call("GET", f"{resource}x/privateEndpointConnections?api-version={version}").status_code == 404


def test_a_vault_lists_what_it_backs_up(call: Any, sim: ArmSimulator, scope: str) -> None:
    """The fabric and the container of a machine need not be created."""
    vault = f"{scope}/resourceGroups/rg/providers/Microsoft.RecoveryServices/vaults/backup"
    sim.resources.add({"id": vault, "location": "westeurope", "properties": {}})
    assert call.get(f"{vault}/backupProtectedItems", "2023-02-01")["value"] == []
    machine = f"{scope}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"
    item = f"{vault}/backupFabrics/Azure/protectionContainers/iaasvmcontainer;c/protectedItems/vm;c"
    written = call("PUT", f"{item}?api-version=2025-08-01", json={"properties": {"sourceResourceId": machine}})
    assert written.status_code == 202
    sim.clock.sleep(60)
    (found,) = call.get(f"{vault}/backupProtectedItems", "2023-02-01")["value"]
    assert found["properties"]["sourceResourceId"] == machine
    assert call("GET", f"{vault}x/backupProtectedItems?api-version=2023-02-01").status_code == 404
