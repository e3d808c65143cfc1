"""The time limit of one call."""

from __future__ import annotations

from defender_remediate.arm.clock import Clock
from defender_remediate.errors import CallTimeoutError


class Deadline:
    """The time limit of a call; unlimited without ``timeout``. Shared between threads.

    Attributes:
        is_exceeded: Whether a wait or request was abandoned because of it.
    """

    def __init__(self, clock: Clock, timeout: float | None = None) -> None:
        self._clock = clock
        self._timeout = timeout
        self._at = None if timeout is None else clock.monotonic() + timeout
        self.is_exceeded = False

    def remaining(self) -> float | None:
        """The remaining seconds; None without a deadline."""
        return None if self._at is None else max(0.0, self._at - self._clock.monotonic())

    def sleep(self, seconds: float) -> None:
        """Wait, unless the wait would end after the deadline.

        Raises:
            CallTimeoutError: The wait would end too late. Raised at once.
        """
        remaining = self.remaining()
        if remaining is not None and seconds > remaining:
            self._exceed()
        self._clock.sleep(seconds)

    def check(self) -> None:
        """Check that time remains.

        Raises:
            CallTimeoutError: No time remains, or a wait or request was abandoned because of the deadline.
        """
        if self.is_exceeded or self.remaining() == 0:
            self._exceed()

    def _exceed(self) -> None:
        self.is_exceeded = True
        raise CallTimeoutError(
            f"the call did not end within timeout={self._timeout:g} s",
            hint="pass a longer timeout, or a smaller scope; nothing was changed",
        )
