"""What the simulator answers to writes of disks, machines, scale sets and clusters."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.rest import HttpRequest

from defender_remediate.testing import ArmSimulator

_GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg1"
_COMPUTE = f"{_GROUP}/providers/Microsoft.Compute"
_IDENTITY = f"{_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/Id1"
_MACHINE = f"{_COMPUTE}/virtualMachines/vm1"


@pytest.fixture
def sim() -> ArmSimulator:
    """A tenant with a resource group."""
    sim = ArmSimulator()
    sim.resources.add_resource_group(sim.resources.add_subscription(_GROUP.split("/")[2]), "rg1")
    return sim


def _send(sim: ArmSimulator, method: str, resource_id: str, version: str, body: Any = None) -> dict[str, Any]:
    url = f"{sim.endpoint}{resource_id}?api-version={version}"
    headers = {"Authorization": f"Bearer {sim.credential.token}"}
    reply = sim.send(HttpRequest(method, url, headers=headers, json=body))
    assert reply.status_code in (200, 201, 202), reply.text()
    sim.clock.advance(300)
    return dict(reply.json())


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ("2020-06-30", {"name", "location", "sku", "zones", "properties"}),
        ("2023-04-02", {"id", "name", "type", "location", "sku", "properties"}),
    ],
)
def test_a_disk_answers_with_the_request(sim: ArmSimulator, version: str, shown: set[str]) -> None:
    """What Azure computes appears later; a performance that the kind of disk does not let a caller set is not shown."""
    disk = f"{_COMPUTE}/disks/disk1"
    properties = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 10}
    body = {"location": "westeurope", "sku": {"name": "Premium_LRS"}, "zones": ["1"], "properties": properties}
    first = _send(sim, "PUT", disk, version, body)
    assert set(first) == shown
    assert first["sku"] == {"name": "Premium_LRS"}
    old = {"isArmResource"} if version < "2022" else set()
    assert set(first["properties"]) == {*properties, "provisioningState", *old}

    body["properties"] = {**properties, "diskIOPSReadWrite": 120}
    assert set(_send(sim, "PUT", disk, version, body)["properties"]) == {*properties, "provisioningState", *old}
    body["sku"] = {"name": "UltraSSD_LRS"}
    assert "diskIOPSReadWrite" in _send(sim, "PUT", disk, version, body)["properties"]
    changed = _send(sim, "PATCH", disk, version, {"tags": {"a": "b"}})
    assert changed["properties"]["diskSizeGB"] == 10
    assert "uniqueId" not in changed["properties"]
    assert "uniqueId" in _send(sim, "GET", disk, version)["properties"]


def test_a_disk_from_a_blob_has_the_size_of_the_blob(sim: ArmSimulator) -> None:
    """Old versions show it in the first answer."""
    source = {"createOption": "Import", "sourceUri": "https://name.blob.core.windows.net/c/b.vhd"}
    body = {"location": "westeurope", "properties": {"creationData": source}}
    assert "diskSizeBytes" in _send(sim, "PUT", f"{_COMPUTE}/disks/disk1", "2020-06-30", body)["properties"]


def test_a_detached_disk_is_shown_once_more(sim: ArmSimulator) -> None:
    """The answer to the update that detaches it says so; a GET does not show it, nor an answer of an old api-version."""
    disks: list[dict[str, Any]] = [
        {"name": f"d{i + 1}", "lun": i, "createOption": "Attach", "managedDisk": {}} for i in (0, 1)
    ]
    body: dict[str, Any] = {"location": "westeurope", "properties": {"storageProfile": {"dataDisks": disks}}}
    sim.resources.add({"id": _MACHINE, **body})
    body["properties"]["storageProfile"]["dataDisks"] = disks[:1]
    shown = _send(sim, "PUT", _MACHINE, "2024-07-01", body)["properties"]["storageProfile"]["dataDisks"]
    assert [(disk["name"], disk.get("toBeDetached", False)) for disk in shown] == [("d1", False), ("d2", True)]
    read = _send(sim, "GET", _MACHINE, "2024-07-01")["properties"]["storageProfile"]["dataDisks"]
    assert [disk["name"] for disk in read] == ["d1"]

    body["properties"]["storageProfile"]["dataDisks"] = []
    assert not _send(sim, "PUT", _MACHINE, "2017-12-01", body)["properties"]["storageProfile"]["dataDisks"]


def test_what_is_new_in_a_patch_gets_its_defaults(sim: ArmSimulator) -> None:
    """An element that a PATCH adds has what the provider adds to a new one; what was there before stays as it was."""
    sim.resources.add({"id": _MACHINE, "location": "westeurope", "properties": {"storageProfile": {"dataDisks": []}}})
    disks = [{"lun": 0, "createOption": "Attach", "managedDisk": {"id": f"{_COMPUTE}/disks/disk1"}}]
    changes = {"properties": {"storageProfile": {"dataDisks": disks}}}
    (disk,) = _send(sim, "PATCH", _MACHINE, "2024-07-01", changes)["properties"]["storageProfile"]["dataDisks"]
    assert (disk["caching"], disk["deleteOption"], disk["toBeDetached"]) == ("None", "Detach", False)
    assert disk["name"]
    assert "osProfile" not in _send(sim, "GET", _MACHINE, "2024-07-01")["properties"]

    sim.resources.add({"id": f"{_MACHINE}2", "location": "westeurope", "properties": {"securityProfile": {}}})
    agent = {"proxyAgentSettings": {"enabled": True, "mode": "Audit"}}
    changes = {"properties": {"securityProfile": agent, "applicationProfile": {"galleryApplications": []}}}
    shown = _send(sim, "PATCH", f"{_MACHINE}2", "2024-07-01", changes)["properties"]
    assert shown["securityProfile"] == {"proxyAgentSettings": {"enabled": True}}
    assert "applicationProfile" not in shown


def test_identities_have_their_ids(sim: ArmSimulator) -> None:
    """Those of the system at once, those of users when the write has ended; null and a type without them remove them."""
    sim.resources.add({"id": _MACHINE, "location": "westeurope", "properties": {}})
    own = _send(sim, "PATCH", _MACHINE, "2024-07-01", {"identity": {"type": "SystemAssigned"}})["identity"]
    both = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {_IDENTITY: {}}}
    answer = _send(sim, "PATCH", _MACHINE, "2024-07-01", {"identity": both})["identity"]
    assert own["principalId"] == answer["principalId"]
    assert answer["userAssignedIdentities"] == {_IDENTITY: {}}
    held = _send(sim, "GET", _MACHINE, "2024-07-01")["identity"]["userAssignedIdentities"][_IDENTITY]
    assert set(held) == {"principalId", "clientId"}

    other = {"type": "UserAssigned", "userAssignedIdentities": {_IDENTITY.upper(): {}, f"{_IDENTITY}2": {}}}
    kept = _send(sim, "PATCH", _MACHINE, "2024-07-01", {"identity": other})["identity"]
    assert set(kept) == {"type", "userAssignedIdentities"}
    removal = {"type": "SystemAssigned", "userAssignedIdentities": {_IDENTITY.lower(): None, f"{_IDENTITY}2": None}}
    assert set(_send(sim, "PATCH", _MACHINE, "2024-07-01", {"identity": removal})["identity"]) == {
        "type",
        "principalId",
        "tenantId",
    }


def test_members_depend_on_the_values_of_others(sim: ArmSimulator) -> None:
    """A notification that is switched off and a security type that is the usual one are not shown."""
    scale_set = f"{_COMPUTE}/virtualMachineScaleSets/set1"
    security = {"securityType": "TrustedLaunch"}
    sim.resources.add(
        {
            "id": scale_set,
            "location": "westeurope",
            "properties": {"virtualMachineProfile": {"securityProfile": security}},
        }
    )
    profile = {
        "securityProfile": {"securityType": "Standard"},
        "scheduledEventsProfile": {"terminateNotificationProfile": {"enable": False}},
    }
    body = {"location": "westeurope", "properties": {"virtualMachineProfile": profile}}
    shown = _send(sim, "PUT", scale_set, "2024-07-01", body)["properties"]["virtualMachineProfile"]
    assert shown["securityProfile"] == {}
    assert shown["scheduledEventsProfile"] == {}


def test_an_add_on_that_is_switched_off_loses_its_settings(sim: ArmSimulator) -> None:
    """Whatever its name is: the members of some objects have names that no list contains."""
    cluster = f"{_GROUP}/providers/Microsoft.ContainerService/managedClusters/aks1"
    add_on = {"enabled": True, "config": {"a": "b"}, "identity": {"resourceId": "x"}}
    add_ons = {"addonProfiles": {"azurepolicy": add_on}}
    sim.resources.add({"id": cluster, "location": "westeurope", "properties": add_ons})
    wanted = {"azurepolicy": {"enabled": False}, "httpApplicationRouting": {"enabled": True}}
    body = {"location": "westeurope", "properties": {"addonProfiles": wanted}}
    answer = _send(sim, "PUT", cluster, "2024-09-01", body)["properties"]
    assert answer["addonProfiles"]["azurepolicy"] == {"enabled": False, "config": None}
    assert answer["addonProfiles"]["httpApplicationRouting"]["config"]


def test_an_answer_without_an_etag_stays_without(sim: ArmSimulator) -> None:
    """A whole answer of a type that showed no etags at first came from before; a body written by hand has one."""
    whole = {"id": _MACHINE, "name": "vm1", "type": "Microsoft.Compute/virtualMachines", "location": "westeurope"}
    sim.resources.add({**whole, "properties": {}})
    assert "etag" not in _send(sim, "GET", _MACHINE, "2024-07-01")
    answer = _send(sim, "PUT", _MACHINE, "2024-07-01", {"location": "westeurope", "properties": {}})
    assert "etag" not in answer
    sim.resources.add({"id": f"{_MACHINE}2", "location": "westeurope", "properties": {}})
    assert "etag" in _send(sim, "GET", f"{_MACHINE}2", "2024-07-01")
