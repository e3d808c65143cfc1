"""A simulated Azure for tests and for trying things out: no network, no subscription, no waiting.

::

    from defender_remediate.testing import ArmSimulator

    sim = ArmSimulator.demo()
    client = RemediationClient(sim.credential, sim.scopes, transport=sim, clock=sim.clock)
"""

from __future__ import annotations

from defender_remediate.testing.clock import STARTS_AT, VirtualClock
from defender_remediate.testing.contract import EXECUTOR_CONTRACT
from defender_remediate.testing.core import RecordedRequest
from defender_remediate.testing.credential import SimulatedCredential
from defender_remediate.testing.journal_contract import JOURNAL_CONTRACT, JournalPlace
from defender_remediate.testing.simulator import ArmSimulator

__all__ = [
    "ArmSimulator",
    "EXECUTOR_CONTRACT",
    "JOURNAL_CONTRACT",
    "JournalPlace",
    "RecordedRequest",
    "STARTS_AT",
    "SimulatedCredential",
    "VirtualClock",
]
