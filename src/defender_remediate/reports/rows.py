"""The rows of a listing, a plan or a report: flat dictionaries, one for each line of a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias, Union

from defender_remediate.display import iso, quoted
from defender_remediate.errors import DefenderRemediateError, InvalidInputError, InvalidResourceIdError
from defender_remediate.json_values import ABSENT, thaw
from defender_remediate.models.ids import ResourceId, contains
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.result import RemediationReport, RemediationResult
from defender_remediate.models.step import PropertyChange, RemediationStep, SkippedResource
from defender_remediate.redaction import is_secret_name, redact_json, redact_text
from defender_remediate.reports.planned_results import planned_results
from defender_remediate.serialization import Value, plain
from defender_remediate.validation import did_you_mean, strings, unread

Cell: TypeAlias = Union[str, int, float, bool, None]
Row: TypeAlias = dict[str, Cell]
Listed: TypeAlias = Union[Value, Mapping[str, Any], Iterable[Union[Value, Mapping[str, Any]]]]
"""What can be listed: a value, several values, or rows of one's own."""

_HINT = "pass a plan, a report, or a list of recommendations"
_LONGEST_INTEGER = 14_000  # bits
# Too large for a cell, and of no use in a table.
_LEFT_OUT = frozenset({"template", "template_parameters", "array_strategies"})


def to_rows(values: Listed, *, columns: Sequence[str] | None = None) -> list[Row]:
    """The values as flat dictionaries, for ``pandas.DataFrame`` or ``csv.DictWriter``. All have the same keys.

    A plan has a row for each change and each skipped resource, a report one for each result, and any other value one row.
    A column has the name of the attribute that it comes from. What is about a resource also has ``subscription``,
    ``resource_group``, ``name`` and ``type`` of it; what changes one has ``target``, and ``before`` and ``after`` as JSON
    objects by path. Several strings in a cell are separated by semicolons. Secrets are hidden.

    Args:
        values: A value of this library, or several of them: a list, or a listing of the client. A dictionary is a row.
        columns: Only these columns, in this order.

    Raises:
        InvalidInputError: Something else was passed, a column that does not exist, or a listing of the client or a generator
            that was read to its end before. Of another iterator that gives nothing this is not known: it is an empty
            listing. What was read in part is listed from there on.
    """
    listed = checked_values(values)
    try:
        found = [row for value in listed for row in _rows_of(value)]
    except DefenderRemediateError:
        raise
    except Exception as error:
        raise InvalidInputError(f"a value cannot be listed: {type(error).__name__}", hint=_HINT) from error
    for cell in chain.from_iterable(row.values() for row in found):
        # Python writes no integer of more than 4,300 digits.
        if isinstance(cell, int) and cell.bit_length() > _LONGEST_INTEGER:
            raise InvalidInputError(f"a value cannot be listed: an integer of {cell.bit_length()} bits", hint=_HINT)
    names = list(dict.fromkeys(chain.from_iterable(found)))
    if columns is not None:
        wanted = strings("columns", columns)
        unknown = [column for column in wanted if column not in names]
        if unknown and found:
            raise InvalidInputError(f"there is no column {quoted(unknown[0])}", hint=did_you_mean(unknown[0], names))
        names = list(wanted)
    return [{name: row.get(name) for name in names} for row in found]


def checked_values(values: Listed) -> Iterator[Any]:
    """The values one by one.

    Raises:
        InvalidInputError: One of them cannot be listed, or what was passed is not iterable or was read to its end before.
    """
    if isinstance(values, (Value, Mapping)):
        yield values
        return
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidInputError(f"expected values to list, got {quoted(values)}", hint=_HINT)
    for value in unread(values):
        if not isinstance(value, (Value, Mapping)):
            raise InvalidInputError(f"expected values to list, got {quoted(value)} among them", hint=_HINT)
        yield value


def _rows_of(value: Value | Mapping[str, Any]) -> Iterable[Row]:
    if isinstance(value, RemediationPlan):
        return map(_redacted, chain(map(_step_row, value.steps), map(_skip_row, value.skipped)))
    if isinstance(value, RemediationReport):
        return map(_redacted, _report_rows(value))
    if isinstance(value, Mapping):
        return (
            {
                redact_text(str(name)): _cell(redact_json(item, is_secret=is_secret_name(name)))
                for name, item in plain(value).items()
            },
        )
    return (_redacted(_ROWS[type(value)](value)) if type(value) in _ROWS else _value_row(value),)


def _redacted(row: Row) -> Row:
    return {name: redact_text(cell) if isinstance(cell, str) else cell for name, cell in row.items()}


