"""The write-ahead journal of a run: what was meant to be done is durable before it is done.

A run is a list of records, each chained to the one before; ``replay`` reads them as the state of every step. Records are
kept by a ``Journal``: in files, in memory, or wherever an implementation of the protocol keeps them.
"""

from __future__ import annotations

from defender_remediate.journal.chain import Verified, verify
from defender_remediate.journal.file import FileJournal
from defender_remediate.journal.memory import MemoryJournal, MemoryStorage
from defender_remediate.journal.records import (
    GuardsWaived,
    Noted,
    Record,
    RunEnded,
    RunKind,
    RunOpened,
    StepAccepted,
    StepEnded,
    StepIntended,
    StepReviewed,
)
from defender_remediate.journal.state import Phase, RunState, StepState, replay
from defender_remediate.journal.store import Journal, RunLog

__all__ = [
    "FileJournal",
    "GuardsWaived",
    "Journal",
    "MemoryJournal",
    "MemoryStorage",
    "Noted",
    "Phase",
    "Record",
    "RunEnded",
    "RunKind",
    "RunLog",
    "RunOpened",
    "RunState",
    "StepAccepted",
    "StepEnded",
    "StepIntended",
    "StepReviewed",
    "StepState",
    "Verified",
    "replay",
    "verify",
]
