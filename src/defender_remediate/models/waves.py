"""Rolling out a plan in waves: a few steps first, then more, and a stop after failures."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from defender_remediate.display import counted, quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.result import RemediationResult
from defender_remediate.notebook import notebook
from defender_remediate.public_path import show_in
from defender_remediate.serialization import Value
from defender_remediate.validation import is_number


@attrs.frozen(kw_only=True, str=False)
class WaveFinished(Value):
    """What a gate receives when a wave has ended.

    Attributes:
        number: 1 for the first wave.
        waves: How many there are.
        results: Those of this wave, read again after the pause.
        remaining: Steps that have not started.
    """

    number: int
    waves: int
    results: tuple[RemediationResult, ...]
    remaining: int

    @property
    def failures(self) -> tuple[RemediationResult, ...]:
        """The results of this wave that did not succeed."""
        return tuple(result for result in self.results if not result.outcome.succeeded)

    def __str__(self) -> str:
        ended = f"{len(self.results) - len(self.failures)} of {counted(len(self.results), 'step')} succeeded"
        return f"wave {self.number} of {self.waves}: {ended}, {self.remaining} remaining"


Gate = Callable[[WaveFinished], bool]
"""Decides whether the next wave may start."""


@notebook
@attrs.frozen(kw_only=True)
class Waves(Value):
    """How a plan is divided, and when it is stopped.

    Attributes:
        canary: Steps in the first wave.
        growth: How many times larger each wave is than the one before it; at least 1.
        pause: Seconds between the end of a wave and reading its targets again.
        max_failures: The run stops when more steps than this failed.
        max_failure_share: The run stops when a larger share than this of the steps so far failed; 0 to 1.
        gate: Called after each wave but the last; the run stops unless it returns True.
    """

    canary: int = 1
    growth: float = 3.0
    pause: float = 0.0
    max_failures: int = 0
    max_failure_share: float = 1.0
    gate: Gate | None = attrs.field(default=None, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        for name in ("canary", "growth", "pause", "max_failures", "max_failure_share"):
            value = getattr(self, name)
            if not is_number(value):
                raise InvalidInputError(f"{name} of Waves must be a number, got {quoted(value)}")
        good = (
            ("canary", "at least 1", self.canary >= 1 and math.isfinite(self.canary)),
            ("growth", "at least 1", self.growth >= 1 and math.isfinite(self.growth)),
            ("pause", "at least 0 seconds", self.pause >= 0 and math.isfinite(self.pause)),
            ("max_failures", "at least 0", self.max_failures >= 0),
            ("max_failure_share", "from 0 to 1", 0 <= self.max_failure_share <= 1),
            ("gate", "a function", self.gate is None or callable(self.gate)),
        )
        for name, bounds, succeeded in good:
            if not succeeded:
                raise InvalidInputError(f"{name} of Waves must be {bounds}, got {quoted(getattr(self, name))}")

    def sizes(self, steps: int) -> tuple[int, ...]:
        """How many steps each wave has; they add up to all of them.

        Raises:
            InvalidInputError: The number of steps is not an integer of at least 0.
        """
        if not isinstance(steps, int) or not is_number(steps) or steps < 0:
            raise InvalidInputError(f"steps must be an integer of at least 0, got {quoted(steps)}")
        sizes: list[int] = []
        size = float(self.canary)
        while steps > 0:
            # The product of two finite numbers may be infinite.
            sizes.append(math.floor(min(float(steps), size)))
            steps -= sizes[-1]
            size *= self.growth
        return tuple(sizes)

    def reason_to_stop(self, failed: int, tried: int) -> str | None:
        """Why the run must stop after this many failures; None when it may continue.

        Raises:
            InvalidInputError: One of the counts is not a number.
        """
        if not (is_number(failed) and is_number(tried)):
            raise InvalidInputError(f"failed and tried must be numbers, got {quoted((failed, tried))}")
        if failed > self.max_failures:
            return f"{failed} of {tried} steps failed; max_failures is {self.max_failures}"
        if tried and failed / tried > self.max_failure_share:
            return f"{failed / tried:.0%} of the steps failed; max_failure_share is {self.max_failure_share:.0%}"
        return None


show_in("defender_remediate.models", Gate, WaveFinished, Waves)
