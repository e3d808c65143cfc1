"""Renders a report as comma-separated values."""

from __future__ import annotations

import csv
import io
import re

from defender_remediate.display import one_line, quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.result import RemediationReport, RemediationResult
from defender_remediate.reports.document import iso

_FORMULA = re.compile(r"\s*[=+\-@]")


def to_csv(report: RemediationReport) -> str:
    """Render a report as comma-separated values: one header, one row per result.

    A cell that a spreadsheet would evaluate as a formula is prefixed with an apostrophe.

    Raises:
        InvalidInputError: The value is not a report. A plan is not accepted because it has no results.
    """
    if not isinstance(report, RemediationReport):
        raise InvalidInputError(f"expected a RemediationReport, got {quoted(report)}")
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for result in report.results:
        row = csv_row(report, result)
        cells = [one_line(row.get(column) or "") for column in _COLUMNS]
        writer.writerow([f"'{cell}" if _FORMULA.match(cell) else cell for cell in cells])
    return out.getvalue()


_COLUMNS = (
    "run_id",
    "correlation_id",
    "resource_id",
    "target_id",
    "keys",
    "titles",
    "outcome",
    "compliant",
    "health",
    "diagnosis",
    "recheck_at",
    "attempts",
    "error_code",
    "error_message",
    "error_hint",
    "request_id",
    "started",
    "finished",
)


def csv_row(report: RemediationReport, result: RemediationResult) -> dict[str, str | None]:
    """The cells of one result by column; absent values may be omitted."""
    row: dict[str, str | None] = {
        "run_id": report.run_id,
        "correlation_id": report.correlation_id,
        "resource_id": result.resource_id,
        "keys": "; ".join(result.keys),
        "outcome": result.outcome.label,
        "compliant": None if result.compliant is None else str(result.compliant).lower(),
        "health": None if result.health is None else str(result.health),
        "attempts": str(result.attempts),
        "request_id": result.request_id,
        "started": iso(result.started),
        "finished": iso(result.finished),
    }
    step = report.step(result)
    if step is not None:
        row |= {"target_id": step.target_id, "titles": "; ".join(step.titles)}
    if result.error is not None:
        error = result.error
        row |= {"error_code": error.code, "error_message": error.message, "error_hint": error.hint}
    if result.diagnosis is not None:
        diagnosis = result.diagnosis
        row |= {
            "diagnosis": f"{diagnosis.cause.label}: {diagnosis.message}",
            "recheck_at": iso(diagnosis.recheck_at),
        }
    return row
