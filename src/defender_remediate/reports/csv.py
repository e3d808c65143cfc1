"""Renders values as comma-separated values."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from defender_remediate.display import one_line
from defender_remediate.reports.rows import Cell, Listed, to_rows

# What a spreadsheet takes for the start of a formula, also in the wide forms of East Asian keyboards.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def to_csv(values: Listed, *, columns: Sequence[str] | None = None) -> str:
    """Render values as comma-separated values: one header, and the rows of ``to_rows``.

    A string that a spreadsheet would evaluate as a formula is prefixed with an apostrophe. Excel reads the file correctly
    if it is written with the encoding ``utf-8-sig``. Of an empty listing nothing is known, so that it gives the header of
    ``columns`` or an empty string.

    Args:
        values: A value of this library, or several of them, as for ``to_rows``.
        columns: Only these columns, in this order.

    Raises:
        InvalidInputError: As for ``to_rows``.
    """
    rows = to_rows(values, columns=columns)
    names = list(rows[0]) if rows else list(columns or ())
    out = io.StringIO()
    writer = csv.writer(out)
    if names:
        writer.writerow(map(_text, names))
    writer.writerows([_text(row[name]) for name in names] for row in rows)
    return out.getvalue()


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if not isinstance(cell, str):
        return str(cell).lower() if isinstance(cell, bool) else str(cell)
    shown = one_line(cell)
    return f"'{shown}" if _FORMULA.match(shown) else shown
