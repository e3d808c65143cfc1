"""Runs the shards of a plan on an executor of the caller's.

A worker gets a ``ShardTask`` and answers with a ``ShardAnswer``. Its journal is what counts: a shard that is submitted again, after its
worker has died or in a resume, continues from its own journal, so nothing is sent twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Union

import attrs

from defender_remediate.arm.clock import Clock
from defender_remediate.display import quoted
from defender_remediate.errors import (
    DefenderRemediateError,
    InvalidInputError,
    JournalError,
    JournalLockedError,
    JournalLockLostError,
    ShardsUnfinishedError,
)
from defender_remediate.execution.shard_journals import counted_by_step, merge_records
from defender_remediate.execution.shard_messages import ShardAnswer, ShardTask
from defender_remediate.journal import RunLog, RunOpened, StepEnded
from defender_remediate.json_values import FrozenMap
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.result import RemediationResult
from defender_remediate.models.step import RemediationStep
from defender_remediate.redaction import redact_text
from defender_remediate.threads import Executor, on_executor

# Tasks that are with the executor at once: each holds the text of its shard.
_MOST_TASKS = 128
# A worker that died may have left a lock that ends by itself, such as a lease.
_LOCK_WAITS = 13
_LOCK_WAIT_SECONDS = 10.0
_Progress = tuple[RemediationStep, Union[RemediationResult, None]]


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
