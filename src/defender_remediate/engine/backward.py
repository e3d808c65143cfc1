"""Planning the way back of a run: what can be restored is compared three ways, and planned like any other change."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from defender_remediate.engine.lanes import in_parallel
from defender_remediate.engine.prepare import Prepared
from defender_remediate.engine.step import StepRunner
from defender_remediate.errors import DefenderRemediateError, InvalidInputError
from defender_remediate.journal import RunState, StepState
from defender_remediate.models._json import ABSENT, canonical, sha256
from defender_remediate.models._table import HIDDEN
from defender_remediate.models.plan import PlannedRequest, PropertyChange, RemediationStep, SkippedResource, SkipReason
from defender_remediate.planning.changes import changes, fingerprint, settled
from defender_remediate.planning.merge import difference, merge_patch
from defender_remediate.planning.restore import Restoration, is_restored, restoration


def backward(run: RunState, *, only: Iterable[str] | None, runner: StepRunner, workers: int) -> Prepared:
    """Plan the undoing of a run, newest step first; reads each target once and writes nothing.

    Args:
        run: What the journal says of the run.
        only: Ids of the steps to undo; None for all that were sent.
        runner: Reads the targets.
        workers: Threads at most.

    Raises:
        InvalidInputError: A step id that the run does not have.
    """
    wanted = None if only is None else set(only)
    unknown = sorted((wanted or set()) - set(run.steps))
    if unknown:
        raise InvalidInputError(f"run {run.opened.run_id} has no step {unknown[0]!r}")
    states = [state for state in reversed(list(run.steps.values())) if wanted is None or state.step.id in wanted]
    done = in_parallel(lambda state: _one(state, runner), states, workers=workers)
    return Prepared(
        steps=tuple(step for prepared in done for step in prepared.steps),
        skipped=tuple(skip for prepared in done for skip in prepared.skipped),
    )


def _one(state: StepState, runner: StepRunner) -> Prepared:
    step = state.step
    if state.attempts == 0:
        return _skipped(step, SkipReason.NOT_APPLIED, "nothing of it was sent")
    if step.way_back is None:
        return _skipped(step, SkipReason.NO_WAY_BACK, f"its fix is reversible: {step.reversibility}")
    try:
        current = runner.read(step)
    except DefenderRemediateError as error:
        return _skipped(step, SkipReason.NOT_READABLE, str(error))
    if current is None:
        return _skipped(step, SkipReason.NOT_FOUND, f"{step.target_id} does not exist any more")
    kept, lost = _held(state)
    found = restoration(kept, settled(current))
    found = attrs.evolve(found, left_alone=(*found.left_alone, *lost))
    if not found.restored:
        why = (
            f"changed by somebody since, or secret: {', '.join(found.left_alone)}"
            if found.left_alone
            else "it is as it was"
        )
        return _skipped(step, SkipReason.NOTHING_TO_RESTORE, why)
    return Prepared(steps=(_step(step, current, found),))


def _held(state: StepState) -> tuple[tuple[PropertyChange, ...], tuple[str, ...]]:
    """The changes whose values the journal holds, and the paths of the others: secrets, which it never keeps."""
    lost = tuple(
        change.path
        for change in state.step.changes
        if f'"{HIDDEN}"' in canonical([_told(change.before), _told(change.after)])
    )
    return tuple(change for change in state.step.changes if change.path not in lost), lost


def _step(step: RemediationStep, current: object, found: Restoration) -> RemediationStep:
    now = settled(current)
    there, back = _request(step, now, found.body), _request(step, found.body, now)
    return attrs.evolve(
        step,
        id=sha256(["rollback", step.id, there.path, there.body, fingerprint(current)])[:16],
        changes=changes(now, found.body),
        request=there,
        way_back=back,
        fingerprint=fingerprint(current),
        compliant_when=is_restored(found.body, found.restored),
        impact_reason=f"undoes: {step.impact_reason}" if step.impact_reason else "",
        left_alone=found.left_alone,
        irreversible_keys=(),
    )


def _request(step: RemediationStep, before: dict[str, object], after: dict[str, object]) -> PlannedRequest:
    body = difference(before, after) if step.request.lays_over else merge_patch(before, after)
    return attrs.evolve(step.request, body=body, if_match="")


def _told(value: object) -> object:
    return None if value is ABSENT else value


def _skipped(step: RemediationStep, reason: SkipReason, message: str) -> Prepared:
    skip = SkippedResource(resource_id=step.resource_id, keys=step.keys, reason=reason, message=message)
    return Prepared(skipped=(skip,))
