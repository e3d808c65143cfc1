"""Planning the way back of a run: what can be restored is compared three ways, and planned like any other change."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from defender_remediate.engine.parallel import in_parallel
from defender_remediate.engine.prepare import Prepared
from defender_remediate.engine.step import StepRunner
from defender_remediate.errors import DefenderRemediateError, InvalidInputError
from defender_remediate.journal import RunState, StepState
from defender_remediate.models._json import ABSENT, canonical, sha256
from defender_remediate.models._table import HIDDEN
from defender_remediate.models.fix import Reversibility
from defender_remediate.models.plan import PlannedRequest, PropertyChange, RemediationStep, SkippedResource, SkipReason
from defender_remediate.planning.changes import changes, fingerprint, settled
from defender_remediate.planning.merge import difference, merge_patch
from defender_remediate.planning.restore import Restoration, is_restored, restoration

_UNDOES = "undoes: "
_WITHOUT_WAY_BACK = {True: "its fix is irreversible", False: "what it created is not removed"}


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
        raise InvalidInputError(
            f"run {run.opened.run_id} has no step {unknown[0]!r}", hint="report.plan.steps has the steps and their ids"
        )
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
        return _skipped(step, SkipReason.NO_WAY_BACK, _WITHOUT_WAY_BACK[step.reversibility is Reversibility.NONE])
    try:
        current = runner.read(step)
    except DefenderRemediateError as error:
        return _skipped(step, SkipReason.NOT_READABLE, str(error))
    if current is None:
        return _skipped(step, SkipReason.NOT_FOUND, "it does not exist any more")
    kept, lost = _held(state)
    found = restoration(kept, settled(current))
    moved = found.left_alone
    found = attrs.evolve(found, left_alone=(*moved, *lost))
    if not found.restored:
        return _skipped(step, SkipReason.NOTHING_TO_RESTORE, _why_nothing(moved, lost))
    return Prepared(steps=(_step(step, current, found),))


def _why_nothing(moved: Iterable[str], lost: Iterable[str]) -> str:
    reasons = [f"somebody changed {path} since" for path in moved]
    reasons += [f"the journal does not keep {path}, it looks like a secret" for path in lost]
    return "; ".join(reasons) or "it is as it was"


def _held(state: StepState) -> tuple[tuple[PropertyChange, ...], tuple[str, ...]]:
    """The changes whose values the journal holds, and the paths of the others: secrets, which it never keeps."""
    # A secret may be a part of a longer text, so the mark is looked for anywhere in the values.
    lost = tuple(
        change.path for change in state.step.changes if HIDDEN in canonical([_told(change.before), _told(change.after)])
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
        impact_reason=_undone(step.impact_reason),
        left_alone=found.left_alone,
        irreversible_keys=(),
    )


def _undone(reason: str) -> str:
    # Undoing what was undone brings the impact of the fix itself.
    again = reason.removeprefix(_UNDOES)
    return f"{_UNDOES}{reason}" if reason and again == reason else again


def _request(step: RemediationStep, before: dict[str, object], after: dict[str, object]) -> PlannedRequest:
    body = difference(before, after) if step.request.lays_over else merge_patch(before, after)
    return attrs.evolve(step.request, body=body, if_match="")


def _told(value: object) -> object:
    return None if value is ABSENT else value


def _skipped(step: RemediationStep, reason: SkipReason, message: str) -> Prepared:
    skip = SkippedResource(resource_id=step.resource_id, keys=step.keys, reason=reason, message=message)
    return Prepared(skipped=(skip,))
