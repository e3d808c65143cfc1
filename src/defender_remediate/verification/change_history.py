"""Reads Azure's change history, and compares it with what a run planned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs

from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.discovery.kql import changes_of
from defender_remediate.discovery.resource_graph import query_graph
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.fixes.paths import is_below
from defender_remediate.json_values import ABSENT
from defender_remediate.models.change_history import (
    ChangeRecord,
    ChangeRecordStatus,
    ChangeType,
    RecordedChange,
    ResourceChange,
)
from defender_remediate.models.diagnosis import moment
from defender_remediate.models.id_parts import subscription_of
from defender_remediate.models.ids import id_key
from defender_remediate.models.result import Outcome, RemediationReport, RemediationResult
from defender_remediate.models.step import PropertyChange, RemediationStep
from defender_remediate.redaction import HIDDEN, is_secret_name

# The query that Azure takes has a limited length.
_IDS_OF_QUERY = 250
_RETENTION = timedelta(days=14)
_VISIBLE_AFTER = timedelta(minutes=5)
_SLACK = timedelta(minutes=1)
_NOTHING_SENT = (Outcome.SKIPPED, Outcome.BLOCKED, Outcome.ALREADY_COMPLIANT)
_EMPTY = ("[]", "{}")
_NULLS = frozenset({"", "null", "none"})


@attrs.frozen(kw_only=True)
class History:
    """The changes of some resources, and why those of others could not be read.

    Attributes:
        changes: Oldest first, by the key of the resource.
        unread: The reason, by the key of the resource.
    """

    changes: Mapping[str, tuple[ResourceChange, ...]] = attrs.field(factory=dict)
    unread: Mapping[str, str] = attrs.field(factory=dict)

    def of(self, step: RemediationStep) -> tuple[ResourceChange, ...]:
        """The changes of what a step writes, oldest first."""
        found = [change for one in written_ids(step) for change in self.changes.get(id_key(one), ())]
        return tuple(sorted(found, key=_at))

    def problem(self, step: RemediationStep) -> str | None:
        """Why the changes of what a step writes could not be read."""
        return next((self.unread[id_key(one)] for one in written_ids(step) if id_key(one) in self.unread), None)


def written_ids(step: RemediationStep) -> tuple[str, ...]:
    """The resources whose change records can show the write of a step, each once."""
    ids = [step.target_id, step.resource_id, *(one.resource_id for one in step.creates)]
    return tuple({id_key(one): one for one in ids}.values())


def read_history(session: ArmSession, steps: Iterable[RemediationStep], *, since: datetime) -> History:
    """Read the changes of what some steps write. Makes one query for 250 resources; does not raise."""
    ids = {id_key(one): one for step in steps for one in written_ids(step)}
    changes: dict[str, list[ResourceChange]] = {}
    unread: dict[str, str] = {}
    keys = sorted(ids)
    for start in range(0, len(keys), _IDS_OF_QUERY):
        chunk = keys[start : start + _IDS_OF_QUERY]
        subscriptions = {subscription_of(ids[key]) for key in chunk}
        query = changes_of([ids[key] for key in chunk], since=since - _SLACK)
        try:
            for row in query_graph(session, query, subscriptions=sorted(filter(None, subscriptions))):
                change = ResourceChange.from_rest(row)
                changes.setdefault(id_key(change.resource_id), []).append(change)
        except DefenderRemediateError as error:
            unread.update(dict.fromkeys(chunk, error.message))
    return History(changes={key: tuple(sorted(found, key=_at)) for key, found in changes.items()}, unread=unread)


def with_change_records(session: ArmSession, report: RemediationReport) -> RemediationReport:
    """The report with what Azure's change history says about each result that sent something."""
    steps = {step.id: step for step in report.plan.steps}
    concerned = [steps[result.step_id] for result in report.results if _was_sent(result, steps) and result.step_id]
    if not concerned:
        return report
    history = read_history(session, concerned, since=report.started)
    now = session.clock.now()
    return attrs.evolve(
        report,
        results=tuple(
            attrs.evolve(result, change_record=change_record(steps[result.step_id], result, report, history, now))
            if _was_sent(result, steps) and result.step_id
            else result
            for result in report.results
        ),
    )


def _was_sent(result: RemediationResult, steps: Mapping[str, RemediationStep]) -> bool:
    return result.step_id in steps and result.outcome not in _NOTHING_SENT


