"""Renders values as an Excel workbook."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from defender_remediate.display import multi_line, quoted
from defender_remediate.errors import InvalidInputError, MissingExtraError
from defender_remediate.reports.listing import sheet_name
from defender_remediate.reports.rows import Cell, Listed, Row, checked_values, to_rows

# The limits of Excel.
_MOST_ROWS = 1_048_575
_LONGEST_CELL = 32_767
_LONGEST_NAME = 31
_FORBIDDEN = re.compile(r"[\[\]:*?/\\\x00-\x1f\x7f]")
_WIDEST = 60
_NARROWEST = 8
_FILTER = 4  # The button of the filter stands beside the heading.
# The same values give the same file.
_CREATED = datetime(1980, 1, 1)  # noqa: DTZ001 - a file format without time zones


def to_xlsx(values: Listed | Mapping[str, Listed], *, columns: Sequence[str] | None = None) -> bytes:
    """Render values as an Excel workbook with the rows of ``to_rows``: a header that stays, filters, numbers as numbers.

    A string is never a formula or a link. Write the result with ``Path(...).write_bytes``. Needs the extra ``xlsx``.

    Args:
        values: A value of this library, or several of them, as for ``to_rows``; or listings by the name of their sheet:
            ``{"Recommendations": recommendations, "Controls": controls}``. Otherwise the only sheet is named after the
            kind of the values, such as ``Recommendations``, ``Controls`` or ``Plan``.
        columns: Only these columns, in this order.

    Raises:
        MissingExtraError: XlsxWriter is not installed.
        InvalidInputError: As for ``to_rows``; or a sheet has an invalid name or more rows than Excel takes.
    """
    try:
        import xlsxwriter
    except ImportError as error:
        raise MissingExtraError("to_xlsx needs XlsxWriter", extra="xlsx") from error
    if _is_by_sheet(values):
        sheets: Mapping[str, Any] = values  # type: ignore[assignment]
    else:
        listed = list(checked_values(values))
        sheets = {sheet_name(listed): listed}
    _check_names(sheets)
    rows = {name: to_rows(content, columns=columns) for name, content in sheets.items()}
    out = io.BytesIO()
    strings_stay_strings = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, {"in_memory": True, **strings_stay_strings})
    book.set_properties({"created": _CREATED})
    bold = book.add_format({"bold": True})
    for name, written in rows.items():
        _write(book.add_worksheet(name), name, written, bold)
    book.close()
    return out.getvalue()


def _is_by_sheet(values: object) -> bool:
    """Whether these are listings by name; the members of a row are no listings."""
    if not isinstance(values, Mapping) or not values:
        return False
    return not any(item is None or isinstance(item, (str, bool, int, float)) for item in values.values())


def _check_names(sheets: Mapping[str, Any]) -> None:
    folded: set[str] = set()
    for name in sheets:
        is_name = isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and not _FORBIDDEN.search(name)
        if not is_name or name.startswith("'") or name.endswith("'") or name.lower() in folded | {"history"}:
            raise InvalidInputError(
                f"{quoted(name)} is not the name of a sheet",
                hint=f"use a different one for each, of 1 to {_LONGEST_NAME} characters without []:*?/\\",
            )
        folded.add(name.lower())


def _write(sheet: Any, name: str, rows: Sequence[Row], bold: Any) -> None:
    if len(rows) > _MOST_ROWS:
        raise InvalidInputError(f"sheet {quoted(name)} has {len(rows)} rows, but Excel takes {_MOST_ROWS}")
    names = list(rows[0]) if rows else []
    for column, heading in enumerate(names):
        sheet.write_string(0, column, _text(heading), bold)
        longest = max(len(line) for row in rows for line in str(row[heading] or "").split("\n"))
        sheet.set_column(column, column, min(max(longest + 1, len(heading) + _FILTER, _NARROWEST), _WIDEST))
    for number, row in enumerate(rows, start=1):
        for column, heading in enumerate(names):
            _write_cell(sheet, number, column, row[heading])
    if names:
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(rows), len(names) - 1)


def _write_cell(sheet: Any, row: int, column: int, cell: Cell) -> None:
    if isinstance(cell, bool):
        sheet.write_boolean(row, column, cell)
    elif isinstance(cell, (int, float)) and abs(cell) < 1e15:
        sheet.write_number(row, column, cell)
    elif cell is not None:
        sheet.write_string(row, column, _text(str(cell)))


def _text(text: str) -> str:
    shown = multi_line(text)
    return shown if len(shown) <= _LONGEST_CELL else f"{shown[: _LONGEST_CELL - 1]}…"
