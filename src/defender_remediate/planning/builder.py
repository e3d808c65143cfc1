"""Planning: read the targets, decide what differs, and write it all down. Sends no write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.casing import fold
from defender_remediate.catalog.read_only import unsettable_members
from defender_remediate.errors import DefenderRemediateError, InvalidResourceIdError
from defender_remediate.executors.protocol import FixExecutor, Preview, PreviewContext
from defender_remediate.fixes.candidates import Candidate, Refusal, Verdict, judge
from defender_remediate.fixes.drift import depends_on, fingerprint, sent_whole
from defender_remediate.json_values import sha256
from defender_remediate.models.dependencies import Dependencies
from defender_remediate.models.fix import FixKind, Reversibility
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import CreatedResource, RemediationStep, SkippedResource, SkipReason
from defender_remediate.planning.guards import protection
from defender_remediate.planning.selection import Wanted
from defender_remediate.planning.targets import Reading, TargetReader
from defender_remediate.preflight.subject import Subject
from defender_remediate.threads import in_parallel


@attrs.frozen(kw_only=True)
class Prepared:
    """The steps and skips of some targets.

    Attributes:
        removable: When a run is undone: what it created, is as it left it, and stays.
        subjects: What is known of the steps besides, for the checks; a step that is not among them is checked alone.
    """

    steps: tuple[RemediationStep, ...] = ()
    skipped: tuple[SkippedResource, ...] = ()
    removable: tuple[str, ...] = ()
    subjects: tuple[Subject, ...] = attrs.field(default=(), repr=False)


def prepare(
    wanted: Wanted,
    *,
    executors: Mapping[str, FixExecutor],
    reader: Reader,
    targets: TargetReader,
    guards: Guards,
    workers: int,
) -> Prepared:
    """Turn what is wanted into steps and skips: each pair of a recommendation and a resource is in one of them.

    A fix that is written to several resources that the pair's resource links to makes a step for each. Each target is
    read once, in parallel. Nothing raises for a single target; it is left out with the reason.
    """
    unfolded = _unfolded(wanted.candidates, targets, workers)
    lanes: dict[tuple[str, ...], list[Candidate]] = {}
    for candidate in unfolded.candidates:
        lanes.setdefault(candidate.lane, []).append(candidate)
    groups = [tuple(group) for group in lanes.values()]
    done = in_parallel(lambda group: _target(group, executors, reader, targets, guards), groups, workers=workers)
    steps = tuple(step for prepared in done for step in prepared.steps)
    skipped = (*wanted.skipped, *unfolded.skipped, *(skip for prepared in done for skip in prepared.skipped))
    subjects = tuple(subject for prepared in done for subject in prepared.subjects)
    return _without_clashes(Prepared(steps=steps, skipped=_without_repeats(steps, skipped), subjects=subjects))


def _unfolded(candidates: Iterable[Candidate], targets: TargetReader, workers: int) -> Wanted:
    """The variants that apply, and what links lead to, in the same order."""
    variants: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in candidates:
        variants.setdefault((fold(candidate.key), fold(candidate.resource_id)), []).append(candidate)

    def unfold(group: tuple[Candidate, ...]) -> tuple[Candidate | Refusal, ...]:
        try:
            return targets.unfold(group)
        except DefenderRemediateError as error:
            return (Refusal(candidate=group[0], reason=SkipReason.NOT_READABLE, message=str(error)),)

    found = list(chain.from_iterable(in_parallel(unfold, [*map(tuple, variants.values())], workers=workers)))
    return Wanted(
        candidates=tuple(each for each in found if isinstance(each, Candidate)),
        skipped=tuple(_refused(each) for each in found if isinstance(each, Refusal)),
    )


def _without_repeats(
    steps: Iterable[RemediationStep], skipped: Iterable[SkippedResource]
) -> tuple[SkippedResource, ...]:
    """Say "already_compliant" of a resource once, and only when that is all there is to say of what it links to."""
    told = {(fold(key), fold(step.resource_id)) for step in steps for key in step.keys}
    found = [({(fold(key), fold(skip.resource_id)) for key in skip.keys}, skip) for skip in skipped]
    told.update(*(places for places, skip in found if skip.reason is not SkipReason.ALREADY_COMPLIANT))
    kept: list[SkippedResource] = []
    for places, skip in found:
        if skip.reason is not SkipReason.ALREADY_COMPLIANT or not places <= told:
            kept.append(skip)
            told |= places
    return tuple(kept)


def _target(
    group: tuple[Candidate, ...],
    executors: Mapping[str, FixExecutor],
    reader: Reader,
    targets: TargetReader,
    guards: Guards,
) -> Prepared:
    try:
        reading = targets.read(group)
    except DefenderRemediateError as error:
        return Prepared(skipped=tuple(_skip(candidate, SkipReason.NOT_READABLE, str(error)) for candidate in group))
    if reading.missing:
        return Prepared(skipped=tuple(_skip(candidate, reading.reason, reading.missing) for candidate in group))
    protected = _protected(group[0], reading, targets, guards)
    if protected:
        return Prepared(skipped=tuple(_skip(candidate, SkipReason.PROTECTED, protected) for candidate in group))
    near, far = _near(group, reading, targets)
    located = tuple(attrs.evolve(candidate, values=targets.values(candidate, reading)) for candidate in near)
    verdict = judge(located, resource=reading.resource, before=reading.before)
    skipped = (*far, *map(_refused, verdict.refused))
    if not verdict.accepted:
        return Prepared(skipped=skipped)
    if reading.before is None and verdict.kind is FixKind.PATCH:
        # A fix that could have made it was among them, and was refused.
        message = "what it changes does not exist, and a PATCH makes nothing"
        gone = tuple(_skip(candidate, SkipReason.NOT_FOUND, message) for candidate in verdict.accepted)
        return Prepared(skipped=skipped + gone)
    try:
        step = _step(verdict, reading, executors, reader)
    except DefenderRemediateError as error:
        failed = tuple(_skip(candidate, SkipReason.PREVIEW_FAILED, str(error)) for candidate in verdict.accepted)
        return Prepared(skipped=skipped + failed)
    return Prepared(steps=(step,), skipped=skipped, subjects=(_subject(step, verdict, reading),))


def _subject(step: RemediationStep, verdict: Verdict, reading: Reading) -> Subject:
    policies = chain.from_iterable(candidate.fix.policy_definition_ids for candidate in verdict.accepted)
    return Subject(
        step=step,
        policies=tuple(dict.fromkeys(policies)),
        resource=reading.resource,
        before=reading.before,
        after=verdict.after,
    )


def _near(
    group: tuple[Candidate, ...], reading: Reading, targets: TargetReader
) -> tuple[tuple[Candidate, ...], tuple[SkippedResource, ...]]:
    """The candidates whose parameters are in the right place, and the others."""
    near: list[Candidate] = []
    far: list[SkippedResource] = []
    for candidate in group:
        try:
            problem, reason = targets.far_parameter(candidate, reading.resource), SkipReason.PARAMETER_MISSING
        except DefenderRemediateError as error:
            problem, reason = str(error), SkipReason.NOT_READABLE
        if problem:
            far.append(_skip(candidate, reason, problem))
        else:
            near.append(candidate)
    return tuple(near), tuple(far)


def _protected(first: Candidate, reading: Reading, targets: TargetReader, guards: Guards) -> str:
    protected = protection(guards, first.resource_id, reading.resource)
    if protected or not first.fix.is_elsewhere:
        return protected
    target = attrs.evolve(first, values=targets.values(first, reading)).target_id
    found = protection(guards, target, reading.before)
    return f"{target}: {found}" if found else ""


def _step(verdict: Verdict, reading: Reading, executors: Mapping[str, FixExecutor], reader: Reader) -> RemediationStep:
    first = verdict.accepted[0]
    fixes = tuple(candidate.fix for candidate in verdict.accepted)
    preview = executors[verdict.kind].preview(
        PreviewContext(
            fixes=fixes,
            kind=verdict.kind,
            values=first.values,
            resource_id=first.resource_id,
            target_id=first.target_id,
            before=reading.before,
            after=verdict.after,
            etag=reading.etag,
            reader=reader,
        )
    )
    dependencies = _dependencies(verdict, preview)
    mark = fingerprint(reading.before, dependencies)
    request = preview.request
    return RemediationStep(
        id=sha256([fold(first.target_id), verdict.kind, request.method, request.path, request.body, mark])[:16],
        executor=str(verdict.kind),
        keys=tuple(candidate.key for candidate in verdict.accepted),
        titles=tuple(fix.title for fix in fixes),
        resource_id=first.resource_id,
        resource_type=first.fix.resource_type,
        target_id=first.target_id,
        api_version=first.fix.api_version,
        changes=preview.changes,
        request=request,
        undo_request=preview.undo_request,
        creates=tuple(map(_with_dependencies, preview.creates)),
        fingerprint=mark,
        dependencies=dependencies,
        compliant_when=verdict.compliant_when,
        impact=verdict.impact,
        impact_reason="; ".join(dict.fromkeys(fix.impact_reason for fix in fixes if fix.impact_reason)),
        reversibility=_reversibility(verdict, preview),
        irreversible_keys=tuple(fix.key for fix in fixes if fix.is_irreversible),
        permissions=tuple(dict.fromkeys(action for fix in fixes for action in fix.permissions)),
    )


def _dependencies(verdict: Verdict, preview: Preview) -> Dependencies:
    """What the step depends on in its target; the resource's own conditions count where it is the target."""
    first = verdict.accepted[0]
    fixes = [candidate.fix for candidate in verdict.accepted]
    conditions = [verdict.compliant_when, *(each.when for fix in fixes for each in fix.not_applicable)]
    if first.is_on_resource:
        conditions += [fix.applies_when for fix in fixes if fix.applies_when]
    changed = [*(change.path for change in preview.changes), *sent_whole(preview.request)]
    if verdict.kind is FixKind.TEMPLATE:
        # A what-if names what changes by the end of its resource's id: "(resource) properties.x", "config/web properties.x".
        below = first.target_id[len(first.resource_id) :].strip("/") or "(resource)"
        changed = [path.removeprefix(f"{below} ") for path in changed if path.startswith(f"{below} ")]
    return depends_on(
        changed=changed,
        conditions=conditions,
        is_whole=verdict.kind is FixKind.PUT,
        ignored=_unsettable(first.target_id),
    )


