"""Drafts a plan: reads each target, and decides what one request changes on it. Sends no write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.executors.protocol import FixExecutor
from defender_remediate.fixes.candidates import Candidate, RejectedCandidate, combine
from defender_remediate.fixes.decisions import is_decision
from defender_remediate.hooks import ProgressPhase
from defender_remediate.models.fix import FixKind
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import id_key
from defender_remediate.models.plan import RemediationStep, SkippedResource, SkipReason
from defender_remediate.planning.guards import protection
from defender_remediate.planning.selection import Selection
from defender_remediate.planning.steps import build_step, subject_of
from defender_remediate.planning.targets import SkipTargetError, TargetReader, values_of
from defender_remediate.preflight.subject import Subject
from defender_remediate.progress import Phases
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
    phases: Phases | None = None,
) -> PlanDraft:
    """Turn a selection into steps and skips; each selected resource is in one of them for each recommendation.

    A fix of several resources that the selected resource links to makes one step for each of them. Each target is read
    once, in parallel. Nothing raises for a single target: it is skipped with the reason.
    """
    targets.read_lists(selection.candidates, workers=workers)
    variants: dict[tuple[str, str, str], list[Candidate]] = {}
    for candidate in selection.candidates:
        # Of exemptions from several initiatives none is a variant of another one.
        own = id_key(candidate.target_id) if is_decision(candidate.target_id) else ""
        variants.setdefault((fold(candidate.key), id_key(candidate.resource_id), own), []).append(candidate)

    def resolve(group: list[Candidate]) -> tuple[Candidate | RejectedCandidate, ...]:
        """The variants that apply, and what linked fixes link to, in the same order."""
        try:
            return targets.resolve(group)
        except SkipTargetError as skip:
            return (RejectedCandidate(candidate=group[0], cause=skip.cause),)
        except DefenderRemediateError as error:
            return (group[0].rejected(SkipReason.NOT_READABLE, str(error)),)

    skipped = [*selection.skipped]
    groups: dict[tuple[str, ...], list[Candidate]] = {}
    to_read = [group for group in variants.values() if targets.reads_to_resolve(group)]
    read = iter(in_parallel(resolve, to_read, workers=workers))
    for group in variants.values():
        for one in next(read) if targets.reads_to_resolve(group) else group:
            if isinstance(one, Candidate):
                groups.setdefault(one.request_key, []).append(one)
            else:
                skipped.append(one.skipped)
    drafts = in_parallel(
        lambda group: _draft_target(tuple(group), executors, reader, targets, guards),
        [*groups.values()],
        workers=workers,
        progress=None if phases is None else phases.begin(ProgressPhase.READING_TARGETS, len(groups)),
    )
    steps: dict[str, RemediationStep] = {}
    for draft in drafts:
        skipped.extend(draft.skipped)
        for step in draft.steps:
            # One step for each target: the second would find its target changed by the first.
            if steps.setdefault(id_key(step.target_id), step) is not step:
                message = f"another step of this plan writes to {step.target_id}; plan again after applying"
                skipped.append(
                    SkippedResource(
                        resource_id=step.resource_id,
                        keys=step.keys,
                        titles=step.titles,
                        reason=SkipReason.CONFLICTS_WITH_ANOTHER_FIX,
                        message=message,
                    )
                )
    return PlanDraft(
        steps=tuple(steps.values()),
        skipped=_without_repeats(steps.values(), skipped),
        subjects=tuple(subject for draft in drafts for subject in draft.subjects),
    )


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
        first = attrs.evolve(group[0], values=values_of(group[0], reading.resource))
        protected = protection(guards, first.resource_id, reading.resource)
        if protected is None and first.fix.is_elsewhere:
            elsewhere = protection(guards, first.target_id, reading.before)
            protected = None if elsewhere is None else f"{first.target_id}: {elsewhere}"
        if protected is not None:
            raise SkipTargetError(SkipReason.PROTECTED, protected)
        located = []
        for candidate in group:
            fix = candidate.fix
            if fix.api_version != reading.api_version:
                fix = attrs.evolve(fix, api_version=reading.api_version)
            found = attrs.evolve(candidate, fix=fix, values=values_of(candidate, reading.resource))
            try:
                mismatch = targets.location_mismatch(candidate, reading.resource)
            except DefenderRemediateError as error:
                rejected.append(candidate.rejected(SkipReason.NOT_READABLE, str(error)))
                continue
            if mismatch is None:
                located.append(found)
            else:
                rejected.append(candidate.rejected(SkipReason.PARAMETER_MISSING, mismatch))
        combined = combine(located, resource=reading.resource, before=reading.before)
        rejected.extend(combined.rejected)
        planned = combined.accepted
        if planned:
            if reading.before is None and combined.kind is FixKind.PATCH:
                # A fix that could have created it was among them, and was rejected.
                raise SkipTargetError(SkipReason.NOT_FOUND, "the target does not exist, and a PATCH does not create it")
            step = build_step(combined, reading, executors, reader)
            steps, subjects = (step,), (subject_of(step, combined, reading),)
    except SkipTargetError as skip:
        rejected.extend(RejectedCandidate(candidate=candidate, cause=skip.cause) for candidate in planned)
    except DefenderRemediateError as error:
        rejected.extend(candidate.rejected(SkipReason.NOT_READABLE, str(error)) for candidate in planned)
    return PlanDraft(steps=steps, skipped=tuple(one.skipped for one in rejected), subjects=subjects)


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
