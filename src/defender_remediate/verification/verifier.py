"""Whether it is resolved: read the target back, test the fix's condition, then ask Defender for Cloud for its own word.

What is not healthy in the end gets a diagnosis.
"""

from __future__ import annotations

from datetime import timedelta

import attrs

from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, NotFoundError
from defender_remediate.execution.outcomes import step_error
from defender_remediate.execution.step import StepRunner
from defender_remediate.fixes.conditions import holds
from defender_remediate.models.diagnosis import Cause
from defender_remediate.models.plan import RemediationStep
from defender_remediate.models.result import Health, Outcome, RemediationReport, RemediationResult
from defender_remediate.threads import in_parallel
from defender_remediate.verification.defender_status import AssessmentReader, Inquiry, Pair, folded
from defender_remediate.verification.diagnosis import Judgement, judge, worst
from defender_remediate.verification.facts import Answer, Case, Known, TargetState
from defender_remediate.verification.freshness import moments

# The run left these compliant, or may have, when it was done with them.
_OURS = (Outcome.APPLIED, Outcome.PARTIALLY_APPLIED, Outcome.ALREADY_COMPLIANT, Outcome.IN_DOUBT)
# Codes of a 404 that say that what is above the target is gone. Others may be about an api-version.
_ABOVE_IS_GONE = frozenset({"parentresourcenotfound", "resourcegroupnotfound", "subscriptionnotfound"})
_NOT_ABOUT_THE_TARGET = frozenset({"invalidresourcetype", "invalidresourcenamespace"})


@attrs.frozen(kw_only=True)
class _Watched:
    """One result on its way to being explained."""

    result: RemediationResult
    step: RemediationStep | None
    case: Case
    answers: tuple[Answer, ...] = ()
    judgement: Judgement = attrs.field(factory=lambda: Judgement(health=Health.UNKNOWN))

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """What Defender is asked about."""
        return tuple((self.result.resource_id, key) for key in self.result.keys)

    @property
    def waits(self) -> bool:
        """Whether Defender may change its word by itself."""
        return self.judgement.health is Health.PENDING

    @property
    def is_unexplained(self) -> bool:
        """Whether only what else Defender says of the resource could explain it."""
        found = self.judgement.diagnosis
        return found is not None and found.cause is Cause.NOT_OUR_PROPERTY

    @property
    def is_resolved(self) -> bool:
        """Whether there is nothing to explain."""
        return self.judgement.diagnosis is None

    def verified(self) -> RemediationResult:
        """The result with all that was found out."""
        return attrs.evolve(
            self.result,
            compliant=self.result.compliant if self.step is None else _compliant(self.case, self.step),
            health=self.judgement.health,
            diagnosis=self.judgement.diagnosis,
        )


