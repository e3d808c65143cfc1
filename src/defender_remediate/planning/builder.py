"""Builds the steps of a plan: reads each target, decides what one request changes on it, and previews the request.

Sends no write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.casing import fold
from defender_remediate.catalog.read_only import unsettable_members
from defender_remediate.catalog.type_facts import honours_if_match
from defender_remediate.errors import DefenderRemediateError, InvalidResourceIdError
from defender_remediate.executors.protocol import FixExecutor, Preview, PreviewContext
from defender_remediate.fixes.candidates import Candidate, CombinedFix, RejectedCandidate, combine
from defender_remediate.fixes.drift import depends_on, fingerprint, sent_whole
from defender_remediate.json_values import sha256
from defender_remediate.models.dependencies import Dependencies
from defender_remediate.models.fix import FixKind, Reversibility
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.plan import CreatedResource, RemediationStep, SkippedResource, SkipReason
from defender_remediate.planning.guards import protection
from defender_remediate.planning.selection import Selection
from defender_remediate.planning.targets import Reading, SkipTargetError, TargetReader, values_of
from defender_remediate.preflight.subject import Subject
from defender_remediate.threads import in_parallel


@attrs.frozen(kw_only=True)
class PlanDraft:
    """The steps and skips of some targets, before the checks.

    Attributes:
        removable: When a run is undone: what the run created and the plan leaves there.
        subjects: What the checks judge, for each step. A step without one is checked on its own.
    """

    steps: tuple[RemediationStep, ...] = ()
    skipped: tuple[SkippedResource, ...] = ()
    removable: tuple[str, ...] = ()
    subjects: tuple[Subject, ...] = attrs.field(default=(), repr=False)


def draft_plan(
    selection: Selection,
    *,
    executors: Mapping[str, FixExecutor],
    reader: Reader,
    targets: TargetReader,
    guards: Guards,
    workers: int,
) -> PlanDraft:
    """Turn a selection into steps and skips; each selected resource is in one of them for each recommendation.

    A fix of several resources that the selected resource links to makes one step for each of them. Each target is read
    once, in parallel. Nothing raises for a single target: it is skipped with the reason.
    """
    candidates, rejected = _resolved(selection.candidates, targets, workers)
    groups: dict[tuple[str, ...], list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.request_key, []).append(candidate)
    drafts = in_parallel(
        lambda group: _draft_target(tuple(group), executors, reader, targets, guards),
        [*groups.values()],
        workers=workers,
    )
    steps = tuple(step for draft in drafts for step in draft.steps)
    skipped = [
        *selection.skipped,
        *(one.skipped for one in rejected),
        *(skip for draft in drafts for skip in draft.skipped),
    ]
    steps, clashing = _one_step_per_target(steps)
    return PlanDraft(
        steps=steps,
        skipped=(*_without_repeats(steps, skipped), *clashing),
        subjects=tuple(subject for draft in drafts for subject in draft.subjects),
    )


def _resolved(
    candidates: Iterable[Candidate], targets: TargetReader, workers: int
) -> tuple[list[Candidate], list[RejectedCandidate]]:
    """The variants that apply, and what linked fixes link to, in the same order."""
    variants: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in candidates:
        variants.setdefault((fold(candidate.key), id_key(candidate.resource_id)), []).append(candidate)

    def resolve(group: list[Candidate]) -> tuple[Candidate | RejectedCandidate, ...]:
        try:
            return targets.resolve(tuple(group))
        except SkipTargetError as skip:
            return (RejectedCandidate(candidate=group[0], cause=skip.cause),)
        except DefenderRemediateError as error:
            return (group[0].rejected(SkipReason.NOT_READABLE, str(error)),)

    found = [one for ones in in_parallel(resolve, [*variants.values()], workers=workers) for one in ones]
    resolved = [one for one in found if isinstance(one, Candidate)]
    return resolved, [one for one in found if isinstance(one, RejectedCandidate)]


def _draft_target(
    group: tuple[Candidate, ...],
    executors: Mapping[str, FixExecutor],
    reader: Reader,
    targets: TargetReader,
    guards: Guards,
) -> PlanDraft:
    """The step for one target, if there is one, and the candidates that are skipped."""
    rejected: list[RejectedCandidate] = []
    planned: tuple[Candidate, ...] = group
    steps: tuple[RemediationStep, ...] = ()
    subjects: tuple[Subject, ...] = ()
    try:
        reading = targets.read(group)
        _refuse_protected(group[0], reading, guards)
        located = []
        for candidate in group:
            mismatch = _location_mismatch(candidate, reading, targets)
            if mismatch is None:
                fix = attrs.evolve(candidate.fix, api_version=reading.api_version)
                located.append(attrs.evolve(candidate, fix=fix, values=values_of(candidate, reading.resource)))
            else:
                rejected.append(mismatch)
        combined = combine(located, resource=reading.resource, before=reading.before)
        rejected.extend(combined.rejected)
        planned = combined.accepted
        if planned:
            if reading.before is None and combined.kind is FixKind.PATCH:
                # A fix that could have created it was among them, and was rejected.
                raise SkipTargetError(SkipReason.NOT_FOUND, "the target does not exist, and a PATCH does not create it")
            step = _step(combined, reading, executors, reader)
            steps, subjects = (step,), (_subject(step, combined, reading),)
    except SkipTargetError as skip:
        rejected.extend(RejectedCandidate(candidate=candidate, cause=skip.cause) for candidate in planned)
    except DefenderRemediateError as error:
        rejected.extend(candidate.rejected(SkipReason.NOT_READABLE, str(error)) for candidate in planned)
    return PlanDraft(steps=steps, skipped=tuple(one.skipped for one in rejected), subjects=subjects)


def _refuse_protected(first: Candidate, reading: Reading, guards: Guards) -> None:
    """Raise SkipTargetError if the guards protect the resource, or another resource that the fix writes to."""
    protected = protection(guards, first.resource_id, reading.resource)
    if protected is None and first.fix.is_elsewhere:
        target_id = attrs.evolve(first, values=values_of(first, reading.resource)).target_id
        found = protection(guards, target_id, reading.before)
        protected = None if found is None else f"{target_id}: {found}"
    if protected is not None:
        raise SkipTargetError(SkipReason.PROTECTED, protected)


def _location_mismatch(candidate: Candidate, reading: Reading, targets: TargetReader) -> RejectedCandidate | None:
    try:
        message = targets.location_mismatch(candidate, reading.resource)
    except DefenderRemediateError as error:
        return candidate.rejected(SkipReason.NOT_READABLE, str(error))
    return None if message is None else candidate.rejected(SkipReason.PARAMETER_MISSING, message)


def _step(
    combined: CombinedFix, reading: Reading, executors: Mapping[str, FixExecutor], reader: Reader
) -> RemediationStep:
    first = combined.accepted[0]
    fixes = combined.fixes
    context = PreviewContext(
        fixes=fixes,
        kind=combined.kind,
        values=first.values,
        resource_id=first.resource_id,
        target_id=first.target_id,
        before=reading.before,
        after=combined.after,
        etag=reading.etag if _honours_if_match(first.target_id) else "",
        reader=reader,
    )
    try:
        preview = executors[combined.kind].preview(context)
    except DefenderRemediateError as error:
        raise SkipTargetError(SkipReason.PREVIEW_FAILED, str(error)) from error
    dependencies = _dependencies(combined, preview)
    mark = fingerprint(reading.before, dependencies)
    request = preview.request
    reversibility = combined.reversibility
    is_limited = preview.undo_request is None or bool(preview.undo_limits)
    if is_limited and reversibility is Reversibility.EXACT:
        # What did not exist before is not restored by a write, so "exact" would promise too much.
        reversibility = Reversibility.CONDITIONAL
    return RemediationStep(
        id=sha256([id_key(first.target_id), combined.kind, request.method, request.path, request.body, mark])[:16],
        executor=str(combined.kind),
        keys=tuple(candidate.key for candidate in combined.accepted),
        titles=tuple(fix.title for fix in fixes),
        resource_id=first.resource_id,
        resource_type=first.fix.resource_type,
        target_id=first.target_id,
        api_version=reading.api_version,
        changes=preview.changes,
        request=request,
        undo_request=preview.undo_request,
        undo_limits=preview.undo_limits,
        creates=tuple(_with_dependencies(created) for created in preview.creates),
        fingerprint=mark,
        dependencies=dependencies,
        compliant_when=combined.compliant_when,
        impact=combined.impact,
        impact_reason="; ".join(dict.fromkeys(fix.impact_reason for fix in fixes if fix.impact_reason)),
        reversibility=reversibility,
        irreversible_keys=tuple(fix.key for fix in fixes if fix.is_irreversible),
        permissions=tuple(dict.fromkeys(action for fix in fixes for action in fix.permissions)),
    )


def _subject(step: RemediationStep, combined: CombinedFix, reading: Reading) -> Subject:
    policies = [policy for fix in combined.fixes for policy in fix.policy_definition_ids]
    return Subject(
        step=step,
        policies=tuple(dict.fromkeys(policies)),
        parameters=_chosen_parameters(combined),
        resource=reading.resource,
        before=reading.before,
        after=combined.after,
    )


def _chosen_parameters(combined: CombinedFix) -> dict[str, Any]:
    """The values that the caller chose, by parameter name."""
    values = combined.accepted[0].values
    names = [parameter.name for fix in combined.fixes for parameter in fix.parameters]
    return {name: values[name] for name in names if name in values}


def _dependencies(combined: CombinedFix, preview: Preview) -> Dependencies:
    """What the step depends on in its target. A condition on the resource counts where the resource is the target."""
    first = combined.accepted[0]
    conditions = [combined.compliant_when]
    for fix in combined.fixes:
        conditions += [each.when for each in fix.not_applicable]
        conditions += [fix.applies_when] if fix.applies_when and first.is_on_resource else []
    changed = [*(change.path for change in preview.changes), *sent_whole(preview.request)]
    if combined.kind is FixKind.TEMPLATE:
        # A what-if puts the end of the resource's id before each path: "(resource) properties.x", "config/web properties.x".
        prefix = first.target_id[len(first.resource_id) :].strip("/") or "(resource)"
        changed = [path.removeprefix(f"{prefix} ") for path in changed if path.startswith(f"{prefix} ")]
    return depends_on(
        changed=changed,
        conditions=conditions,
        is_whole=combined.kind is FixKind.PUT,
        ignored=_unsettable(first.target_id),
    )


def _with_dependencies(created: CreatedResource) -> CreatedResource:
    dependencies = depends_on(is_whole=True, ignored=_unsettable(created.resource_id))
    return attrs.evolve(created, dependencies=dependencies)


def _honours_if_match(path: str) -> bool:
    try:
        target = ResourceId.parse(path)
    except InvalidResourceIdError:
        return False
    return honours_if_match(target.type, target.name)


def _unsettable(path: str) -> tuple[str, ...]:
    try:
        target = ResourceId.parse(path)
    except InvalidResourceIdError:
        # A collection, such as the extensions of a machine: the conditions of the fix say which members count.
        return ()
    return unsettable_members(target.type, target.name)


def _one_step_per_target(
    steps: Iterable[RemediationStep],
) -> tuple[tuple[RemediationStep, ...], tuple[SkippedResource, ...]]:
    """Keep the first step for each target: the second would find its target changed by the first."""
    kept: dict[str, RemediationStep] = {}
    clashing: list[SkippedResource] = []
    for step in steps:
        if kept.setdefault(id_key(step.target_id), step) is not step:
            message = f"another step of this plan writes to {step.target_id}; plan again after applying"
            clashing.append(
                SkippedResource(
                    resource_id=step.resource_id, keys=step.keys, reason=SkipReason.CONFLICTS, message=message
                )
            )
    return tuple(kept.values()), tuple(clashing)


def _without_repeats(
    steps: Iterable[RemediationStep], skipped: Iterable[SkippedResource]
) -> tuple[SkippedResource, ...]:
    """Say that a resource is compliant only once, and only if there is nothing else to say about what it links to."""
    skips = list(skipped)
    told = {(fold(key), id_key(step.resource_id)) for step in steps for key in step.keys}
    for skip in skips:
        if skip.reason is not SkipReason.ALREADY_COMPLIANT:
            told |= {(fold(key), id_key(skip.resource_id)) for key in skip.keys}
    kept = []
    for skip in skips:
        places = {(fold(key), id_key(skip.resource_id)) for key in skip.keys}
        if skip.reason is not SkipReason.ALREADY_COMPLIANT or not places <= told:
            kept.append(skip)
            told |= places
    return tuple(kept)
