"""Tasks that are advanced bit by bit: one that waits has no thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import attrs

from defender_remediate.pauses import Pause, Waits, wait_out
from defender_remediate.schedule import Schedule, Task
from defender_remediate.threads.pool import Pool

_T = TypeVar("_T")
_LENT_PER_WORKER = 4
# A thread that sleeps while others work looks this often, in seconds, whether there is something to do.
_LOOKS_AFTER = 1.0
_OWN = threading.local()
_END: Any = object()


class _Timer(Protocol):
    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


@runtime_checkable
class _InterruptibleTimer(Protocol):
    def sleep_unless(self, stopped: threading.Event, seconds: float) -> None: ...


@attrs.frozen
class _Failure:
    error: BaseException


class _Crew(Generic[_T]):
    """The threads that advance the tasks of a schedule: ``workers`` at once, and no more than there is to do.

    A task that waits has no thread. One thread, or a few, sleep until the next of them goes on.

    Args:
        schedule: The tasks.
        workers: Tasks that are advanced at once. With one worker, a task ends before the next one begins.
        clock: Tells the time and waits.
        hire: Calls a function in another thread.
    """

    def __init__(
        self, schedule: Schedule[_T], workers: int, clock: _Timer, hire: Callable[[Callable[[], None]], object]
    ) -> None:
        self.produced: SimpleQueue[Any] = SimpleQueue()
        self.left: list[Task[_T]] = []
        self._schedule = schedule
        self._workers = workers
        self._clock = clock
        self._hire = hire
        # The thread of the caller takes the lock itself: Ctrl-C may come while a condition takes it, and would leave it taken.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._place = threading.Condition(self._lock)
        self._hired = self._idle = self._running = self._lent = self._returning = 0
        self._wake_ups: list[float] = []
        self._stopped = threading.Event()

    def begin(self) -> None:
        """Advance tasks in other threads; what they produce, and ``_END`` after all of it, is put into ``produced``."""
        with self._lock:
            self._call_another()

    def stop(self) -> None:
        """Advance no task any further. Those that had begun are ``left`` to be closed, once no thread is alive."""
        with self._lock:
            self._stopped.set()
            self.left += self._schedule.drop()
            self._changed.notify_all()
            self._place.notify_all()

    def _work(self) -> None:
        """What each thread does."""
        _OWN.crew = self
        try:
            while (task := self._next()) is not None:
                self._advance(task)
        except BaseException as error:  # noqa: BLE001 - it is raised on the thread of the caller
            self.stop()
            self.produced.put(_Failure(error))
        finally:
            _OWN.crew = None

    def _next(self) -> Task[_T] | None:
        """Wait for the next task that can be advanced; None if there is none any more."""
        with self._changed:
            while not self._stopped.is_set():
                now = self._clock.monotonic()
                is_free = self._running + self._returning < self._workers
                if is_free and (task := self._schedule.take(now)) is not None:
                    self._running += 1
                    if self._schedule.has_next(now) or self._is_earliest(self._schedule.next_time):
                        self._call_another()
                    return task
                if self._schedule.is_over:
                    self._stopped.set()
                    self._changed.notify_all()
                    self.produced.put(_END)
                elif is_free and (at := self._schedule.next_time) is not None and self._is_earliest(at):
                    self._sleep_until(min(at, now + _LOOKS_AFTER), now)
                else:
                    self._idle += 1
                    self._changed.wait()
                    self._idle -= 1
        return None

    def _is_earliest(self, at: float | None) -> bool:
        """Whether no thread wakes up by this time."""
        return at is not None and all(at < other for other in self._wake_ups)

    def _sleep_until(self, at: float, now: float) -> None:
        self._wake_ups.append(at)
        self._changed.release()
        try:
            self._sleep(max(0.0, at - now))
        finally:
            self._changed.acquire()
            self._wake_ups.remove(at)

    def _call_another(self) -> None:
        if self._idle:
            self._changed.notify()
        elif not self._stopped.is_set() and self._hired < self._workers + min(
            self._lent, self._workers * _LENT_PER_WORKER
        ):
            try:
                self._hire(self._work)
            except RuntimeError:
                # The system gives no further thread: those that there are go on.
                if not self._hired:
                    raise
            else:
                self._hired += 1

    def _advance(self, task: Task[_T]) -> None:
        """Advance a task until it waits or ends."""
        pause: Pause | None = None
        while not self._stopped.is_set():
            item = task.context.run(next, task.items, _END)
            if item is _END:
                break
            if not isinstance(item, Pause):
                self.produced.put(item)
            elif self._workers == 1:
                self._sleep(item.seconds)
            else:
                pause = item
                break
        with self._changed:
            self._running -= 1
            if self._stopped.is_set():
                self.left.append(task)
            if pause is None or self._stopped.is_set():
                self._schedule.end()
            else:
                self._schedule.park(task, pause, self._clock.monotonic())
            self._place.notify()

    def _sleep(self, seconds: float) -> None:
        """Wait on this thread, and no longer once the run is stopped, if the clock can do that."""
        if isinstance(self._clock, _InterruptibleTimer):
            self._clock.sleep_unless(self._stopped, seconds)
        else:
            self._clock.sleep(seconds)

    @contextmanager
    def lending(self) -> Iterator[None]:
        """Let another task be advanced while the one of this thread waits. With one worker nothing is lent."""
        if self._workers == 1:
            yield
            return
        with self._changed:
            self._lent += 1
            self._running -= 1
            self._call_another()
        try:
            yield
        finally:
            with self._changed:
                self._returning += 1
                self._place.wait_for(lambda: self._stopped.is_set() or self._running < self._workers)
                self._returning -= 1
                self._lent -= 1
                self._running += 1


def waiting() -> AbstractContextManager[None]:
    """While this thread waits in the context, another task of ``run_side_by_side`` may be advanced in its place.

    For code that has to wait on its thread, such as an executor of a caller; other tasks yield a ``Pause``.
    """
    crew: _Crew[Any] | None = getattr(_OWN, "crew", None)
    return nullcontext() if crew is None else crew.lending()


def wait_on_this_thread(waits: Waits[_T], clock: _Timer) -> _T:
    """Run a generator that waits. While it does, another task of ``run_side_by_side`` may be advanced."""

    def sleep(seconds: float) -> None:
        with waiting():
            clock.sleep(seconds)

    return wait_out(waits, sleep)


def run_side_by_side(tasks: Sequence[Task[_T]], *, workers: int, clock: _Timer) -> Generator[_T, None, None]:
    """Yield the items that tasks produce, in the order of arrival. The tasks run in threads; the caller receives the items.

    At most ``workers`` tasks are advanced at once. A task that waits is not, so that many more may have begun.

    When the caller closes the generator, or is interrupted, no task advances any further: what a task is doing at that
    moment is finished and waited for, and what it produces then is dropped. A task that waits is left as it is. An exception of
    a task ends the others in the same way, and is raised.
    """
    if not tasks:
        return
    workers = min(workers, len(tasks))
    threads = workers if workers == 1 else min(len(tasks), workers * (1 + _LENT_PER_WORKER))
    pool = Pool(threads)
    crew = _Crew(Schedule(tasks), workers, clock, pool.submit)
    try:
        with pool:
            try:
                crew.begin()
                while (item := crew.produced.get()) is not _END:
                    if isinstance(item, _Failure):
                        raise item.error
                    yield item
            finally:
                crew.stop()
    finally:
        with ExitStack() as closed:
            for task in crew.left:
                closed.callback(task.context.run, task.items.close)
