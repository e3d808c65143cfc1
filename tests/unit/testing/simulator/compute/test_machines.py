"""Virtual machines: the disks that Azure creates with them, and the images that clients look up."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.testing.conftest import SUB, Caller

from defender_remediate.testing import ArmSimulator

GROUP = f"{SUB}/resourceGroups/rg"
MACHINE = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/web"
DISKS = "Microsoft.Compute/disks"
IMAGE = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}
PUBLISHERS = f"{SUB}/providers/Microsoft.Compute/locations/westeurope/publishers"


def machine(**system: Any) -> dict[str, Any]:
    """A machine with a disk of the operating system and one for data."""
    system_disk = {"createOption": "FromImage", "managedDisk": {"storageAccountType": "Standard_LRS"}, **system}
    data = [{"lun": 3, "createOption": "Empty", "diskSizeGB": 64, "managedDisk": {}}]
    profile = {"imageReference": IMAGE, "osDisk": system_disk, "dataDisks": data}
    return {"id": MACHINE, "location": "westeurope", "properties": {"storageProfile": profile}}


def test_a_machine_has_disks_of_its_own(sim: ArmSimulator) -> None:
    """The machine shows their ids, and they show the machine."""
    sim.resources.add(machine(deleteOption="Delete"))
    profile = sim.resources.get(MACHINE)["properties"]["storageProfile"]
    assert profile["osDisk"]["osType"] == "Linux"
    disk = sim.resources.get(profile["osDisk"]["managedDisk"]["id"])
    assert (disk["managedBy"], disk["sku"]["name"], disk["name"]) == (
        MACHINE,
        "Standard_LRS",
        profile["osDisk"]["name"],
    )
    assert "ubuntu-24_04-lts" in disk["properties"]["creationData"]["imageReference"]["id"]
    data = sim.resources.get(profile["dataDisks"][0]["managedDisk"]["id"])
    assert data["properties"]["diskSizeGB"] == 64
    sim.resources.edit(MACHINE, lambda one: one["properties"]["storageProfile"].update(dataDisks=[]))
    assert sim.resources.get(data["id"])["properties"]["diskState"] == "Unattached"
    attached = {"lun": 0, "createOption": "Attach", "managedDisk": {"id": data["id"]}}
    sim.resources.edit(MACHINE, lambda one: one["properties"]["storageProfile"].update(dataDisks=[attached]))
    assert sim.resources.get(data["id"])["managedBy"] == MACHINE
    sim.resources.remove(MACHINE)
    assert sim.resources.list_ids(DISKS) == (data["id"],)
    assert "managedBy" not in sim.resources.get(data["id"])


def test_a_machine_names_disks_as_it_is_told(sim: ArmSimulator) -> None:
    """A name of the caller's, Windows, a disk without an image, and one that does not exist."""
    body = machine(name="system")
    body["properties"]["osProfile"] = {"windowsConfiguration": {}}
    del body["properties"]["storageProfile"]["imageReference"]
    gone = f"{GROUP}/providers/{DISKS}/gone"
    body["properties"]["storageProfile"]["dataDisks"] = [
        {"lun": 0, "createOption": "Attach", "managedDisk": {"id": gone}},
        {"lun": 1, "vhd": {"uri": "x"}},
    ]
    sim.resources.add(body)
    assert sim.resources.list_ids(DISKS) == (f"{GROUP}/providers/{DISKS}/system",)
    assert sim.resources.get(f"{GROUP}/providers/{DISKS}/system")["properties"]["osType"] == "Windows"
    sim.resources.add({"id": f"{MACHINE}2", "location": "westeurope", "properties": {"storageProfile": {"osDisk": {}}}})
    sim.resources.remove(MACHINE)
    assert len(sim.resources.list_ids(DISKS)) == 1


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/Debian/artifacttypes/vmimage/offers", ["debian-12"]),
        ("/Debian/artifacttypes/vmimage/offers/debian-12/skus", ["12", "12-gen2"]),
        ("/Debian/artifacttypes/vmimage/offers/debian-12/skus/12/versions", ["2026.02.01"]),
        ("/Debian/artifacttypes/vmimage/offers/debian-12/skus/13/versions", []),
        ("/Debian/artifacttypes/vmextension/types", []),
        ("/Microsoft.OSTCExtensions/artifacttypes/vmextension/types", ["VMAccessForLinux"]),
        ("/Microsoft.OSTCExtensions/artifacttypes/vmextension/types/vmaccessforlinux/versions", ["1.5.11"]),
    ],
)
def test_images_are_looked_up_step_by_step(call: Caller, path: str, names: list[str]) -> None:
    """Clients ask for publishers, offers, SKUs and versions before they create a machine."""
    assert "Canonical" in [one["name"] for one in call.get(PUBLISHERS, "2024-07-01")]
    assert [one["name"] for one in call.get(PUBLISHERS + path, "2024-07-01")] == names


def test_an_image_says_which_system_it_has(call: Caller) -> None:
    """The newest version by its number and as ``latest``; one that does not exist is refused."""
    skus = f"{PUBLISHERS}/MicrosoftWindowsServer/artifacttypes/vmimage/offers/WindowsServer/skus"
    found = call.get(f"{skus}/2022-datacenter-g2/versions/latest", "2024-07-01")
    assert found["properties"]["osDiskImage"]["operatingSystem"] == "Windows"
    for wrong in ("2022-datacenter-g2/versions/1.0.0", "none/versions/latest"):
        assert call("GET", f"{skus}/{wrong}", params={"api-version": "2024-07-01"}).status_code == 404


