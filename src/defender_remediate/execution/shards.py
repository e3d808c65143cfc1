"""Runs the shards of a plan on an executor of the caller's: what a worker gets, what it answers, and how that is merged.

A worker gets JSON without secrets and answers JSON. Its journal is what counts: a shard that is submitted again, after its worker has
died or in a resume, continues from its own journal, so nothing is sent twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import Any, Union

import attrs

from defender_remediate import serialization
from defender_remediate.arm.clock import Clock
from defender_remediate.display import quoted
from defender_remediate.errors import (
    DefenderRemediateError,
    InvalidInputError,
    JournalError,
    JournalLockedError,
    JournalLockLostError,
    MalformedResponseError,
    ShardError,
    ShardsUnfinishedError,
    UnknownRunError,
)
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
    redact_record,
)
from defender_remediate.journal.records import decode, encode
from defender_remediate.json_values import FrozenMap, freeze
from defender_remediate.models.plan import RemediationPlan, RemediationStep
from defender_remediate.models.result import RemediationResult
from defender_remediate.models.shard import shard_run_id
from defender_remediate.redaction import redact_json, redact_text
from defender_remediate.threads import Executor, in_parallel, on_executor
from defender_remediate.validation import tuple_of

# Tasks that are with the executor at once: each holds the text of its shard.
_MOST_TASKS = 128
# A worker that died may have left a lock that ends by itself, such as a lease.
_LOCK_WAITS = 13
_LOCK_WAIT_SECONDS = 10.0
# Records that are appended side by side share a flush to the disk.
_SIDE_BY_SIDE = 16
_STEP_RECORDS = (StepIntended, StepAccepted, StepEnded, StepReviewed)
_Progress = tuple[RemediationStep, Union[RemediationResult, None]]


@attrs.frozen(kw_only=True)
class ShardTask:
    """What a worker gets.

    Attributes:
        shard: The shard, without what it only shows: its skips and the score.
        approve: The digest that was approved.
        began: When the run of the whole plan began: its guards held then.
        steps: The ids of the steps to execute now.
        waive: The guards that are waived, with their reasons.
    """

    shard: RemediationPlan
    approve: str
    began: datetime
    steps: tuple[str, ...] = attrs.field(validator=tuple_of(str))
    waive: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze)

    @property
    def number(self) -> int:
        """The number of the shard."""
        return self.shard.shard.number if self.shard.shard is not None else 0

    def to_json(self) -> str:
        """The task as JSON text."""
        members = {"kind": "ShardTask", "version": serialization.VERSION, **serialization.members_of(self)}
        return "".join(serialization.json_parts(members))

    @classmethod
    def from_json(cls, text: str) -> ShardTask:
        """Read a task back.

        Raises:
            InvalidInputError: The text is not a task.
        """
        return serialization.decode(cls, serialization.loads(text, "ShardTask"))


@attrs.frozen(kw_only=True)
class ShardAnswer:
    """What a worker answers.

    Attributes:
        records: What its journal says of the steps of the task.
        unrecorded: The results that its journal could not take.
        warnings: Problems outside the steps.
    """

    records: tuple[Record, ...]
    unrecorded: tuple[RemediationResult, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, task: ShardTask, records: Iterable[Record], results: Iterable[RemediationResult], warnings: tuple[str, ...]
    ) -> ShardAnswer:
        """The answer to a task, from the journal of the shard and the results of the run."""
        found = tuple(record for step, record in _by_step(records) if step in task.steps)
        ended = {record.result.step_id for record in found if isinstance(record, StepEnded)}
        unrecorded = tuple(one for one in results if one.step_id in task.steps and one.step_id not in ended)
        return cls(records=found, unrecorded=unrecorded, warnings=warnings)

    def to_json(self) -> str:
        """The answer as JSON text, without secrets: records have none."""
        members = {
            "kind": "ShardAnswer",
            "version": serialization.VERSION,
            "records": tuple(map(encode, self.records)),
            "unrecorded": tuple(redact_json(serialization.encode(one)) for one in self.unrecorded),
            "warnings": self.warnings,
        }
        return "".join(serialization.json_parts(members))

    @classmethod
    def from_json(cls, text: str) -> ShardAnswer:
        """Read an answer back.

        Raises:
            InvalidInputError: The text is not an answer.
            JournalError: A record in it is not one.
        """
        document = serialization.loads(text, "ShardAnswer")
        read = serialization.decode(_AnswerText, document)
        if not all(isinstance(one, Mapping) for one in read.records):
            raise InvalidInputError("a record in the answer of a worker is not an object")
        return cls(
            records=tuple(decode(one, source="the answer of a worker") for one in read.records),
            unrecorded=read.unrecorded,
            warnings=read.warnings,
        )

    def results_of(self, task: ShardTask) -> dict[str, RemediationResult]:
        """The results of the steps of a task, by their ids.

        Raises:
            MalformedResponseError: It has not exactly those.
        """
        results = {str(one.step_id): one for one in self.unrecorded}
        for record in self.records:
            if isinstance(record, (StepEnded, StepReviewed)):
                results[str(record.result.step_id)] = record.result
        if set(results) != set(task.steps) or {step for step, _ in _by_step(self.records)} - set(results):
            raise MalformedResponseError(
                f"the worker of shard {task.number} did not answer with the results of its steps"
            )
        return results


@attrs.frozen(kw_only=True)
class _AnswerText:
    records: tuple[Any, ...]
    unrecorded: tuple[RemediationResult, ...]
    warnings: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ShardPool:
    """What executes tasks.

    Attributes:
        executor: The executor of the caller; None to execute one task after the other here.
        run: Executes a task and gives the answer; both are JSON. It is called in the workers.
    """

    executor: Executor | None
    run: Callable[[str], str] = attrs.field(repr=False)


def shard_pool(
    executor: Executor | None, make_client: Callable[[], Any] | None, run_with: Callable[[Callable[[], Any], str], str]
) -> ShardPool:
    """The pool of a caller.

    Args:
        executor: What the caller passed.
        make_client: What the caller passed.
        run_with: Executes a task with a client that the function makes.

    Raises:
        InvalidInputError: One of them is missing or of the wrong kind.
    """
    if not isinstance(executor, Executor):
        get = getattr(executor, "get_executor", None)
        raise InvalidInputError(
            f"executor must be a concurrent.futures.Executor, got {quoted(executor)}",
            hint="pass its get_executor()"
            if callable(get)
            else "pass ProcessPoolExecutor() or a Dask client's get_executor()",
        )
    if not callable(make_client):
        raise InvalidInputError(
            f"make_client must be a function that makes the client of a worker, got {quoted(make_client)}",
            hint="pass a function of a module: a credential is made in the worker",
        )
    return ShardPool(executor=executor, run=partial(run_with, make_client))


@attrs.define(kw_only=True)
class ShardedSteps:
    """The execution of steps of a whole plan on a pool, shard by shard, with one journal for all.

    Attributes:
        opened: The first record of the run of the whole plan.
        log: The journal of that run, into which the journals of the shards are merged.
        waive: The guards that are waived by now, with their reasons.
        warnings: What workers warned of, and what could not be recorded.
    """

    pool: ShardPool
    plan: RemediationPlan
    opened: RunOpened
    log: RunLog
    clock: Clock
    waive: Mapping[str, str]
    warnings: list[str] = attrs.field(factory=list, init=False)
    _shards: tuple[RemediationPlan, ...] | None = attrs.field(default=None, init=False)
    _waits: Counter[str] = attrs.field(factory=Counter, init=False)
    _tried_at: dict[str, float] = attrs.field(factory=dict, init=False)

    def execute(self, steps: Sequence[RemediationStep]) -> Generator[_Progress, None, None]:
        """Yields each step before its shard is submitted, and again with its result when that has ended and is recorded.

        Raises:
            ShardsUnfinishedError: After everything else: shards whose steps have no result yet.
        """
        wanted = {step.id: step for step in steps}
        recorded = counted_by_step(self.log.records)
        under_way: dict[str, ShardTask] = {}
        unfinished: dict[int, BaseException] = {}

        def submitted() -> Iterator[str]:
            for task in self._tasks(wanted):
                text = task.to_json()
                under_way[text] = task
                yield text

        calls = on_executor(self.pool.executor, self.pool.run, submitted(), most=_MOST_TASKS, again=self._is_locked)
        with closing(calls):
            for text, outcome in calls:
                if outcome is None:
                    self._tried_at[text] = self.clock.monotonic()
                    yield from ((wanted[step], None) for step in under_way[text].steps)
                    continue
                task = under_way.pop(text)
                if isinstance(outcome, BaseException):
                    unfinished[task.number] = outcome
                    continue
                try:
                    answer = ShardAnswer.from_json(outcome)
                    results = answer.results_of(task)
                except DefenderRemediateError as error:
                    unfinished[task.number] = error
                    continue
                self._merge(answer, recorded)
                yield from ((wanted[step], results[step]) for step in task.steps)
        if unfinished:
            raise self._unfinished(unfinished)

    def _tasks(self, wanted: Collection[str]) -> Iterator[ShardTask]:
        self._shards = self._shards or self.plan.shards()
        for shard in self._shards:
            steps = tuple(step.id for step in shard.steps if step.id in wanted)
            if steps:
                yield ShardTask(
                    shard=attrs.evolve(shard, skipped=(), score=None),
                    approve=self.opened.digest,
                    began=self.opened.at,
                    steps=steps,
                    waive=FrozenMap(self.waive),
                )

    def _is_locked(self, task: str, error: BaseException) -> bool:
        """Whether a shard is locked, perhaps by a worker that is dead, and is to be tried again; waits before that."""
        if not isinstance(error, (JournalLockedError, JournalLockLostError)) or self._waits[task] >= _LOCK_WAITS:
            return False
        self._waits[task] += 1
        # While one was waited for, the others had their pause too.
        left = self._tried_at[task] + _LOCK_WAIT_SECONDS - self.clock.monotonic()
        if left > 0:
            self.clock.sleep(left)
        self._tried_at[task] = self.clock.monotonic()
        return True

    def _merge(self, answer: ShardAnswer, recorded: Counter[str]) -> None:
        """Append the records of an answer to the journal of the whole run."""
        self.warnings += (redact_text(warning) for warning in answer.warnings)
        ended = [StepEnded(at=self.clock.now(), result=one) for one in answer.unrecorded]
        try:
            merge_records(self.log, [*answer.records, *ended], recorded)
        except JournalLockLostError:
            raise
        except JournalError as error:
            # The shard has a journal of its own, from which a resume reads what is missing here.
            self.warnings.append(f"the journal could not be written: {redact_text(error.message)}")

    def _unfinished(self, errors: dict[int, BaseException]) -> ShardsUnfinishedError:
        number = min(errors)
        error = errors[number]
        found = error.message if isinstance(error, DefenderRemediateError) else f"{type(error).__name__}: {error}"
        told = f"{len(errors)} of {self.opened.shards} shards have not ended; shard {number}: {redact_text(found)}"
        unfinished = ShardsUnfinishedError(
            told,
            run_id=self.opened.run_id,
            numbers=tuple(sorted(errors)),
            hint=f"continue with client.resume({self.opened.run_id!r}, executor=..., make_client=...)",
        )
        unfinished.__cause__ = error
        return unfinished


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
    for step, record in _by_step(records):
        new[step].append(record)

    def append(step: str) -> None:
        for record in new[step][recorded[step] :]:
            log.append(record)
            recorded[step] += 1

    in_parallel(append, list(new), workers=_SIDE_BY_SIDE)


def counted_by_step(records: Iterable[Record]) -> Counter[str]:
    """How many records there are of each step."""
    return Counter(step for step, _ in _by_step(records))


def _by_step(records: Iterable[Record]) -> Iterator[tuple[str, Record]]:
    """The records that are about a step, with its id."""
    for record in records:
        if isinstance(record, (StepIntended, StepAccepted)):
            yield record.step_id, record
        elif isinstance(record, (StepEnded, StepReviewed)) and record.result.step_id is not None:
            yield record.result.step_id, record


def check_no_secrets(opened: RunOpened) -> None:
    """Refuse a plan whose steps contain a secret: they are sent to other processes.

    Raises:
        ShardError: Names a step that has one.
    """
    clean = redact_record(opened)
    hint = "apply it in this process, and the others with plan.exclude(resources=[...])"
    for step, clean_step in zip(opened.plan.steps, clean.plan.steps, strict=True):
        if step is not clean_step:
            raise ShardError(
                f"step {step.id} for {step.target_id} contains a secret, which must not be sent to another process",
                hint=hint,
            )
    # A resume has the plan from the journal, which has no secrets.
    if clean.plan.digest != opened.digest:
        raise ShardError("the plan contains a secret outside its steps", hint="apply it in this process")


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
        found += (record for _, record in _by_step(records))
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
