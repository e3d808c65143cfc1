"""What a run tells its hooks while it goes on."""

from __future__ import annotations

from typing import Union

import attrs

from defender_remediate.models.plan import RemediationPlan, RemediationStep
from defender_remediate.models.result import RemediationReport, RemediationResult


@attrs.frozen(kw_only=True)
class RunStarted:
    """A plan is about to be applied."""

    run_id: str
    correlation_id: str
    plan: RemediationPlan = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class StepStarted:
    """A step is about to be tried; its target has not been read again yet."""

    run_id: str
    step: RemediationStep


@attrs.frozen(kw_only=True)
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


@attrs.frozen(kw_only=True)
class RunFinished:
    """All steps have their results."""

    report: RemediationReport


RemediationEvent = Union[RunStarted, StepStarted, StepFinished, RunFinished]
