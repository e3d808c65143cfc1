"""Hooks: functions that are called with the events of a run.

A hook is any callable that takes one :data:`RemediationEvent`. It cannot change a
run: its result is ignored, and when it raises, the run continues and the report has a warning.
"""

from __future__ import annotations

import logging
import sys
from typing import Protocol, TextIO, Union

import attrs

from defender_remediate.display import counted, one_line
from defender_remediate.models.plan import RemediationPlan, RemediationStep
from defender_remediate.models.result import RemediationReport, RemediationResult
from defender_remediate.serialization import Value

__all__ = [
    "RemediationEvent",
    "RemediationHook",
    "RunFinished",
    "RunStarted",
    "StepFinished",
    "StepStarted",
    "log_progress",
    "print_progress",
]


@attrs.frozen(kw_only=True, str=False)
class RunStarted(Value):
    """The run of a plan is about to start."""

    run_id: str
    correlation_id: str
    plan: RemediationPlan = attrs.field(repr=False)

    def __str__(self) -> str:
        steps = counted(len(self.plan.steps), "step")
        return one_line(f"run {self.run_id}: {steps}, correlation id {self.correlation_id}")


@attrs.frozen(kw_only=True, str=False)
class StepStarted(Value):
    """A step is about to start; its target has not been read again yet."""

    run_id: str
    step: RemediationStep

    def __str__(self) -> str:
        return one_line(f"{self.step.target_id}: {'; '.join(self.step.titles)}: started")


@attrs.frozen(kw_only=True, str=False)
class StepFinished(Value):
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
class RunFinished(Value):
    """All steps have a result."""

    report: RemediationReport

    def __str__(self) -> str:
        planned = len(self.report.plan.steps)
        failed = sum(bool(result.step_id) for result in self.report.failures)
        return (
            f"run {one_line(self.report.run_id)}: finished, {planned - failed} of {counted(planned, 'step')} succeeded"
        )


RemediationEvent = Union[RunStarted, StepStarted, StepFinished, RunFinished]


class RemediationHook(Protocol):
    """A function that receives the events of a run, one at a time, in order."""

    def __call__(self, event: RemediationEvent, /) -> None:
        """Receive one event."""


def log_progress(logger: logging.Logger | None = None) -> RemediationHook:
    """A hook that logs one line per event: INFO, and WARNING for a step that did not succeed.

    The lines contain ids, outcomes and error messages, and no values of resources.

    Args:
        logger: The logger to use; ``defender_remediate`` by default.
    """
    log = logger or logging.getLogger("defender_remediate")

    def hook(event: RemediationEvent, /) -> None:
        log.log(_level(event), "%s", event)

    return hook


def print_progress(stream: TextIO | None = None) -> RemediationHook:
    """A hook that writes one line per finished step, such as ``[3/20] ...: applied``.

    Args:
        stream: The stream to write to; ``sys.stderr`` by default, so that piped output stays clean.
    """

    def hook(event: RemediationEvent, /) -> None:
        if isinstance(event, StepFinished):
            target = stream or sys.stderr
            target.write(f"{event}\n")
            target.flush()

    return hook


def _level(event: RemediationEvent) -> int:
    ended_badly = (isinstance(event, StepFinished) and not event.result.outcome.succeeded) or (
        isinstance(event, RunFinished) and bool(event.report.failures)
    )
    return logging.WARNING if ended_badly else logging.INFO
