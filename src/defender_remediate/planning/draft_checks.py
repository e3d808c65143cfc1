"""Makes the preflight checks of a draft. A step depends on what its checks read, and one that a check blocks is skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from defender_remediate.planning.builder import PlanDraft
from defender_remediate.preflight import Check, CheckReader, Subject, run_checks
from defender_remediate.preflight.check import applies_to
from defender_remediate.preflight.member_reads import MemberReads, with_member_reads


def with_check_dependencies(draft: PlanDraft, checks: Sequence[Check]) -> PlanDraft:
    """The draft, each of whose steps depends on what the checks that are made for it read in its target."""
    reads = {kind: _member_reads(checks, kind) for kind in {subject.root_type for subject in draft.subjects}}
    subjects = (with_member_reads(subject, reads[subject.root_type]) for subject in draft.subjects)
    return attrs.evolve(draft, subjects=tuple(subjects))


def _member_reads(checks: Sequence[Check], resource_type: str) -> tuple[MemberReads, ...]:
    """What the checks of a type read in a target: a change of it between the plan and the write is drift."""
    return tuple(reads for check in checks if applies_to(check, resource_type) for reads in getattr(check, "reads", ()))


def checked_draft(
    draft: PlanDraft, *, checks: Sequence[Check], reader: CheckReader, waivers: Mapping[str, str]
) -> PlanDraft:
    """The draft without the steps that a check blocks.

    Args:
        draft: The steps and skips.
        checks: The checks of the client.
        reader: Reads for the checks.
        waivers: The reasons for waived checks, by name.
    """
    subjects = {subject.step.id: subject for subject in draft.subjects}
    to_check = [subjects.get(step.id) or Subject(step=step) for step in draft.steps]
    checked = run_checks(to_check, checks=checks, reader=reader, waivers=waivers)
    return attrs.evolve(draft, steps=checked.steps, skipped=(*draft.skipped, *checked.skipped), subjects=())
