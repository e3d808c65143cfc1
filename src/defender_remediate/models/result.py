"""What happened: one result per resource, one report per run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

import attrs

from defender_remediate import serialization
from defender_remediate.display import counted, noted, one_line, quoted
from defender_remediate.enums import StrEnum
from defender_remediate.errors import InvalidInputError, RemediationFailedError
from defender_remediate.json_values import ABSENT, freeze
from defender_remediate.models.change_history import ChangeRecord
from defender_remediate.models.diagnosis import Cause, Diagnosis, Verification
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.report_text import DONE, NOT_DONE, PROBLEM, PrintedResult, printed
from defender_remediate.models.step import CreatedResource, RemediationStep
from defender_remediate.notebook import preformatted, rendered
from defender_remediate.redaction import redact_json
from defender_remediate.serialization import Value
from defender_remediate.validation import did_you_mean, instance, optional_text, tuple_of


class Outcome(StrEnum):
    """What became of one step.

    PARTIALLY_APPLIED: Azure reports that the change or a part of it failed, and the target shows the change or a part of
    it; the error names the parts. IN_DOUBT: reading the target has not shown what happened.
    """

    APPLIED = "applied"
    PARTIALLY_APPLIED = "partially_applied"
    ALREADY_COMPLIANT = "already_compliant"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    ROLLED_BACK = "rolled_back"

    @property
    def succeeded(self) -> bool:
        """Whether nothing is left to do."""
        return self in (Outcome.APPLIED, Outcome.ALREADY_COMPLIANT, Outcome.ROLLED_BACK)


class Health(StrEnum):
    """What Defender for Cloud reports for the recommendation. It may lag the resource by hours: see the diagnosis."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@attrs.frozen(kw_only=True, str=False)
class StepError(Value):
    """Why a step did not succeed.

    Attributes:
        code: Azure's error code, such as ``ScopeLocked``, or one of this library, such as ``Drifted``.
        status: The HTTP status, or 0 when there was none.
        hint: What the caller can do.
    """

    code: str
    message: str
    status: int = 0
    hint: str | None = optional_text()

    @property
    def text(self) -> str:
        """The code and the message, without the hint."""
        # The code is in most of Azure's messages already.
        return one_line(
            self.message
            if self.code.replace("_", " ") in self.message or self.code in self.message
            else f"{self.code}: {self.message}"
        )

    def __str__(self) -> str:
        return noted(self.text, [self.hint and one_line(self.hint)])


def _redacted_repr(value: Any) -> str:
    return repr(redact_json(value))


