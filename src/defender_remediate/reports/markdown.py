"""Renders a plan or a report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.result import RemediationReport
from defender_remediate.reports.document import report_document
from defender_remediate.reports.listing import listing_markdown
from defender_remediate.reports.plan_markdown import escape, plan_markdown
from defender_remediate.reports.rows import Listed


def to_markdown(
    document: RemediationPlan | RemediationReport | Listed,
    *,
    columns: Sequence[str] | None = None,
    max_length: int | None = None,
) -> str:
    """Render a plan, a report or a listing as GitHub-flavored Markdown, for a ticket or a pull request.

    Args:
        document: The plan or the report; or values to list in one table, as for ``to_rows``.
        columns: For a listing: only these columns, in this order; by default those that a reader wants to see.
        max_length: For a plan: the most characters that the text may have, such as 65,536 for a comment on GitHub. What
            does not fit is counted in the text.

    Raises:
        InvalidInputError: It is something else, a column does not exist, or the limit is less than 10,000.
    """
    if isinstance(document, RemediationPlan):
        return plan_markdown(document, max_length)
    if not isinstance(document, RemediationReport):
        return listing_markdown(document, columns)
    page = report_document(document)
    lines = [f"# {escape(page.title)}", ""]
    lines += [f"- **{name}**: {_cell(text)}" for name, text in page.facts]
    for table in page.tables:
        lines += ["", f"## {table.title}", ""]
        lines += [f"| {' | '.join(table.columns)} |", "|" + " --- |" * len(table.columns)]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in table.rows]
    return "\n".join(lines) + "\n"


def _cell(lines: Iterable[str]) -> str:
    return "<br>".join(map(escape, lines))
