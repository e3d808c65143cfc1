"""Renders a plan, a report or a listing as an HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from defender_remediate.models.activity import ActivityEvent
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.result import RemediationReport
from defender_remediate.reports.listing import listing_view
from defender_remediate.reports.page import render
from defender_remediate.reports.plan_view import plan_view
from defender_remediate.reports.report_view import ScoreContext, report_view
from defender_remediate.reports.rows import Listed
from defender_remediate.validation import instance_or_none, instances


def to_html(
    document: RemediationPlan | RemediationReport | Listed,
    *,
    columns: Sequence[str] | None = None,
    score_before: SecureScore | None = None,
    score_after: SecureScore | None = None,
    controls_before: Iterable[SecurityControl] = (),
    controls_after: Iterable[SecurityControl] = (),
    events: Iterable[ActivityEvent] = (),
    template: str | Path | None = None,
    logo: str | Path | bytes | None = None,
) -> str:
    """Render a plan, a report or a listing as one HTML page: self-contained, without scripts, for light, dark and paper.

    Without a measured score, a report shows what is expected of the score when Defender has assessed the changes.

    Args:
        document: The plan or the report; or values to list in one table, as for ``to_rows``.
        columns: For a listing: only these columns, in this order; by default those that a reader wants to see.
        score_before: For a report: ``client.get_secure_score()`` before the run.
        score_after: The same after the run.
        controls_before: For a report: ``client.list_controls()`` before the run.
        controls_after: The same after the run.
        events: For a report: ``client.activity.list_events(correlation_id=report.correlation_id)``.
        template: The path of a Jinja template that is used instead of the bundled one. It may extend
            ``report.html``, ``plan.html`` or ``listing.html`` and replace the blocks ``heading``, ``content`` and ``footer``. One that fails gives a
            ``ReportWarning``, and the bundled template is used.
        logo: The path or the content of a PNG, JPEG, GIF or SVG image of at most 1 MB, for the head of the page. One that
            cannot be used gives a ``ReportWarning``.

    Raises:
        InvalidInputError: The value is something else, or a column does not exist.
        MissingExtraError: The extra ``reports`` is not installed.
    """
    if isinstance(document, RemediationPlan):
        return render("plan.html", template=template, logo=logo, view=plan_view(document))
    if isinstance(document, RemediationReport):
        context = ScoreContext(
            score_before=instance_or_none("score_before", score_before, SecureScore),
            score_after=instance_or_none("score_after", score_after, SecureScore),
            controls_before=instances("controls_before", controls_before, SecurityControl),
            controls_after=instances("controls_after", controls_after, SecurityControl),
            events=instances("events", events, ActivityEvent),
        )
        return render("report.html", template=template, logo=logo, view=report_view(document, context))
    return render("listing.html", template=template, logo=logo, view=listing_view(document, columns))
