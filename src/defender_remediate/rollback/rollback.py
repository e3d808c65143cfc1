"""Planning the way back of a run: what can be restored is compared three ways, and planned like any other change."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, InvalidInputError
from defender_remediate.execution.step import StepRunner
from defender_remediate.fixes.diff import changes, settled
from defender_remediate.fixes.drift import depends_on, fingerprint, sent_whole
from defender_remediate.fixes.merge import difference, merge_patch
from defender_remediate.fixes.restore import Restoration, is_restored, restoration
from defender_remediate.journal import RunState, StepState
from defender_remediate.json_values import ABSENT, canonical, sha256
from defender_remediate.models.fix import Reversibility
from defender_remediate.models.plan import PlannedRequest, PropertyChange, RemediationStep, SkippedResource, SkipReason
from defender_remediate.models.result import Outcome
from defender_remediate.planning.builder import PlanDraft
from defender_remediate.preflight.subject import Subject
from defender_remediate.redaction import HIDDEN
from defender_remediate.rollback.removal import covers, created_by, removals, to_remove
from defender_remediate.threads import in_parallel

_UNDOES = "undoes: "
# A step that ended so has left its target alone, also when it had been sent and refused before.
_LEFT_ALONE = (Outcome.BLOCKED, Outcome.SKIPPED, Outcome.ALREADY_COMPLIANT)
_TIMEOUT = 408
_STAYS = "what it created is removed only when you name it in remove=[...]"


def backward(
    run: RunState, *, only: Iterable[str] | None, remove: Iterable[str] = (), runner: StepRunner, workers: int
) -> PlanDraft:
    """Plan the undoing of a run, newest step first; reads each target once and writes nothing.

    Args:
        run: What the journal says of the run.
        only: Ids of the steps to undo; None for all that were sent.
        remove: Ids of resources that the run created, to be removed. Nothing is removed that is not named.
        runner: Reads the targets.
        workers: Threads at most.

    Raises:
        InvalidInputError: A step id that the run does not have, or a resource that it did not create.
    """
    wanted = None if only is None else set(only)
    unknown = sorted((wanted or set()) - set(run.steps))
    if unknown:
        raise InvalidInputError(
            f"run {run.opened.run_id} has no step {unknown[0]!r}", hint="report.plan.steps has the steps and their ids"
        )
    states = [state for state in reversed(list(run.steps.values())) if wanted is None or state.step.id in wanted]
    removed = to_remove(remove, states, run_id=run.opened.run_id)
    done = in_parallel(lambda state: _one(state, removed, runner, run.opened.at), states, workers=workers)
    return PlanDraft(
        removable=tuple(one for draft in done for one in draft.removable),
        steps=tuple(step for draft in done for step in draft.steps),
        skipped=tuple(skip for draft in done for skip in draft.skipped),
        subjects=tuple(subject for draft in done for subject in draft.subjects),
    )


def _one(state: StepState, removed: Collection[str], runner: StepRunner, began: datetime) -> PlanDraft:
    step = state.step
    if state.attempts == 0:
        return _skipped(step, SkipReason.NOT_APPLIED, "nothing of it was sent")
    if _was_refused(state):
        return _skipped(step, SkipReason.NOT_APPLIED, "Azure took nothing of it")
    if step.undo_request is None:
        return _without_way_back(state, removals(state, removed, reader=runner.session))
    try:
        current = runner.read(step)
    except DefenderRemediateError as error:
        return _skipped(step, SkipReason.NOT_READABLE, str(error))
    if current is None:
        return _skipped(step, SkipReason.NOT_FOUND, "it does not exist any more")
    if _is_another(current, began):
        return _skipped(step, SkipReason.CHANGED_SINCE, "it was deleted and made anew since, so it is somebody else's")
    kept, lost = _held(state)
    found = restoration(kept, settled(current))
    moved = found.preserved
    found = attrs.evolve(found, preserved=(*moved, *lost))
    if not found.restored:
        reason = SkipReason.CHANGED_SINCE if moved else SkipReason.NOTHING_TO_RESTORE
        return _skipped(step, reason, _why_nothing(moved, lost))
    planned = _step(step, current, found)
    return PlanDraft(steps=(planned,), subjects=(Subject(step=planned, before=settled(current), after=found.body),))


def _was_refused(state: StepState) -> bool:
    """Whether a write that was sent surely had no effect: then what the target shows now is somebody else's doing."""
    result = state.result
    if result is None or state.accepted is not None:
        return False
    status = 0 if result.error is None else result.error.status
    is_refusal = 400 <= status < 500 and status != _TIMEOUT
    return result.outcome in _LEFT_ALONE or (result.outcome is Outcome.FAILED and is_refusal)


