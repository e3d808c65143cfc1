"""A simulated Azure for tests and for trying things out: no network, no subscription, no waiting.

::

    from defender_remediate.testing import ArmSimulator

    sim = ArmSimulator.demo()
    client = RemediationClient(sim.credential, sim.scopes, transport=sim, clock=sim.clock)
"""

from __future__ import annotations

from defender_remediate.arm.clock import Clock
from defender_remediate.public_path import show_public_path
from defender_remediate.testing.changes import assert_only_changed
from defender_remediate.testing.contracts.executor import EXECUTOR_CONTRACT
from defender_remediate.testing.contracts.journal import JOURNAL_CONTRACT, JournalPlace
from defender_remediate.testing.seeded_client import seeded_client
from defender_remediate.testing.simulator.arm.request_log import RecordedRequest
from defender_remediate.testing.simulator.arm.snapshots import Snapshot
from defender_remediate.testing.simulator.simulator import ArmSimulator
from defender_remediate.testing.simulator.state.clock import STARTS_AT, VirtualClock
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential
from defender_remediate.testing.simulator.transport.https import HttpsServer

__all__ = [
    "ArmSimulator",
    "Clock",
    "EXECUTOR_CONTRACT",
    "HttpsServer",
    "JOURNAL_CONTRACT",
    "JournalPlace",
    "RecordedRequest",
    "STARTS_AT",
    "SimulatedCredential",
    "Snapshot",
    "VirtualClock",
    "assert_only_changed",
    "seeded_client",
]

show_public_path(__name__, __all__)
