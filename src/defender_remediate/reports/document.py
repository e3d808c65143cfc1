"""The title, facts and tables of a report, for Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Union

import attrs

from defender_remediate.display import one_line
from defender_remediate.json_values import ABSENT
from defender_remediate.models.diagnosis import Cause
from defender_remediate.models.plan import PropertyChange, RemediationStep
from defender_remediate.models.result import RemediationReport, RemediationResult

Text = Union[str, Iterable[str], None]


def _lines(text: Text) -> tuple[str, ...]:
    """The lines of a cell. External text cannot add a line."""
    lines = (text,) if isinstance(text, str) else text or ()
    return tuple(one_line(line) for line in lines if line)


@attrs.frozen(kw_only=True)
class ReportTable:
    """Rows under a title. A cell contains lines of plain text that are not escaped yet.

    Attributes:
        ids: The columns of ids, which may be wrapped at any character.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], ...], ...]
    ids: frozenset[str] = frozenset({"Resource", "Resources", "Target"})


@attrs.frozen(kw_only=True)
class Document:
    """A complete page; tables without rows are omitted."""

    title: str
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    tables: tuple[ReportTable, ...]


def iso(when: datetime | None) -> str:
    """A time in ISO 8601 to the second; an empty string for None."""
    return when.isoformat(timespec="seconds") if when else ""


def report_document(report: RemediationReport) -> Document:
    """The page of a report."""
    steps = {step.id: step for step in report.plan.steps}
    titles = {(skip.resource_id, skip.keys): skip.titles for skip in report.plan.skipped}
    # What needs attention comes first.
    ordered = sorted(report.results, key=lambda one: one.outcome.succeeded or not one.was_requested)
    return _document(
        f"Remediation report {report.run_id}",
        [
            ("Results", report.summary),
            ("Correlation id", report.correlation_id),
            ("Plan", report.plan.digest),
            ("Scope", report.plan.scope),
            ("Started", iso(report.started)),
            ("Finished", iso(report.finished)),
        ],
        _table(
            "Results",
            ("Target", "Recommendations", "Outcome", "Before and after", "Defender for Cloud", "Diagnosis", "Error"),
            (result_row(result, steps, titles.get((result.resource_id, result.keys), ())) for result in ordered),
        ),
        _table(
            "Created resources", ("Resource",), ((one.resource_id,) for each in report.results for one in each.created)
        ),
        _table("Warnings", ("Warning",), ((warning,) for warning in report.warnings)),
    )


def result_row(
    result: RemediationResult, steps: Mapping[str, RemediationStep], titles: tuple[str, ...]
) -> tuple[Text, ...]:
    """The cells of one result of a report, in the order of the columns.

    Args:
        result: The result.
        steps: The steps of the plan by id.
        titles: The titles of the recommendations, for a skipped resource.
    """
    step = steps.get(result.step_id or "")
    diagnosis = result.explanation()
    if result.diagnosis is not None and result.diagnosis.cause is not Cause.NOT_FIXED:
        diagnosis += result.diagnosis.evidence
    health = "not assessed again yet" if result.is_pending else result.health
    return (
        step.target_id if step else result.resource_id,
        step.titles if step else titles or result.keys,
        result.outcome.label,
        _differences(result),
        str(health) if health else None,
        diagnosis,
        str(result.error) if result.error else None,
    )


def _differences(result: RemediationResult) -> Iterator[str]:
    before: Any = result.before if isinstance(result.before, Mapping) else {}
    was_read = isinstance(result.after, Mapping)
    after: Any = result.after if was_read else {}
    for path in dict.fromkeys([*before, *after]):
        change = PropertyChange(path=path, before=before.get(path, ABSENT), after=after.get(path, ABSENT))
        # The state of a target that was not read again is not known.
        yield str(change) if was_read else f"{path}: {change.before_text} -> (not read)"


def _document(title: str, facts: Iterable[tuple[str, Text]], *tables: ReportTable) -> Document:
    return Document(
        title=one_line(title),
        facts=tuple((name, _lines(text)) for name, text in facts if text),
        tables=tuple(table for table in tables if table.rows),
    )


def _table(title: str, columns: tuple[str, ...], rows: Iterable[Iterable[Text]]) -> ReportTable:
    return ReportTable(title=title, columns=columns, rows=tuple(tuple(_lines(cell) for cell in row) for row in rows))
