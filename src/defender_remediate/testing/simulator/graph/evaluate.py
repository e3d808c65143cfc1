"""Runs a pipeline over rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.graph.language import Apply, Literal, Path, Query, QueryError, Stage

Row = dict[str, Any]


def run(query: Query, rows: list[Row], columns: frozenset[str]) -> list[Row]:
    """The rows that a query gives.

    Args:
        query: The pipeline.
        rows: The rows of its table.
        columns: The columns of its table; naming another one is an error.

    Raises:
        QueryError: It names a column that is not there.
    """
    for stage in query.stages:
        rows, columns = _STAGES[stage.verb](stage, rows, columns)
    return rows


def _where(stage: Stage, rows: list[Row], columns: frozenset[str]) -> tuple[list[Row], frozenset[str]]:
    return [row for row in rows if value(stage.items[0], row, columns) is True], columns


def _project(stage: Stage, rows: list[Row], columns: frozenset[str]) -> tuple[list[Row], frozenset[str]]:
    shown = [{name: value(expression, row, columns) for name, expression in stage.items} for row in rows]
    return shown, frozenset(name for name, _ in stage.items)


def _extend(stage: Stage, rows: list[Row], columns: frozenset[str]) -> tuple[list[Row], frozenset[str]]:
    for name, expression in stage.items:
        rows = [{**row, name: value(expression, row, columns)} for row in rows]
        columns |= {name}
    return rows, columns


def _order(stage: Stage, rows: list[Row], columns: frozenset[str]) -> tuple[list[Row], frozenset[str]]:
    for expression, descending in reversed(stage.items):
        rows = sorted(rows, key=lambda row, e=expression: _rank(value(e, row, columns)), reverse=descending)  # type: ignore[misc]
    return rows, columns


def _take(stage: Stage, rows: list[Row], columns: frozenset[str]) -> tuple[list[Row], frozenset[str]]:
    return rows[: stage.items[0]], columns


def _count(stage: Stage, rows: list[Row], columns: frozenset[str]) -> tuple[list[Row], frozenset[str]]:
    del stage, columns
    return [{"Count": len(rows)}], frozenset({"Count"})


def _summarize(stage: Stage, rows: list[Row], columns: frozenset[str]) -> tuple[list[Row], frozenset[str]]:
    groups: dict[str, tuple[Row, int]] = {}
    for row in rows:
        group = {name: value(expression, row, columns) for name, expression in stage.items}
        _, number = groups.get(repr(group), (group, 0))
        groups[repr(group)] = (group, number + 1)
    names = [name for name, _ in stage.items] + ([stage.name] if stage.name else [])
    shown = [{**group, **({stage.name: number} if stage.name else {})} for group, number in groups.values()]
    if not stage.items:
        shown = [{stage.name: len(rows)}]
    return shown, frozenset(names)


_STAGES: Mapping[str, Callable[[Stage, list[Row], frozenset[str]], tuple[list[Row], frozenset[str]]]] = {
    "where": _where,
    "project": _project,
    "extend": _extend,
    "order": _order,
    "take": _take,
    "count": _count,
    "summarize": _summarize,
}


def value(expression: Any, row: Mapping[str, Any], columns: frozenset[str]) -> Any:
    """What an expression is for a row; None for a member that is not there.

    Raises:
        QueryError: It names a column that is not there.
    """
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, Path):
        return _member(expression, row, columns)
    assert isinstance(expression, Apply)
    if expression.name in ("and", "or"):
        left, right = (value(part, row, columns) is True for part in expression.arguments)
        return left and right if expression.name == "and" else left or right
    found = [value(argument, row, columns) for argument in expression.arguments]
    if expression.name in _FUNCTIONS:
        return _FUNCTIONS[expression.name](found)
    wanted = expression.name.lstrip("!") if expression.name != "!=" else "=="
    outcome = _COMPARISONS["=~" if wanted == "~" else wanted](found)
    return outcome is not expression.name.startswith("!")


def _member(path: Path, row: Mapping[str, Any], columns: frozenset[str]) -> Any:
    if path.parts[0] not in columns:
        raise QueryError(f"'{path.parts[0]}' is not a column here", code="InvalidQuery")
    found: Any = row.get(path.parts[0])
    for part in path.parts[1:]:
        if isinstance(part, int):
            found = found[part] if isinstance(found, list) and part < len(found) else None
        else:
            found = found.get(part) if isinstance(found, Mapping) else None
    return found


def text(found: Any) -> str:
    """A value as the language's ``tostring`` has it."""
    if found is None:
        return ""
    if isinstance(found, bool):
        return str(found).lower()
    return str(found)


def _rank(found: Any) -> tuple[int, Any]:
    if isinstance(found, (int, float)):
        return 0, found
    return 1, text(found)


def _equal(found: list[Any]) -> bool:
    left, right = found
    if isinstance(left, str) or isinstance(right, str) or left is None or right is None:
        return text(left) == text(right)
    return bool(left == right)


def _has(found: list[Any]) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(text(found[1]))}(?!\w)", text(found[0]), re.IGNORECASE))


def _fold(found: Any) -> str:
    return fold(text(found))


_FUNCTIONS: Mapping[str, Callable[[list[Any]], Any]] = {
    "tolower": lambda found: text(found[0]).lower(),
    "toupper": lambda found: text(found[0]).upper(),
    "tostring": lambda found: text(found[0]),
    "coalesce": lambda found: next((item for item in found if item not in (None, "")), None),
    "isempty": lambda found: text(found[0]) == "",
    "isnotempty": lambda found: text(found[0]) != "",
    "not": lambda found: found[0] is not True,
}
_COMPARISONS: Mapping[str, Callable[[list[Any]], bool]] = {
    "==": _equal,
    "=~": lambda found: _fold(found[0]) == _fold(found[1]),
    "in": lambda found: any(_equal([found[0], item]) for item in found[1:]),
    "in~": lambda found: any(_fold(found[0]) == _fold(item) for item in found[1:]),
    "has": _has,
    "contains": lambda found: _fold(found[1]) in _fold(found[0]),
    "startswith": lambda found: _fold(found[0]).startswith(_fold(found[1])),
    "endswith": lambda found: _fold(found[0]).endswith(_fold(found[1])),
}
