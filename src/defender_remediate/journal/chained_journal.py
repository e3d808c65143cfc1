"""The base class for journals: numbering, chaining, redaction, locking and errors, over any store of bytes.

To store journals elsewhere, derive from ``ChainedJournal`` and implement its abstract methods. Test the result with the
contract in ``defender_remediate.testing.contracts.journal``.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import partial
from types import TracebackType
from typing import Protocol, runtime_checkable

from defender_remediate.display import quoted
from defender_remediate.errors import (
    JournalError,
    JournalTamperedError,
    JournalUnwritableError,
    RunExistsError,
    UnknownRunError,
)
from defender_remediate.journal.chain import Verified, chain, encode_redacted, newest_first, sha256, verify
from defender_remediate.journal.protocol import check_run_id
from defender_remediate.journal.records import Record, RunOpened


class Sink(Protocol):
    """The lines of one run, locked by one writer."""

    @property
    def size(self) -> int:
        """The number of bytes in it."""

    def write(self, line: bytes, /) -> None:
        """Append a line; it is durable when this returns.

        Raises:
            OSError, JournalError: The line was not written, or it is unknown whether it was.
            JournalLockLostError: The same, and another process may have the lock by now: the run stops.
        """

    def cut(self, size: int, /) -> None:
        """Truncate to the first ``size`` bytes, or make sure that ``read_lines`` no longer returns what follows them.

        Raises:
            OSError, JournalError: Truncating failed.
        """

    def close(self) -> None:
        """Release the lock. Called once."""


@runtime_checkable
class BatchSink(Sink, Protocol):
    """A sink that makes several lines durable at once, for the price of one."""

    def write_all(self, lines: Sequence[bytes], /) -> None:
        """Append lines in this order; all of them are durable when this returns.

        Raises:
            OSError, JournalError: As for ``write``.
        """


class _Batch:
    """The lines that are made durable together, and the threads that wait for them."""

    def __init__(self, lock: threading.Lock) -> None:
        self.lines: list[tuple[Record, bytes]] = []
        self.changed = threading.Condition(lock)
        self.is_durable = False

    def __len__(self) -> int:
        return len(self.lines)

    def wait(self) -> None:
        """Wait for a change of the log; the lock is held."""
        try:
            self.changed.wait()
        except BaseException:  # pragma: no cover - interrupted: another thread writes in its place
            self.changed.notify()
            raise


class ChainedLog:
    """The journal of one run over a sink. Implements ``RunLog``.

    Args:
        run_id: The run.
        verified: The records that the sink already contains.
        sink: Receives the new lines.
        source: The name of the sink in error messages, such as the path of a file.
    """

    def __init__(self, run_id: str, verified: Verified, sink: Sink, *, source: str) -> None:
        self._run_id = run_id
        self._records = list(verified.records)
        self._head = verified.head
        self._sink = sink
        self._write_all = sink.write_all if isinstance(sink, BatchSink) else partial(_write_each, sink)
        self._source = source
        self._written = len(self._records)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._waiting = _Batch(self._lock)
        self._is_writing = False
        self._closed = False
        self._failure: OSError | JournalError | None = None

    @property
    def records(self) -> tuple[Record, ...]:
        """All records so far, in order, without secrets."""
        with self._lock:
            return tuple(self._records)

    def append(self, record: Record, /) -> None:
        """Append a record. It is durable when this method returns.

        Raises:
            JournalUnwritableError: This record, or an earlier one, could not be made durable.
            JournalLockLostError: The same, because this process no longer has the lock of the run.
            JournalError: The log is closed, or the first record is not the ``RunOpened`` of its run.
        """
        # In the thread that appends, so that only the chain itself is made one by one.
        record, members = encode_redacted(record)
        with self._lock:
            if self._closed:
                raise JournalError(f"the journal of run {self._run_id} is closed", source=self._source)
            if self._failure is not None:
                raise _refusal(self._source, self._failure) from self._failure
            if not self._written:
                _check_first(record, self._run_id, source=self._source)
            number = self._written + 1
            line = chain(members, n=number, prev=self._head)
            self._written, self._head = number, sha256(line)
            batch = self._waiting
            batch.lines.append((record, line))
            while not batch.is_durable:
                if self._failure is not None:
                    raise _refusal(self._source, self._failure) from self._failure
                if self._is_writing:
                    batch.wait()
                else:
                    self._write_waiting()

    def _write_waiting(self) -> None:
        """Write all lines that wait, while other threads add new ones: one flush to the disk makes all of them durable."""
        batch, self._waiting = self._waiting, _Batch(self._lock)
        self._is_writing = True
        # What a write that failed or was interrupted left behind is unknown until the journal is read again.
        failure: OSError | JournalError | None = OSError("an earlier record was interrupted")
        self._lock.release()
        try:
            self._write_all([line for _, line in batch.lines])
            failure = None
        except (OSError, JournalError) as error:
            failure = error
        finally:
            self._lock.acquire()
            self._is_writing = False
            self._failure = failure
            if failure is None:
                self._records.extend(record for record, _ in batch.lines)
                batch.is_durable = True
                # One of those that wait with the next batch writes it; to wake up all of them would take longer.
                self._waiting.changed.notify()
            else:
                self._waiting.changed.notify_all()
            batch.changed.notify_all()
            self._idle.notify_all()

    def close(self) -> None:
        """Release the lock of the journal. Closing twice has no effect."""
        with self._lock:
            while self._is_writing:
                self._idle.wait()
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
        return f"<ChainedLog of run {self._run_id}: {len(self._records)} records in {self._source}>"


def _write_each(sink: Sink, lines: Sequence[bytes]) -> None:
    for line in lines:
        sink.write(line)


class ChainedJournal(ABC):
    """A journal whose runs are lists of chained lines. Implements ``Journal``; a subclass implements the four abstract methods.

    They may raise a ``JournalError``, ``OSError``, which becomes one, and ``FileNotFoundError`` for an unknown run.
    """

    @abstractmethod
    def source_of(self, run_id: str, /) -> str:
        """The name of a run's journal in error messages, such as the path of a file."""

    @abstractmethod
    def read_lines(self, run_id: str, /) -> Iterable[bytes]:
        """The lines of a run, with their line ends; also while another writer has locked it."""

    @abstractmethod
    def hold(self, run_id: str, /, *, new: bool) -> Sink:
        """Lock the lines of a run for exclusive use until the sink is closed.

        Args:
            run_id: The run.
            new: Whether to create the run if it does not exist. A run that is closed without a line is not kept.

        Raises:
            JournalLockedError: Another process or another ``RunLog`` has locked them.
        """

    @abstractmethod
    def read_first_lines(self) -> Mapping[str, bytes]:
        """The first line of every run, by run id."""

    def create(self, run_id: str, /) -> ChainedLog:
        """Begin the journal of a new run.

        Raises:
            InvalidInputError: The run id is not valid.
            RunExistsError: The run already has a journal with a record.
            JournalLockedError: Another process or another ``RunLog`` has it open.
            JournalUnwritableError: The journal cannot be created.
        """
        source = self.source_of(check_run_id(run_id))
        with ExitStack() as on_error, _writing(source):
            sink = self.hold(run_id, new=True)
            on_error.callback(sink.close)
            if sink.size:
                if any(line.endswith(b"\n") for line in self.read_lines(run_id)):
                    raise RunExistsError(
                        f"a journal for run {run_id} already exists",
                        source=source,
                        run_id=run_id,
                        hint="continue that run with client.resume(run_id)",
                    )
                # A process died while it wrote the first record, so nothing was sent.
                sink.cut(0)
            on_error.pop_all()
        return ChainedLog(run_id, Verified(), sink, source=source)

    def open(self, run_id: str, /) -> ChainedLog:
        """Open the journal of a run to continue it. An incomplete last record is removed.

        Raises:
            InvalidInputError: The run id is not valid.
            UnknownRunError: There is no such run.
            JournalLockedError: Another process or another ``RunLog`` has it open.
            JournalTamperedError: A record was changed after it was written. Nothing is removed.
            JournalUnwritableError: The journal cannot be written.
        """
        source = self.source_of(check_run_id(run_id))
        with ExitStack() as on_error, _writing(source):
            try:
                sink = self.hold(run_id, new=False)
            except FileNotFoundError as error:
                raise _unknown(run_id, source) from error
            on_error.callback(sink.close)
            verified = self._verified(run_id, source)
            if verified.torn:
                sink.cut(verified.size)
            on_error.pop_all()
        return ChainedLog(run_id, verified, sink, source=source)

    def read(self, run_id: str, /) -> tuple[Record, ...]:
        """Return the complete records of a run, also while another process continues it.

        Raises:
            InvalidInputError: The run id is not valid.
            UnknownRunError: There is no such run.
            JournalTamperedError: A record was changed after it was written.
            JournalError: The journal cannot be read.
        """
        return self._verified(run_id, self.source_of(check_run_id(run_id))).records

    def list_runs(self) -> Iterator[str]:
        """The ids of the runs that have a record, newest first.

        Raises:
            JournalError: The journals cannot be listed.
        """
        try:
            first_lines = self.read_first_lines()
        except OSError as error:
            raise _unreadable(str(error.filename or self), error) from error
        return iter(newest_first(first_lines))

    def _verified(self, run_id: str, source: str) -> Verified:
        try:
            verified = verify(self.read_lines(run_id), source=source)
        except FileNotFoundError as error:
            raise _unknown(run_id, source) from error
        except OSError as error:
            raise _unreadable(source, error) from error
        if not verified.records:
            raise _unknown(run_id, source)
        _check_first(verified.records[0], run_id, source=source)
        return verified