def change_record(
    step: RemediationStep, result: RemediationResult, report: RemediationReport, history: History, now: datetime
) -> ChangeRecord:
    """What the history says about one step."""
    problem = history.problem(step)
    if problem is not None:
        return ChangeRecord(status=ChangeRecordStatus.NOT_CHECKED, message=f"it could not be read: {problem}")
    own_id = fold(report.correlation_id)
    found = history.of(step)
    planned = [leaf for change in step.changes for leaf in planned_leaves(change)]
    own = _of_target(step, [one for one in found if fold(one.writer.correlation_id or "") == own_id], planned)
    others = tuple(one for one in found if fold(one.writer.correlation_id or "") != own_id)
    if not own:
        return _without_own(step, result, planned, others, now)
    writer = own[-1].writer
    if any(one.type != ChangeType.UPDATE for one in own) or step.executor == "template":
        return ChangeRecord(
            status=ChangeRecordStatus.WITHOUT_VALUES,
            message="it has the write; Azure lists no properties of a resource that was created or removed",
            unlisted=tuple(leaf.path for leaf in planned),
            writer=writer,
            others=others,
        )
    recorded = _merged(own)
    matched, different, unlisted = _compare(planned, recorded)
    # Steps of one run have one correlation id, so a target that two steps changed shows the changes of both.
    together = [one for one in report.plan.steps if id_key(one.target_id) == id_key(own[-1].resource_id)]
    names = [change.path for one in (step, *together) for change in one.changes]
    extra = tuple(one for one in recorded if not any(_is_about(one.path, name) for name in names))
    record = ChangeRecord(
        status=ChangeRecordStatus.CONFIRMED,
        message="it has the planned changes",
        changes=(*matched, *different),
        extra=extra,
        unlisted=unlisted,
        writer=writer,
        others=others,
    )
    listed = {fold(one.path) for one in recorded}
    if different or any(
        leaf.has_to_be_listed and leaf.path in unlisted and fold(leaf.path) not in listed for leaf in planned
    ):
        message = "it does not have the values that were planned"
        return attrs.evolve(record, status=ChangeRecordStatus.DIFFERENT, message=message)
    if not matched:
        message = (
            "it has the write and none of its values: Azure lists neither new properties nor values that are too long"
        )
        return attrs.evolve(record, status=ChangeRecordStatus.WITHOUT_VALUES, message=message)
    if extra:
        message = "it has the planned changes, and the same write changed other properties"
        return attrs.evolve(record, status=ChangeRecordStatus.EXTRA_CHANGES, message=message)
    return record


def _of_target(step: RemediationStep, own: list[ResourceChange], planned: list[PlannedLeaf]) -> list[ResourceChange]:
    """The records of the run that are about what a step wrote.

    Azure may record the change of a child resource at its parent. Other steps of the run may have changed the parent as well, so a
    record of the parent counts only if it has all planned values.
    """
    written = {id_key(step.target_id), *(id_key(one.resource_id) for one in step.creates)}
    direct = [one for one in own if id_key(one.resource_id) in written]
    if direct or not own:
        return direct
    matched, _, _ = _compare(planned, _merged(own))
    return own if len(matched) == len(planned) else []


def _without_own(
    step: RemediationStep,
    result: RemediationResult,
    planned: list[PlannedLeaf],
    others: tuple[ResourceChange, ...],
    now: datetime,
) -> ChangeRecord:
    for other in reversed(others):
        matched, _, _ = _compare(planned, other.changes)
        if matched:
            return ChangeRecord(
                status=ChangeRecordStatus.BY_ANOTHER,
                message="it has a planned change as the write of someone else",
                changes=tuple(matched),
                writer=other.writer,
                others=others,
            )
    written = result.finished or now
    message = "it does not have the write"
    if now - written > _RETENTION:
        message += ": Azure keeps change records for 14 days"
    elif now - written < 2 * _VISIBLE_AFTER:
        message += (
            f" yet: a record appears after about 5 minutes; verify again after {moment(written + 2 * _VISIBLE_AFTER)}"
        )
    elif id_key(step.target_id) != id_key(step.resource_id):
        message += ": Azure may keep no records of child resources"
    return ChangeRecord(status=ChangeRecordStatus.MISSING, message=message, others=others)


