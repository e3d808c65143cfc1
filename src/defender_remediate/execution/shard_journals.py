"""The journals of the shards of a plan, and how they become one. What a shard has done is what its own journal says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from defender_remediate.display import quoted
from defender_remediate.errors import ShardError, UnknownRunError
from defender_remediate.journal import (
    Journal,
    Record,
    RunEnded,
    RunLog,
    RunOpened,
    StepAccepted,
    StepEnded,
    StepIntended,
    StepReviewed,
)
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.shard import shard_run_id
from defender_remediate.threads import in_parallel

# Records that are appended side by side share a flush to the disk.
_SIDE_BY_SIDE = 16


def begun_or_new(journal: Journal, run_id: str) -> RunLog:
    """The journal of a run, which may have begun before."""
    try:
        return journal.open(run_id)
    except UnknownRunError:
        return journal.create(run_id)


def check_same_shard(opened: RunOpened, shard: RemediationPlan) -> None:
    """Refuse the journal of another shard.

    Raises:
        ShardError: It is that of another plan, or of another part of it.
    """
    if opened.digest != shard.digest or opened.plan.shard != shard.shard:
        raise ShardError(
            f"the journal of run {quoted(opened.run_id)} is that of another plan than the one with the digest {shard.digest[:12]}…"
        )


def ended_records(plan: RemediationPlan, journals: Sequence[Journal]) -> tuple[RunOpened, list[Record]]:
    """The first record of the first shard, and what the journals say of the steps of all shards.

    Raises:
        ShardError: A shard has no run in the journals, has not ended, lacks a result, is not of this plan, or has two
            different histories.
        JournalError: A journal cannot be read.
    """
    first: RunOpened | None = None
    found: list[Record] = []
    for number, shard in enumerate(plan.shards(), start=1):
        run_id = shard_run_id(plan.digest, number)
        of_this = f"shard {number} of the plan with the digest {plan.digest[:12]}…"
        records = _history(journals, run_id, of_this)
        if not records or not isinstance(records[0], RunOpened):
            raise ShardError(f"{of_this} is missing", hint="apply it, or pass the journal that has it: journals=[...]")
        check_same_shard(records[0], shard)
        if not any(isinstance(record, RunEnded) for record in records):
            raise ShardError(f"{of_this} has not ended", hint=f"continue it with client.resume({run_id!r})")
        results = {record.result.step_id for record in records if isinstance(record, StepEnded)}
        for step in shard.steps:
            if step.id not in results:
                raise ShardError(f"{of_this} has no result of step {step.id} for {step.target_id} in its journal")
        first = first or records[0]
        found += (record for _, record in step_records(records))
    assert first is not None  # a plan without steps is not divided
    return first, found


def _history(journals: Iterable[Journal], run_id: str, of_this: str) -> tuple[Record, ...]:
    """The records of a run: of copies of one journal those of the newest; empty when no journal has the run."""
    newest: tuple[Record, ...] = ()
    for journal in journals:
        try:
            records = journal.read(run_id)
        except UnknownRunError:
            continue
        older, newer = sorted((newest, records), key=len)
        if newer[: len(older)] != older:
            raise ShardError(
                f"{of_this} has two different histories in the journals",
                hint="it was applied twice; pass only the journals of one run of each shard",
            )
        newest = newer
    return newest


def merge_records(log: RunLog, records: Iterable[Record], recorded: Counter[str]) -> None:
    """Append to the journal of a whole run what those of its shards say of steps, without what it has already.

    Args:
        log: The journal of the whole run.
        records: Records of shards, those of each step in order.
        recorded: How many records of each step the journal has; is updated.

    Raises:
        JournalError: The journal cannot be written.
    """
    new: dict[str, list[Record]] = defaultdict(list)
    for step, record in step_records(records):
        new[step].append(record)

    def append(step: str) -> None:
        for record in new[step][recorded[step] :]:
            log.append(record)
            recorded[step] += 1

    in_parallel(append, list(new), workers=_SIDE_BY_SIDE)


def counted_by_step(records: Iterable[Record]) -> Counter[str]:
    """How many records there are of each step."""
    return Counter(step for step, _ in step_records(records))


def step_records(records: Iterable[Record]) -> Iterator[tuple[str, Record]]:
    """The records that are about a step, with its id."""
    for record in records:
        if isinstance(record, (StepIntended, StepAccepted)):
            yield record.step_id, record
        elif isinstance(record, (StepEnded, StepReviewed)) and record.result.step_id is not None:
            yield record.result.step_id, record
