"""A session over real ``requests``, whose bytes ``responses`` catches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
import responses

from defender_remediate.arm.cloud import resolve_endpoint
from defender_remediate.arm.session import ArmSession
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def session(clock: VirtualClock) -> Iterator[ArmSession]:
    numbers = count(1)
    opened = ArmSession.open(
        SimulatedCredential(),
        resolve_endpoint(None, None),
        clock=clock,
        new_id=lambda: f"id-{next(numbers)}",
        random=lambda: 0.0,
    )
    yield opened
    opened.close()
