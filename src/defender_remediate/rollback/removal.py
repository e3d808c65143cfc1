"""Removing what a run created: only what is asked for, only what the journal says it created, only as it left it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from defender_remediate.arm.reader import Reader
from defender_remediate.casing import fold
from defender_remediate.catalog.type_facts import honours_if_match
from defender_remediate.errors import DefenderRemediateError, InvalidInputError, PlanError
from defender_remediate.execution.target_state import read_at
from defender_remediate.fixes.diff import settled
from defender_remediate.fixes.drift import fingerprint
from defender_remediate.fixes.paths import look_up
from defender_remediate.fixes.restore import GONE, may_be_removed, what_goes
from defender_remediate.journal import StepState
from defender_remediate.json_values import sha256
from defender_remediate.models.fix import Reversibility
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import (
    CreatedResource,
    PlannedRequest,
    RemediationPlan,
    RemediationStep,
    SkippedResource,
    SkipReason,
)
from defender_remediate.planning.builder import PlanDraft
from defender_remediate.validation import several


def created_by(states: Iterable[StepState]) -> dict[str, CreatedResource]:
    """What steps have created and a rollback may remove, by id in lower case: as the journal says they left it."""
    results = (state.result for state in states if state.result is not None)
    found = (created for result in results for created in result.created)
    return {fold(created.resource_id): created for created in found if may_be_removed(created.resource_id)}


def to_remove(remove: Iterable[str], states: Iterable[StepState], *, run_id: str) -> frozenset[str]:
    """The ids that a caller wants removed, in lower case.

    Raises:
        InvalidInputError: One is not what the run created; names what is.
    """
    known = created_by(states)
    for wanted in several(remove):
        if fold(str(wanted)) not in known:
            those = ", ".join(created.resource_id for created in known.values()) or "nothing"
            raise InvalidInputError(
                f"run {run_id} did not create {wanted!r} in the steps to undo", hint=f"what it created: {those}"
            )
    return frozenset(fold(wanted) for wanted in several(remove))


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
        created = known.get(fold(step.target_id))
        is_sound = fold(step.request.path) == fold(step.target_id) and step.compliant_when == GONE
        if step.is_removal and (created is None or created.fingerprint != step.fingerprint or not is_sound):
            raise PlanError(
                f"the plan removes {step.target_id}, which the run that it undoes did not create so",
                hint="plan_rollback(run_id, remove=[...]) plans what can be removed",
            )


def removals(state: StepState, wanted: Collection[str], *, reader: Reader) -> PlanDraft:
    """What becomes of the things that a step created, what is below before what is above; reads each once.

    A step for each that goes, a skip for each that was asked for and stays; ``removable`` has those that nobody asked
    for and that could go.

    Args:
        state: The step, as the journal knows it.
        wanted: The ids to remove, in lower case.
        reader: Reads them.
    """
    steps: list[RemediationStep] = []
    skipped: list[SkippedResource] = []
    removable: list[str] = []
    known = created_by([state])
    for key in sorted(known, key=lambda one: one.count("/"), reverse=True):
        found = _removal(state, known[key], reader)
        if key not in wanted:
            removable += [found.target_id] if isinstance(found, RemediationStep) else []
        elif isinstance(found, RemediationStep):
            steps.append(found)
        else:
            skipped.append(found)
    return PlanDraft(steps=tuple(steps), skipped=tuple(skipped), removable=tuple(removable))


def covers(created: Mapping[str, CreatedResource], step: RemediationStep) -> bool:
    """Whether removing these undoes all of a step: everything that it shows is a part of one of them."""
    if step.executor != "template":
        return fold(step.target_id) in created
    # The preview of a deployment names what changes by the end of its id.
    return all(
        any(key.endswith(f"/{fold(change.path.partition(' ')[0].strip('/'))}") for key in created)
        for change in step.changes
    )


def _removal(state: StepState, created: CreatedResource, reader: Reader) -> RemediationStep | SkippedResource:
    try:
        current = read_at(reader, created.resource_id, created.api_version)
    except DefenderRemediateError as error:
        return _stays(state, created, SkipReason.NOT_READABLE, str(error))
    if current is None:
        return _stays(state, created, SkipReason.NOT_FOUND, "it does not exist any more")
    if not created.fingerprint:
        return _stays(state, created, SkipReason.NOT_READABLE, "the run could not read it, so nobody knows how it was")
    if fingerprint(current, created.dependencies) != created.fingerprint:
        return _stays(state, created, SkipReason.CHANGED_SINCE, "it is not as the run left it, so it is not removed")
    return _step(state.step, created, current)


def _stays(state: StepState, created: CreatedResource, reason: SkipReason, why: str) -> SkippedResource:
    message = f"{created.resource_id}: {why}"
    return SkippedResource(resource_id=state.step.resource_id, keys=state.step.keys, reason=reason, message=message)


def _step(step: RemediationStep, created: CreatedResource, current: Any) -> RemediationStep:
    etag = look_up(current, "etag")
    kind = ResourceId.parse(created.resource_id).type
    return RemediationStep(
        id=sha256(["removal", step.id, fold(created.resource_id), created.fingerprint])[:16],
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
            if_match=etag if isinstance(etag, str) and honours_if_match(kind) else "",
        ),
        fingerprint=created.fingerprint or "",
        dependencies=created.dependencies,
        compliant_when=GONE,
        impact=step.impact,
        impact_reason=f"undoes: {step.impact_reason}" if step.impact_reason else "",
        reversibility=Reversibility.NONE,
        permissions=(f"{kind}/read", f"{kind}/delete"),
    )
