"""A lock that knows whether something may have changed since it was last held."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class CountingLock:
    """A lock that the thread that holds it can take again.

    Attributes:
        changes: How often it was taken for a change.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()
        self.changes += 1

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Holds the lock until the end of the block, for what may turn out to change nothing."""
        with self._lock:
            yield
