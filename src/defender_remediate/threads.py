"""The only module of the library that starts threads.

None of its functions returns or raises while one is alive, except for a listing that is given up in the middle, whose last requests
may end a moment later.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, Union

_T = TypeVar("_T")
_R = TypeVar("_R")
_NAME = "defender-remediate"
_LISTINGS_AT_ONCE = 8
_WAITING_PER_WORKER = 4
_ABANDONED = 5.0
_OWN = threading.local()
_END: Any = object()


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
    with _Pool(min(workers, len(items))) as pool:
        waiting = deque(pool.submit(function, item) for item in items)
        # Each is dropped as soon as its result is there: of many thousands, the futures need more memory than the results.
        return collect(waiting.popleft().result() for _ in items)


class _Places:
    """The places of a pool: each running task has one, and gives it to another task while it waits for Azure.

    A task that has waited takes the next place that is free, before a task that has not begun. With one worker nothing is
    given away, so that one task runs at a time.

    Args:
        workers: How many tasks run at once.
        start: Starts a task in a thread.
        tasks: What is to run.
    """

    def __init__(self, workers: int, start: Callable[[_T], None], tasks: Iterable[_T]) -> None:
        self._changed = threading.Condition()
        self._workers = workers
        self._start = start
        self._pending = deque(tasks)
        self._running = self._waiting = self._returning = 0
        self._stopped = False

    def fill(self) -> None:
        """Start tasks while places are free."""
        with self._changed:
            most = self._workers * _WAITING_PER_WORKER
            while self._pending and self._running + self._returning < self._workers and self._waiting < most:
                self._running += 1
                self._start(self._pending.popleft())

    def stop(self) -> None:
        """Start no other task."""
        with self._changed:
            self._pending.clear()
            # Of tasks that were to begin when the pool was closed, the places are never given back.
            self._stopped = True
            self._changed.notify_all()

    def leave(self) -> None:
        """Give the place away: the task has ended."""
        with self._changed:
            self._running -= 1
            self._changed.notify()
        self.fill()

    @contextmanager
    def left(self) -> Iterator[None]:
        """Give the place to another task while this one waits."""
        if self._workers == 1:
            yield
            return
        with self._changed:
            self._waiting += 1
        self.leave()
        try:
            yield
        finally:
            with self._changed:
                self._returning += 1
                self._changed.wait_for(lambda: self._stopped or self._running < self._workers)
                self._returning -= 1
                self._waiting -= 1
                self._running += 1


def waiting() -> AbstractContextManager[None]:
    """While this thread waits in the context, another task of ``run_side_by_side`` may have its place."""
    places: _Places | None = getattr(_OWN, "places", None)
    return nullcontext() if places is None else places.left()


def run_side_by_side(tasks: Sequence[Iterator[_T]], *, workers: int) -> Generator[_T, None, None]:
    """Yield the items that tasks produce, in the order of arrival. The tasks run in threads; the caller receives the items.

    At most ``workers`` tasks run at once. A task that is ``waiting`` does not count, so that many more may have begun.

    When the caller closes the generator, or is interrupted, no task advances any further: what a task is doing at that
    moment is finished and waited for, and what it produces then is dropped. An exception of a task ends the others in
    the same way, and is raised.
    """
    produced: SimpleQueue[Union[_T, Future[None]]] = SimpleQueue()
    stopped = threading.Event()

    def advance(task: Iterator[_T]) -> None:
        _OWN.places = places
        try:
            while not stopped.is_set() and (item := next(task, _END)) is not _END:
                produced.put(item)
        except BaseException:
            stopped.set()
            places.stop()
            raise
        finally:
            places.leave()

    if not tasks:
        return
    workers = min(workers, len(tasks))
    threads = workers if workers == 1 else min(len(tasks), workers * (1 + _WAITING_PER_WORKER))
    with _Pool(threads) as pool:
        places = _Places(workers, lambda task: pool.submit(advance, task).add_done_callback(produced.put), tasks)
        try:
            places.fill()
            running = len(tasks)
            while running:
                item = produced.get()
                if isinstance(item, Future):
                    item.result()
                    running -= 1
                else:
                    yield item
        finally:
            stopped.set()
            places.stop()


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
