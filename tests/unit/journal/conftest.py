"""Records of a run of two steps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import attrs
import pytest

from defender_remediate.journal import (
    GuardsWaived,
    Note,
    Record,
    RunEnded,
    RunOpened,
    StepAccepted,
    StepEnded,
    StepIntended,
    StepReviewed,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


@attrs.frozen
class Records:
    """Makes one record of each kind, with whatever the test wants different."""

    plan: Any
    result: Any

    def opened(self, **changes: Any) -> RunOpened:
        return attrs.evolve(
            RunOpened(at=NOON, run_id="run-1", kind="apply", correlation_id="c", plan=self.plan), **changes
        )

    def intended(self, step_id: str = "step-1", attempt: int = 1, **changes: Any) -> StepIntended:
        record = StepIntended(
            at=NOON,
            step_id=step_id,
            attempt=attempt,
            before={"properties.supportsHttpsTrafficOnly": False},
            fingerprint="f" * 64,
        )
        return attrs.evolve(record, **changes)

    def accepted(self, step_id: str = "step-1", **changes: Any) -> StepAccepted:
        return StepAccepted(at=NOON, step_id=step_id, **{"status": 202, "request_id": "r", **changes})

    def ended(self, step_id: str = "step-1", **changes: Any) -> StepEnded:
        return StepEnded(at=NOON, result=attrs.evolve(self.result, step_id=step_id, **changes))

    def reviewed(self, step_id: str = "step-1", **changes: Any) -> StepReviewed:
        return StepReviewed(at=NOON, result=attrs.evolve(self.result, step_id=step_id, outcome="failed", **changes))

    def waived(self, *waivers: str) -> GuardsWaived:
        return GuardsWaived(at=NOON, waivers=waivers or ("window: CHG-2",))

    def over(self) -> RunEnded:
        return RunEnded(at=NOON, counts={"applied": 2})

    def noted(self, message: str = "a remark") -> Note:
        return Note(at=NOON, message=message)

    def whole(self) -> tuple[Record, ...]:
        both = ("step-1", "step-2")
        steps = [record for one in both for record in (self.intended(one), self.accepted(one), self.ended(one))]
        later = (self.reviewed(), self.waived(), self.noted("Größe \u2028 \ud800\n"))
        return (self.opened(), *steps, *later, self.over())


@pytest.fixture
def records(make_plan: Callable[..., Any], make_step: Callable[..., Any], make_result: Callable[..., Any]) -> Records:
    """A maker of records about a plan of two steps."""
    return Records(make_plan(steps=(make_step(), make_step(id="step-2"))), make_result())
