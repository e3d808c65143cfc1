"""Renders plans, reports and listings: as Markdown, HTML, CSV, JSON, an Excel workbook, or rows for a data frame.

Results are also rendered as OCSF findings and SARIF, and the evidence of a run as one archive.

Resource names and error messages are escaped: they cannot add markup, scripts, formulas or control characters. Secrets
are hidden, as in a printed plan.
"""

# - ``csv``, ``html``, ``json``, ``markdown``, ``ocsf``, ``sarif``, ``xlsx``, ``evidence``: one module for each format.
# - ``rows``, ``listing``, ``planned_results``, ``findings``: what several formats are made of.
# - ``plan_markdown``, ``report_markdown``: plans and reports as Markdown.
# - ``plan_view``, ``report_view``, ``score_view``, ``page``, ``cards``, ``charts``: pages of HTML, and their parts in notebooks.
# - ``print_plan``, ``progress_bar``, ``notification``: what is shown in a terminal or sent.

from defender_remediate.public_path import show_public_path
from defender_remediate.reports.csv import to_csv
from defender_remediate.reports.evidence import evidence_bundle
from defender_remediate.reports.html import to_html
from defender_remediate.reports.json import to_json
from defender_remediate.reports.markdown import to_markdown
from defender_remediate.reports.notification import notify
from defender_remediate.reports.ocsf import to_ocsf
from defender_remediate.reports.page import ReportWarning
from defender_remediate.reports.print_plan import print_plan
from defender_remediate.reports.progress_bar import ProgressBar, show_progress
from defender_remediate.reports.rows import to_rows
from defender_remediate.reports.sarif import to_sarif
from defender_remediate.reports.xlsx import to_xlsx

__all__ = [
    "ProgressBar",
    "ReportWarning",
    "evidence_bundle",
    "notify",
    "print_plan",
    "show_progress",
    "to_csv",
    "to_html",
    "to_json",
    "to_markdown",
    "to_ocsf",
    "to_rows",
    "to_sarif",
    "to_xlsx",
]

show_public_path(__name__, __all__)
