"""Fills the pages of the catalog and of the permissions from the catalog itself, each time they are built."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable

from sphinx.application import Sphinx

from defender_remediate import Catalog, FixAction


def catalog_page(fixes: Iterable[FixAction]) -> str:
    """One table per resource provider, and below it what each fix writes."""
    sections = []
    for provider, of_provider in sorted(_by_provider(fixes).items()):
        rows = [_row(fix) for fix in of_provider]
        head = ["| Recommendation | Resource type | Kind | Impact | Way back | Parameters |", "|" + " --- |" * 6]
        details = [_details(fix) for fix in of_provider]
        sections.append("\n".join([f"## {provider}", "", *head, *rows, "", *details]))
    return "\n\n".join(sections)


def permission_page(fixes: Iterable[FixAction]) -> str:
    """What each fix needs, by resource provider."""
    sections = []
    for provider, of_provider in sorted(_by_provider(fixes).items()):
        head = ["| Recommendation | Azure actions |", "|" + " --- |" * 2]
        rows = [
            f"| {_cell(fix.title)} | {_lines(f'`{action}`' for action in fix.permissions)} |" for fix in of_provider
        ]
        sections.append("\n".join([f"## {provider}", "", *head, *rows]))
    return "\n\n".join(sections)


PAGES: dict[str, tuple[str, Callable[[Iterable[FixAction]], str]]] = {
    "reference/catalog": ("<!-- every fix -->", catalog_page),
    "reference/permissions": ("<!-- every permission -->", permission_page),
}


def _by_provider(fixes: Iterable[FixAction]) -> dict[str, list[FixAction]]:
    found: dict[str, list[FixAction]] = defaultdict(list)
    for fix in sorted(fixes, key=lambda fix: (fix.resource_type.casefold(), fix.title)):
        found[fix.resource_type.partition("/")[0]].append(fix)
    return found


def _row(fix: FixAction) -> str:
    cells = (
        fix.title,
        fix.resource_type.partition("/")[2],
        str(fix.kind),
        str(fix.impact),
        str(fix.reversibility),
        ", ".join(parameter.name for parameter in fix.parameters),
    )
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _details(fix: FixAction) -> str:
    lines = [f"**{_cell(fix.title)}**", "", f"- Key: `{fix.key}`", f"- Compliant when `{fix.compliant_when}`"]
    if fix.body is not None:
        lines.append(f"- Writes `{json.dumps(fix.body, default=dict)}` to `{fix.target or 'the resource'}`")
    if fix.template_name:
        lines.append(f"- Deploys the template `{fix.template_name}`")
    if fix.impact_reason:
        lines.append(f"- Impact: {_cell(fix.impact_reason)}")
    if fix.applies_when is not None:
        lines.append(f"- Applies when `{fix.applies_when}`")
    for parameter in fix.parameters:
        allowed = f"; one of {', '.join(map(str, parameter.allowed))}" if parameter.allowed else ""
        default = "" if parameter.is_required else f"; by default `{json.dumps(parameter.default)}`"
        kind = str(parameter.type).replace("_", " ")
        lines.append(f"- Parameter `{parameter.name}` ({kind}{allowed}{default}): {_cell(parameter.description)}")
    return "\n".join([*lines, ""])


def _lines(cells: Iterable[str]) -> str:
    return "<br>".join(cells)


def _cell(text: str) -> str:
    for mark in "\\`*_[]|<>":
        text = text.replace(mark, f"\\{mark}")
    return text


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the generated part into its page."""
    if docname in PAGES:
        marker, page = PAGES[docname]
        if marker not in source[0]:
            raise ValueError(f"{docname} has no place for its generated part: {marker}")
        source[0] = source[0].replace(marker, page(Catalog.bundled()))


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx when to call."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