def test_a_cluster_gives_a_configuration(sim: ArmSimulator, call: Caller) -> None:
    """Users get one; the administrator's is refused where local accounts are disabled."""
    cluster = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/k"
    sim.resources.add({"id": cluster, "location": "westeurope", "properties": {}})

    def ask(who: str) -> Any:
        return call("POST", f"{cluster}/listCluster{who}Credential", params={"api-version": "2024-05-01"})

    assert ask("Admin").json()["kubeconfigs"][0]["name"] == "clusterAdmin"
    sim.resources.edit(cluster, lambda one: one["properties"].update(disableLocalAccounts=True))
    assert ask("User").status_code == 200
    assert ask("Admin").status_code == 400


def test_a_provider_without_resource_types_can_be_registered(sim: ArmSimulator, call: Caller) -> None:
    """One of which only operations are published is a provider like others."""
    found = call.get(f"{SUB}/providers/Microsoft.Advisor", "2022-12-01")
    assert (found["namespace"], bool(found["resourceTypes"])) == ("Microsoft.Advisor", True)
    register = call("POST", f"{SUB}/providers/Microsoft.Advisor/register", params={"api-version": "2022-12-01"})
    assert register.status_code == 200


def test_a_scale_set_has_as_many_instances_as_its_capacity(sim: ArmSimulator, call: Caller) -> None:
    """A uniform one; the machines of a flexible one are resources of their own."""
    scale_set = f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/s"
    body = {"id": scale_set, "location": "westeurope", "sku": {"name": "Standard_B2s", "capacity": 2}, "properties": {}}
    sim.resources.add(body)
    listed = call.get(f"{scale_set}/virtualMachines", "2024-07-01")["value"]
    assert [one["name"] for one in listed] == ["s_0", "s_1"]
    assert call.get(f"{scale_set}/virtualMachines/1", "2024-07-01") == listed[1]
    assert call("GET", f"{scale_set}/virtualMachines/2", params={"api-version": "2024-07-01"}).status_code == 404
    sim.resources.edit(scale_set, lambda one: one["properties"].update(orchestrationMode="Flexible"))
    assert call.get(f"{scale_set}/virtualMachines", "2024-07-01")["value"] == []


def test_what_scanners_and_clients_read_of_other_services(sim: ArmSimulator, call: Caller) -> None:
    """The keys of a function app, regions of plans, the policies of a new vault for backups, encryption by its old name."""
    app = sim.resources.add(
        {"id": f"{GROUP}/providers/Microsoft.Web/sites/f", "location": "westeurope", "properties": {}}
    )
    keys = call("POST", f"{app}/host/default/listkeys", params={"api-version": "2023-12-01"}).json()
    assert set(keys) == {"masterKey", "functionKeys", "systemKeys"}
    regions = call.get(f"{SUB}/providers/Microsoft.Web/geoRegions", "2023-12-01")["value"]
    assert "West Europe" in [one["name"] for one in regions]
    vault = f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/v"
    sim.resources.add({"id": vault, "location": "westeurope", "properties": {}})
    policies = call.get(f"{vault}/backupPolicies", "2024-04-01")["value"]
    assert [one["name"] for one in policies] == ["DefaultPolicy", "EnhancedPolicy", "HourlyLogBackup"]
    server = f"{GROUP}/providers/Microsoft.Sql/servers/q"
    database = f"{server}/databases/d"
    sim.resources.add({"id": server, "location": "westeurope", "properties": {}})
    sim.resources.add({"id": database, "location": "westeurope", "properties": {}})
    long_term = call.get(f"{database}/backupLongTermRetentionPolicies/default", "2021-11-01")
    assert long_term["properties"]["weeklyRetention"] == "PT0S"
    encryption = f"{database}/transparentDataEncryption/current"
    assert call.get(encryption, "2014-04-01")["properties"] == {"status": "Enabled"}
    call("PUT", encryption, params={"api-version": "2014-04-01"}, json={"properties": {}})
    sim.clock.advance(60)
    call("PUT", encryption, params={"api-version": "2021-11-01"}, json={"properties": {"state": "Enabled"}})
    sim.clock.advance(60)
    off = {"properties": {"status": "Disabled"}}
    assert call("PUT", encryption, params={"api-version": "2014-04-01"}, json=off).status_code < 300
    sim.clock.advance(60)
    assert call.get(encryption, "2021-11-01")["properties"]["state"] == "Disabled"
    listed = call.get(encryption.rpartition("/")[0], "2014-04-01")["value"]
    assert [one["properties"]["status"] for one in listed] == ["Disabled"]


def test_a_machine_is_stopped_and_started(sim: ArmSimulator, call: Caller) -> None:
    """When the operation has ended; a list shows no state, as in Azure."""
    sim.resources.add(machine())

    def power() -> str:
        codes = [one["code"] for one in call.get(f"{MACHINE}/instanceView", "2024-07-01")["statuses"]]
        assert len(codes) == 2
        return str(codes[-1])

    assert power() == "PowerState/running"
    for word, state in (("powerOff", "stopped"), ("deallocate", "deallocated"), ("start", "running")):
        assert call("POST", f"{MACHINE}/{word}", params={"api-version": "2024-07-01"}).status_code == 202
        sim.clock.advance(60)
        assert power() == f"PowerState/{state}"
    expanded = call.get(MACHINE, "2024-07-01", expand="instanceView")["properties"]["instanceView"]
    assert expanded["statuses"][-1]["code"] == "PowerState/running"
    listed = call.get(f"{GROUP}/providers/Microsoft.Compute/virtualMachines", "2024-07-01")["value"]
    assert "instanceView" not in listed[0]["properties"]