def _unsettable(resource_id: str) -> tuple[str, ...]:
    try:
        target = ResourceId.parse(resource_id)
    except InvalidResourceIdError:
        # A collection, such as the extensions of a machine: its conditions say which members count.
        return ()
    return unsettable_members(target.type, target.name)


def _with_dependencies(created: CreatedResource) -> CreatedResource:
    dependencies = depends_on(is_whole=True, ignored=_unsettable(created.resource_id))
    return attrs.evolve(created, dependencies=dependencies)


def _reversibility(verdict: Verdict, preview: Preview) -> Reversibility:
    if preview.undo_request is None and verdict.reversibility is Reversibility.EXACT:
        # What did not exist before cannot be put back by writing; saying "exact" would promise too much.
        return Reversibility.CONDITIONAL
    return verdict.reversibility


def _without_clashes(prepared: Prepared) -> Prepared:
    """Keep one step per target: the second would find its target moved by the first."""
    taken: set[str] = set()
    kept: list[RemediationStep] = []
    clashing: list[SkippedResource] = []
    for step in prepared.steps:
        if fold(step.target_id) in taken:
            message = f"another step of this plan writes {step.target_id}; plan again afterwards"
            clashing.append(
                SkippedResource(
                    resource_id=step.resource_id, keys=step.keys, reason=SkipReason.CONFLICTS, message=message
                )
            )
        else:
            taken.add(fold(step.target_id))
            kept.append(step)
    return attrs.evolve(prepared, steps=tuple(kept), skipped=(*prepared.skipped, *clashing))


def _refused(refusal: Refusal) -> SkippedResource:
    return _skip(refusal.candidate, refusal.reason, refusal.message)


def _skip(candidate: Candidate, reason: SkipReason, message: str) -> SkippedResource:
    return SkippedResource(resource_id=candidate.resource_id, keys=(candidate.key,), reason=reason, message=message)
