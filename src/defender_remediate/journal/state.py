"""Computes the state of a run and of each of its steps from the records of its journal.

A step passes through ``NEW``, ``INTENDED``, ``ACCEPTED`` and ``ENDED``. It can end in each of these phases: a step that is
skipped was never intended, a refused one never accepted. While it is ``INTENDED`` it can be intended again for the
next attempt. Once Azure has accepted it, it may be intended again only after the operation has failed without any effect
on the target. A step that has ended can be reviewed: its result changes, its phase does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Union

import attrs

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError, JournalError
from defender_remediate.journal.protocol import Journal
from defender_remediate.journal.records import (
    GuardsWaived,
    Note,
    Record,
    RunEnded,
    RunOpened,
    StepAccepted,
    StepEnded,
    StepIntended,
    StepReviewed,
)
from defender_remediate.json_values import FrozenMap
from defender_remediate.models.result import Outcome, RemediationResult
from defender_remediate.models.step import RemediationStep

# A step with such an outcome did not change its target, even if it was sent and refused before.
_UNCHANGED = (Outcome.BLOCKED, Outcome.SKIPPED, Outcome.ALREADY_COMPLIANT)
_REQUEST_TIMEOUT = 408

_StepRecord = Union[StepIntended, StepAccepted, StepEnded, StepReviewed]


class Phase(IntEnum):
    """The phase of a step; a later phase is greater.

    NEW: nothing was sent. INTENDED: a write may have been sent. ACCEPTED: Azure accepted it. ENDED: nothing more is sent.
    """

    NEW = 0
    INTENDED = 1
    ACCEPTED = 2
    ENDED = 3


@attrs.frozen(kw_only=True)
class StepState:
    """The recorded state of one step.

    Attributes:
        attempts: The number of times that its write was intended.
        before: The values of the changed members before the first attempt, by path; None without an attempt.
        fingerprint: The fingerprint of the target before the first attempt; None without an attempt.
        redacted_paths: The paths in ``before`` whose values the journal does not contain.
        accepted: Azure's acceptance; None if there was none.
        result: Its latest result; None until it has ended.
    """

    step: RemediationStep
    phase: Phase = Phase.NEW
    attempts: int = 0
    before: FrozenMap | None = attrs.field(default=None, repr=False)
    fingerprint: str | None = None
    redacted_paths: tuple[str, ...] = ()
    accepted: StepAccepted | None = None
    result: RemediationResult | None = None

    @property
    def was_refused(self) -> bool:
        """Whether a sent request certainly had no effect. Any change of the target was then made by someone else."""
        if self.result is None or self.accepted is not None:
            return False
        status = 0 if self.result.error is None else self.result.error.status
        is_refusal = 400 <= status < 500 and status != _REQUEST_TIMEOUT
        return self.result.outcome in _UNCHANGED or (self.result.outcome is Outcome.FAILED and is_refusal)


@attrs.frozen(kw_only=True)
class RunState:
    """The recorded state of one run.

    Attributes:
        opened: Its first record, with the plan.
        steps: Every step of the plan by its id, in the order of the plan.
        ended: Its last record; None for an interrupted run.
        notes: The remarks, in order.
        waivers: The waived guards with their reasons, from the start of the run and from each resume.
    """

    opened: RunOpened
    steps: Mapping[str, StepState] = attrs.field(converter=FrozenMap)
    ended: RunEnded | None = None
    notes: tuple[Note, ...] = ()
    waivers: tuple[str, ...] = ()

    @property
    def unfinished(self) -> tuple[StepState, ...]:
        """The steps that have not ended, which a resume has to finish."""
        return tuple(state for state in self.steps.values() if state.phase < Phase.ENDED)

    @property
    def waived_guards(self) -> dict[str, str]:
        """The reason for each guard that is waived, by its name."""
        return {name: reason for name, _, reason in (waiver.partition(": ") for waiver in self.waivers)}


def correlation_of(journal: Journal, run_id: str) -> str | None:
    """The correlation id of a run; None if the journal has no such run, or it cannot be read."""
    try:
        first = journal.read(run_id)[0]
    except (InvalidInputError, JournalError):
        return None
    return first.correlation_id if isinstance(first, RunOpened) else None


def replay(records: Iterable[Record], *, source: str = "") -> RunState:
    """Return the state of a run after all its records.

    Args:
        records: All records, in order.
        source: The name of the file, for error messages.

    Raises:
        JournalError: The order is invalid; the error names the record.
    """
    found = list(records) if isinstance(records, Iterable) else []
    if not found or not isinstance(found[0], RunOpened):
        raise JournalError("the first record has to be RunOpened", source=source, line=1)
    steps = {step.id: StepState(step=step) for step in found[0].plan.steps}
    ended: RunEnded | None = None
    notes: list[Note] = []
    waivers = [*found[0].waivers]
    for line, record in enumerate(found[1:], start=2):
        if isinstance(record, Note):
            notes.append(record)
        elif isinstance(record, GuardsWaived):
            waivers.extend(record.waivers)
        elif ended is not None or isinstance(record, RunOpened):
            where = "after RunEnded" if ended is not None else "in the middle of a run"
            raise JournalError(f"a {type(record).__name__} {where}", source=source, line=line)
        elif isinstance(record, RunEnded):
            ended = record
        else:
            state = _advanced(steps, record, source=source, line=line)
            steps[state.step.id] = state
    return RunState(opened=found[0], steps=steps, ended=ended, notes=tuple(notes), waivers=tuple(waivers))


def _advanced(steps: Mapping[str, StepState], record: _StepRecord, *, source: str, line: int) -> StepState:
    step_id = record.result.step_id if isinstance(record, (StepEnded, StepReviewed)) else record.step_id
    state = steps.get(step_id or "")
    if state is None:
        raise JournalError(f"the plan has no step {quoted(step_id)}", source=source, line=line)
    if problem := _order_problem(state, record):
        raise JournalError(f"{type(record).__name__} of step {step_id}: {problem}", source=source, line=line)
    return _next(state, record)


def _order_problem(state: StepState, record: _StepRecord) -> str | None:
    phase = state.phase.name
    if isinstance(record, StepIntended) and state.phase is Phase.ENDED:
        return f"the step is {phase}, so it must not be sent again"
    if isinstance(record, StepIntended) and record.attempt != state.attempts + 1:
        return f"the step has had {state.attempts} attempts, so this is not attempt {record.attempt}"
    if isinstance(record, StepAccepted) and state.phase is not Phase.INTENDED:
        return f"the step is {phase}, so there is no request that Azure could have accepted"
    if isinstance(record, StepEnded) and state.phase is Phase.ENDED:
        return "the step had ended before"
    if isinstance(record, StepReviewed) and state.phase is not Phase.ENDED:
        return f"the step is {phase}, so there is no result to replace"
    return None


def _next(state: StepState, record: _StepRecord) -> StepState:
    if isinstance(record, (StepEnded, StepReviewed)):
        return attrs.evolve(state, phase=Phase.ENDED, result=record.result)
    if isinstance(record, StepAccepted):
        return attrs.evolve(state, phase=Phase.ACCEPTED, accepted=record)
    state = attrs.evolve(state, phase=Phase.INTENDED, attempts=record.attempt, accepted=None)
    if record.attempt > 1:
        # A rollback restores what was there before the first attempt.
        return state
    return attrs.evolve(
        state, before=record.before, fingerprint=record.fingerprint, redacted_paths=record.redacted_paths
    )
