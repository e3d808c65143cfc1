"""What happened: one result per resource, one report per run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import serialization
from defender_remediate.enums import StrEnum
from defender_remediate.errors import RemediationFailedError
from defender_remediate.json_values import ABSENT, freeze
from defender_remediate.models import text as rendering
from defender_remediate.models.diagnosis import Diagnosis, Verification
from defender_remediate.models.plan import CreatedResource, RemediationPlan, RemediationStep
from defender_remediate.redaction import redact_json


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
        """Whether the caller has nothing left to do about it."""
        return self in (Outcome.APPLIED, Outcome.ALREADY_COMPLIANT, Outcome.ROLLED_BACK)


class Health(StrEnum):
    """Defender for Cloud's own word on the recommendation, which may lag the resource by hours.

    PENDING: the resource is compliant, Defender has not looked again yet. UNKNOWN: nobody asked, no answer came, or Defender
    does not judge the resource.
    """

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    PENDING = "pending"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True, str=False)
class StepError:
    """Why a step did not end well.

    Attributes:
        code: Azure's own word, such as ``ScopeLocked``, or this library's, such as ``Drifted``.
        status: The HTTP status, or 0 when there was none.
        hint: What the caller can do.
    """

    code: str
    message: str
    status: int = 0
    hint: str = ""

    def __str__(self) -> str:
        # Azure's own code is in most messages already.
        told = self.message if self.code in self.message else f"{self.code}: {self.message}"
        return f"{told} ({self.hint})" if self.hint else told


@attrs.frozen(kw_only=True, str=False)
class RemediationResult:
    """What happened to one step, or to one resource that the plan had left out.

    Attributes:
        step_id: The step; empty for a resource that the plan skipped.
        keys: The recommendations concerned.
        before, after: The changed members as they were, and as they were read back; by path.
        attempts: How many times the write was sent.
        request_id: Azure's id of the last write, for a support case.
        compliant: Whether the last read of the target met the fix's own condition; None when it was not read.
        health: Defender's own word.
        created: What did not exist before the step and was there after it.
        diagnosis: Why it is not healthy, as ``verify`` found; None when it is, or when nobody asked.
    """

    step_id: str = ""
    resource_id: str
    keys: tuple[str, ...]
    outcome: Outcome = attrs.field(converter=Outcome)
    before: Any = attrs.field(default=None, converter=freeze, repr=rendering.by_path)
    after: Any = attrs.field(default=None, converter=freeze, repr=rendering.by_path)
    error: StepError | None = None
    attempts: int = 0
    request_id: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    compliant: bool | None = None
    health: Health = attrs.field(default=Health.UNKNOWN, converter=Health)
    created: tuple[CreatedResource, ...] = ()
    diagnosis: Diagnosis | None = None

    @property
    def verified(self) -> Verification:
        """How far it is proven. Defender's Healthy counts only on top of a resource that was read and is compliant."""
        if self.compliant:
            healthy = self.health is Health.HEALTHY and self.outcome is not Outcome.ROLLED_BACK
            return Verification.CONFIRMED if healthy else Verification.COMPLIANT
        was_read = self.compliant is not None or self.after is not None
        return Verification.READ_BACK if was_read else Verification.NOT_VERIFIED

    def __str__(self) -> str:
        return rendering.result_text(self)


@attrs.frozen(kw_only=True, str=False)
class RemediationReport:
    """All results of one run: as many as the plan had steps and skips. Nothing is left out of it.

    Attributes:
        run_id: The run's own id.
        correlation_id: What the activity log calls the run; every write carried it.
        plan: What was applied.
        warnings: What went wrong beside the steps, such as a hook that raised.
        started, finished: UTC.
    """

    run_id: str
    correlation_id: str
    plan: RemediationPlan = attrs.field(repr=False)
    results: tuple[RemediationResult, ...]
    warnings: tuple[str, ...] = ()
    started: datetime
    finished: datetime

    def __iter__(self) -> Iterator[RemediationResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def count(self, outcome: Outcome | str) -> int:
        """How many results have this outcome."""
        wanted = Outcome(outcome)
        return sum(result.outcome is wanted for result in self.results)

    @property
    def failures(self) -> tuple[RemediationResult, ...]:
        """The results of planned steps that did not end well, and of those that a check kept out of the plan.

        Skipped as drifted, blocked, failed or in doubt. What the plan left alone for another reason is not among them.
        """
        asked = (result for result in self.results if result.step_id or result.outcome is Outcome.BLOCKED)
        return tuple(result for result in asked if not result.outcome.succeeded)

    def step(self, result: RemediationResult) -> RemediationStep | None:
        """The planned step behind a result; None for a resource that the plan had left out."""
        return next((step for step in self.plan.steps if step.id == result.step_id), None)

    def raise_for_failures(self) -> None:
        """Raise when ``failures`` has any; a call that applied a plan never raises for one step.

        Raises:
            RemediationFailedError: Names how many, and the first of them.
        """
        failures = self.failures
        if failures:
            first = failures[0]
            asked = len(self.plan.steps) + sum(not result.step_id for result in failures)
            raise RemediationFailedError(
                f"{len(failures)} of {asked} steps did not end well; the first: {first}",
                hint="see report.failures for each of them",
            )

    def to_json(self) -> str:
        """The whole report, with its plan, as JSON text. Secrets are hidden, also in the requests of the plan."""
        return serialization.dumps({"kind": "RemediationReport", **redact_json(serialization.encode(self))})

    @classmethod
    def from_json(cls, text: str | bytes) -> RemediationReport:
        """Read a report back.

        Raises:
            InvalidInputError: The text is no report; the message names the member.
        """
        return serialization.decode(cls, serialization.loads(text, "RemediationReport"))

    def __str__(self) -> str:
        return rendering.report_text(self)

    def _repr_html_(self) -> str:
        return rendering.html_pre(str(self))


__all__ = ["ABSENT", "Health", "Outcome", "RemediationReport", "RemediationResult", "StepError"]
