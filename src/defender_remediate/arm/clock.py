"""The clock of a client, which tests can replace."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """The source of time, and the way to wait. Shared between threads.

    A clock may also have ``sleep_unless``, as ``SystemClock`` has. Without it, a run that is interrupted waits out the pause
    that it is in.
    """

    def now(self) -> datetime:
        """The present, aware and in UTC."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never decreases."""

    def sleep(self, seconds: float) -> None:
        """Wait. The library waits only through this method."""


class SystemClock:
    """The system clock."""

    def now(self) -> datetime:
        """The present, aware and in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never decreases."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for this number of seconds."""
        time.sleep(max(0.0, seconds))

    def sleep_unless(self, stopped: threading.Event, seconds: float) -> None:
        """Wait for this number of seconds, but no longer once the event is set."""
        stopped.wait(max(0.0, seconds))
