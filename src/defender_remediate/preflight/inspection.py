"""Checking what was planned, before anybody is asked to approve it. Sends no write."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from defender_remediate.models.plan import RemediationStep, SkippedResource
from defender_remediate.planning.builder import Prepared
from defender_remediate.preflight import Preflight
from defender_remediate.preflight.subject import Subject
from defender_remediate.preflight.verdicts import decided
from defender_remediate.threads import in_parallel


def inspect(prepared: Prepared, *, preflight: Preflight, waive: Mapping[str, str], workers: int) -> Prepared:
    """Keep the steps that nothing stops, each with what was found; the others become skips that say why.

    What the steps share is read first, in parallel and once.

    Args:
        prepared: What was planned.
        preflight: The checks.
        waive: The reasons for going past some of them.
        workers: Threads at most.
    """
    known = {subject.step.id: subject for subject in prepared.subjects}
    subjects = [known.get(step.id) or Subject(step=step) for step in prepared.steps]
    in_parallel(lambda read: read(), preflight.first_reads(subjects), workers=workers)
    found = in_parallel(
        lambda subject: decided(subject.step, preflight.check_results(subject), waive), subjects, workers=workers
    )
    return attrs.evolve(
        prepared,
        steps=tuple(one for one in found if isinstance(one, RemediationStep)),
        skipped=(*prepared.skipped, *(one for one in found if isinstance(one, SkippedResource))),
        subjects=(),
    )
