"""The time that one call may take."""

from __future__ import annotations

from defender_remediate.arm.clock import Clock
from defender_remediate.errors import CallTimeoutError


class Deadline:
    """The end of the time that a call may take; without ``timeout`` it has no end. Shared between threads.

    Attributes:
        is_exceeded: Whether something was given up because of it.
    """

    def __init__(self, clock: Clock, timeout: float | None = None) -> None:
        self._clock = clock
        self._timeout = timeout
        self._at = None if timeout is None else clock.monotonic() + timeout
        self.is_exceeded = False

    def remaining(self) -> float | None:
        """Seconds that are left; None without a deadline."""
        return None if self._at is None else max(0.0, self._at - self._clock.monotonic())

    def sleep(self, seconds: float) -> None:
        """Wait, unless the wait would end after the deadline.

        Raises:
            CallTimeoutError: It would; raised at once.
        """
        remaining = self.remaining()
        if remaining is not None and seconds > remaining:
            self._exceed()
        self._clock.sleep(seconds)

    def check(self) -> None:
        """See whether there is time left.

        Raises:
            CallTimeoutError: No time is left, or something was given up because of the deadline.
        """
        if self.is_exceeded or self.remaining() == 0:
            self._exceed()

    def _exceed(self) -> None:
        self.is_exceeded = True
        raise CallTimeoutError(
            f"the call did not end within timeout={self._timeout:g} s",
            hint="pass a longer timeout, or a smaller scope; nothing was changed",
        )
