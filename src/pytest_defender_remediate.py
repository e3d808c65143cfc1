"""The pytest plugin of ``defender_remediate``: fixtures for a simulated Azure tenant.

pytest loads it in every project of an environment. It is a module of its own and imports the library in the fixtures only, so
that it costs nothing where they are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from defender_remediate import RemediationClient
    from defender_remediate.testing import ArmSimulator, HttpsServer, VirtualClock


@pytest.fixture
def arm_simulator() -> ArmSimulator:
    """A new demo tenant of Azure in memory. Override it to build a tenant of your own."""
    from defender_remediate.testing import ArmSimulator

    return ArmSimulator.demo()


@pytest.fixture
def arm_clock(arm_simulator: ArmSimulator) -> VirtualClock:
    """The virtual clock of the tenant: ``arm_clock.sleep(3600)`` lets an hour pass."""
    return arm_simulator.clock


@pytest.fixture
def remediation_client(arm_simulator: ArmSimulator) -> Iterator[RemediationClient]:
    """A client on all subscriptions of the tenant, whose journal is in memory."""
    from defender_remediate import MemoryJournal, RemediationClient

    sim = arm_simulator
    journal = MemoryJournal()
    with RemediationClient(sim.credential, sim.scopes, transport=sim, clock=sim.clock, journal=journal) as client:
        yield client


@pytest.fixture
def arm_server(arm_simulator: ArmSimulator) -> Iterator[HttpsServer]:
    """The tenant as an https server on the loopback interface. Needs the extra ``simulator``."""
    with arm_simulator.serve_https() as server:
        yield server


@pytest.fixture
def assert_only_changed(
    arm_simulator: ArmSimulator,
) -> Callable[[Mapping[str, Mapping[str, Any] | Sequence[str]]], AbstractContextManager[None]]:
    """Makes a block fail unless it changes exactly what is said: the ids of resources and the paths of their members."""
    from defender_remediate.testing import assert_only_changed

    return partial(assert_only_changed, arm_simulator)
