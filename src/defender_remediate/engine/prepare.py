"""Planning: read the targets, decide what differs, and write it all down. Sends no write."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.engine.parallel import in_parallel
from defender_remediate.engine.targets import Reading, TargetReader
from defender_remediate.engine.wanted import Wanted
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.executors.protocol import FixExecutor, Preview, PreviewContext
from defender_remediate.models._json import sha256
from defender_remediate.models.fix import Reversibility
from defender_remediate.models.guards import Guards
from defender_remediate.models.plan import RemediationStep, SkippedResource, SkipReason
from defender_remediate.planning.changes import fingerprint
from defender_remediate.planning.guards import protection
from defender_remediate.planning.targets import Candidate, Verdict, judge


@attrs.frozen(kw_only=True)
class Prepared:
    """The steps and skips of some targets."""

    steps: tuple[RemediationStep, ...] = ()
    skipped: tuple[SkippedResource, ...] = ()


def prepare(
    wanted: Wanted,
    *,
    executors: Mapping[str, FixExecutor],
    reader: Reader,
    targets: TargetReader,
    guards: Guards,
    workers: int,
) -> Prepared:
    """Turn what is wanted into steps and skips: as many as there are pairs of a recommendation and a resource.

    Each target is read once, in parallel. Nothing raises for a single target; it is left out with the reason.
    """
    lanes: dict[tuple[str, ...], list[Candidate]] = {}
    for candidate in wanted.candidates:
        lanes.setdefault(candidate.lane, []).append(candidate)
    groups = [tuple(group) for group in lanes.values()]
    done = in_parallel(lambda group: _target(group, executors, reader, targets, guards), groups, workers=workers)
    return _without_clashes(
        Prepared(
            steps=tuple(step for prepared in done for step in prepared.steps),
            skipped=(*wanted.skipped, *(skip for prepared in done for skip in prepared.skipped)),
        )
    )


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
        return Prepared(skipped=tuple(_skip(candidate, SkipReason.NOT_FOUND, reading.missing) for candidate in group))
    protected = protection(guards, group[0].resource_id, reading.resource)
    if protected:
        return Prepared(skipped=tuple(_skip(candidate, SkipReason.PROTECTED, protected) for candidate in group))
    located = tuple(attrs.evolve(candidate, values=targets.values(candidate, reading)) for candidate in group)
    verdict = judge(located, resource=reading.resource, before=reading.before)
    skipped = tuple(_skip(refusal.candidate, refusal.reason, refusal.message) for refusal in verdict.refused)
    if not verdict.accepted:
        return Prepared(skipped=skipped)
    try:
        step = _step(verdict, reading, executors, reader)
    except DefenderRemediateError as error:
        failed = tuple(_skip(candidate, SkipReason.PREVIEW_FAILED, str(error)) for candidate in verdict.accepted)
        return Prepared(skipped=skipped + failed)
    return Prepared(steps=(step,), skipped=skipped)


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
    mark = fingerprint(reading.before)
    request = preview.request
    return RemediationStep(
        id=sha256([first.target_id.casefold(), verdict.kind, request.method, request.path, request.body, mark])[:16],
        executor=str(verdict.kind),
        keys=tuple(candidate.key for candidate in verdict.accepted),
        titles=tuple(fix.title for fix in fixes),
        resource_id=first.resource_id,
        resource_type=first.fix.resource_type,
        target_id=first.target_id,
        api_version=first.fix.api_version,
        changes=preview.changes,
        request=request,
        way_back=preview.way_back,
        fingerprint=mark,
        compliant_when=verdict.compliant_when,
        impact=verdict.impact,
        impact_reason="; ".join(dict.fromkeys(fix.impact_reason for fix in fixes if fix.impact_reason)),
        reversibility=_reversibility(verdict, preview),
        irreversible_keys=tuple(fix.key for fix in fixes if fix.is_irreversible),
    )


def _reversibility(verdict: Verdict, preview: Preview) -> Reversibility:
    if preview.way_back is None and verdict.reversibility is Reversibility.EXACT:
        # What did not exist before cannot be put back by writing; saying "exact" would promise too much.
        return Reversibility.CONDITIONAL
    return verdict.reversibility


def _without_clashes(prepared: Prepared) -> Prepared:
    """Keep one step per target: the second would find its target moved by the first."""
    taken: set[str] = set()
    kept: list[RemediationStep] = []
    clashing: list[SkippedResource] = []
    for step in prepared.steps:
        if step.target_id.casefold() in taken:
            message = f"another step of this plan writes {step.target_id}; plan again afterwards"
            clashing.append(
                SkippedResource(
                    resource_id=step.resource_id, keys=step.keys, reason=SkipReason.CONFLICTS, message=message
                )
            )
        else:
            taken.add(step.target_id.casefold())
            kept.append(step)
    return Prepared(steps=tuple(kept), skipped=(*prepared.skipped, *clashing))


def _skip(candidate: Candidate, reason: SkipReason, message: str) -> SkippedResource:
    return SkippedResource(resource_id=candidate.resource_id, keys=(candidate.key,), reason=reason, message=message)