def _is_another(current: object, began: datetime) -> bool:
    """Whether a target that the run has changed is a later one of the same name, where Azure tells its age."""
    made = wire.timestamp(wire.pick(current, "systemData"), "createdAt")
    return made is not None and made > began


def _without_way_back(state: StepState, going: PlanDraft) -> PlanDraft:
    """What a step created goes as it was asked for; what else it did stays, and the plan says so."""
    step = state.step
    gone = {fold(one.target_id) for one in going.steps}
    created = created_by([state])
    if gone and covers({key: created[key] for key in gone}, step):
        return going
    if created and not going.removable and not going.steps and not going.skipped and covers(created, step):
        return _skipped(step, SkipReason.NOTHING_TO_RESTORE, "what it created is gone, or not as the run left it")
    rest = _skipped(step, SkipReason.NO_UNDO, _why_not(step, is_removable=bool(going.removable)))
    return attrs.evolve(going, skipped=(*going.skipped, *rest.skipped))


def _why_not(step: RemediationStep, *, is_removable: bool) -> str:
    if step.is_removal:
        return "what it removed is not made again"
    if step.reversibility is Reversibility.NONE:
        return "its fix is irreversible"
    return _STAYS if is_removable else "what it changed is not put back"


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
    there, back = _request(step.undo_request or step.request, now, found.body), _request(step.request, found.body, now)
    proof = is_restored(found.body, found.restored)
    dependencies = depends_on(
        changed=(*found.restored, *sent_whole(there)),
        conditions=[proof],
        is_whole=step.request.is_merge_patch,
        ignored=step.dependencies.ignored,
    )
    mark = fingerprint(current, dependencies)
    return attrs.evolve(
        step,
        id=sha256(["rollback", step.id, there.path, there.body, mark])[:16],
        changes=changes(now, found.body),
        request=there,
        undo_request=back,
        fingerprint=mark,
        dependencies=dependencies,
        compliant_when=proof,
        impact_reason=_undone(step.impact_reason),
        preserved=found.preserved,
        irreversible_keys=(),
        creates=(),
        check_results=(),
    )


def _undone(reason: str | None) -> str | None:
    if reason is None:
        return None
    # Undoing what was undone brings the impact of the fix itself.
    again = reason.removeprefix(_UNDOES)
    return f"{_UNDOES}{reason}" if again == reason else again


def _request(planned: PlannedRequest, before: dict[str, object], after: dict[str, object]) -> PlannedRequest:
    if planned.is_merge_patch:
        body = difference(before, after)
    else:
        body = merge_patch(before, after, send_whole=planned.send_whole)
    # The etag of then is none of now; a type that asks for any takes any.
    return attrs.evolve(planned, body=body, if_match="*" if planned.if_match == "*" else "")


def _told(value: object) -> object:
    return None if value is ABSENT else value


def _skipped(step: RemediationStep, reason: SkipReason, message: str) -> PlanDraft:
    skip = SkippedResource(resource_id=step.resource_id, keys=step.keys, reason=reason, message=message)
    return PlanDraft(skipped=(skip,))
