"""Plans and reports for people: Markdown for a ticket, an HTML page to send on, rows for a spreadsheet.

Resource names and error messages are shown as text, whatever they contain: no markup, no script, no formula, no control
character. Secrets are hidden, as they are when a plan is printed.
"""

from defender_remediate.reports.csv import to_csv
from defender_remediate.reports.html import to_html
from defender_remediate.reports.markdown import to_markdown

__all__ = ["to_csv", "to_html", "to_markdown"]
