"""The instance view of a virtual machine: its power state, which Azure shows on request only."""

from __future__ import annotations

from typing import Any

_MACHINE = "Microsoft.Compute/virtualMachines"
_RUNNING = {"statuses": [{"code": "PowerState/running", "displayStatus": "VM running"}]}


def shown(type_name: str, body: dict[str, Any], *, expand: bool = False) -> dict[str, Any]:
    """Returns a machine with its view if the caller asks for it, or else without; other types as they are.

    A machine runs unless its state says otherwise.
    """
    if type_name != _MACHINE:
        return body
    properties = {name: value for name, value in body["properties"].items() if name != "instanceView"}
    if expand:
        properties["instanceView"] = body["properties"].get("instanceView", _RUNNING)
    return {**body, "properties": properties}
