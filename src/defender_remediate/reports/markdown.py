"""Renders a plan or a report as Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.result import RemediationReport
from defender_remediate.reports.document import document_of

_SPECIAL = re.compile(r"([\\`*_\[\]|~$])")


def to_markdown(document: RemediationPlan | RemediationReport) -> str:
    """Render a plan or a report as GitHub-flavored Markdown, for a ticket or a pull request.

    Raises:
        InvalidInputError: The value is neither a plan nor a report.
    """
    page = document_of(document)
    lines = [f"# {_escape(page.title)}", ""]
    lines += [f"- **{name}**: {_cell(text)}" for name, text in page.facts]
    for table in page.tables:
        lines += ["", f"## {table.title}", ""]
        lines += [f"| {' | '.join(table.columns)} |", "|" + " --- |" * len(table.columns)]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in table.rows]
    return "\n".join(lines) + "\n"


def _cell(lines: Iterable[str]) -> str:
    return "<br>".join(map(_escape, lines))


def _escape(text: str) -> str:
    return html.escape(_SPECIAL.sub(r"\\\1", text), quote=False)
