"""Renders plans and reports: as Markdown for a ticket, as an HTML page, or as rows for a spreadsheet.

Resource names and error messages are escaped: they cannot add markup, scripts, formulas or control characters. Secrets
are hidden, as in a printed plan.
"""

from defender_remediate.reports.csv import to_csv
from defender_remediate.reports.html import to_html
from defender_remediate.reports.markdown import to_markdown

__all__ = ["to_csv", "to_html", "to_markdown"]
