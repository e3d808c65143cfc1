"""Renders a plan or a report as an HTML page."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.result import RemediationReport
from defender_remediate.reports.document import document_of
from defender_remediate.reports.listing import listing_html, listing_title
from defender_remediate.reports.rows import Listed, checked_values

# Only ids may be broken inside a word: in any other column that would leave one letter per line.
_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem;color:#1b1b1b;background:#fff}"
    "table{border-collapse:collapse;margin:0 0 2rem}"
    "th,td{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}"
    "td.id{overflow-wrap:anywhere;min-width:14rem}"
    "th{background:#f3f3f3}dt{font-weight:600}dd{margin:0 0 .4rem;overflow-wrap:anywhere}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(document: RemediationPlan | RemediationReport | Listed, *, columns: Sequence[str] | None = None) -> str:
    """Render a plan, a report or a listing as one HTML page without scripts or external resources.

    Args:
        document: The plan or the report; or values to list in one table, as for ``to_rows``.
        columns: For a listing: only these columns, in this order; by default those that a reader wants to see.

    Raises:
        InvalidInputError: It is something else, or a column does not exist.
    """
    if not isinstance(document, (RemediationPlan, RemediationReport)):
        listed = list(checked_values(document))
        return _page(html.escape(listing_title(listed)), listing_html(listed, columns))
    page = document_of(document)
    title = html.escape(page.title)
    facts = "".join(f"<dt>{html.escape(name)}</dt><dd>{_cell(text)}</dd>" for name, text in page.facts)
    tables = ""
    for table in page.tables:
        head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in table.columns)
        tables += f"<h2>{html.escape(table.title)}</h2>\n<table><thead><tr>{head}</tr></thead>\n<tbody>"
        for row in table.rows:
            tables += "<tr>"
            for column, lines in zip(table.columns, row, strict=True):
                kind = ' class="id"' if column in table.ids else ""
                tables += f"<td{kind}>{_cell(lines)}</td>"
            tables += "</tr>\n"
        tables += "</tbody></table>\n"
    return _page(title, f"<dl>{facts}</dl>\n{tables}")


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{title}</h1>\n{body}</body></html>\n"
    )


def _cell(lines: Iterable[str]) -> str:
    return "<br>".join(map(html.escape, lines))
