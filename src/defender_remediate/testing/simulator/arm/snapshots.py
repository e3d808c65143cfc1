"""The state of a tenant at one moment, to which it can go back."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import attrs

from defender_remediate.testing.simulator.arm.service import Service


@attrs.frozen(eq=False)
class Snapshot:
    """What a tenant was at one moment: its resources, everything about them, its clock, operations under way and faults.

    It belongs to the simulator that took it. The list of requests is not part of it.
    """

    _service: Service = attrs.field(repr=False)
    _state: dict[str, Any] = attrs.field(repr=False)
    moment: float = 0.0

    def belongs_to(self, service: Service) -> bool:
        """Whether a simulator took it."""
        return self._service is service

    def restore(self) -> None:
        """Makes the tenant what it was. It can be restored any number of times."""
        service = self._service
        with service.tenant.lock:
            state = deepcopy(self._state, _shared(service))
            service.tenant.clock.set(self.moment)
            for part, members in _parts(service).items():
                members.clear()
                members.update(state[part])


def take(service: Service) -> Snapshot:
    """Returns what the tenant is now."""
    with service.tenant.lock:
        service.tenant.operations.settle()
        return Snapshot(service, deepcopy(_parts(service), _shared(service)), service.tenant.clock.monotonic())


def _parts(service: Service) -> dict[str, dict[str, Any]]:
    parts = {"tenant": service.tenant, "faults": service.faults, "throttle": service.throttle}
    return {name: vars(part) for name, part in parts.items()}


def _shared(service: Service) -> dict[int, Any]:
    """Returns what a copy keeps: other objects know these, and the types of resources never change."""
    kept = (service, service.tenant, service.tenant.lock, service.tenant.clock, service.faults, service.throttle)
    return {id(one): one for one in kept}
