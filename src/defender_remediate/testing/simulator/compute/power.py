"""The power state of virtual machines: started, stopped, deallocated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.operations import AZURE_ASYNC, OperationForm, first_reply
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.monitor.audit import end, logged, outcome
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Compute/virtualMachines"
# What each action leads to: the power state and how the portal shows it.
_STATES: Mapping[str, tuple[str, str]] = {
    "start": ("running", "VM running"),
    "restart": ("running", "VM running"),
    "powerOff": ("stopped", "VM stopped"),
    "deallocate": ("deallocated", "VM deallocated"),
}
_FORM = OperationForm(form=AZURE_ASYNC, seconds=10.0, retry_after=10)


def view_of(machine: Resource) -> dict[str, Any]:
    """Returns the instance view of a machine; it runs unless its state says otherwise."""
    running: dict[str, Any] = {"statuses": [_status("ProvisioningState/succeeded", "Provisioning succeeded")]}
    running["statuses"].append(_status("PowerState/running", "VM running"))
    found: dict[str, Any] = machine.body["properties"].get("instanceView") or running
    return found


def _status(code: str, shown: str) -> dict[str, str]:
    return {"code": code, "level": "Info", "displayStatus": shown}


def set_power(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Starts, restarts, stops or deallocates a machine."""
    machine = owner_of(tenant, call, captured, _TYPE)
    last = fold(call.path.rstrip("/").rpartition("/")[2])
    word = next(known for known in _STATES if fold(known) == last)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, machine.id)

        def finish(ending: str, moment: float) -> None:
            state, shown = _STATES[word]
            kept = [one for one in view_of(machine)["statuses"] if not one["code"].startswith("PowerState/")]
            view = {**view_of(machine), "statuses": [*kept, _status(f"PowerState/{state}", shown)]}
            body = machine.body
            with tenant.changes.by(operation):
                changed = {**body, "properties": {**body["properties"], "instanceView": view}}
                tenant.store.write(machine.id, machine.type, changed)
            end(tenant, operation, *outcome(ending), moment=moment)

        tenant.clock.monotonic()
        running = tenant.operations.start(
            tenant.new_id(), _FORM, machine.id, finish=finish, result=lambda: Reply(status=200)
        )
        return first_reply(call, running, Reply(status=202)), True

    return logged(tenant, call, f"{_TYPE}/{word}/action", machine.id, work)


def show_view(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows the state of a machine."""
    machine = owner_of(tenant, call, captured, _TYPE)
    tenant.access.check_read(f"{_TYPE}/instanceView/read", machine.id)
    return Reply.json(view_of(machine))


_PATH = f"{ITEM}/{_TYPE}/{{name}}"
ROUTES = (
    *(
        Route(methods=("POST",), pattern=f"{_PATH}/{word}", type=_TYPE, handler=set_power, reads=False)
        for word in _STATES
    ),
    Route(methods=("GET",), pattern=f"{_PATH}/instanceView", type=_TYPE, handler=show_view),
)
