"""The steps of a run, side by side: tasks that threads advance bit by bit. One that yields a pause has no thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import attrs

from defender_remediate.pauses import Pause, Waits, wait_out
from defender_remediate.threads.pool import Pool
from defender_remediate.threads.schedule import Schedule, Task

_T = TypeVar("_T")
# So many further threads are started for each worker, at most, while tasks block theirs.
_BLOCKED_PER_WORKER = 4
# A thread that sleeps while others work looks this often, in seconds, whether there is something to do.
_LONGEST_SLEEP = 1.0
_OWN = threading.local()
_END: Any = object()


class _Timer(Protocol):
    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


@runtime_checkable
class _InterruptibleTimer(Protocol):
    def sleep_unless(self, stopped: threading.Event, seconds: float) -> None: ...


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
    most = workers if workers == 1 else min(len(tasks), workers * (1 + _BLOCKED_PER_WORKER))
    pool = Pool(most)
    threads = _TaskThreads(Schedule(tasks), workers, clock, pool.submit)
    try:
        with pool:
            try:
                threads.begin()
                while (item := threads.produced.get()) is not _END:
                    if isinstance(item, _Failure):
                        raise item.error
                    yield item
            finally:
                threads.stop()
    finally:
        with ExitStack() as closed:
            for task in threads.left:
                closed.callback(task.context.run, task.items.close)


def waiting() -> AbstractContextManager[None]:
    """While this thread waits in the context, another task of ``run_side_by_side`` may be advanced in its place.

    For code that has to wait on its thread, such as an executor of a caller; other tasks yield a ``Pause``.
    """
    threads: _TaskThreads[Any] | None = getattr(_OWN, "threads", None)
    return nullcontext() if threads is None else threads.blocked()


def wait_on_this_thread(waits: Waits[_T], clock: _Timer) -> _T:
    """Run a generator that waits. While it does, another task of ``run_side_by_side`` may be advanced."""

    def sleep(seconds: float) -> None:
        with waiting():
            clock.sleep(seconds)

    return wait_out(waits, sleep)


@attrs.frozen
class _Failure:
    error: BaseException


class _TaskThreads(Generic[_T]):
    """The threads that advance the tasks of a schedule: ``workers`` at once, and no more than there is to do.

    A task that yields a pause has no thread until the pause is over. One thread, or a few, sleep until the next of them goes on.
    A task that blocks its thread (see ``blocked``) keeps it, and another thread advances another task meanwhile.

    Args:
        schedule: The tasks.
        workers: Tasks that are advanced at once. With one worker, a task ends before the next one begins.
        clock: Tells the time and waits.
        start_thread: Calls a function in another thread.
    """

    def __init__(
        self, schedule: Schedule[_T], workers: int, clock: _Timer, start_thread: Callable[[Callable[[], None]], object]
    ) -> None:
        self.produced: SimpleQueue[Any] = SimpleQueue()
        self.left: list[Task[_T]] = []
        self._schedule = schedule
        self._workers = workers
        self._clock = clock
        self._start_thread = start_thread
        # The thread of the caller takes the lock itself: Ctrl-C may come while a condition takes it, and would leave it taken.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._advanced = threading.Condition(self._lock)
        self._threads = self._idle = self._running = 0
        # Threads that a task blocks, and those of them whose wait is over and that wait for their turn.
        self._blocked = self._unblocked = 0
        self._wake_ups: list[float] = []
        self._stopped = threading.Event()

    def begin(self) -> None:
        """Advance tasks in other threads; what they produce, and ``_END`` after all of it, is put into ``produced``."""
        with self._lock:
            self._wake_or_start()

    def stop(self) -> None:
        """Advance no task any further. Those that had begun are ``left`` to be closed, once no thread is alive."""
        with self._lock:
            self._stopped.set()
            self.left += self._schedule.drop()
            self._changed.notify_all()
            self._advanced.notify_all()

    def _work(self) -> None:
        """What each thread does."""
        _OWN.threads = self
        try:
            while (task := self._next()) is not None:
                self._advance(task)
        except BaseException as error:  # noqa: BLE001 - it is raised on the thread of the caller
            self.stop()
            self.produced.put(_Failure(error))
        finally:
            _OWN.threads = None

    def _next(self) -> Task[_T] | None:
        """Wait for the next task that can be advanced; None if there is none any more."""
        with self._changed:
            while not self._stopped.is_set():
                now = self._clock.monotonic()
                is_free = self._running + self._unblocked < self._workers
                if is_free and (task := self._schedule.take(now)) is not None:
                    self._running += 1
                    if self._schedule.has_next(now) or self._is_earliest(self._schedule.next_time):
                        self._wake_or_start()
                    return task
                if self._schedule.is_over:
                    self._stopped.set()
                    self._changed.notify_all()
                    self.produced.put(_END)
                elif is_free and (at := self._schedule.next_time) is not None and self._is_earliest(at):
                    self._sleep_until(min(at, now + _LONGEST_SLEEP), now)
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

    def _wake_or_start(self) -> None:
        """Let one thread more look for a task: an idle one, or else a new one as long as there may be more."""
        if self._idle:
            self._changed.notify()
        elif not self._stopped.is_set() and self._threads < self._workers + min(
            self._blocked, self._workers * _BLOCKED_PER_WORKER
        ):
            try:
                self._start_thread(self._work)
            except RuntimeError:
                # The system gives no further thread: those that there are go on.
                if not self._threads:
                    raise
            else:
                self._threads += 1

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
            self._advanced.notify()

    def _sleep(self, seconds: float) -> None:
        """Wait on this thread, and no longer once the run is stopped, if the clock can do that."""
        if isinstance(self._clock, _InterruptibleTimer):
            self._clock.sleep_unless(self._stopped, seconds)
        else:
            self._clock.sleep(seconds)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Let another task be advanced while the one of this thread blocks it. With one worker none is."""
        if self._workers == 1:
            yield
            return
        with self._changed:
            self._blocked += 1
            self._running -= 1
            self._wake_or_start()
        try:
            yield
        finally:
            with self._changed:
                self._unblocked += 1
                self._advanced.wait_for(lambda: self._stopped.is_set() or self._running < self._workers)
                self._unblocked -= 1
                self._blocked -= 1
                self._running += 1
