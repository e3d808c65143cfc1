"""When each resource was created, last changed and deleted, in seconds of the tenant's clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.store import Resource

RECOVERABLE = ("Microsoft.KeyVault/vaults",)
"""The types whose deleted resources the simulator shows, recovers and purges."""


class ResourceTimes:
    """Keeps the times of the resources that exist, and the resources that are gone."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._times: dict[str, tuple[float, float]] = {}
        self._gone: dict[str, tuple[Resource, float]] = {}

    def wrote(self, resource: Resource, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        """Takes note of a write; ``before`` and ``after`` are None where the resource does not exist."""
        key, now = ids.key(resource.id), self._clock.monotonic()
        if after is None:
            self._times.pop(key, None)
            self._gone[key] = (resource, now)
        else:
            self._gone.pop(key, None)
            self._times[key] = (now if before is None else self._times[key][0], now)

    def keep(self, resource: Resource) -> None:
        """Takes note of a resource that has been there; one without times was created now."""
        now = self._clock.monotonic()
        self._times.setdefault(ids.key(resource.id), (now, now))

    def of(self, resource: Resource) -> tuple[float, float]:
        """Returns when a resource was created and when it was changed."""
        return self._times[ids.key(resource.id)]

    def gone(self, type_name: str, scope: str) -> list[tuple[Resource, float]]:
        """Returns the deleted resources of a type at a scope, as they were, and when they were deleted."""
        return [
            (resource, moment)
            for resource, moment in self._gone.values()
            if resource.type.name == type_name and ids.within(resource.id, scope)
        ]

    def recoverable(self) -> list[tuple[Resource, float]]:
        """Returns the deleted resources that can come back, and when they were deleted."""
        return [(resource, moment) for resource, moment in self._gone.values() if resource.type.name in RECOVERABLE]

    def adopt(self, resource: Resource, moment: float) -> None:
        """Takes a resource as one that was deleted at a moment."""
        self._gone[ids.key(resource.id)] = (resource, moment)

    def forget(self, resource_id: str) -> None:
        """Removes a deleted resource for good."""
        self._gone.pop(ids.key(resource_id), None)
