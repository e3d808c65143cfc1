"""A run's log over anything that keeps bytes: numbering, chaining, hiding secrets, and refusing what cannot be kept."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Protocol

from defender_remediate.errors import (
    JournalError,
    JournalTamperedError,
    JournalUnwritableError,
    UnknownRunError,
)
from defender_remediate.journal.chain import Verified, link, sha256
from defender_remediate.journal.records import Record, RunOpened
from defender_remediate.journal.redaction import scrub


class Sink(Protocol):
    """Where a log's lines go."""

    @property
    def name(self) -> str:
        """What an error calls it."""

    def write(self, line: bytes) -> None:
        """Keep a line; durable when this returns.

        Raises:
            OSError: It is not kept, or nobody knows.
        """

    def close(self) -> None:
        """Let others write. Called once."""


class ChainedLog:
    """The journal of one run over a sink. Implements ``RunLog``.

    Args:
        run_id: The run.
        verified: What the sink already holds.
        sink: Takes the lines that follow.
    """

    def __init__(self, run_id: str, verified: Verified, sink: Sink) -> None:
        self._run_id = run_id
        self._records = list(verified.records)
        self._head = verified.head
        self._sink = sink
        self._lock = threading.Lock()
        self._closed = False
        self._failure: OSError | None = None

    @property
    def records(self) -> tuple[Record, ...]:
        """Everything recorded so far, in order, without the secrets."""
        with self._lock:
            return tuple(self._records)

    def append(self, record: Record, /) -> None:
        """Record one thing; durable when this returns.

        Raises:
            JournalUnwritableError: It could not be made durable, now or before.
            JournalError: The log is closed, or its first record is not its run's ``RunOpened``.
        """
        record = scrub(record)
        with self._lock:
            self._check(record)
            line = link(record, n=len(self._records) + 1, prev=self._head)
            # What a write that failed or was interrupted left behind is unknown until the journal is read again.
            self._failure = OSError("an earlier record was interrupted")
            try:
                self._sink.write(line)
            except OSError as error:
                self._failure = error
                raise unwritable(self._sink.name, error) from error
            self._failure = None
            self._head = sha256(line)
            self._records.append(record)

    def _check(self, record: Record) -> None:
        if self._closed:
            raise JournalError(f"the journal of run {self._run_id} is closed", source=self._sink.name)
        if self._failure is not None:
            raise unwritable(self._sink.name, self._failure) from self._failure
        if not self._records:
            check_first(record, self._run_id, source=self._sink.name)

    def close(self) -> None:
        """Let others open the journal. Closing twice does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._sink.close()

    def __enter__(self) -> ChainedLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ChainedLog of run {self._run_id}: {len(self._records)} records in {self._sink.name}>"


def check_first(record: Record, run_id: str, *, source: str) -> None:
    """Refuse a journal that begins with anything but its own run's ``RunOpened``.

    Raises:
        JournalError: It begins otherwise.
        JournalTamperedError: It is another run's.
    """
    if not isinstance(record, RunOpened):
        raise JournalError(f"a journal begins with RunOpened, not {type(record).__name__}", source=source, line=1)
    if record.run_id != run_id:
        raise JournalTamperedError(f"this is the journal of run {record.run_id}, not {run_id}", source=source, line=1)


def checked(verified: Verified, run_id: str, *, source: str) -> Verified:
    """What a journal holds, when it is this run's and holds a whole record.

    Raises:
        UnknownRunError: It holds none, so the run never began.
        JournalTamperedError: It is another run's.
    """
    if not verified.records:
        raise unknown(run_id, source)
    check_first(verified.records[0], run_id, source=source)
    return verified


def unknown(run_id: str, source: str) -> UnknownRunError:
    """The error for a run without a journal."""
    return UnknownRunError(
        f"no run {run_id!r} was recorded", source=source, hint="client.journal.runs() gives the ids of those that were"
    )


def unwritable(source: str, error: OSError) -> JournalUnwritableError:
    """The error for a place that takes no records."""
    return JournalUnwritableError(
        f"a record could not be made durable: {error.strerror or error}",
        source=source,
        hint="nothing that it announces was sent; make room, or keep the journal in another directory",
    )
