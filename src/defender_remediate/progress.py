"""Tells hooks how far planning, a run or its verification is, and remembers which hooks failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import attrs

from defender_remediate.display import one_line
from defender_remediate.hooks import PhaseProgressed, ProgressPhase, RemediationEvent, RemediationHook
from defender_remediate.redaction import redact_text


@attrs.frozen
class Pace:
    """How fast something advances since it started."""

    started: datetime
    total: int

    def at(self, done: int, now: datetime) -> tuple[float | None, datetime | None]:
        """The rate a second, and when it ends at this rate; None for what is not known yet."""
        seconds = (now - self.started).total_seconds()
        if done <= 0 or seconds <= 0:
            return None, None
        rate = done / seconds
        return rate, now + timedelta(seconds=(self.total - done) / rate)


class Announcer:
    """Calls hooks with events, and remembers which of them failed."""

    def __init__(self, hooks: Iterable[RemediationHook]) -> None:
        self._hooks = tuple(hooks)
        self._failed: dict[int, tuple[str, int]] = {}

    @property
    def has_hooks(self) -> bool:
        """Whether anyone is told."""
        return bool(self._hooks)

    def tell(self, event: RemediationEvent) -> None:
        """Call each hook. One that raises changes nothing, and is called again with the next event."""
        for number, hook in enumerate(self._hooks):
            self._call(number, hook, event)

    def _call(self, number: int, hook: RemediationHook, event: RemediationEvent) -> None:
        try:
            hook(event)
        except Exception as error:  # noqa: BLE001 - someone else's code must neither stop the work nor be silent
            found = f"a hook failed at {type(event).__name__}: {type(error).__name__}: {error}"
            first, times = self._failed.get(number, (redact_text(found), 0))
            self._failed[number] = (first, times + 1)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each hook that failed, with its first error and how often it failed."""
        return tuple(
            one_line(first if times == 1 else f"{first} (failed {times} times)")
            for first, times in self._failed.values()
        )


@attrs.frozen(kw_only=True)
class Phases:
    """Tells hooks of the phases of planning or verifying.

    Attributes:
        announcer: What calls the hooks.
        now: The time.
        run_id: The run that is verified; None while planning.
    """

    announcer: Announcer
    now: Callable[[], datetime]
    run_id: str | None = None

    def begin(self, phase: ProgressPhase, total: int | None = None) -> Callable[[int], None]:
        """Tell that a phase begins; what is returned tells how many of the total are done."""
        self.announcer.tell(PhaseProgressed(phase=phase, run_id=self.run_id, total=total))
        pace = Pace(self.now(), total or 0)

        def advance(done: int) -> None:
            if not self.announcer.has_hooks:
                return
            rate, ends_at = pace.at(done, self.now())
            self.announcer.tell(
                PhaseProgressed(phase=phase, run_id=self.run_id, done=done, total=total, rate=rate, ends_at=ends_at)
            )

        return advance

    def wait(self, done: int, total: int, seconds: float) -> None:
        """Tell that Defender's status is read again after so many seconds."""
        self.announcer.tell(
            PhaseProgressed(
                phase=ProgressPhase.WAITING_FOR_DEFENDER,
                run_id=self.run_id,
                done=done,
                total=total,
                ends_at=self.now() + timedelta(seconds=seconds),
            )
        )
