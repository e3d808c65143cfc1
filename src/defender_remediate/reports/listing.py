"""Renders a listing as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

import attrs

from defender_remediate.display import counted, one_line
from defender_remediate.reports.plan_markdown import escape
from defender_remediate.reports.rows import Cell, Listed, Row, checked_values, to_rows

# What a reader wants to see of a value; the other columns are in the files for machines, or asked for.
_COLUMNS: Mapping[str, Sequence[str]] = {
    "Recommendation": ("display_name", "severity", "unhealthy_count", "potential_increase", "fix", "guidance", "key"),
    "Assessment": ("display_name", "status", "cause", "name", "type", "resource_group", "subscription"),
    "SecurityControl": ("display_name", "current_score", "max_score", "potential_increase", "unhealthy_count"),
    "SecureScore": ("name", "current", "max", "percentage", "subscription_count"),
    "FixAction": ("title", "resource_type", "kind", "impact", "reversibility", "control", "key"),
    "Guidance": ("title", "reason", "action", "resource_type", "key"),
    "ActivityEvent": ("timestamp", "operation", "status", "caller", "resource_id"),
    "RemediationStep": ("name", "target", "titles", "before", "after", "impact", "reversibility"),
    "SkippedResource": ("name", "type", "titles", "reason", "keys"),
    "RemediationResult": ("name", "type", "outcome", "compliant", "health", "error_message", "diagnosis"),
}

# Where the plural of the name of the class is not what a reader calls it.
_SHEETS: Mapping[str, str] = {
    "SecurityControl": "Controls",
    "SecureScore": "Score",
    "FixAction": "Fixes",
    "Guidance": "Guidance",
    "ActivityEvent": "Activity",
    "RemediationPlan": "Plan",
    "RemediationReport": "Report",
    "RemediationStep": "Steps",
    "SkippedResource": "Skipped",
    "RemediationResult": "Results",
    "AttackPath": "Attack paths",
    "Cve": "CVEs",
    "CveAssessment": "CVE assessments",
}
# The most characters of a string that stays on one line, and of one that needs no wide column.
_SHORT = 14
_LONG = 48
_HUGE = 1e15
_LONGEST_NAME = 31


def listing_markdown(values: Listed, columns: Sequence[str] | None = None) -> str:
    """The values as one table in GitHub-flavored Markdown, with the columns that a reader wants to see."""
    rows = listing_rows(values, columns)
    if not rows:
        return "Nothing is listed.\n"
    lines = [f"| {' | '.join(map(escape, map(heading, rows[0])))} |", "|" + " --- |" * len(rows[0])]
    lines += [f"| {' | '.join(escape(one_line(shown(cell))) for cell in row.values())} |" for row in rows]
    return "\n".join(lines) + "\n"


@attrs.frozen(kw_only=True)
class ListingView:
    """The page of a listing: one table.

    Attributes:
        widths: For each column ``number``, ``short``, ``text`` or ``long``: how its cells are set.
    """

    title: str
    subtitle: str = ""
    columns: tuple[str, ...]
    widths: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def listing_view(values: Listed, columns: Sequence[str] | None = None) -> ListingView:
    """The page of these values, with the columns that a reader wants to see."""
    listed = list(checked_values(values))
    rows = listing_rows(listed, columns)
    names = list(rows[0]) if rows else []
    if columns is None:
        # A column without a value says nothing to a reader; one that was asked for stays.
        names = [name for name in names if any(row[name] not in {None, ""} for row in rows)] or names
    cells = [[row[name] for row in rows] for name in names]
    strings = [_aligned(column) for column in cells]
    return ListingView(
        title=listing_title(listed),
        columns=tuple(map(heading, names)),
        widths=tuple(map(_width, cells, strings)),
        rows=tuple(zip(*strings, strict=True)),
    )


def _aligned(cells: Sequence[Cell]) -> list[str]:
    if not any(isinstance(cell, float) for cell in cells):
        return list(map(shown, cells))
    # Numbers below each other have the same number of decimals. Python cannot write those of a huge integer.
    return [f"{cell:.2f}" if _is_number(cell) and abs(cell) < _HUGE else shown(cell) for cell in cells]


def _width(cells: Sequence[Cell], strings: Sequence[str]) -> str:
    known = [cell for cell in cells if cell is not None]
    if known and all(map(_is_number, known)):
        return "number"
    longest = max(map(len, strings))
    return "short" if longest <= _SHORT else "text" if longest <= _LONG else "long"


def _is_number(cell: Cell) -> TypeGuard[int | float]:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def listing_title(values: Sequence[object]) -> str:
    """What is listed, and how much of it."""
    return counted(len(values), _words(_kind(values) or "value"))


def sheet_name(values: Sequence[object]) -> str:
    """The name of a sheet with these values, of at most 31 characters as Excel takes them."""
    if not values:
        return "Sheet1"
    kind = _kind(values) or "value"
    return _SHEETS.get(kind) or heading(f"{_words(kind)}s")[:_LONGEST_NAME]


def _kind(values: Sequence[object]) -> str | None:
    """The name of the class of all these values, ``row`` for rows; None if there are several."""
    kinds = {"row" if isinstance(value, Mapping) else type(value).__name__ for value in values}
    return next(iter(kinds)) if len(kinds) == 1 else None


def _words(kind: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind).strip()


def listing_rows(values: Listed, columns: Sequence[str] | None = None) -> list[Row]:
    """The rows with the columns that were asked for, or else those that a reader wants to see of this kind of value."""
    listed = list(checked_values(values))
    if columns is not None:
        return to_rows(listed, columns=columns)
    rows = to_rows(listed)
    wanted = {name for value in listed for name in _COLUMNS.get(type(value).__name__, rows[0])}
    order = [name for value in listed[:1] for name in _COLUMNS.get(type(value).__name__, rows[0])]
    names = [*order, *(name for name in (rows[0] if rows else ()) if name in wanted and name not in order)]
    return [{name: row.get(name) for name in names} for row in rows]


def heading(column: str) -> str:
    """The name of a column as a heading."""
    text = one_line(column.replace("_", " "))
    return text[:1].upper() + text[1:]


def shown(cell: Cell) -> str:
    """A cell as a reader wants to see it."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:.2f}".rstrip("0").rstrip(".") if isinstance(cell, float) else str(cell)