@attrs.frozen(kw_only=True)
class Verifier:
    """Looks at what a run left behind. Reads only, and holds nothing."""

    runner: StepRunner
    assessments: AssessmentReader
    workers: int

    def verify(self, report: RemediationReport, *, timeout: float) -> RemediationReport:
        """The same report with ``compliant``, ``health`` and ``diagnosis`` as they are now.

        Every target that was planned is read, and read again after a wait when it is not healthy. Defender is asked on
        a schedule that follows how often it looks, until it has looked at every compliant resource again or ``timeout``
        seconds are over.
        """
        inquiry = Inquiry(reader=self.assessments, workers=self.workers)
        start = self.runner.session.clock.monotonic()
        watched = _asked(self._watch(report), inquiry)
        known = inquiry.learn_about(_puzzling(watched), Known())
        watched = [_judged(one, known) for one in watched]
        waited = False
        for moment in _moments(watched, known, timeout):
            if not self._wait_until(start + moment):
                continue
            waited = True
            watched = [_judged(one, known) for one in self._again(watched, inquiry)]
            if not any(one.waits for one in watched):
                break
        if waited:
            # Somebody may have put it back while we waited.
            watched = [_judged(one, known) for one in self._read_again(watched)]
        unexplained = [one.result.resource_id for one in watched if one.is_unexplained]
        if unexplained:
            known = inquiry.learn_others(unexplained, known)
            watched = [_judged(one, known) if one.is_unexplained else one for one in watched]
        return attrs.evolve(report, results=tuple(one.verified() for one in watched))

    def _watch(self, report: RemediationReport) -> list[_Watched]:
        steps = {step.id: step for step in report.plan.steps}

        def watch(result: RemediationResult) -> _Watched:
            step = steps.get(result.step_id or "")
            return _Watched(result=result, step=step, case=self._case(result, step, report))

        return in_parallel(watch, report.results, workers=self.workers)

    def _case(self, result: RemediationResult, step: RemediationStep | None, report: RemediationReport) -> Case:
        now = self.runner.session.clock.now()
        since = now if result.outcome not in _OURS else result.finished or report.plan.created_at
        rolls_back = bool(report.plan.rolls_back)
        case = Case(result=result, state=TargetState.NOT_READ, since=since, now=now, rolls_back=rolls_back)
        return case if step is None else self._read(case, step)

    def _read(self, case: Case, step: RemediationStep) -> Case:
        case = attrs.evolve(case, target_id=step.target_id, error="", now=self.runner.session.clock.now())
        session = self.runner.session
        try:
            body = session.get(step.target_id, api_version=step.api_version).body
        except NotFoundError as error:
            if fold(error.code) in _NOT_ABOUT_THE_TARGET:
                return attrs.evolve(case, state=TargetState.UNREADABLE, error=str(step_error(error)))
            if _is_gone(error, step):
                return attrs.evolve(case, state=TargetState.GONE, error=str(step_error(error)))
            body = None
        except DefenderRemediateError as error:
            return attrs.evolve(case, state=TargetState.UNREADABLE, error=str(step_error(error)))
        is_compliant = holds(step.compliant_when, body)
        return attrs.evolve(case, state=TargetState.COMPLIANT if is_compliant else TargetState.NOT_COMPLIANT)

    def _wait_until(self, moment: float) -> bool:
        """Wait; False when that moment has passed, because asking took so long."""
        clock = self.runner.session.clock
        pause = moment - clock.monotonic()
        if pause > 0:
            clock.sleep(pause)
        return pause > 0

    def _again(self, watched: list[_Watched], inquiry: Inquiry) -> list[_Watched]:
        now = self.runner.session.clock.now()
        later = [attrs.evolve(one, case=attrs.evolve(one.case, now=now)) for one in watched]
        asked = iter(_asked([one for one in later if one.waits], inquiry))
        return [next(asked) if one.waits else one for one in later]

    def _read_again(self, watched: list[_Watched]) -> list[_Watched]:
        def look(one: _Watched) -> _Watched:
            if one.step is None or one.is_resolved:
                return one
            return attrs.evolve(one, case=self._read(one.case, one.step))

        return in_parallel(look, watched, workers=self.workers)


def _asked(watched: list[_Watched], inquiry: Inquiry) -> list[_Watched]:
    """The same, with what Defender says now."""
    answers = inquiry.answers(pair for one in watched for pair in one.pairs)
    return [attrs.evolve(one, answers=tuple(answers[folded(pair)] for pair in one.pairs)) for one in watched]


def _judged(one: _Watched, known: Known) -> _Watched:
    return attrs.evolve(one, judgement=worst(judge(one.case, answer, known) for answer in one.answers))


def _puzzling(watched: list[_Watched]) -> set[str]:
    """The recommendations that Defender calls unhealthy on a compliant resource: only of these more has to be known."""
    return {
        answer.key for one in watched for answer in one.answers if answer.is_unhealthy and one.case.is_compliant(answer)
    }


def _moments(watched: list[_Watched], known: Known, timeout: float) -> tuple[float, ...]:
    """When to ask again, in seconds from now; the youngest write sets the pace."""
    waiting = [one for one in watched if one.waits]
    if not waiting:
        return ()
    elapsed = min(one.case.elapsed for one in waiting)
    slowest = max((known.freshness(key) for one in waiting for key in one.result.keys), key=lambda found: found.over)
    return moments(elapsed=max(elapsed, timedelta()).total_seconds(), timeout=timeout, freshness=slowest)


def _compliant(case: Case, step: RemediationStep) -> bool | None:
    # What is gone has no members; a step that was to remove it is content with that.
    read = {TargetState.COMPLIANT: True, TargetState.NOT_COMPLIANT: False}
    return holds(step.compliant_when, None) if case.state is TargetState.GONE else read.get(case.state)


def _is_gone(error: NotFoundError, step: RemediationStep) -> bool:
    is_resource = fold(step.target_id) == fold(step.resource_id)
    return is_resource or fold(error.code) in _ABOVE_IS_GONE
