"""The managed disks of virtual machines: Azure creates them with the machine, and the machine shows their ids."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource, Store
from defender_remediate.testing.simulator.state.types import ResourceTypes

_MACHINES, _DISKS = "microsoft.compute/virtualmachines", "Microsoft.Compute/disks"
_USUAL_SKU, _USUAL_SIZE = "Premium_LRS", 30
_ATTACHED = "attach"


class ManagedDisks:
    """Creates, attaches, detaches and deletes disks as the machines say that change."""

    def __init__(self, store: Store, types: ResourceTypes) -> None:
        self._store = store
        self._types = types
        store.record(self._wrote)

    def _wrote(self, machine: Resource, before: Mapping[str, Any] | None, after: Any) -> None:
        if fold(machine.type.name) != _MACHINES:
            return
        if after is not None:
            after["properties"].setdefault("vmId", _guid(ids.key(machine.id)))
        held: set[str] = set()
        for disk, is_system in _disks_of(after):
            held.add(ids.key(self._attach(machine, disk, is_system=is_system)))
        for disk, _ in _disks_of(before):
            disk_id = str(disk["managedDisk"].get("id") or "")
            if disk_id and ids.key(disk_id) not in held:
                self._let_go(disk_id, is_deleted=after is None and fold(str(disk.get("deleteOption"))) == "delete")

    def _attach(self, machine: Resource, disk: dict[str, Any], *, is_system: bool) -> str:
        """Puts the id and the name of its disk into a machine; returns the id."""
        managed = disk["managedDisk"]
        place = "OsDisk_1" if is_system else f"DataDisk_{disk.get('lun', 0)}"
        if not disk.get("name"):
            digest = hashlib.sha256(f"{ids.key(machine.id)}:{place}".encode()).hexdigest()[:32]
            disk["name"] = str(managed.get("id") or f"{machine.name}_{place}_{digest}").rpartition("/")[2]
        group = f"/subscriptions/{ids.subscription_of(machine.id)}/resourceGroups/{ids.group_of(machine.id)}"
        disk_id = str(managed.get("id") or f"{group}/providers/{_DISKS}/{disk['name']}")
        managed["id"] = disk_id
        if is_system and not disk.get("osType"):
            disk["osType"] = (
                "Windows" if "windowsConfiguration" in (machine.body["properties"].get("osProfile") or {}) else "Linux"
            )
        found, kind = self._store.find(disk_id), self._types.get(_DISKS)
        if found is None and kind is not None and fold(str(disk.get("createOption"))) != _ATTACHED:
            self._store.write(disk_id, kind, _new_disk(machine, disk, is_system=is_system))
        elif found is not None and found.body.get("managedBy") != machine.id:
            self._store.write(found.id, found.type, _owned(found.body, machine.id))
        return disk_id

    def _let_go(self, disk_id: str, *, is_deleted: bool) -> None:
        found = self._store.find(disk_id)
        if found is None:
            return
        if is_deleted:
            self._store.remove(found.id)
        else:
            self._store.write(found.id, found.type, _owned(found.body, None))


def _disks_of(body: Mapping[str, Any] | None) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yields the managed disks of a machine, each with whether it is that of the operating system."""
    profile = ((body or {}).get("properties") or {}).get("storageProfile")
    if not isinstance(profile, dict):
        return
    system = profile.get("osDisk")
    if isinstance(system, dict) and isinstance(system.get("managedDisk"), dict):
        yield system, True
    for disk in profile.get("dataDisks") or ():
        if isinstance(disk, dict) and isinstance(disk.get("managedDisk"), dict):
            yield disk, False


def _new_disk(machine: Resource, disk: Mapping[str, Any], *, is_system: bool) -> dict[str, Any]:
    image = machine.body["properties"]["storageProfile"].get("imageReference")
    size = disk.get("diskSizeGB") or _USUAL_SIZE
    sku = disk["managedDisk"].get("storageAccountType") or _USUAL_SKU
    properties: dict[str, Any] = {
        "creationData": {"createOption": disk.get("createOption") or "Empty"},
        "diskSizeGB": size,
        "diskSizeBytes": size * 1024**3,
        "diskState": "Attached",
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
        "networkAccessPolicy": "AllowAll",
        "publicNetworkAccess": "Enabled",
        "uniqueId": _guid(f"{ids.key(machine.id)}:{disk['name']}"),
    }
    if is_system:
        properties |= {"osType": disk.get("osType") or "Linux", "hyperVGeneration": "V2"}
        if isinstance(image, Mapping) and image.get("publisher"):
            path = f"Publishers/{image['publisher']}/ArtifactTypes/VMImage/Offers/{image.get('offer')}/Skus/{image.get('sku')}"
            owner = f"/subscriptions/{ids.subscription_of(machine.id)}/providers/Microsoft.Compute/locations"
            version = f"{owner}/{machine.body.get('location')}/{path}/Versions/{image.get('version')}"
            properties["creationData"]["imageReference"] = {"id": version}
    shown = {"location": machine.body.get("location"), "managedBy": machine.id, "properties": properties}
    return {**shown, "sku": {"name": sku, "tier": sku.partition("_")[0]}}


def _guid(text: str) -> str:
    key = hashlib.sha256(text.encode()).hexdigest()
    return f"{key[:8]}-{key[8:12]}-4{key[13:16]}-8{key[17:20]}-{key[20:32]}"


def _owned(body: Mapping[str, Any], machine: str | None) -> dict[str, Any]:
    state = {"diskState": "Unattached" if machine is None else "Attached"}
    rest = {name: value for name, value in body.items() if name != "managedBy"}
    owner = {} if machine is None else {"managedBy": machine}
    return {**rest, **owner, "properties": {**body["properties"], **state}}