@attrs.frozen(kw_only=True)
class PlannedLeaf:
    """One value that a step changes, as text.

    Attributes:
        is_new: Whether the property did not exist: Azure's change history does not list it then.
        is_hidden: Whether the plan does not have the value, because it is a secret.
    """

    path: str
    after: str
    is_new: bool = False
    is_hidden: bool = False

    @property
    def has_to_be_listed(self) -> bool:
        """Whether a record without it contradicts the plan."""
        return not (self.is_new or self.is_hidden)


def planned_leaves(change: PropertyChange) -> Iterator[PlannedLeaf]:
    """The values below a planned change that differ, each by its path as Azure lists it."""
    before, after = (dict(_leaves(value, change.path)) for value in (change.before, change.after))
    for path in dict.fromkeys((*before, *after)):
        old, new = before.get(path), after.get(path)
        if old is not None and new is not None and _same(old, new):
            continue
        hidden = is_secret_name(path) or HIDDEN in (old, new)
        # An array or an object that was empty has no values of its own.
        is_new = old in (None, *_EMPTY)
        yield PlannedLeaf(path=path, after="null" if new is None else new, is_new=is_new, is_hidden=hidden)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}")
    elif isinstance(value, (list, tuple)) and value:
        for number, item in enumerate(value):
            yield from _leaves(item, f"{path}[{number}]")
    elif isinstance(value, (Mapping, list, tuple)):
        yield path, _EMPTY[isinstance(value, Mapping)]
    elif value is not ABSENT:
        yield path, "null" if value is None else str(value)


def _compare(
    planned: Iterable[PlannedLeaf], recorded: Iterable[RecordedChange]
) -> tuple[list[RecordedChange], list[RecordedChange], tuple[str, ...]]:
    """The recorded changes that are as planned, those that are not, and the paths of which no value is recorded."""
    by_path = {fold(one.path): one for one in recorded}
    matched: list[RecordedChange] = []
    different: list[RecordedChange] = []
    unlisted: list[str] = []
    wanted = list(planned)
    for leaf in wanted:
        found = by_path.get(fold(leaf.path))
        if found is None or found.is_truncated or leaf.is_hidden:
            unlisted.append(leaf.path)
        elif _same(leaf.after, found.after or "") or _is_elsewhere(leaf, found, wanted):
            matched.append(found)
        else:
            different.append(found)
    # The elements of an array may be recorded in another order, or as a whole.
    rest = [path for path in unlisted if not any(_is_array_of(path, one.path) for one in (*matched, *different))]
    return matched, different, tuple(rest if matched else unlisted)


def _is_elsewhere(leaf: PlannedLeaf, found: RecordedChange, planned: Iterable[PlannedLeaf]) -> bool:
    """Whether a value in an array is that of another planned element of the same array."""
    array = _array_of(leaf.path)
    return bool(array) and any(_array_of(one.path) == array and _same(one.after, found.after or "") for one in planned)


def _array_of(path: str) -> str:
    return fold(path.rpartition("[")[0])


def _is_array_of(path: str, other: str) -> bool:
    return bool(_array_of(path)) and _array_of(path) == _array_of(other)


def _is_about(path: str, planned: str) -> bool:
    """Whether a recorded path is a planned one, below it, or the object that it is in."""
    try:
        return is_below(path, planned) or is_below(planned, path)
    except ValueError:
        return fold(path).startswith(fold(planned))


def _same(planned: str, recorded: str) -> bool:
    one, other = fold(planned).strip(), fold(recorded).strip()
    return one == other or (one in _NULLS and other in _NULLS) or _number(one) == _number(other) is not None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _merged(own: Iterable[ResourceChange]) -> tuple[RecordedChange, ...]:
    """The changes of several records of one write: the first value before, the last value after."""
    merged: dict[str, RecordedChange] = {}
    for record in own:
        for change in record.changes:
            first = merged.get(fold(change.path))
            cut = change.is_truncated or (first is not None and first.is_truncated)
            before = change.before if first is None else first.before
            merged[fold(change.path)] = attrs.evolve(change, before=before, is_truncated=cut)
    return tuple(merged.values())


def _at(change: ResourceChange) -> datetime:
    return change.writer.at or datetime.min.replace(tzinfo=timezone.utc)
