"""How the steps of earlier runs ended, on whichever machine wrote the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import attrs

from defender_remediate.errors import UnknownRunError
from defender_remediate.journal.protocol import Journal
from defender_remediate.journal.records import RunKind, RunOpened, StepEnded, StepReviewed
from defender_remediate.models.result import RemediationResult
from defender_remediate.models.shard import run_id_of
from defender_remediate.models.step import RemediationStep


@attrs.frozen(kw_only=True)
class PastOutcome:
    """How one step of an earlier run ended.

    Attributes:
        at: When that was recorded.
        kind: Whether the run applied a plan or rolled one back.
    """

    run_id: str
    kind: RunKind
    at: datetime
    step: RemediationStep
    result: RemediationResult


def past_outcomes(journal: Journal, run_ids: Iterable[str], *, since: datetime) -> tuple[PastOutcome, ...]:
    """The results of the steps of these runs, if they began since a time, oldest first; a review replaces a result.

    Raises:
        JournalError: A run cannot be read.
    """
    found = {key: one for run_id in run_ids for key, one in _outcomes_of(journal, run_id, since)}
    return tuple(sorted(found.values(), key=_order))


def _order(one: PastOutcome) -> tuple[datetime, bool, bool]:
    # At the same instant, a rollback comes after what it undoes, and a success after the failure that it makes good.
    return one.at, one.kind is RunKind.ROLLBACK, one.result.outcome.succeeded


def _outcomes_of(journal: Journal, run_id: str, since: datetime) -> Iterator[tuple[tuple[str, str], PastOutcome]]:
    try:
        records = journal.read(run_id)
    except UnknownRunError:
        # It was begun and not recorded.
        return
    opened = records[0]
    if not isinstance(opened, RunOpened) or opened.at < since:
        return
    steps = {step.id: step for step in opened.plan.steps}
    ended: dict[str, PastOutcome] = {}
    for record in records:
        if isinstance(record, (StepEnded, StepReviewed)) and record.result.step_id in steps:
            step = steps[record.result.step_id]
            ended[step.id] = PastOutcome(run_id=run_id, kind=opened.kind, at=record.at, step=step, result=record.result)
    # A step of a shard may be in the journal of the shard and in that of the whole run, and happened once.
    is_sharded = opened.shards or opened.plan.shard is not None
    run = run_id_of(opened.digest) if is_sharded else run_id
    yield from (((run, step_id), one) for step_id, one in ended.items())
