"""The first answers of Compute to a write, which differ from what a GET shows then and later.

A disk answers with the request. A virtual machine still shows a data disk that an update detaches. Both come from recorded
traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.member_rules import without_read_only
from defender_remediate.testing.simulator.state.store import copied
from defender_remediate.testing.simulator.state.types import ResourceType

_DISK, _MACHINE = "Microsoft.Compute/disks", "Microsoft.Compute/virtualMachines"
# Answers for a disk show its id and type, and no longer isArmResource and zones, from this version on.
_DISK_SHOWS_ID = "2022-03-02"
# Only these disks have a performance that a caller sets.
_PERFORMANCE = ("diskIOPSReadWrite", "diskMBpsReadWrite")
_SETS_PERFORMANCE = ("ultrassd_lrs", "premiumv2_lrs")
# Updates of other disks show a fault domain in old versions; why is not documented.
_SHOWS_NO_DOMAIN = "premium_lrs"
# What the request leaves out and the answer to an update shows nevertheless.
_KEPT = ("diskIOPSReadOnly", "diskMBpsReadOnly", "maxShares", "readOnly", "provisioningState")
# A machine shows a data disk that is being detached from these versions on; which one began with disks in a storage
# account is not known exactly.
_DETACHES_LATE, _DETACHES_UNMANAGED_LATE = "2019-03-01", "2021-03-01"


def answer_to_write(
    kind: ResourceType,
    version: str,
    before: Mapping[str, Any] | None,
    body: Mapping[str, Any],
    request: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Returns the first answer to a write, from the body that a GET would show; the request is None for a PATCH."""
    if kind.name == _DISK:
        return _disk(kind, version, before, body, request)
    if kind.name == _MACHINE:
        return _machine(version, before, body)
    return dict(body)


def _disk(
    kind: ResourceType,
    version: str,
    before: Mapping[str, Any] | None,
    body: Mapping[str, Any],
    request: Mapping[str, Any] | None,
) -> dict[str, Any]:
    shown: dict[str, Any] = copied(body)
    if request is not None:
        shown = _sent(shown, {**request, "id": "", "name": "", "type": ""})
    else:
        shown["properties"].pop("encryption", None)
    properties = without_read_only(kind, shown.get("properties") or {})
    kept = {name: body["properties"][name] for name in _KEPT if name in body["properties"]}
    sku = fold(str((body.get("sku") or {}).get("name")))
    if before is not None:
        properties = {**properties, **kept}
    if sku not in _SETS_PERFORMANCE:
        properties = {name: value for name, value in properties.items() if name not in _PERFORMANCE}
    if version < _DISK_SHOWS_ID:
        hidden = ["id", "type"]
        properties["isArmResource"] = True
        source = body["properties"].get("creationData") or {}
        if before is None and source.get("createOption") == "Import" and "diskSizeGB" not in properties:
            properties["diskSizeBytes"] = body["properties"].get("diskSizeBytes", 0)
        if before is not None and sku != _SHOWS_NO_DOMAIN:
            properties["faultDomain"] = 0
    else:
        hidden = ["zones"]
    return {name: value for name, value in {**shown, "properties": properties}.items() if name not in hidden}


def _sent(body: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the members of a body that a request carries, in objects too."""
    asked = {fold(name): value for name, value in request.items() if value is not None}
    shown: dict[str, Any] = {}
    for name, value in body.items():
        sent = asked.get(fold(name))
        if sent is not None:
            is_object = isinstance(sent, Mapping) and isinstance(value, Mapping) and name != "tags"
            shown[name] = _sent(value, sent) if is_object else value
    return shown


def _machine(version: str, before: Mapping[str, Any] | None, body: Mapping[str, Any]) -> dict[str, Any]:
    # The state of a machine is no part of an answer.
    answer: dict[str, Any] = {
        **body,
        "properties": {name: copied(value) for name, value in body["properties"].items() if name != "instanceView"},
    }
    left = _data_disks(body)
    taken = {fold(str(disk.get("name"))) for disk in left} | {disk.get("lun") for disk in left}
    detached = [
        {**disk, "toBeDetached": True}
        for disk in _data_disks(before or {})
        if not disk.get("toBeDetached")
        and version >= (_DETACHES_LATE if "managedDisk" in disk else _DETACHES_UNMANAGED_LATE)
        and not {fold(str(disk.get("name"))), disk.get("lun")} & taken
    ]
    if detached:
        answer["properties"].setdefault("storageProfile", {}).setdefault("dataDisks", []).extend(detached)
    return answer


def _data_disks(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    storage = (body.get("properties") or {}).get("storageProfile") or {}
    disks = storage.get("dataDisks") if isinstance(storage, Mapping) else None
    return [disk for disk in disks or () if isinstance(disk, Mapping)]