@attrs.frozen(kw_only=True, str=False)
class RemediationResult(Value):
    """What happened to one step, or to one resource that the plan skipped.

    Attributes:
        step_id: The step; None for a resource that the plan skipped.
        keys: The recommendations concerned.
        before, after: The changed members as they were, and as they were read back; by path.
        attempts: How many times the write was sent.
        request_id: Azure's id of the last write, for a support case.
        compliant: Whether the last read of the target met the fix's own condition; None when it was not read.
        health: What Defender for Cloud reports; None when it was not read, or Defender does not assess the resource.
        created: The resources that the step created.
        diagnosis: Why it is not healthy, as ``verify`` found; None when it is healthy or was not verified.
        change_record: What Azure's change history says about it, as ``verify`` found; None when nothing was sent or it was not
            verified.
    """

    _computed: ClassVar[tuple[str, ...]] = ("is_pending", "verified")

    step_id: str | None = optional_text()
    resource_id: str
    keys: tuple[str, ...]
    outcome: Outcome = attrs.field(converter=Outcome)
    before: Any = attrs.field(default=None, converter=freeze, repr=_redacted_repr)
    after: Any = attrs.field(default=None, converter=freeze, repr=_redacted_repr)
    error: StepError | None = None
    attempts: int = 0
    request_id: str | None = optional_text()
    started: datetime | None = None
    finished: datetime | None = None
    compliant: bool | None = None
    health: Health | None = attrs.field(default=None, converter=attrs.converters.optional(Health))
    created: tuple[CreatedResource, ...] = ()
    diagnosis: Diagnosis | None = None
    change_record: ChangeRecord | None = None

    @property
    def is_pending(self) -> bool:
        """Whether Defender for Cloud reports Unhealthy only because it has not assessed the resource again yet."""
        waits = self.diagnosis is not None and self.diagnosis.cause.ends_by_itself
        return waits and self.health is Health.UNHEALTHY

    @property
    def verified(self) -> Verification:
        """How far it is proven. Defender's Healthy counts only on top of a resource that was read and is compliant."""
        if self.compliant:
            healthy = self.health is Health.HEALTHY and self.outcome is not Outcome.ROLLED_BACK
            return Verification.CONFIRMED_BY_DEFENDER if healthy else Verification.COMPLIANT
        was_read = self.compliant is not None or self.after is not None
        return Verification.READ_BACK if was_read else Verification.NOT_VERIFIED

    @property
    def was_requested(self) -> bool:
        """Whether it belongs to a planned step, or to a resource that a check kept out of the plan."""
        return self.step_id is not None or self.outcome is Outcome.BLOCKED

    def lines(self) -> list[str]:
        """The outcome with its reason and Defender's assessment, then the hint, the diagnosis and a contradiction of Azure's
        change history, a line each.
        """
        lines = [self._text(hint=None)]
        if self.error is not None and self.error.hint:
            lines.append(one_line(f"  -> {self.error.hint}"))
        record = self.change_record
        contradiction = record.lines() if record is not None and record.is_contradiction else []
        return lines + [f"  {line}" for line in (*self.explanation(), *contradiction)]

    def explanation(self) -> list[str]:
        """The diagnosis, a line each. Of one that only repeats the outcome, the advice is left."""
        if self.diagnosis is None:
            return []
        if self.diagnosis.cause is not Cause.NOT_FIXED:
            return str(self.diagnosis).split("\n")
        advice = self.diagnosis.advice
        is_new = advice and (self.error is None or self.error.hint != advice)
        return [one_line(f"-> {advice}")] if is_new else []

    @property
    def text(self) -> str:
        """The outcome on one line, with its reason, what to do about it, and Defender's assessment."""
        return self._text(hint=self.error.hint if self.error else None)

    def _text(self, *, hint: str | None) -> str:
        # The error of a step that a check blocked begins with the outcome.
        reason = self.error.text.removeprefix(f"{self.outcome.label}: ") if self.error else None
        health = None
        if self.health is not None:
            health = f"Defender for Cloud: {'not assessed again yet' if self.is_pending else self.health}"
        return one_line(noted(self.outcome.label, [reason, hint, health]))

    def __str__(self) -> str:
        keys = f" [{', '.join(self.keys)}]" if self.keys else ""
        return one_line(f"{self.resource_id}{keys}: {self.text}")


