"""What every part of the simulator's public face works on."""

from __future__ import annotations

from defender_remediate.testing.simulator.arm.pipeline import Core
from defender_remediate.testing.simulator.state.tenant import World


class Holding:
    """Holds one tenant and the service over it."""

    _world: World
    _core: Core
    endpoint: str
