"""A pool of threads that never outlives its use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

_R = TypeVar("_R")
NAME = "defender-remediate"
_ABANDONED = 5.0
_OWN = threading.local()


class Pool:
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

    def __init__(self, workers: int, name: str = NAME, *, may_be_abandoned: bool = False) -> None:
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

    def __enter__(self) -> Pool:
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
