"""What a run tells its hooks while it goes on."""

from __future__ import annotations

from typing import Union

import attrs

from defender_remediate.models.plan import RemediationPlan, RemediationStep
from defender_remediate.models.result import RemediationReport, RemediationResult
from defender_remediate.models.text import counted


@attrs.frozen(kw_only=True, str=False)
class RunStarted:
    """A plan is about to be applied."""

    run_id: str
    correlation_id: str
    plan: RemediationPlan = attrs.field(repr=False)

    def __str__(self) -> str:
        return f"run {self.run_id}: {counted(len(self.plan.steps), 'step')}, correlation id {self.correlation_id}"


@attrs.frozen(kw_only=True, str=False)
class StepStarted:
    """A step is about to be tried; its target has not been read again yet."""

    run_id: str
    step: RemediationStep

    def __str__(self) -> str:
        return f"{self.step.target_id}: started"


@attrs.frozen(kw_only=True, str=False)
class StepFinished:
    """A step has its result.

    Attributes:
        done, total: How many of the run's steps have theirs.
    """

    run_id: str
    step: RemediationStep
    result: RemediationResult
    done: int
    total: int

    def __str__(self) -> str:
        return f"[{self.done}/{self.total}] {' '.join(str(self.result).split())}"


@attrs.frozen(kw_only=True, str=False)
class RunFinished:
    """All steps have their results."""

    report: RemediationReport

    def __str__(self) -> str:
        planned = len(self.report.plan.steps)
        ended = f"{planned - len(self.report.failures)} of {planned} steps ended well"
        return f"run {self.report.run_id}: finished, {ended}"


RemediationEvent = Union[RunStarted, StepStarted, StepFinished, RunFinished]
