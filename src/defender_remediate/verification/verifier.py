"""Verifies a run: reads the targets back, evaluates the conditions of the fixes, and compares with Defender's status."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, NotFoundError
from defender_remediate.execution.outcomes import step_error
from defender_remediate.execution.target_state import read_body, says_missing
from defender_remediate.fixes.conditions import holds
from defender_remediate.hooks import ProgressPhase
from defender_remediate.models.diagnosis import Cause, Diagnosis
from defender_remediate.models.ids import id_key
from defender_remediate.models.result import Outcome, RemediationReport, RemediationResult
from defender_remediate.models.step import RemediationStep, SkippedResource
from defender_remediate.progress import Phases
from defender_remediate.redaction import redact_text
from defender_remediate.threads import in_parallel
from defender_remediate.verification.defender_status import AssessmentReader, DefenderStatusReader, Pair, pair_key
from defender_remediate.verification.diagnosis import Diagnoser, Judgement, worst
from defender_remediate.verification.exemptions import FindExemptions
from defender_remediate.verification.facts import DefenderStatus, ReadBack, VerificationContext, VerifiedStep
from defender_remediate.verification.freshness_interval import poll_schedule

# The run left these compliant, or may have, when it was done with them.
_LEFT_COMPLIANT = (Outcome.APPLIED, Outcome.PARTIALLY_APPLIED, Outcome.ALREADY_COMPLIANT, Outcome.IN_DOUBT)
# Codes of a 404 that say that what is above the target is gone. Others may be about an api-version.
_PARENT_IS_GONE = frozenset({"parentresourcenotfound", "resourcegroupnotfound", "subscriptionnotfound"})
_NOT_ABOUT_THE_TARGET = frozenset({"invalidresourcetype", "invalidresourcenamespace"})


@attrs.define(kw_only=True)
class _Item:
    """One result while it is verified."""

    facts: VerifiedStep
    step: RemediationStep | None
    statuses: tuple[DefenderStatus, ...] = ()
    judgement: Judgement = attrs.field(factory=Judgement)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """What Defender's status is read of."""
        return tuple((self.facts.result.resource_id, key) for key in self.facts.result.keys)

    def judge(self, context: VerificationContext) -> None:
        """Explain the statuses as they are now."""
        self.judgement = worst(Diagnoser(self.facts, status, context).judge() for status in self.statuses)

    def verified(self) -> RemediationResult:
        """The result with everything that was found out."""
        compliant = self.facts.result.compliant
        if self.step is not None and self.facts.read_back is ReadBack.GONE:
            # What does not exist has no members; a step that was to remove it is compliant then.
            compliant = holds(self.step.compliant_when, None)
        elif self.step is not None:
            read = {ReadBack.COMPLIANT: True, ReadBack.NOT_COMPLIANT: False}
            compliant = read.get(self.facts.read_back)
        return attrs.evolve(
            self.facts.result,
            compliant=compliant,
            health=self.judgement.health,
            diagnosis=self.judgement.diagnosis,
        )


