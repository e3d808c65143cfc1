"""What goes to the worker of a shard and comes back from it: JSON without secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import serialization
from defender_remediate.errors import InvalidInputError, MalformedResponseError, ShardError
from defender_remediate.execution.shard_journals import step_records
from defender_remediate.journal import Record, RunOpened, StepEnded, StepReviewed, redact_record
from defender_remediate.journal.records import decode, encode
from defender_remediate.json_values import FrozenMap, freeze
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.result import RemediationResult
from defender_remediate.redaction import redact_json
from defender_remediate.validation import tuple_of


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
        found = tuple(record for step, record in step_records(records) if step in task.steps)
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
        if set(results) != set(task.steps) or {step for step, _ in step_records(self.records)} - set(results):
            raise MalformedResponseError(
                f"the worker of shard {task.number} did not answer with the results of its steps"
            )
        return results


@attrs.frozen(kw_only=True)
class _AnswerText:
    records: tuple[Any, ...]
    unrecorded: tuple[RemediationResult, ...]
    warnings: tuple[str, ...]


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
