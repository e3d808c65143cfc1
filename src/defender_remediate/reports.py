"""A plan or a report for people: Markdown for a ticket, a page to send on, rows for a spreadsheet.

Whatever a resource name or an error message holds, it is shown as text: no markup, no script, no formula. Values at
secret-looking members are hidden, as they are when a plan is printed.
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate.errors import InvalidInputError
from defender_remediate.json_values import ABSENT
from defender_remediate.models import text as rendering
from defender_remediate.models.check import CheckResult
from defender_remediate.models.plan import PropertyChange, RemediationPlan, RemediationStep
from defender_remediate.models.result import Health, RemediationReport, RemediationResult

__all__ = ["to_csv", "to_html", "to_markdown"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_MARKDOWN = re.compile(r"([\\`*_\[\]|~$])")
_FORMULA = re.compile(r"\s*[=+\-@]|[\t\r\n]")
_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem;color:#1b1b1b;background:#fff}"
    "table{border-collapse:collapse;margin:0 0 2rem}"
    "th,td{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "th{background:#f3f3f3}dt{font-weight:600}dd{margin:0 0 .4rem}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@attrs.frozen(kw_only=True)
class _Table:
    """Rows under a title. A cell may have several lines."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@attrs.frozen(kw_only=True)
class _Document:
    """What both renderers show: plain text, not escaped yet."""

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[_Table, ...]


def to_markdown(document: RemediationPlan | RemediationReport) -> str:
    """A plan or a report as GitHub-flavoured Markdown, for a ticket or a pull request."""
    page = _document(document)
    lines = [f"# {_markdown(page.title)}", ""]
    lines += [f"- **{_markdown(name)}**: {_markdown(text)}" for name, text in page.facts]
    for table in page.tables:
        lines += ["", f"## {_markdown(table.title)}", ""]
        lines += [_markdown_row(table.columns), "|" + " --- |" * len(table.columns)]
        lines += [_markdown_row(row) for row in table.rows]
    return "\n".join(lines) + "\n"


def to_html(document: RemediationPlan | RemediationReport) -> str:
    """A plan or a report as one HTML page that loads nothing and runs nothing."""
    page = _document(document)
    title = html.escape(page.title)
    facts = "".join(f"<dt>{html.escape(name)}</dt><dd>{_html(text)}</dd>" for name, text in page.facts)
    tables = "".join(_html_table(table) for table in page.tables)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{title}</h1>\n<dl>{facts}</dl>\n{tables}</body></html>\n"
    )


def to_csv(report: RemediationReport) -> str:
    """A report as comma-separated values: one header, one row per result, no formulas.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.

    Raises:
        InvalidInputError: It is no report; a plan has no results yet.
    """
    if not isinstance(report, RemediationReport):
        raise InvalidInputError(f"to_csv takes a RemediationReport, got a {type(report).__name__}")
    titles = _titles(report)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_CSV_COLUMNS)
    for result in report.results:
        writer.writerow([_csv(cell) for cell in _csv_row(report, result, titles)])
    return out.getvalue()


