"""When each resource was created and last changed, in seconds of the tenant's clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.store import Resource


class ResourceTimes:
    """Keeps the times of the resources that exist."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._times: dict[str, tuple[float, float]] = {}

    def wrote(self, resource: Resource, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        """Takes note of a write; ``before`` and ``after`` are None where the resource does not exist."""
        key, now = ids.key(resource.id), self._clock.monotonic()
        if after is None:
            self._times.pop(key, None)
        else:
            self._times[key] = (now if before is None else self._times[key][0], now)

    def of(self, resource: Resource) -> tuple[float, float]:
        """Returns when a resource was created and when it was changed."""
        return self._times[ids.key(resource.id)]
