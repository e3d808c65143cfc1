"""Hooks: functions that are called with the events of planning, of a run and of verifying it.

A hook is any callable that takes one :data:`RemediationEvent`. It cannot change anything: its result is ignored. When it
raises, the work continues, and there is one warning for the hook however often it raises: in the report, and for planning
in the log of ``defender_remediate``.
"""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from typing import Protocol, TextIO, Union

import attrs

from defender_remediate.display import counted, one_line, quoted
from defender_remediate.enums import StrEnum
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.diagnosis import moment
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.result import RemediationReport, RemediationResult
from defender_remediate.models.step import RemediationStep
from defender_remediate.models.waves import WaveFinished
from defender_remediate.serialization import Value
from defender_remediate.validation import stream as text_stream

__all__ = [
    "PhaseProgressed",
    "PlanningFinished",
    "ProgressPhase",
    "RemediationEvent",
    "RemediationHook",
    "RunFinished",
    "RunStarted",
    "StepFinished",
    "StepStarted",
    "VerificationFinished",
    "WaveStarted",
    "log_progress",
    "print_progress",
]


class ProgressPhase(StrEnum):
    """What is being done while a plan is made or a run is verified."""

    READING_ASSESSMENTS = "reading_assessments"
    READING_TARGETS = "reading_targets"
    CHECKING = "checking"
    READING_BACK = "reading_back"
    WAITING_FOR_DEFENDER = "waiting_for_defender"


@attrs.frozen(kw_only=True, str=False)
class PhaseProgressed(Value):
    """Planning or verifying has begun a phase, or advanced in it.

    Attributes:
        run_id: The run that is verified; None while planning.
        done, total: How many targets or results; the total is None where it is not known.
        rate: How many a second; None at first.
        ends_at: When the phase ends at this rate, UTC; None where that is not known. While waiting for Defender: when its
            status is read again.
    """

    phase: ProgressPhase = attrs.field(converter=ProgressPhase)
    run_id: str | None = None
    done: int = 0
    total: int | None = None
    rate: float | None = None
    ends_at: datetime | None = None

    def __str__(self) -> str:
        count = "" if self.total is None else f" [{self.done}/{self.total}]"
        until = f", until {moment(self.ends_at)}" if self.ends_at else ""
        return f"{self.phase.label}{count}{until}"


@attrs.frozen(kw_only=True, str=False)
class PlanningFinished(Value):
    """A plan was made."""

    plan: RemediationPlan

    def __str__(self) -> str:
        return f"planned {counted(len(self.plan.steps), 'change')}, {len(self.plan.skipped)} skipped"


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
class WaveStarted(Value):
    """A wave of a run is about to start; ``WaveFinished`` follows it.

    Attributes:
        number, waves: 1 for the first wave, and how many there are.
        size: The steps of this wave.
    """

    run_id: str
    number: int
    waves: int
    size: int

    def __str__(self) -> str:
        return one_line(f"run {self.run_id}: wave {self.number} of {self.waves}, {counted(self.size, 'step')}")


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
        rate: Steps a second; None at first.
        ends_at: When the run ends at this rate, UTC; None where that is not known.
    """

    run_id: str
    step: RemediationStep
    result: RemediationResult
    done: int
    total: int
    rate: float | None = None
    ends_at: datetime | None = None

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


@attrs.frozen(kw_only=True, str=False)
class VerificationFinished(Value):
    """A run was verified."""

    report: RemediationReport

    def __str__(self) -> str:
        pending = sum(result.is_pending for result in self.report.results)
        return one_line(f"run {self.report.run_id}: verified, {pending} not assessed again yet")


RemediationEvent = Union[
    PhaseProgressed,
    PlanningFinished,
    RunStarted,
    WaveStarted,
    StepStarted,
    StepFinished,
    WaveFinished,
    RunFinished,
    VerificationFinished,
]


class RemediationHook(Protocol):
    """A function that receives the events of a run, one at a time, in order."""

    def __call__(self, event: RemediationEvent, /) -> None:
        """Receive one event."""


def log_progress(logger: logging.Logger | None = None) -> RemediationHook:
    """A hook that logs one line per event: INFO, WARNING for a step that did not succeed, DEBUG within a phase.

    The lines contain ids, outcomes and error messages, and no values of resources.

    Args:
        logger: The logger to use; ``defender_remediate`` by default.
    """
    if logger is not None and not callable(getattr(logger, "log", None)):
        raise InvalidInputError(f"logger must be a logging.Logger, got {quoted(logger)}")
    log = logger or logging.getLogger("defender_remediate")

    def hook(event: RemediationEvent, /) -> None:
        log.log(_level(event), "%s", event)

    return hook


def print_progress(stream: TextIO | None = None) -> RemediationHook:
    """A hook that writes one line per finished step, such as ``[3/20] ...: applied``.

    Args:
        stream: The stream to write to; ``sys.stderr`` by default, so that piped output stays clean.
    """
    if stream is not None:
        text_stream(stream, sys.stderr)

    def hook(event: RemediationEvent, /) -> None:
        if isinstance(event, StepFinished):
            target = text_stream(stream, sys.stderr)
            target.write(f"{event}\n")
            target.flush()

    return hook


def _level(event: RemediationEvent) -> int:
    if isinstance(event, PhaseProgressed) and event.done:
        return logging.DEBUG
    ended_badly = (isinstance(event, StepFinished) and not event.result.outcome.succeeded) or (
        isinstance(event, RunFinished) and bool(event.report.failures)
    )
    return logging.WARNING if ended_badly else logging.INFO
