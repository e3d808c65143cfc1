"""The events that a hook receives during a run."""

from __future__ import annotations

from typing import Union

import attrs

from defender_remediate.display import counted, one_line
from defender_remediate.models.plan import RemediationPlan, RemediationStep
from defender_remediate.models.result import RemediationReport, RemediationResult


@attrs.frozen(kw_only=True, str=False)
class RunStarted:
    """A plan is about to be applied."""

    run_id: str
    correlation_id: str
    plan: RemediationPlan = attrs.field(repr=False)

    def __str__(self) -> str:
        steps = counted(len(self.plan.steps), "step")
        return one_line(f"run {self.run_id}: {steps}, correlation id {self.correlation_id}")


@attrs.frozen(kw_only=True, str=False)
class StepStarted:
    """A step is about to start; its target has not been read again yet."""

    run_id: str
    step: RemediationStep

    def __str__(self) -> str:
        return one_line(f"{self.step.target_id}: {'; '.join(self.step.titles)}: started")


@attrs.frozen(kw_only=True, str=False)
class StepFinished:
    """A step has a result.

    Attributes:
        done, total: How many steps of the run have a result, and how many there are.
    """

    run_id: str
    step: RemediationStep
    result: RemediationResult
    done: int
    total: int

    def __str__(self) -> str:
        subject = f"{self.step.target_id}: {'; '.join(self.step.titles)}"
        return one_line(f"[{self.done}/{self.total}] {subject}: {self.result.text}")


@attrs.frozen(kw_only=True, str=False)
class RunFinished:
    """All steps have a result."""

    report: RemediationReport

    def __str__(self) -> str:
        planned = len(self.report.plan.steps)
        failed = sum(bool(result.step_id) for result in self.report.failures)
        return (
            f"run {one_line(self.report.run_id)}: finished, {planned - failed} of {counted(planned, 'step')} succeeded"
        )


RemediationEvent = Union[RunStarted, StepStarted, StepFinished, RunFinished]
