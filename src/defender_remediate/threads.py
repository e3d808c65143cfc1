"""The only module of the library that starts threads.

None of its functions returns or raises while one is alive, except for ``every``, and for a listing that is given up in the middle,
whose last requests may end a moment later.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import attrs

from defender_remediate.pauses import Pause, Waits, wait_out
from defender_remediate.schedule import Schedule, Task

__all__ = ["Executor", "in_parallel", "interleave", "on_executor", "run_side_by_side", "waiting"]

_T = TypeVar("_T")
_R = TypeVar("_R")
_NAME = "defender-remediate"
_LISTINGS_AT_ONCE = 8
_LENT_PER_WORKER = 4
# A thread that sleeps while others work looks this often, in seconds, whether there is something to do.
_LOOKS_AFTER = 1.0
_CHUNKS_PER_WORKER = 4
_LARGEST_CHUNK = 32
_ABANDONED = 5.0
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


class _Pool:
    """A pool of threads. On exit it drops tasks that have not started and waits for the running ones.

    The threads keep count themselves of what is under way: the thread that uses the pool may be interrupted anywhere, also while
    it submits, and a join that is interrupted takes a running thread for a stopped one before Python 3.13.

    Args:
        workers: Threads at most.
        name: The beginning of their names.
        may_be_abandoned: Whether the pool is that of a listing. The garbage collector closes a listing that no one reads any more: on
            any thread, also one of the pool itself, and while that thread holds any lock. Waiting for the running tasks could
            then take forever, so it ends after some seconds, and does not begin on a thread of the pool.
    """

    def __init__(self, workers: int, name: str = _NAME, *, may_be_abandoned: bool = False) -> None:
        self._may_be_abandoned = may_be_abandoned
        self._executor = ThreadPoolExecutor(max_workers=workers, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._closed = False
        self._running = 0
        self._ended: SimpleQueue[None] = SimpleQueue()

    def submit(self, function: Callable[..., _R], *arguments: Any) -> Future[_R]:
        """Call a function in a thread."""

        def call() -> _R:
            _OWN.pool = self
            with self._lock:
                if self._closed:  # pragma: no cover - a thread that starts while the pool is being closed
                    raise CancelledError
                self._running += 1
            try:
                return function(*arguments)
            finally:
                with self._lock:
                    self._running -= 1
                self._ended.put(None)

        return self._executor.submit(call)

    def check_open(self) -> None:
        """Let a task continue with its next item.

        Raises:
            CancelledError: It may not; nothing waits for its result.
        """
        if self._closed:  # pragma: no cover - a task that is under way while the pool is being closed
            raise CancelledError

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        try:
            with self._lock:
                self._closed = True
            self._executor.shutdown(wait=False, cancel_futures=True)
            is_abandoned = kind is GeneratorExit and self._may_be_abandoned
            if not (is_abandoned and getattr(_OWN, "pool", None) is self):
                with suppress(Empty):
                    while self._running:
                        self._ended.get(timeout=_ABANDONED if is_abandoned else None)
                    self._executor.shutdown(wait=True)
        except BaseException:
            # Interrupted, such as by a second Ctrl-C: what is under way is waited for all the same.
            self.__exit__()
            raise


def in_parallel(
    function: Callable[[_T], _R], items: Sequence[_T], *, workers: int, progress: Callable[[int], None] | None = None
) -> list[_R]:
    """The function's results in the order of the items. The first exception ends it; calls that have not started are dropped.

    Args:
        function: What is called, in threads.
        items: What it is called with.
        workers: How many calls run at once.
        progress: Called on the calling thread with the number of items that are done, whenever the next one is.
    """
    results: list[_R] = []

    def collect(coming: Iterable[_R]) -> list[_R]:
        for result in coming:
            results.append(result)
            if progress is not None:
                progress(len(results))
        return results

    if len(items) < 2 or workers < 2:
        return collect(function(item) for item in items)
    workers = min(workers, len(items))
    with _Pool(workers) as pool:

        def call_each(chunk: Sequence[_T]) -> list[_R]:
            found = []
            for item in chunk:
                pool.check_open()
                found.append(function(item))
            return found

        waiting = deque(pool.submit(call_each, chunk) for chunk in _chunks(items, workers))
        # Each is dropped as soon as its results are there: of many thousands, the futures need more memory than the results.
        return collect(result for _ in range(len(waiting)) for result in waiting.popleft().result())


def _chunks(items: Sequence[_T], workers: int) -> Iterator[Sequence[_T]]:
    """The items in chunks, which become smaller, so that all workers end at about the same time.

    To give a thread something to do takes longer than most of what is done with an item that needs no request.
    """
    start = 0
    while start < len(items):
        size = max(1, min(_LARGEST_CHUNK, (len(items) - start) // (workers * _CHUNKS_PER_WORKER)))
        yield items[start : start + size]
        start += size


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
    pool = _Pool(threads)
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


def on_executor(
    executor: Executor | None,
    function: Callable[[_T], _R],
    items: Iterable[_T],
    *,
    most: int,
    again: Callable[[_T, BaseException], bool],
) -> Generator[tuple[_T, _R | BaseException | None], None, None]:
    """Call a function on an executor of the caller's. Yields each item with None before it is submitted, and again with its outcome.

    The outcome is what the function returned or raised, or what the executor raised; nothing is raised for an item. It is a
    TypeError if the executor gives no future of its own for the item, or one whose result is None. When the caller closes the
    generator, calls that have not begun are cancelled; those that have are not waited for.

    Args:
        executor: Any executor; None to call the function here, one item after the other.
        function: What is called.
        items: What it is called with.
        most: How many calls are submitted at once.
        again: Whether an item is submitted once more after an error.
    """
    coming, retried = iter(items), deque[_T]()
    pending: dict[Future[_R], _T] = {}
    try:
        while True:
            while len(pending) < most:
                if retried:
                    item = retried.popleft()
                elif (item := next(coming, _END)) is not _END:
                    yield item, None
                else:
                    break
                try:
                    future = _called_here(function, item) if executor is None else executor.submit(function, item)
                except Exception as error:  # noqa: BLE001 - an executor that is dead or shut down
                    yield item, error
                    continue
                if isinstance(future, Future) and future not in pending:
                    pending[future] = item
                else:
                    yield item, TypeError(f"the executor gave no new Future, but {type(future).__name__}")
            if not pending:
                return
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                item = pending.pop(future)
                failed = CancelledError() if future.cancelled() else future.exception()
                if failed is not None and again(item, failed):
                    retried.append(item)
                else:
                    outcome = future.result() if failed is None else failed
                    yield item, TypeError("the executor gave None as a result") if outcome is None else outcome
    finally:
        for future in pending:
            future.cancel()


def _called_here(function: Callable[[_T], _R], item: _T) -> Future[_R]:
    future: Future[_R] = Future()
    try:
        future.set_result(function(item))
    except Exception as error:  # noqa: BLE001 - as an executor keeps it
        future.set_exception(error)
    return future


def interleave(listings: Iterable[Iterator[_T]]) -> Iterator[_T]:
    """A page of each listing in turn, eight listings at a time; while one page is used, the next ones are read.

    A larger number would keep more pages in memory and gain little, because only one thread at a time parses JSON. The first
    error ends it.
    """
    waiting = iter(listings)
    begun = list(islice(waiting, _LISTINGS_AT_ONCE))
    if len(begun) < 2:
        for listing in begun:
            yield from listing
        return
    with _Pool(len(begun), f"{_NAME}-listing", may_be_abandoned=True) as pool:
        turns = deque((listing, pool.submit(next, listing, _END)) for listing in begun)
        while turns:
            listing, coming = turns.popleft()
            page = coming.result()
            following = next(waiting, None) if page is _END else listing
            if following is not None:
                turns.append((following, pool.submit(next, following, _END)))
            if page is not _END:
                yield page


def every(seconds: float, function: Callable[[_T], object], subject: _T) -> Callable[[], None]:
    """Call a function with an object again and again in a thread, until the returned function is called or the object is gone.

    The returned function waits for the call that is going on. The thread keeps neither the object nor the process alive.

    Args:
        seconds: The pause before each call.
        function: What is called. It must not raise.
        subject: What it is called with.
    """
    stopped = threading.Event()
    reference = weakref.ref(subject)
    del subject

    def repeat() -> None:
        while not stopped.wait(seconds):
            subject = reference()
            if subject is None:
                return
            function(subject)
            del subject

    thread = threading.Thread(target=repeat, name=f"{_NAME}-every", daemon=True)
    thread.start()

    def stop() -> None:
        stopped.set()
        thread.join()

    return stop
