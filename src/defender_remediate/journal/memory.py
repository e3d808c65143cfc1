"""Journals in memory: for tests, and for sandboxes without a disk. They end with the process."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import attrs

from defender_remediate.errors import JournalError, JournalLockedError
from defender_remediate.journal.chain import Verified, newest_first, verify
from defender_remediate.journal.log import ChainedLog, checked, unknown
from defender_remediate.journal.records import Record
from defender_remediate.journal.store import check_run_id


@attrs.define
class MemoryStorage:
    """What a disk is to files: several ``MemoryJournal`` over one storage see the same runs.

    Attributes:
        contents: The bytes of each run's journal, as a file would hold them.
    """

    contents: dict[str, bytearray] = attrs.field(factory=dict, kw_only=True, repr=False)
    _open: set[str] = attrs.field(factory=set, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False, eq=False)

    def take(self, run_id: str, *, new: bool) -> bytearray:
        """The bytes of a run, for one holder at a time.

        Raises:
            UnknownRunError: There are none.
            JournalLockedError: Somebody holds them.
            JournalError: There are some, and ``new`` asks for none.
        """
        with self._lock:
            if not new and not self.contents.get(run_id):
                raise unknown(run_id, "memory")
            if run_id in self._open:
                raise JournalLockedError(
                    f"run {run_id} is open already", source="memory", hint="close the other RunLog first"
                )
            if new and self.contents.get(run_id):
                raise JournalError(f"run {run_id} has a journal", source="memory", hint="open it to go on with it")
            self._open.add(run_id)
            return self.contents.setdefault(run_id, bytearray())

    def give_back(self, run_id: str) -> None:
        """Let others take the run."""
        with self._lock:
            self._open.discard(run_id)


@attrs.frozen(kw_only=True)
class _MemorySink:
    run_id: str
    storage: MemoryStorage
    held: bytearray = attrs.field(repr=False)

    @property
    def name(self) -> str:
        return "memory"

    def write(self, line: bytes) -> None:
        self.held.extend(line)

    def close(self) -> None:
        self.storage.give_back(self.run_id)


@attrs.frozen
class MemoryJournal:
    """A journal that lasts as long as the process. Implements ``Journal``.

    A run that was cut off with its process cannot be resumed from it: use ``FileJournal`` where a disk is.

    Args:
        storage: Where the records are; its own when left out.
    """

    storage: MemoryStorage = attrs.field(factory=MemoryStorage)

    def create(self, run_id: str, /) -> ChainedLog:
        """Begin the journal of a new run.

        Raises:
            InvalidInputError: The run id cannot be a name.
            JournalError: The run has a journal.
            JournalLockedError: Somebody else has it open.
        """
        held = self.storage.take(check_run_id(run_id), new=True)
        return ChainedLog(run_id, Verified(), _MemorySink(run_id=run_id, storage=self.storage, held=held))

    def open(self, run_id: str, /) -> ChainedLog:
        """Go on with the journal of a run.

        Raises:
            InvalidInputError: The run id cannot be a name.
            UnknownRunError: No such run.
            JournalLockedError: Somebody else has it open.
            JournalTamperedError: A record is not what was written.
        """
        held = self.storage.take(check_run_id(run_id), new=False)
        try:
            verified = _verified(bytes(held), run_id)
        except BaseException:
            self.storage.give_back(run_id)
            raise
        del held[verified.size :]
        return ChainedLog(run_id, verified, _MemorySink(run_id=run_id, storage=self.storage, held=held))

    def read(self, run_id: str, /) -> tuple[Record, ...]:
        """The whole records of a run.

        Raises:
            InvalidInputError: The run id cannot be a name.
            UnknownRunError: No such run.
            JournalTamperedError: A record is not what was written.
        """
        return _verified(bytes(self.storage.contents.get(check_run_id(run_id), b"")), run_id).records

    def runs(self) -> Iterator[str]:
        """The ids of the runs that have a record, newest first."""
        firsts = {run_id: next(io.BytesIO(held), b"") for run_id, held in list(self.storage.contents.items())}
        return iter(newest_first(firsts))


def _verified(held: bytes, run_id: str) -> Verified:
    return checked(verify(io.BytesIO(held), source="memory"), run_id, source="memory")
