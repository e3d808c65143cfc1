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
