"""Renders a plan or a report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.result import RemediationReport
from defender_remediate.reports.document import document_of
from defender_remediate.reports.plan_markdown import escape, plan_markdown


def to_markdown(document: RemediationPlan | RemediationReport, *, max_length: int | None = None) -> str:
    """Render a plan or a report as GitHub-flavored Markdown, for a ticket or a pull request.

    Args:
        document: The plan or the report.
        max_length: For a plan: the most characters that the text may have, such as 65,536 for a comment on GitHub. What
            does not fit is counted in the text.

    Raises:
        InvalidInputError: The value is neither a plan nor a report, or the limit is less than 10,000.
    """
    if isinstance(document, RemediationPlan):
        return plan_markdown(document, max_length)
    page = document_of(document)
    lines = [f"# {escape(page.title)}", ""]
    lines += [f"- **{name}**: {_cell(text)}" for name, text in page.facts]
    for table in page.tables:
        lines += ["", f"## {table.title}", ""]
        lines += [f"| {' | '.join(table.columns)} |", "|" + " --- |" * len(table.columns)]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in table.rows]
    return "\n".join(lines) + "\n"


def _cell(lines: Iterable[str]) -> str:
    return "<br>".join(map(escape, lines))