def _check_first(record: Record, run_id: str, *, source: str) -> None:
    """Refuse a journal that does not begin with the ``RunOpened`` of its run."""
    if not isinstance(record, RunOpened):
        kind = type(record).__name__
        raise JournalError(f"the first record has to be RunOpened, not {kind}", source=source, line=1)
    if record.run_id != run_id:
        raise JournalTamperedError(f"this is the journal of run {record.run_id}, not {run_id}", source=source, line=1)


@contextmanager
def _writing(source: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(str(error.filename or source), error) from error


def _unknown(run_id: str, source: str) -> UnknownRunError:
    return UnknownRunError(
        f"run {quoted(run_id)} has no journal here",
        source=source,
        hint="client.journal.list_runs() lists the runs of this journal. If the run is in another journal, pass that one to the client.",
    )


def _refusal(source: str, failure: OSError | JournalError) -> JournalError:
    """The error of a record that was not written; a new one for each thread that waits."""
    return copy(failure) if isinstance(failure, JournalError) else _unwritable(source, failure)


def _unwritable(source: str, error: OSError) -> JournalUnwritableError:
    return JournalUnwritableError(
        f"a record could not be made durable: {error.strerror or error}",
        source=source,
        hint="free disk space, or keep the journal in another directory; the request of this record was not sent",
    )


def _unreadable(source: str, error: OSError) -> JournalError:
    return JournalError(f"the journal cannot be read: {error.strerror or error}", source=source)
