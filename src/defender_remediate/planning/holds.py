"""Which resources are left out of a plan for a while, because an earlier run failed on them or was rolled back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import attrs

from defender_remediate.casing import fold
from defender_remediate.fixes.decisions import is_decision
from defender_remediate.journal.past_outcomes import PastOutcome
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.diagnosis import moment
from defender_remediate.models.ids import id_key
from defender_remediate.models.plan import RemediationStep, SkipReason
from defender_remediate.models.result import Outcome
from defender_remediate.planning.selection import Selection

HOLD = "hold"
"""The name by which a hold is waived."""
_DECIDES = (Outcome.APPLIED, Outcome.ALREADY_COMPLIANT, Outcome.FAILED, Outcome.ROLLED_BACK)
_HOLDS = (Outcome.FAILED, Outcome.ROLLED_BACK)


@attrs.frozen(kw_only=True)
class Holds:
    """The reasons for which fixes of resources are left out, by recommendation and resource.

    Attributes:
        waived_because: Why they are planned nevertheless; None if they are left out.
    """

    reasons: Mapping[tuple[str, str], str] = attrs.field(factory=dict)
    waived_because: str | None = None

    def applied_to(self, selection: Selection) -> Selection:
        """The selection without the fixes that are left out, which are skipped."""
        if self.waived_because is not None:
            return selection
        kept, skipped = [], [*selection.skipped]
        for candidate in selection.candidates:
            reason = self.reasons.get((fold(candidate.key), id_key(candidate.resource_id)))
            if reason is None:
                kept.append(candidate)
            else:
                skipped.append(candidate.rejected(SkipReason.HELD, reason).skipped)
        return Selection(candidates=tuple(kept), skipped=tuple(dict.fromkeys(skipped)))

    def noted_on(self, step: RemediationStep) -> RemediationStep:
        """The step with the holds that were waived for it, so that they are approved with it."""
        if self.waived_because is None:
            return step
        found = [self.reasons.get((fold(key), id_key(step.resource_id))) for key in step.keys]
        results = tuple(
            CheckResult(check=HOLD, status=CheckStatus.WAIVED, message=reason, waived_because=self.waived_because)
            for reason in dict.fromkeys(filter(None, found))
        )
        return attrs.evolve(step, check_results=(*results, *step.check_results))


def holds_at(
    outcomes: Iterable[PastOutcome], *, now: datetime, period: timedelta, waived_because: str | None = None
) -> Holds:
    """The holds that are in force: the last outcome of a fix on a resource is a failure or a rollback."""
    reasons: dict[tuple[str, str], str] = {}
    for past in outcomes:
        # An exemption that was rolled back says nothing about the fix.
        if past.result.outcome not in _DECIDES or is_decision(past.step.target_id):
            continue
        until = past.at + period
        for key in past.step.keys:
            place = (fold(key), id_key(past.step.resource_id))
            if past.result.outcome in _HOLDS and until > now:
                reasons[place] = _reason(past, until)
            else:
                reasons.pop(place, None)
    return Holds(reasons=reasons, waived_because=waived_because)


def _reason(past: PastOutcome, until: datetime) -> str:
    if past.result.outcome is Outcome.ROLLED_BACK:
        what = f"it was rolled back on {moment(past.at)} by run {past.run_id}"
    else:
        error = past.result.error.text if past.result.error else "no reason is recorded"
        what = f"it failed on {moment(past.at)} in run {past.run_id}: {error}"
    return f'left out until {moment(until)}, because {what}; to plan it now, pass waive={{"hold": "reason"}}'
