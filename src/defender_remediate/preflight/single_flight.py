"""Reads that are made once, however many steps and threads need them. A failure is remembered like an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from defender_remediate.errors import DefenderRemediateError
from defender_remediate.preflight.unreadable import is_not_offered

_T = TypeVar("_T")


class _Cell:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_done = False
        self.value: Any = None
        self.error: DefenderRemediateError | None = None


class SingleFlight(Generic[_T]):
    """Remembers the result of a read by a key. Threads that ask while the read is under way wait for its result."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells: dict[object, _Cell] = {}
        self._own = threading.local()

    @property
    def reads_here(self) -> int:
        """How many reads were made on this thread."""
        made: int = getattr(self._own, "reads", 0)
        return made

    def get(self, key: object, read: Callable[[], _T]) -> _T:
        """Return the result of the read, made now or earlier.

        Raises:
            DefenderRemediateError: The read failed, now or earlier.
        """
        cell = self._cells.get(key)
        if cell is None or not cell.is_done:
            cell = self._made(key, read)
        if cell.error is not None:
            # Raised from many places: without this its traceback would grow with each.
            raise cell.error.with_traceback(None)
        value: _T = cell.value
        return value

    def _made(self, key: object, read: Callable[[], _T]) -> _Cell:
        with self._lock:
            cell = self._cells.setdefault(key, _Cell())
        with cell.lock:
            if not cell.is_done:
                self._own.reads = self.reads_here + 1
                try:
                    cell.value = read()
                except DefenderRemediateError as error:
                    cell.error = error
                cell.is_done = True
        return cell


class MissingCollections:
    """Remembers which collections an endpoint does not have, so that each is asked for once and not for every step."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first_reads: dict[str, threading.Lock] = {}
        self._offered: set[str] = set()
        self._refused: dict[str, DefenderRemediateError] = {}

    def ask(self, collection: str, read: Callable[[], _T]) -> _T:
        """Read something of a collection.

        Raises:
            DefenderRemediateError: The read failed, or an earlier one has shown that there is no such collection.
        """
        if collection in self._offered:
            return read()
        with self._lock:
            first_read = self._first_reads.setdefault(collection, threading.Lock())
        # The others wait for the first answer: each of them would get the same refusal.
        with first_read:
            if collection in self._refused:
                raise self._refused[collection].with_traceback(None)
            try:
                found = read()
            except DefenderRemediateError as error:
                if is_not_offered(error):
                    self._refused[collection] = error
                raise
            self._offered.add(collection)
        return found
