"""Time, as something that is passed in."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """Where the library takes the time from, and how it waits. Shared between threads."""

    def now(self) -> datetime:
        """The present, aware and in UTC."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait. Nothing in this library waits in any other way."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The present, aware and in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        time.sleep(max(0.0, seconds))
