"""Renders a listing as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    """The page of a listing: one table."""

    title: str
    subtitle: str = ""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def listing_view(values: Listed, columns: Sequence[str] | None = None) -> ListingView:
    """The page of these values, with the columns that a reader wants to see."""
    listed = list(checked_values(values))
    rows = listing_rows(listed, columns)
    return ListingView(
        title=listing_title(listed),
        columns=tuple(map(heading, rows[0])) if rows else (),
        rows=tuple(tuple(map(shown, row.values())) for row in rows),
    )


def listing_title(values: Sequence[object]) -> str:
    """What is listed, and how much of it."""
    kinds = {type(value).__name__ for value in values}
    noun = next(iter(kinds)) if len(kinds) == 1 else "value"
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in noun).strip()
    return counted(len(values), words)


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
