"""The clock of a client, which tests can replace."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """The source of time, and the way to wait. Shared between threads."""

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
