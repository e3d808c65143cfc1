"""Renders a plan or a report as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.result import RemediationReport
from defender_remediate.reports.listing import listing_markdown
from defender_remediate.reports.plan_markdown import plan_markdown
from defender_remediate.reports.report_markdown import report_markdown
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
    if isinstance(document, RemediationReport):
        return report_markdown(document)
    return listing_markdown(document, columns)
