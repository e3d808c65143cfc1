"""Virtual time, which passes only when a caller waits."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

from defender_remediate.arm.clock import Clock
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.validation import is_number, positive_number

STARTS_AT = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
"""The instant at which every simulator begins: a Monday morning."""

# A hundred years: a later moment may have no date.
_LONGEST = 100 * 366 * 86400.0
_FASTEST = 1_000_000.0


class VirtualClock:
    """A clock that moves when it is advanced, when a caller sleeps on it, or while it follows another one. Threads may share it.

    Sleepers in several threads overlap as they would in real time: each names the moment at which it wakes up, and the
    clock goes to the latest of them. Ten threads that sleep one second take one second.
    """

    def __init__(self, starts_at: datetime = STARTS_AT) -> None:
        self._starts_at = starts_at.astimezone(timezone.utc)
        self._elapsed = 0.0
        self._source: Clock | None = None
        self._rate = 1.0
        self._followed_to = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Returns the current time, with the time zone UTC."""
        return self.at(self.monotonic())

    def at(self, moment: float) -> datetime:
        """Returns the time at a moment of ``monotonic()``."""
        return self._starts_at + timedelta(seconds=moment)

    def timestamp(self, moment: float | None = None) -> str:
        """Returns the present, or a moment of ``monotonic()``, as Azure writes it: with seven fractional digits."""
        return self.at(self.monotonic() if moment is None else moment).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")

    def monotonic(self) -> float:
        """Returns the seconds since the start; decreases only when a snapshot is restored."""
        with self._lock:
            self._catch_up()
            return self._elapsed

    def follow(self, source: Clock, rate: float = 1.0) -> None:
        """Goes to the present of another clock, unless that is past, and runs with it from now on.

        Args:
            source: The other clock.
            rate: The seconds that pass here for each second there.

        Raises:
            InvalidInputError: The rate is not a positive number, or more than a million.
        """
        positive_number("rate", rate)
        if rate > _FASTEST:
            raise InvalidInputError(f"rate must be at most {_FASTEST:.0f}, got {quoted(rate)}")
        with self._lock:
            ahead = (source.now() - self._starts_at).total_seconds()
            self._elapsed = max(self._elapsed, ahead)
            self._source, self._rate, self._followed_to = source, rate, source.monotonic()

    def stop(self) -> None:
        """Follows no other clock any more."""
        with self._lock:
            self._catch_up()
            self._source = None

    def _catch_up(self) -> None:
        if self._source is not None:
            present = self._source.monotonic()
            self._elapsed = min(_LONGEST, self._elapsed + max(0.0, present - self._followed_to) * self._rate)
            self._followed_to = present

    def sleep(self, seconds: float) -> None:
        """Moves the clock so many seconds ahead and returns at once.

        Raises:
            InvalidInputError: It is not a number, or it is negative.
        """
        self.sleep_until(self.monotonic() + _moment("seconds", seconds))

    def sleep_until(self, moment: float) -> None:
        """Moves the clock to a moment of ``monotonic()``; a past moment changes nothing.

        Raises:
            InvalidInputError: It is not a number, or it is negative.
        """
        until = _moment("moment", moment)
        with self._lock:
            self._catch_up()
            self._elapsed = max(self._elapsed, until)

    def set(self, moment: float) -> None:
        """Goes to a moment of ``monotonic()``, also to one that is past, as a restored snapshot needs it.

        Raises:
            InvalidInputError: It is not a number, or it is negative.
        """
        chosen = _moment("moment", moment)
        with self._lock:
            self._catch_up()
            self._elapsed = chosen

    def advance(self, seconds: float) -> None:
        """Lets time pass for all callers, at most a hundred years in all.

        Raises:
            InvalidInputError: It is not a number, it is negative, or the time would be more than a hundred years after the start.
        """
        passed = _moment("seconds", seconds)
        with self._lock:
            if self._elapsed + passed > _LONGEST:
                left = _LONGEST - self._elapsed
                raise InvalidInputError(f"seconds must be a number from 0 to {left:.0f}, got {quoted(seconds)}")
            self._elapsed += passed


def _moment(name: str, given: float) -> float:
    if not is_number(given) or not 0 <= given <= _LONGEST:
        raise InvalidInputError(f"{name} must be a number from 0 to {_LONGEST:.0f}, got {quoted(given)}")
    return given
