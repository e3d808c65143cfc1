"""Stores journals in memory, for tests and for sandboxes without a disk."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Mapping

import attrs

from defender_remediate.errors import JournalLockedError
from defender_remediate.journal.chained_journal import ChainedJournal
from defender_remediate.journal.protocol import check_run_id


@attrs.define
class MemoryStorage:
    """Storage that several ``MemoryJournal`` instances can share, as processes share a disk.

    Attributes:
        contents: The bytes of each run's journal, as in a file.
    """

    contents: dict[str, bytearray] = attrs.field(factory=dict, kw_only=True, repr=False)
    _held: set[str] = attrs.field(factory=set, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False, eq=False)

    def hold(self, run_id: str, *, new: bool) -> bytearray:
        """Lock the bytes of a run.

        Raises:
            FileNotFoundError: The run does not exist and is not to be created.
            JournalLockedError: Another log has locked them.
        """
        with self._lock:
            if not new and not self.contents.get(run_id):
                raise FileNotFoundError(run_id)
            if run_id in self._held:
                raise JournalLockedError(
                    f"run {run_id} is open in another RunLog", source="memory", hint="close the other RunLog first"
                )
            self._held.add(run_id)
            return self.contents.setdefault(run_id, bytearray())

    def release(self, run_id: str) -> None:
        """Release the lock of the run."""
        with self._lock:
            self._held.discard(run_id)


@attrs.frozen(kw_only=True)
class _MemorySink:
    run_id: str
    storage: MemoryStorage
    content: bytearray = attrs.field(repr=False)

    @property
    def size(self) -> int:
        return len(self.content)

    def write(self, line: bytes, /) -> None:
        self.content.extend(line)

    def cut(self, size: int, /) -> None:
        del self.content[size:]

    def close(self) -> None:
        self.storage.release(self.run_id)


@attrs.frozen
class MemoryJournal(ChainedJournal):
    """A journal that is lost when the process ends. Implements ``Journal``.

    A run that was interrupted together with its process cannot be resumed from it: use ``FileJournal`` if a disk is available.

    Args:
        storage: The storage of the records; a new one by default.
    """

    storage: MemoryStorage = attrs.field(factory=MemoryStorage)

    def source_of(self, _run_id: str, /) -> str:
        """``memory``."""
        return "memory"

    def read_lines(self, run_id: str, /) -> Iterable[bytes]:
        """The lines of a run; none for an unknown run.

        Raises:
            InvalidInputError: It is not a valid run id.
        """
        return io.BytesIO(bytes(self.storage.contents.get(check_run_id(run_id), b"")))

    def hold(self, run_id: str, /, *, new: bool) -> _MemorySink:
        """Lock the lines of a run.

        Raises:
            FileNotFoundError: There is no such run.
            JournalLockedError: Another ``RunLog`` has it open.
            InvalidInputError: It is not a valid run id.
        """
        content = self.storage.hold(check_run_id(run_id), new=new)
        return _MemorySink(run_id=run_id, storage=self.storage, content=content)

    def read_first_lines(self) -> Mapping[str, bytes]:
        """The first line of every run."""
        return {run_id: next(io.BytesIO(content), b"") for run_id, content in list(self.storage.contents.items())}
