"""Renders a report as Markdown: its facts, then a table of all results with what needs attention first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Union

from defender_remediate.display import iso
from defender_remediate.models.diagnosis import Cause
from defender_remediate.models.result import RemediationReport
from defender_remediate.reports.plan_markdown import escape
from defender_remediate.reports.planned_results import PlannedResult, changes_of, planned_results

_Cell = Union[str, Iterable[str], None]
_COLUMNS = ("Target", "Recommendations", "Outcome", "Before and after", "Defender for Cloud", "Diagnosis", "Error")


def report_markdown(report: RemediationReport) -> str:
    """The text of a report."""
    facts: tuple[tuple[str, _Cell], ...] = (
        ("Results", report.summary),
        ("Correlation id", report.correlation_id),
        ("Plan", report.plan.digest),
        ("Scope", report.plan.scope),
        ("Started", iso(report.started)),
        ("Finished", iso(report.finished)),
    )
    ordered = sorted(
        planned_results(report), key=lambda one: one.result.outcome.succeeded or not one.result.was_requested
    )
    created = [(one.resource_id,) for result in report.results for one in result.created]
    lines = [f"# {escape(f'Remediation report {report.run_id}')}", ""]
    lines += [f"- **{name}**: {_cell(fact)}" for name, fact in facts if fact]
    lines += _table("Results", _COLUMNS, map(_row, ordered))
    lines += _table("Created resources", ("Resource",), created)
    lines += _table("Warnings", ("Warning",), ((warning,) for warning in report.warnings))
    return "\n".join(lines) + "\n"


def _row(one: PlannedResult) -> tuple[_Cell, ...]:
    """The cells of one result, in the order of the columns."""
    result = one.result
    diagnosis = result.explanation()
    if result.diagnosis is not None and result.diagnosis.cause is not Cause.NOT_FIXED:
        diagnosis += result.diagnosis.evidence
    health = "not assessed again yet" if result.is_pending else result.health
    return (
        one.target_id,
        one.titles if one.step else one.titles or result.keys,
        result.outcome.label,
        (f"{row.path}: {row.before} -> {row.after}" for row in changes_of(result)),
        str(health) if health else None,
        diagnosis,
        str(result.error) if result.error else None,
    )


def _table(title: str, columns: tuple[str, ...], rows: Iterable[Iterable[_Cell]]) -> list[str]:
    """The lines of a table; none without rows."""
    found = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    if not found:
        return []
    return ["", f"## {title}", "", f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns), *found]


def _cell(text: _Cell) -> str:
    """Text from outside cannot add a line or a column."""
    lines = (text,) if isinstance(text, str) else text or ()
    return "<br>".join(escape(line) for line in lines if line)