_CSV_COLUMNS = (
    "run_id",
    "correlation_id",
    "resource_id",
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


def _csv_row(
    report: RemediationReport, result: RemediationResult, titles: Mapping[str, tuple[str, ...]]
) -> Iterable[str]:
    error, diagnosis = result.error, result.diagnosis
    return (
        report.run_id,
        report.correlation_id,
        result.resource_id,
        "; ".join(result.keys),
        "; ".join(titles.get(result.step_id, ())),
        result.outcome.label,
        "" if result.compliant is None else str(result.compliant).lower(),
        str(result.health),
        f"{diagnosis.cause.label}: {diagnosis.message}" if diagnosis else "",
        _moment(diagnosis.recheck_at) if diagnosis else "",
        str(result.attempts),
        error.code if error else "",
        error.message if error else "",
        error.hint if error else "",
        result.request_id,
        _moment(result.started),
        _moment(result.finished),
    )


def _document(document: RemediationPlan | RemediationReport) -> _Document:
    return _plan(document) if isinstance(document, RemediationPlan) else _report(document)


def _plan(plan: RemediationPlan) -> _Document:
    changes = _Table(
        title="Changes",
        columns=("Resource", "Recommendations", "Request", "Before and after", "Impact", "Way back"),
        rows=tuple(_step_row(step) for step in plan.steps),
    )
    skipped = _Table(
        title="Left alone",
        columns=("Resource", "Why", "Recommendations"),
        rows=tuple(
            (skip.resource_id, ": ".join(filter(None, (skip.reason.label, skip.message))), "\n".join(skip.keys))
            for skip in plan.skipped
        ),
    )
    found = _Table(
        title="Findings",
        columns=("CheckResult", "Evidence", "What to do", "Resources"),
        rows=_finding_rows(plan),
    )
    facts = (
        *((("Undoes run", plan.rolls_back),) if plan.rolls_back else ()),
        ("Digest", plan.digest),
        ("Scope", "\n".join(plan.scope)),
        ("Endpoint", plan.endpoint),
        ("Catalog", plan.catalog_version),
        ("Planned", _moment(plan.created_at)),
    )
    title = f"Remediation plan: {rendering.counted(len(plan.steps), 'change')}, {len(plan.skipped)} left alone"
    return _Document(title=title, facts=facts, tables=tuple(table for table in (changes, found, skipped) if table.rows))


def _finding_rows(plan: RemediationPlan) -> tuple[tuple[str, ...], ...]:
    """Each finding once, with all resources that share it."""
    shared: dict[CheckResult, list[str]] = {}
    for resource, finding in plan.check_results:
        shared.setdefault(finding, []).append(resource)
    return tuple(
        (str(finding), "\n".join(finding.evidence), finding.advice, "\n".join(dict.fromkeys(resources)))
        for finding, resources in shared.items()
    )


def _step_row(step: RemediationStep) -> tuple[str, ...]:
    return (
        step.target_id,
        "\n".join(step.titles),
        f"{step.request.method}, api-version {step.request.api_version}",
        "\n".join([*map(str, step.changes), *(f"{path}: {rendering.KEPT}" for path in step.preserved)]),
        f"{step.impact}: {step.impact_reason}" if step.impact_reason else str(step.impact),
        rendering.way_back_text(step),
    )


def _report(report: RemediationReport) -> _Document:
    titles = _titles(report)
    counts = Counter(result.outcome.label for result in report.results)
    facts = (
        ("Results", ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())) or "nothing to do"),
        ("Correlation id", report.correlation_id),
        ("Plan", report.plan.digest),
        ("Scope", "\n".join(report.plan.scope)),
        ("Started", _moment(report.started)),
        ("Finished", _moment(report.finished)),
    )
    results = _Table(
        title="Results",
        columns=(
            "Resource",
            "Recommendations",
            "Outcome",
            "Before and after",
            "Defender for Cloud",
            "Diagnosis",
            "Error",
        ),
        rows=tuple(_result_row(result, titles) for result in report.results),
    )
    warnings = _Table(title="Warnings", columns=("Warning",), rows=tuple((warning,) for warning in report.warnings))
    title = f"Remediation report {report.run_id}"
    return _Document(title=title, facts=facts, tables=tuple(table for table in (results, warnings) if table.rows))


def _result_row(result: RemediationResult, titles: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return (
        result.resource_id,
        "\n".join(titles.get(result.step_id, result.keys)),
        result.outcome.label,
        "\n".join(_differences(result)),
        "" if result.health is Health.UNKNOWN else str(result.health),
        "\n".join((str(result.diagnosis), *result.diagnosis.evidence)) if result.diagnosis else "",
        str(result.error or ""),
    )


def _differences(result: RemediationResult) -> Iterable[str]:
    before: Any = result.before if isinstance(result.before, Mapping) else {}
    was_read = isinstance(result.after, Mapping)
    after: Any = result.after if was_read else {}
    for path in dict.fromkeys([*before, *after]):
        change = PropertyChange(path=path, before=before.get(path, ABSENT), after=after.get(path, ABSENT))
        # A target that was not read again may look any way by now.
        yield str(change) if was_read else f"{path}: {rendering.value(path, change.before)} -> (not read)"


def _titles(report: RemediationReport) -> dict[str, tuple[str, ...]]:
    return {step.id: step.titles for step in report.plan.steps}


def _moment(when: datetime | None) -> str:
    return when.isoformat(timespec="seconds") if when else ""


def _lines(text: str) -> list[str]:
    return [_CONTROL.sub(" ", line) for line in text.split("\n")]


def _markdown(text: str) -> str:
    escaped = (html.escape(_MARKDOWN.sub(r"\\\1", line), quote=False) for line in _lines(text))
    return "<br>".join(escaped)


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_markdown(cell) for cell in cells) + " |"


def _html(text: str) -> str:
    return "<br>".join(html.escape(line) for line in _lines(text))


def _html_table(table: _Table) -> str:
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in table.columns)
    rows = "".join("<tr>" + "".join(f"<td>{_html(cell)}</td>" for cell in row) + "</tr>\n" for row in table.rows)
    return (
        f"<h2>{html.escape(table.title)}</h2>\n<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>\n"
    )


def _csv(text: str) -> str:
    clean = _CONTROL.sub(" ", text)
    return f"'{clean}" if _FORMULA.match(clean) else clean
