"""The Resource Graph queries that the library sends, and no others.

::

    table | where CONDITION or CONDITION ... | where ... | project id, name, ... | order by id asc

A condition compares a column, a member below it or ``tostring()`` of one with a string, by ``==``, ``=~`` or
``startswith``; with several strings by ``in~``; or ``todatetime()`` of one by ``>=`` with ``datetime()``. Everything else
of the query language is refused, never guessed, but the two stages that give the last change of each resource.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from defender_remediate.casing import fold

Row = dict[str, Any]

_STRING = r"'(?:[^'\\]|\\.)*'"
_PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_CONDITION = re.compile(
    rf"\s*(?:tostring\(\s*(?P<text>{_PATH})\s*\)|(?P<path>{_PATH}))\s*(?P<operator>==|=~|startswith\b)"
    rf"\s*(?P<value>{_STRING})\s*(?P<more>or\b)?"
)
_MEMBERSHIP = re.compile(
    rf"\s*(?:tostring\(\s*(?P<text>{_PATH})\s*\)|(?P<path>{_PATH}))\s*in~\s*"
    rf"\((?P<values>\s*{_STRING}(?:\s*,\s*{_STRING})*)\s*\)\s*\Z"
)
_SINCE = re.compile(rf"\s*todatetime\(\s*(?P<path>{_PATH})\s*\)\s*>=\s*datetime\((?P<moment>[0-9TZ:.+-]+)\)\s*\Z")
_TARGET = re.compile(r"extend\s+target\s*=\s*tolower\(\s*tostring\(\s*properties\.targetResourceId\s*\)\s*\)\s*\Z")
_LAST_WRITE = re.compile(
    r"summarize\s+arg_max\(\s*todatetime\(\s*properties\.changeAttributes\.timestamp\s*\),\s*properties\s*\)\s+by\s+target\s*\Z"
)
_STAGES = re.compile(rf"(?:[^|']|{_STRING})+")
_PROJECT = re.compile(r"project\s+(\w+(?:\s*,\s*\w+)*)\s*\Z")
_ORDER = re.compile(r"order\s+by\s+(\w+)\s+(asc|desc)\s*\Z")


class QueryError(Exception):
    """A query that the simulator does not support, or that names a column that does not exist.

    Attributes:
        code: ``ParserFailure`` or ``InvalidQuery``.
    """

    def __init__(self, message: str, *, code: str = "InvalidQuery") -> None:
        super().__init__(message)
        self.code = code


@attrs.frozen
class GraphQuery:
    """A query: its table and its stages as text."""

    table: str
    stages: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> GraphQuery:
        """Splits a query into its table and stages.

        Raises:
            QueryError: It does not begin with a table, or a string in it does not end.
        """
        parts = [part.strip() for part in _STAGES.findall(text)]
        if "|".join(_STAGES.findall(text)) != text or not parts or not re.fullmatch(r"\w+", parts[0]):
            raise QueryError(f"The query {text!r} is not a table followed by stages.", code="ParserFailure")
        return cls(fold(parts[0]), tuple(parts[1:]))

    def run(self, rows: list[Row], columns: frozenset[str]) -> list[Row]:
        """Returns the rows that the query finds among the rows of its table.

        Raises:
            QueryError: A stage is not supported, or names a column that does not exist.
        """
        for stage in self.stages:
            if stage.startswith("where "):
                conditions = _conditions(stage.removeprefix("where "), columns)
                rows = [row for row in rows if any(condition.holds(row) for condition in conditions)]
            elif _LAST_WRITE.match(stage):
                rows = _last_of_each(rows)
            elif _TARGET.match(stage):
                rows = [{**row, "target": str(row["properties"]["targetResourceId"]).lower()} for row in rows]
            elif project := _PROJECT.match(stage):
                names = re.split(r"\s*,\s*", project[1])
                _check_columns(names, columns)
                rows = [{name: row[name] for name in names} for row in rows]
                columns = frozenset(names)
            elif order := _ORDER.match(stage):
                name, direction = order.groups()
                _check_columns([name], columns)
                rows = sorted(rows, key=lambda row, name=name: _text(row[name]), reverse=direction == "desc")
            else:
                raise QueryError(f"The simulator does not support the stage {stage!r}.")
        return rows


@attrs.frozen
class _Comparison:
    path: tuple[str, ...]
    operator: str
    value: str

    def holds(self, row: Mapping[str, Any]) -> bool:
        text = _text(_at(row, self.path))
        if self.operator == "==":
            return text == self.value
        if self.operator == "=~":
            return fold(text) == fold(self.value)
        return fold(text).startswith(fold(self.value))


@attrs.frozen
class _Membership:
    path: tuple[str, ...]
    values: frozenset[str]

    def holds(self, row: Mapping[str, Any]) -> bool:
        return fold(_text(_at(row, self.path))) in self.values


@attrs.frozen
class _Since:
    path: tuple[str, ...]
    moment: datetime

    def holds(self, row: Mapping[str, Any]) -> bool:
        return _moment(_text(_at(row, self.path))) >= self.moment


def _last_of_each(rows: list[Row]) -> list[Row]:
    """The newest change of each target, as ``arg_max`` gives it."""
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: _moment(_text(_at(row, ("properties", "changeAttributes", "timestamp"))))):
        found[row["target"]] = {"target": row["target"], "properties": row["properties"]}
    return list(found.values())


def _at(row: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        row = row.get(name) if isinstance(row, Mapping) else None
    return row


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _literal(text: str) -> str:
    return re.sub(r"\\(.)", lambda escape: {"n": "\n", "r": "\r"}.get(escape[1], escape[1]), text[1:-1])


def _conditions(text: str, columns: frozenset[str]) -> Sequence[_Comparison | _Membership | _Since]:
    if within := _MEMBERSHIP.match(text):
        path = tuple(str(within["path"] or within["text"]).split("."))
        _check_columns(path[:1], columns)
        return [_Membership(path, frozenset(fold(_literal(one)) for one in re.findall(_STRING, within["values"])))]
    if since := _SINCE.match(text):
        path = tuple(since["path"].split("."))
        _check_columns(path[:1], columns)
        return [_Since(path, _moment(since["moment"]))]
    found = []
    position, more = 0, True
    while more:
        match = _CONDITION.match(text, position)
        if match is None:
            raise QueryError(f"The simulator does not support the condition {text[position:].strip()!r}.")
        path = tuple(str(match["path"] or match["text"]).split("."))
        _check_columns(path[:1], columns)
        found.append(_Comparison(path, match["operator"], _literal(match["value"])))
        position, more = match.end(), match["more"] is not None
    if position < len(text):
        raise QueryError(f"The simulator does not support {text[position:].strip()!r} after a condition.")
    return found


def _check_columns(names: tuple[str, ...] | list[str], columns: frozenset[str]) -> None:
    for name in names:
        if name not in columns:
            raise QueryError(f"{name!r} is not a column here.")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
