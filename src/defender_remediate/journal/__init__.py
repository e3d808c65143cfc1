"""The write-ahead journal of a run: each request is recorded durably before it is sent.

A run is a list of records, each chained to the one before; ``replay`` turns them into the state of every step. A ``Journal``
stores them: in files, in a database, in Azure Blob Storage, in memory, or in a custom store, for which ``ChainedJournal`` is the base class.

- ``protocol``, ``records``, ``state``: what a journal is, what it records, and what follows from that.
- ``chained_journal``, ``chain``: the base class of journals, and the lines that it writes.
- ``file``, ``local_disk``, ``sqlite``, ``memory``: journals of one machine.
- ``blob``, ``blob_container``, ``blob_sink``: a journal that several machines share.
- ``past_outcomes``: how the steps of earlier runs ended.
"""

from __future__ import annotations

from defender_remediate.journal.blob import BlobJournal
from defender_remediate.journal.blob_sink import MonotonicClock
from defender_remediate.journal.chain import Verified, encode_line, newest_first, verify
from defender_remediate.journal.chained_journal import BatchSink, ChainedJournal, ChainedLog, Sink
from defender_remediate.journal.file import FileJournal
from defender_remediate.journal.memory import MemoryJournal, MemoryStorage
from defender_remediate.journal.protocol import Journal, RunLog, check_run_id
from defender_remediate.journal.records import (
    GuardsWaived,
    Note,
    Record,
    RunEnded,
    RunKind,
    RunOpened,
    StepAccepted,
    StepEnded,
    StepIntended,
    StepReviewed,
    redact_record,
)
from defender_remediate.journal.sqlite import SqliteJournal
from defender_remediate.journal.state import Phase, RunState, StepState, correlation_of, replay
from defender_remediate.public_path import show_public_path

__all__ = [
    "BatchSink",
    "BlobJournal",
    "ChainedJournal",
    "ChainedLog",
    "FileJournal",
    "GuardsWaived",
    "Journal",
    "MemoryJournal",
    "MemoryStorage",
    "MonotonicClock",
    "Note",
    "Phase",
    "Record",
    "RunEnded",
    "RunKind",
    "RunLog",
    "RunOpened",
    "RunState",
    "Sink",
    "SqliteJournal",
    "StepAccepted",
    "StepEnded",
    "StepIntended",
    "StepReviewed",
    "StepState",
    "Verified",
    "check_run_id",
    "correlation_of",
    "encode_line",
    "newest_first",
    "redact_record",
    "replay",
    "verify",
]

show_public_path(__name__, __all__)
