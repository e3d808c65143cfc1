"""Plans the undo of a run: compares every target three ways and plans what can be restored like any other change."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.arm.reader import Reader
from defender_remediate.catalog.read_only import read_only_members
from defender_remediate.catalog.type_facts import etag_for_write
from defender_remediate.display import quoted
from defender_remediate.errors import DefenderRemediateError, InvalidInputError
from defender_remediate.execution.target_state import read_at
from defender_remediate.executors.requests import ANY_ETAG
from defender_remediate.fixes.candidates import resource_or_parent
from defender_remediate.fixes.decisions import is_recoverable, shows
from defender_remediate.fixes.diff import changes, settled
from defender_remediate.fixes.drift import depends_on, fingerprint, sent_whole
from defender_remediate.fixes.merge import difference, merge_patch, without
from defender_remediate.fixes.paths import is_below
from defender_remediate.fixes.restore import Restoration, is_restored, restoration
from defender_remediate.fixes.undo import Undo, undo_of
from defender_remediate.journal import RunState, StepState
from defender_remediate.json_values import ABSENT, canonical, sha256, thaw
from defender_remediate.models.fix import Reversibility
from defender_remediate.models.named import StepChoice, steps_named
from defender_remediate.models.step import CreatedResource, PlannedRequest, RemediationStep, SkipReason
from defender_remediate.planning.builder import PlanDraft
from defender_remediate.preflight.subject import Subject
from defender_remediate.redaction import HIDDEN
from defender_remediate.rollback.removal import SkipStepError, check_created, plan_removal_only, skipped
from defender_remediate.threads import in_parallel

_UNDOES = "undoes: "


def plan_undo(
    run: RunState, *, only: Iterable[StepChoice] | None, remove: Iterable[str] = (), reader: Reader, workers: int
) -> PlanDraft:
    """Plan the undo of a run, newest step first; reads each target once and writes nothing.

    Args:
        run: What the journal says of the run.
        only: Ids of the steps to undo; None for all that were sent.
        remove: Ids of resources that the run created, to be removed. Nothing is removed that is not named.
        reader: Reads the targets.
        workers: Threads at most.

    Raises:
        InvalidInputError: The run has no such step, or did not create such a resource.
    """
    wanted = None if only is None else set(steps_named(only))
    unknown = sorted((wanted or set()) - set(run.steps))
    if unknown:
        raise InvalidInputError(
            f"run {run.opened.run_id} has no step {quoted(unknown[0])}",
            hint="report.plan.steps has the steps and their ids",
        )
    states = [state for state in reversed(list(run.steps.values())) if wanted is None or state.step.id in wanted]
    removed = check_created(remove, states, run_id=run.opened.run_id)

    def undo(state: StepState) -> PlanDraft:
        try:
            return plan_step_undo(state, removed, reader, run.opened.at)
        except SkipStepError as skip:
            return skipped(state.step, skip.reason, skip.message)

    drafts = in_parallel(undo, states, workers=workers)
    return PlanDraft(
        removable=tuple(one for draft in drafts for one in draft.removable),
        steps=tuple(step for draft in drafts for step in draft.steps),
        skipped=tuple(skip for draft in drafts for skip in draft.skipped),
        subjects=tuple(subject for draft in drafts for subject in draft.subjects),
    )


def plan_step_undo(state: StepState, removed: Collection[str], reader: Reader, run_started: datetime) -> PlanDraft:
    """Plan the undo of one step.

    Raises:
        SkipStepError: The step is not undone; says why.
    """
    step = state.step
    if state.attempts == 0:
        raise SkipStepError(SkipReason.NOT_APPLIED, "the request was not sent")
    if state.was_refused:
        raise SkipStepError(SkipReason.NOT_APPLIED, "Azure refused the request")
    if step.undo_request is None:
        return plan_removal_only(state, removed, reader=reader)
    if is_recoverable(step):
        return _plan_recreation(step, step.undo_request, reader)

    try:
        current = read_at(reader, step.target_id, step.api_version)
    except DefenderRemediateError as error:
        raise SkipStepError(SkipReason.NOT_READABLE, str(error)) from error
    if current is None:
        raise SkipStepError(SkipReason.NOT_FOUND, "the target does not exist any more")
    created = wire.timestamp(wire.pick(current, "systemData"), "createdAt")
    if created is not None and created > run_started:
        raise SkipStepError(SkipReason.CHANGED_SINCE, "the target was deleted and recreated since")

    # The journal has no secrets. One may be a part of a longer text, so the mark is looked for anywhere in the values.
    values = {
        change.path: [value for value in (change.before, change.after) if value is not ABSENT]
        for change in step.changes
    }
    redacted = tuple(path for path, found in values.items() if HIDDEN in canonical(found))
    known = [change for change in step.changes if change.path not in redacted]
    undo = undo_of(known, target_id=step.target_id, is_put=step.request.is_merge_patch)
    target = resource_or_parent(step.target_id)
    read_only = read_only_members(target.type, target.name)
    found = restoration(undo.changes, settled(current), values=undo.values, read_only=read_only)
    if not found.restored:
        reason = SkipReason.CHANGED_SINCE if found.preserved else SkipReason.NOTHING_TO_RESTORE
        reasons = [f"{path} was changed since" for path in found.preserved]
        reasons += [f"the journal does not contain {path}, because it looks like a secret" for path in redacted]
        if undo.lasting:
            reasons += undo.limits
        raise SkipStepError(reason, "; ".join(reasons) or "the target is as it was before the run")
    planned = _rollback_step(step, current, found, undo, redacted)
    for path in found.preserved:
        # What goes with the state that is undone, such as the extensions of a plan that is switched off.
        if any(is_below(path, left) for left in planned.request.leave_out):
            raise SkipStepError(SkipReason.CHANGED_SINCE, f"{path} was changed since, and the undo would drop it")
    return PlanDraft(steps=(planned,), subjects=(Subject(step=planned, before=settled(current), after=found.body),))


def _plan_recreation(step: RemediationStep, request: PlannedRequest, reader: Reader) -> PlanDraft:
    """Plan to bring back what a step removed."""
    if HIDDEN in canonical(request.body):
        raise SkipStepError(SkipReason.NO_UNDO, "the journal does not have all of it, because it looks like a secret")
    try:
        current = read_at(reader, step.target_id, step.api_version)
    except DefenderRemediateError as error:
        raise SkipStepError(SkipReason.NOT_READABLE, str(error)) from error
    if current is not None:
        raise SkipStepError(SkipReason.CHANGED_SINCE, "it exists again")
    whole = depends_on(is_whole=True)
    planned = attrs.evolve(
        step,
        id=sha256(["recreation", step.id, request.path, request.body])[:16],
        changes=changes({}, request.body),
        request=request,
        undo_request=None,
        fingerprint=fingerprint(None, whole),
        dependencies=whole,
        compliant_when=shows(request.body["properties"]),
        reversibility=Reversibility.CONDITIONAL,
        permissions=tuple(re.sub("/delete$", "/write", action) for action in step.permissions),
        check_results=(),
        creates=(CreatedResource(resource_id=step.target_id, api_version=step.api_version, dependencies=whole),),
    )
    return PlanDraft(steps=(planned,), subjects=(Subject(step=planned, after=thaw(request.body)),))


def _rollback_step(
    step: RemediationStep, current: Any, found: Restoration, undo: Undo, redacted: tuple[str, ...]
) -> RemediationStep:
    now = settled(current)
    changed = changes(now, found.body)
    request = _request(step.undo_request or step.request, now, found.body)
    if request.if_match != ANY_ETAG:
        target = resource_or_parent(step.target_id)
        request = attrs.evolve(request, if_match=etag_for_write(current, target.type, target.name))
    target = resource_or_parent(step.target_id)
    read_only = read_only_members(target.type, target.name)
    # What is not sent back becomes what Azure makes of it.
    sent = [path for path in found.restored if not any(is_below(path, left) for left in request.leave_out)]
    proof = is_restored(found.body, sent or found.restored, may_be_absent=undo.values, replaced=without(now, read_only))
    dependencies = depends_on(
        changed=(*found.restored, *(change.path for change in changed), *sent_whole(request)),
        conditions=[proof],
        is_whole=step.request.is_merge_patch,
        ignored=step.dependencies.ignored,
    )
    mark = fingerprint(current, dependencies)
    # A rollback is a run of its own, which can be undone as well.
    again = undo_of(changed, target_id=step.target_id, is_put=step.request.is_merge_patch, before=now)
    fixed = restoration(again.changes, found.body, values=again.values)
    # Undoing what was undone has the impact of the fix itself.
    impact_reason = step.impact_reason
    if impact_reason is not None:
        is_undo_already = impact_reason.startswith(_UNDOES)
        impact_reason = impact_reason.removeprefix(_UNDOES) if is_undo_already else f"{_UNDOES}{impact_reason}"
    return attrs.evolve(
        step,
        id=sha256(["rollback", step.id, request.path, request.body, mark])[:16],
        changes=changed,
        request=request,
        undo_request=_request(step.request, found.body, fixed.body) if fixed.restored else None,
        undo_limits=again.limits,
        fingerprint=mark,
        dependencies=dependencies,
        compliant_when=proof,
        impact_reason=impact_reason,
        cost=None,
        preserved=(*found.preserved, *redacted, *undo.lasting),
        irreversible_keys=(),
        creates=(),
        check_results=(),
    )


def _request(planned: PlannedRequest, before: dict[str, Any], after: dict[str, Any]) -> PlannedRequest:
    if planned.is_merge_patch:
        body = difference(before, after)
    else:
        body = merge_patch(before, after, send_whole=planned.send_whole)
    # The etag in the plan is not the one that the target has now; a type that asks for any etag takes any.
    return attrs.evolve(planned, body=body, if_match=ANY_ETAG if planned.if_match == ANY_ETAG else None)