def _value_row(value: Value) -> Row:
    """The attributes of a value, after the place of the resource that it is about."""
    members = {name: _cell(item) for name, item in value.to_dict().items() if name not in _LEFT_OUT}
    resource_id = members.get("resource_id")
    place = _place(resource_id) if isinstance(resource_id, str) else {}
    return {**place, **{name: cell for name, cell in members.items() if cell is not None or name not in place}}


def _recommendation_row(found: Recommendation) -> Row:
    row = _value_row(found)
    fix, guidance = found.fix, found.guidance
    return row | {
        "fix": str(fix.kind) if fix else None,
        "impact": str(fix.impact) if fix else None,
        "reversibility": str(fix.reversibility) if fix else None,
        "guidance": f"{guidance.reason.label}: {guidance.action}" if guidance else None,
        "priority": str(found.priority),
    }


def _step_row(step: RemediationStep) -> Row:
    return {
        **_place(step.resource_id),
        "target": target_name(step.resource_id, step.target_id),
        "titles": "; ".join(step.titles),
        "action": "change",
        "reason": None,
        "method": step.request.method,
        **_before_and_after(step.changes),
        "impact": str(step.impact),
        "impact_reason": step.impact_reason,
        "reversibility": str(step.reversibility),
        "undo_condition": step.undo_condition,
        "keys": "; ".join(step.keys),
        "resource_id": step.resource_id,
        "target_id": step.target_id,
        "step_id": step.id,
    }


def _skip_row(skip: SkippedResource) -> Row:
    return {
        **_place(skip.resource_id),
        "target": None,
        "titles": "; ".join(skip.titles) or None,
        "action": "skip",
        "reason": f"{skip.reason}: {skip.message}" if skip.message else str(skip.reason),
        "keys": "; ".join(skip.keys),
        "resource_id": skip.resource_id,
    }


def _report_rows(report: RemediationReport) -> Iterator[Row]:
    for one in planned_results(report):
        step = one.step
        yield {
            **_result_row(one.result),
            "target": target_name(step.resource_id, step.target_id) if step else None,
            "titles": "; ".join(one.titles) or None,
            "target_id": step.target_id if step else None,
            "run_id": report.run_id,
            "correlation_id": report.correlation_id,
        }


def _result_row(result: RemediationResult) -> Row:
    error, diagnosis = result.error, result.diagnosis
    return {
        **_place(result.resource_id),
        "target": None,
        "titles": None,
        "outcome": str(result.outcome),
        "compliant": result.compliant,
        "health": str(result.health) if result.health else None,
        "before": _json(result.before),
        "after": _json(result.after),
        "diagnosis": f"{diagnosis.cause.label}: {diagnosis.message}" if diagnosis else None,
        "advice": diagnosis.advice if diagnosis else None,
        "recheck_at": (iso(diagnosis.recheck_at) or None) if diagnosis else None,
        "error_code": error.code if error else None,
        "error_message": error.message if error else None,
        "error_hint": error.hint if error else None,
        "attempts": result.attempts,
        "started": (iso(result.started) or None),
        "finished": (iso(result.finished) or None),
        "request_id": result.request_id,
        "keys": "; ".join(result.keys),
        "resource_id": result.resource_id,
        "target_id": None,
        "step_id": result.step_id,
    }


def _before_and_after(changes: Iterable[PropertyChange]) -> Row:
    listed = list(changes)
    return {
        "before": _json({change.path: change.before for change in listed if change.before is not ABSENT}),
        "after": _json({change.path: change.after for change in listed if change.after is not ABSENT}),
    }


def _json(members: Any) -> str | None:
    if not isinstance(members, Mapping):
        return None
    return json.dumps(redact_json(thaw(members)), ensure_ascii=False)


def _place(resource_id: str) -> Row:
    try:
        parsed = ResourceId.parse(resource_id)
    except InvalidResourceIdError:
        # A resource outside Azure.
        return {"subscription": None, "resource_group": None, "name": resource_id, "type": None}
    return {
        "subscription": parsed.subscription_id,
        "resource_group": parsed.resource_group,
        "name": parsed.name,
        "type": parsed.type,
    }


def target_name(resource_id: str, target_id: str) -> str:
    """The name of a target: the resource with the path below it, or the whole id of something else."""
    if not contains(resource_id, target_id):
        return target_id
    name = resource_id.rstrip("/").rpartition("/")[2]
    return name + target_id.rstrip("/")[len(resource_id.rstrip("/")) :]


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, (str, int, float)) for item in value):
        return "; ".join(map(str, value)) or None
    if not value:
        return None
    return json.dumps(thaw(value), ensure_ascii=False, default=str)


_ROWS: dict[type, Callable[[Any], Row]] = {
    Recommendation: _recommendation_row,
    RemediationStep: _step_row,
    RemediationResult: _result_row,
    SkippedResource: _skip_row,
}