@attrs.frozen(kw_only=True, str=False)
class RemediationReport(Value):
    """All results of one run: as many as the plan had steps and skips. None is left out.

    Attributes:
        run_id: The run's own id.
        correlation_id: The id of the run in the activity log; every write carried it.
        plan: What was applied.
        warnings: Problems outside the steps, such as a hook that raised.
        started, finished: UTC.
    """

    _computed: ClassVar[tuple[str, ...]] = ("summary",)

    run_id: str
    correlation_id: str
    plan: RemediationPlan = attrs.field(repr=False)
    results: tuple[RemediationResult, ...] = attrs.field(validator=tuple_of(RemediationResult))
    warnings: tuple[str, ...] = ()
    started: datetime
    finished: datetime

    @plan.validator
    def _is_plan(self, _field: Any, value: Any) -> None:
        instance("plan", value, RemediationPlan)

    def __repr__(self) -> str:
        """Short, because it is what a prompt shows; ``print`` shows the report."""
        return f"RemediationReport(run_id={self.run_id!r}, {self.summary})"

    def __iter__(self) -> Iterator[RemediationResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def count(self, outcome: Outcome | str) -> int:
        """How many results have this outcome.

        Raises:
            InvalidInputError: There is no such outcome.
        """
        if outcome not in tuple(Outcome):
            raise InvalidInputError(
                f"{quoted(outcome)} is not an outcome", hint=did_you_mean(outcome, map(str, Outcome))
            )
        wanted = Outcome(outcome)
        return sum(result.outcome is wanted for result in self.results)

    @property
    def summary(self) -> str:
        """How many results have which outcome, such as ``3 applied, 1 failed``."""
        counts = Counter(result.outcome.label for result in self.results)
        return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "nothing to do"

    @property
    def failures(self) -> tuple[RemediationResult, ...]:
        """The results of planned steps that did not succeed, and of resources that a check kept out of the plan.

        Skipped as drifted, partially applied, blocked, failed or in doubt. Resources that the plan skipped for another reason do not count.
        """
        return tuple(result for result in self.results if result.was_requested and not result.outcome.succeeded)

    def retryable(self) -> tuple[str, ...]:
        """The ids of the assessments that are still to be fixed: pass them to ``client.plan`` to plan them again.

        They are those of the ``failures``, and of results that were found reverted afterwards. Planning reads each target
        again, so what is in doubt or was changed in the meantime is planned from its present state.

        Raises:
            InvalidInputError: It is the report of a rollback, which is not planned from assessments.
        """
        if self.plan.rolls_back:
            raise InvalidInputError(
                f"run {self.run_id} is a rollback", hint=f"use client.plan_rollback({self.plan.rolls_back!r})"
            )
        found: dict[str, None] = {}
        for result in self.results:
            is_reverted = result.outcome.succeeded and result.compliant is False
            if is_reverted or (result.was_requested and not result.outcome.succeeded):
                for key in result.keys:
                    found[f"{result.resource_id}/providers/Microsoft.Security/assessments/{key}"] = None
        return tuple(found)

    def step(self, result: RemediationResult) -> RemediationStep | None:
        """The planned step behind a result; None for a resource that the plan skipped."""
        step_id = instance("result", result, RemediationResult).step_id
        return None if step_id is None else self._steps.get(step_id)

    @cached_property
    def _steps(self) -> dict[str, RemediationStep]:
        return {step.id: step for step in reversed(self.plan.steps)}

    def raise_for_failures(self) -> None:
        """Raise an error when there are ``failures``. ``apply`` itself never raises for a single step.

        A resource that a check kept out of the plan is a failure too: it was asked for and is not fixed.

        Raises:
            RemediationFailedError: Says how many steps failed, how many resources were kept out, and names the first of them.
        """
        failures = self.failures
        if failures:
            first = failures[0]
            failed = sum(result.step_id is not None for result in failures)
            kept_out = len(failures) - failed
            told = [f"{failed} of {counted(len(self.plan.steps), 'step')} did not succeed"] if self.plan.steps else []
            told += [f"checks kept {counted(kept_out, 'resource')} out of the plan"] if kept_out else []
            raise RemediationFailedError(
                f"{', and '.join(told)}; the first: {self.subjects()[self.results.index(first)]}: {first.text}",
                hint="see report.failures for each of them",
            )

    def to_json(self) -> str:
        """The whole report, with its plan, as JSON text. Secrets are hidden, in the requests of the plan too."""
        return serialization.dumps({"kind": "RemediationReport", **serialization.members_of(self)}, shown=redact_json)

    @classmethod
    def from_json(cls, text: str | bytes) -> RemediationReport:
        """Read a report back.

        Raises:
            InvalidInputError: The text is not a report; the message names the member.
        """
        return serialization.decode(cls, serialization.loads(text, "RemediationReport"))

    def __str__(self) -> str:
        seconds = (self.finished - self.started).total_seconds()
        steps = {step.id: step for step in self.plan.steps}
        skipped = {(skip.resource_id, skip.keys): skip for skip in self.plan.skipped}
        results = []
        for result in self.results:
            about = steps.get(result.step_id or "") or skipped.get((result.resource_id, result.keys))
            mark = DONE if result.outcome.succeeded else PROBLEM if result.was_requested else NOT_DONE
            results.append(
                PrintedResult(
                    mark=mark,
                    said=tuple(result.lines()),
                    titles=(about and about.titles) or (f"[{', '.join(result.keys)}]",),
                    resource_id=result.resource_id,
                    target_id=about.target_id if isinstance(about, RemediationStep) else result.resource_id,
                )
            )
        return printed(
            head=(f"Run {self.run_id}: {self.summary} ({seconds:.0f} s)", f"correlation id: {self.correlation_id}"),
            scope=self.plan.scope,
            results=results,
            created=[created.resource_id for result in self.results for created in result.created],
            warnings=self.warnings,
        )

    def subjects(self) -> list[str]:
        """The target and the recommendations of each result, as text: several steps can be about one resource."""
        steps = {step.id: f"{step.target_id}: {'; '.join(step.titles)}" for step in self.plan.steps}
        skipped = {(skip.resource_id, skip.keys): skip.subject for skip in self.plan.skipped}
        found = []
        for result in self.results:
            bare = f"{result.resource_id} [{', '.join(result.keys)}]"
            found.append(steps.get(result.step_id or "") or skipped.get((result.resource_id, result.keys), bare))
        return found

    def _repr_html_(self) -> str:
        return rendered(self) or preformatted(str(self))


__all__ = ["ABSENT", "Health", "Outcome", "RemediationReport", "RemediationResult", "StepError"]
