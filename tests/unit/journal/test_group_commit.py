"""Records that several threads append at the same time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import pytest

from defender_remediate.errors import JournalLockLostError, JournalUnwritableError
from defender_remediate.journal import ChainedLog, Note, RunOpened, Verified, verify

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


class SlowSink:
    """A disk on which the first write waits until so many records wait behind it."""

    def __init__(self, fails_at: int = 0) -> None:
        self.lines: list[bytes] = []
        self.batches: list[int] = []
        self.go = threading.Event()
        self.fails_at = fails_at
        self.error: BaseException = OSError("disk full")

    @property
    def size(self) -> int:
        return sum(map(len, self.lines))

    def write(self, line: bytes, /) -> None:
        self.write_all([line])

    def write_all(self, lines: Sequence[bytes], /) -> None:
        if len(self.batches) == 1:
            assert self.go.wait(10)
        self.batches.append(len(lines))
        if len(self.batches) == self.fails_at:
            raise self.error
        self.lines.extend(lines)

    def cut(self, size: int, /) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""


def opened(make_plan: Any) -> RunOpened:
    """The first record."""
    return RunOpened(at=NOON, run_id="r", kind="apply", correlation_id="c", plan=make_plan())


def append_together(log: ChainedLog, sink: SlowSink, count: int) -> list[BaseException | None]:
    """Append notes in so many threads while the disk is slow; gives what each came to."""
    with ThreadPoolExecutor(count) as pool:
        first = pool.submit(log.append, Note(at=NOON, message="0"))
        while not log._is_writing:
            pass
        rest = [pool.submit(log.append, Note(at=NOON, message=str(number))) for number in range(1, count)]
        while len(log._waiting) < count - 1:
            pass
        sink.go.set()
        return [one.exception() for one in (first, *rest)]


def test_records_that_wait_are_written_together(make_plan: Any) -> None:
    """One write makes all of them durable, in the order of the chain."""
    sink = SlowSink()
    log = ChainedLog("r", Verified(), sink, source="s")
    log.append(opened(make_plan))
    assert append_together(log, sink, 9) == [None] * 9
    assert sink.batches == [1, 1, 8]
    log.close()
    verified = verify(sink.lines)
    assert verified.records == log.records
    assert len(verified.records) == 10


@pytest.mark.parametrize(
    "error", [OSError("disk full"), KeyboardInterrupt(), JournalLockLostError("the lock was lost", hint="resume")]
)
def test_a_record_that_was_not_written_is_reported_to_its_own_thread(make_plan: Any, error: BaseException) -> None:
    """Each record of a write that failed is refused, and each one after it."""
    sink = SlowSink(fails_at=3)
    sink.error = error
    log = ChainedLog("r", Verified(), sink, source="s")
    log.append(opened(make_plan))
    errors = append_together(log, sink, 4)
    assert errors[0] is None
    assert all(isinstance(one, (JournalUnwritableError, KeyboardInterrupt)) for one in errors[1:])
    with pytest.raises(JournalUnwritableError) as caught:
        log.append(Note(at=NOON, message="later"))
    # Each caller has an error of its own, of the kind that the store gave.
    assert not isinstance(error, JournalLockLostError) or type(caught.value) is JournalLockLostError
    assert not {id(caught.value)} & {id(one) for one in errors}
    assert len(log.records) == len(verify(sink.lines).records) == 2


def test_a_log_is_closed_after_the_write_that_is_going_on(make_plan: Any) -> None:
    """The lock of a run is held until its last record is on the disk."""
    sink = SlowSink()
    log = ChainedLog("r", Verified(), sink, source="s")
    log.append(opened(make_plan))
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(log.append, Note(at=NOON, message="0"))
        while not log._is_writing:
            pass
        closing = pool.submit(log.close)
        sink.go.set()
        writing.result(10)
        closing.result(10)
    assert sink.batches == [1, 1]
