"""Plans the removal of what a run created: only what is asked for, what the journal says it created, and as it left it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.catalog.type_facts import etag_for_write
from defender_remediate.display import quoted
from defender_remediate.errors import DefenderRemediateError, InvalidInputError, PlanError
from defender_remediate.execution.target_state import read_at
from defender_remediate.fixes.decisions import is_decision, is_recoverable, recreation
from defender_remediate.fixes.diff import settled
from defender_remediate.fixes.drift import fingerprint
from defender_remediate.fixes.restore import GONE, may_be_removed, what_goes
from defender_remediate.journal import StepState
from defender_remediate.json_values import sha256
from defender_remediate.models.fix import Reversibility
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.step import CreatedResource, PlannedRequest, RemediationStep, SkippedResource, SkipReason
from defender_remediate.planning.builder import PlanDraft
from defender_remediate.validation import strings


class SkipStepError(Exception):
    """A step that is not undone, and why."""

    def __init__(self, reason: SkipReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def skipped(step: RemediationStep, reason: SkipReason, message: str) -> PlanDraft:
    """The draft of a step that is not undone."""
    skip = SkippedResource(
        resource_id=step.resource_id, keys=step.keys, titles=step.titles, reason=reason, message=message
    )
    return PlanDraft(skipped=(skip,))


def created_by(states: Iterable[StepState]) -> dict[str, CreatedResource]:
    """Return what steps have created and a rollback may remove, by the key of its id, as the journal says they left it."""
    found = {}
    for state in states:
        for created in state.result.created if state.result is not None else ():
            if may_be_removed(created.resource_id):
                found[id_key(created.resource_id)] = created
    return found


def check_created(remove: Iterable[str], states: Iterable[StepState], *, run_id: str) -> frozenset[str]:
    """Return the keys of the ids that a caller wants removed.

    Raises:
        InvalidInputError: The run did not create one of them; the hint names what it created.
    """
    known = created_by(states)
    wanted = strings("remove", remove)
    for resource_id in wanted:
        if id_key(str(resource_id)) not in known:
            created = ", ".join(one.resource_id for one in known.values()) or "nothing"
            raise InvalidInputError(
                f"run {run_id} did not create {quoted(resource_id)} in the steps to undo",
                hint=f"it created {created}",
            )
    return frozenset(map(id_key, wanted))


def check_removals(plan: RemediationPlan, states: Iterable[StepState]) -> None:
    """Refuse a plan that would remove anything but what the run that it rolls back has created.

    Args:
        plan: Any plan.
        states: The steps of that run, from its journal; none for a plan of fixes.

    Raises:
        PlanError: It would.
    """
    known = created_by(states)
    for step in plan.steps:
        if not step.is_removal or (not plan.rolls_back and is_recoverable(step)):
            continue
        created = known.get(id_key(step.target_id))
        is_target = id_key(step.request.path) == id_key(step.target_id) and step.compliant_when == GONE
        if created is None or created.fingerprint != step.fingerprint or not is_target:
            raise PlanError(
                f"the plan removes {step.target_id}, which the run that it rolls back did not create in this state",
                hint="plan_rollback(run_id, remove=[...]) plans what can be removed.",
            )


def plan_removals(state: StepState, wanted: Collection[str], *, reader: Reader) -> PlanDraft:
    """Plan what becomes of the resources that a step created, children before parents; reads each once.

    Each that was asked for gets a step, or a skip that says why it stays. ``removable`` has those that could be removed and
    were not asked for.

    Args:
        state: The step, as the journal knows it.
        wanted: The keys of the ids to remove.
        reader: Reads them.
    """
    steps: list[RemediationStep] = []
    skipped: list[SkippedResource] = []
    removable: list[str] = []
    known = created_by([state])
    for key in sorted(known, key=lambda one: one.count("/"), reverse=True):
        created = known[key]
        current: Any = None
        problem: tuple[SkipReason, str] | None = None
        try:
            current = read_at(reader, created.resource_id, created.api_version)
        except DefenderRemediateError as error:
            problem = SkipReason.NOT_READABLE, str(error)
        else:
            if current is None:
                problem = SkipReason.NOT_FOUND, "it does not exist any more"
            elif not created.fingerprint:
                problem = SkipReason.NOT_READABLE, "the run could not read it, so its state then is unknown"
            elif fingerprint(current, created.dependencies) != created.fingerprint:
                problem = SkipReason.CHANGED_SINCE, "it changed since the run, so it is not removed"
        # An exemption or the like is removed unasked: nothing depends on it, and it can be brought back.
        if problem is None and (key in wanted or is_decision(created.resource_id)):
            steps.append(_removal_step(state.step, created, current))
        elif problem is None:
            removable.append(created.resource_id)
        elif key in wanted:
            reason, why = problem
            skipped.append(
                SkippedResource(
                    resource_id=state.step.resource_id,
                    keys=state.step.keys,
                    titles=state.step.titles,
                    reason=reason,
                    message=f"{created.resource_id}: {why}",
                )
            )
    return PlanDraft(steps=tuple(steps), skipped=tuple(skipped), removable=tuple(removable))


def plan_removal_only(state: StepState, wanted: Collection[str], *, reader: Reader) -> PlanDraft:
    """Plan the undo of a step without an undo request: what it created can be removed, and the plan says what else stays.

    Raises:
        SkipStepError: There is nothing left to undo.
    """
    step, created = state.step, created_by([state])
    draft = plan_removals(state, wanted, reader=reader)
    going = {id_key(removal.target_id) for removal in draft.steps}
    if going and is_covered(step, {key: created[key] for key in going}):
        return draft
    is_anything_left = draft.removable or draft.steps or draft.skipped
    if created and not is_anything_left and is_covered(step, created):
        raise SkipStepError(
            SkipReason.NOTHING_TO_RESTORE, "what the step created does not exist any more or has changed since"
        )
    if step.is_removal:
        why = "what the step removed is not created again"
    elif step.reversibility is Reversibility.NONE:
        why = "the fix is irreversible"
    elif step.undo_limits:
        why = " ".join(step.undo_limits)
    elif draft.removable:
        why = "what the step created is removed only when you name it in remove=[...]"
    else:
        why = "what the step changed is not restored"
    return attrs.evolve(draft, skipped=(*draft.skipped, *skipped(step, SkipReason.NO_UNDO, why).skipped))


def is_covered(step: RemediationStep, created: Mapping[str, CreatedResource]) -> bool:
    """Whether removing these resources, by the keys of their ids, undoes everything that a step shows."""
    if step.executor != "template":
        return id_key(step.target_id) in created
    for change in step.changes:
        # The preview of a deployment names what changes by the end of its id.
        end = f"/{id_key(change.path.partition(' ')[0]).strip('/')}"
        if not any(key.endswith(end) for key in created):
            return False
    return True


def _removal_step(step: RemediationStep, created: CreatedResource, current: Any) -> RemediationStep:
    kind = ResourceId.parse(created.resource_id).type
    undo = None
    if is_decision(created.resource_id):
        undo = recreation(created.resource_id, created.api_version, current)
    return RemediationStep(
        id=sha256(["removal", step.id, id_key(created.resource_id), created.fingerprint])[:16],
        executor=step.executor,
        keys=step.keys,
        titles=step.titles,
        resource_id=step.resource_id,
        resource_type=step.resource_type,
        target_id=created.resource_id,
        api_version=created.api_version,
        changes=what_goes(settled(current)),
        request=PlannedRequest(
            method="DELETE",
            path=created.resource_id,
            api_version=created.api_version,
            body={},
            if_match=etag_for_write(current, kind),
        ),
        undo_request=undo,
        fingerprint=created.fingerprint or "",
        dependencies=created.dependencies,
        compliant_when=GONE,
        impact=step.impact,
        impact_reason=f"undoes: {step.impact_reason}" if step.impact_reason else None,
        reversibility=Reversibility.NONE if undo is None else Reversibility.EXACT,
        permissions=(f"{kind}/read", f"{kind}/delete"),
    )