@attrs.frozen(kw_only=True)
class Verifier:
    """Reads what a run left behind. Writes nothing.

    Attributes:
        find_exemptions: Names the exemptions of a resource.
    """

    reader: Reader
    assessments: AssessmentReader
    workers: int
    phases: Phases
    find_exemptions: FindExemptions

    def verify(self, report: RemediationReport, *, timeout: float) -> RemediationReport:
        """Return the same report with ``compliant``, ``health`` and ``diagnosis`` as they are now.

        Every target that was planned is read, and read again after a wait when it is not healthy. Defender's status is read
        on a schedule that follows how often Defender assesses resources, until it has assessed every compliant resource again
        or ``timeout`` seconds are over.
        """
        clock = self.reader.clock
        start = clock.monotonic()
        statuses = DefenderStatusReader(reader=self.assessments, workers=self.workers)

        items = self._read_targets(report)
        _read_statuses(statuses, items)
        context = statuses.with_metadata(VerificationContext(), _unexpected(items))
        _judge(items, context)

        waited = False
        pending = _pending(items)
        schedule = list(_schedule(pending, context, timeout))
        while pending and schedule:
            pause = start + schedule.pop(0) - clock.monotonic()
            if pause <= 0:
                continue  # reading took so long that this time has passed
            self.phases.wait(len(items) - len(pending), len(items), pause)
            clock.sleep(pause)
            waited = True
            for item in items:
                item.facts = attrs.evolve(item.facts, now=clock.now())
            _read_statuses(statuses, pending)
            _judge(items, context)
            pending = _pending(items)

        if waited:
            # A change may have been reverted in the meantime.
            unhealthy = [item for item in items if item.judgement.diagnosis is not None]
            in_parallel(self._read_target, unhealthy, workers=self.workers)
            _judge(items, context)

        puzzling = [item for item in items if _has_cause(item, Cause.NOT_OUR_PROPERTY)]
        if puzzling:
            context = statuses.with_others(context, [item.facts.result.resource_id for item in puzzling])
            _judge(puzzling, context)
        for item in items:
            if item.judgement.diagnosis is not None and item.judgement.diagnosis.cause is Cause.EXEMPT:
                self._name_exemptions(item, item.judgement.diagnosis)
        return attrs.evolve(report, results=tuple(item.verified() for item in items))

    def _name_exemptions(self, item: _Item, diagnosis: Diagnosis) -> None:
        named = [text for pair in item.pairs for text in self.find_exemptions(*pair)]
        told = attrs.evolve(diagnosis, evidence=(*diagnosis.evidence, *map(redact_text, named)))
        item.judgement = attrs.evolve(item.judgement, diagnosis=told)

    def _read_targets(self, report: RemediationReport) -> list[_Item]:
        steps = {step.id: step for step in report.plan.steps}
        skips = {(id_key(skip.resource_id), key): skip for skip in report.plan.skipped for key in skip.keys}
        items = []
        for result in report.results:
            step = steps.get(result.step_id or "")
            skip = next(
                (skips[pair] for key in result.keys if (pair := (id_key(result.resource_id), key)) in skips), None
            )
            items.append(self._item(result, step, skip, report))
        progress = self.phases.begin(ProgressPhase.READING_BACK, len(items))
        in_parallel(self._read_target, items, workers=self.workers, progress=progress)
        return items

    def _item(
        self,
        result: RemediationResult,
        step: RemediationStep | None,
        skip: SkippedResource | None,
        report: RemediationReport,
    ) -> _Item:
        now = self.reader.clock.now()
        since = now
        if result.outcome in _LEFT_COMPLIANT:
            since = result.finished or report.plan.created_at
        facts = VerifiedStep(
            result=result,
            read_back=ReadBack.NOT_READ,
            target_id=None if step is None else step.target_id,
            skip=skip if step is None else None,
            since=since,
            now=now,
            rolls_back=bool(report.plan.rolls_back),
        )
        return _Item(facts=facts, step=step)

    def _read_target(self, item: _Item) -> None:
        step = item.step
        if step is None:
            return
        error: DefenderRemediateError | None = None
        try:
            body = read_body(self.reader, step.target_id, step.api_version)
            read_back = ReadBack.COMPLIANT if holds(step.compliant_when, body) else ReadBack.NOT_COMPLIANT
        except NotFoundError as not_found:
            code = fold(not_found.code or "")
            is_resource = id_key(step.target_id) == id_key(step.resource_id)
            if code in _NOT_ABOUT_THE_TARGET or not says_missing(not_found, step):
                read_back, error = ReadBack.UNREADABLE, not_found
            elif is_resource or code in _PARENT_IS_GONE:
                read_back, error = ReadBack.GONE, not_found
            else:
                read_back = ReadBack.COMPLIANT if holds(step.compliant_when, None) else ReadBack.NOT_COMPLIANT
        except DefenderRemediateError as unread:
            read_back, error = ReadBack.UNREADABLE, unread
        item.facts = attrs.evolve(
            item.facts,
            read_back=read_back,
            error=None if error is None else str(step_error(error)),
            now=self.reader.clock.now(),
        )


def _read_statuses(reader: DefenderStatusReader, items: Iterable[_Item]) -> None:
    found = reader.read(pair for item in items for pair in item.pairs)
    for item in items:
        item.statuses = tuple(found[pair_key(pair)] for pair in item.pairs)


def _judge(items: Iterable[_Item], context: VerificationContext) -> None:
    for item in items:
        item.judge(context)


def _pending(items: Iterable[_Item]) -> list[_Item]:
    return [item for item in items if item.judgement.is_pending]


def _has_cause(item: _Item, cause: Cause) -> bool:
    return item.judgement.diagnosis is not None and item.judgement.diagnosis.cause is cause


def _unexpected(items: Iterable[_Item]) -> set[str]:
    """The recommendations that are unhealthy on a compliant resource: only their metadata is needed."""
    return {
        status.key
        for item in items
        for status in item.statuses
        if status.is_unhealthy and item.facts.is_compliant(status)
    }


def _schedule(pending: list[_Item], context: VerificationContext, timeout: float) -> tuple[float, ...]:
    """When to read Defender's status again, in seconds from now; the latest write sets the pace."""
    if not pending:
        return ()
    elapsed = min(item.facts.elapsed.total_seconds() for item in pending)
    intervals = [context.freshness_interval(key) for item in pending for key in item.facts.result.keys]
    slowest = max(intervals, key=lambda one: one.deadline)
    return poll_schedule(elapsed=max(elapsed, 0.0), timeout=timeout, interval=slowest)
