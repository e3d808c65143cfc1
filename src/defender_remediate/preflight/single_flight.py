"""Reads that are made once, however many steps and threads need them. A failure is remembered like an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from defender_remediate.errors import DefenderRemediateError
from defender_remediate.preflight.unavailable import is_not_offered

_T = TypeVar("_T")


class _Cell:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_done = False
        self.value: Any = None
        self.error: DefenderRemediateError | None = None


class Once(Generic[_T]):
    """Remembers what a read gave, by a key. Shared between threads; who asks meanwhile waits for the same answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells: dict[object, _Cell] = {}

    def get(self, key: object, read: Callable[[], _T]) -> _T:
        """What the read gives, or gave.

        Raises:
            DefenderRemediateError: The read failed, now or earlier.
        """
        with self._lock:
            cell = self._cells.setdefault(key, _Cell())
        with cell.lock:
            if not cell.is_done:
                try:
                    cell.value = read()
                except DefenderRemediateError as error:
                    cell.error = error
                cell.is_done = True
        if cell.error is not None:
            # Raised from many places: without this its traceback would grow with each.
            raise cell.error.with_traceback(None)
        value: _T = cell.value
        return value


class Offering:
    """Remembers that a subscription has no such collection, so that it is asked for it once and not for each step."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: dict[str, threading.Lock] = {}
        self._offered: set[str] = set()
        self._refused: dict[str, DefenderRemediateError] = {}

    def ask(self, subscription: str, read: Callable[[], _T]) -> _T:
        """Read something of the collection.

        Raises:
            DefenderRemediateError: The read failed, or an earlier one has shown that there is nothing to ask.
        """
        if subscription in self._offered:
            return read()
        with self._lock:
            gate = self._gates.setdefault(subscription, threading.Lock())
        # Until one answer is there the others wait: each of them would get the same refusal.
        with gate:
            if subscription in self._refused:
                raise self._refused[subscription].with_traceback(None)
            try:
                found = read()
            except DefenderRemediateError as error:
                if is_not_offered(error):
                    self._refused[subscription] = error
                raise
            self._offered.add(subscription)
        return found
