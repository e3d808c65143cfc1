"""The parser of the stages of a query: one function for each operator that Resource Graph has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from defender_remediate.testing.simulator.graph.kql.errors import QueryError, unsupported
from defender_remediate.testing.simulator.graph.kql.expressions import ends_stage, expression, name_list
from defender_remediate.testing.simulator.graph.kql.syntax import (
    Choose,
    Count,
    Distinct,
    Expansion,
    Expression,
    Extend,
    Join,
    Literal,
    MvExpand,
    Order,
    Parse,
    ParsePart,
    Pass,
    Project,
    Query,
    Rename,
    SortKey,
    Stage,
    Summarize,
    Table,
    Take,
    Top,
    UnionOf,
    Unpack,
    Where,
)
from defender_remediate.testing.simulator.graph.kql.tokens import NAME, NUMBER, STRING, Cursor, string_value
from defender_remediate.testing.simulator.graph.kql.values import KIND_NAMES, Kind

EXPAND_LIMIT = 128
"""Rows that ``mv-expand`` makes of one row unless the query says more, as Azure documents it."""


def stage(cursor: Cursor) -> Stage:
    """Parses an operator and what belongs to it."""
    token = cursor.next
    name = cursor.keyword()
    if name in STAGES:
        return STAGES[name](cursor)
    if name in _UNSUPPORTED:
        raise unsupported(name)
    raise cursor.failure(token)


def _where(cursor: Cursor) -> Stage:
    return Where(expression(cursor))


def _project(cursor: Cursor) -> Stage:
    return Project(() if ends_stage(cursor) else name_list(cursor))


def _extend(cursor: Cursor) -> Stage:
    return Extend(name_list(cursor))


def _choose(how: str) -> Callable[[Cursor], Stage]:
    def parse(cursor: Cursor) -> Stage:
        patterns = [_pattern(cursor)]
        while cursor.accept(","):
            patterns.append(_pattern(cursor))
        return Choose(how, tuple(patterns))

    return parse


def _pattern(cursor: Cursor) -> str:
    """A column name in which ``*`` may stand; the order that ``project-reorder`` takes is read and has no effect."""
    text = ""
    while cursor.next.kind in (NAME, NUMBER) or cursor.next.is_one_of("*", "["):
        if text and cursor.next.start != cursor.last_stop:
            break
        text += cursor.name() if cursor.next.is_one_of("[") else cursor.take().text
    if not text:
        raise cursor.failure()
    cursor.accept("asc", "desc")
    return text


def _rename(cursor: Cursor) -> Stage:
    names = {}
    while True:
        new = cursor.name()
        cursor.expect("=")
        names[new] = cursor.name()
        if not cursor.accept(","):
            return Rename(names)


def _summarize(cursor: Cursor) -> Stage:
    _hints(cursor)
    aggregates = () if cursor.next.is_one_of("by") else name_list(cursor)
    keys = name_list(cursor) if cursor.accept("by") else ()
    return Summarize(aggregates, keys)


def _distinct(cursor: Cursor) -> Stage:
    if cursor.accept("*"):
        return Distinct(())
    return Distinct(name_list(cursor))


def _order(cursor: Cursor) -> Stage:
    _hints(cursor)
    cursor.expect("by")
    keys = [_sort_key(cursor)]
    while cursor.accept(","):
        keys.append(_sort_key(cursor))
    return Order(tuple(keys))


def _sort_key(cursor: Cursor) -> SortKey:
    value = expression(cursor)
    is_descending = not cursor.accept("asc")
    if is_descending:
        cursor.accept("desc")
    has_nulls_first = not is_descending
    if cursor.accept("nulls"):
        has_nulls_first = cursor.expect("first", "last").text == "first"
    return SortKey(value, is_descending, has_nulls_first)


def _take(cursor: Cursor) -> Stage:
    return Take(expression(cursor))


def _top(cursor: Cursor) -> Stage:
    count = expression(cursor)
    cursor.expect("by")
    return Top(count, _sort_key(cursor))


def _count(cursor: Cursor) -> Stage:
    del cursor
    return Count()


def _hints(cursor: Cursor) -> dict[str, str]:
    """``kind=leftouter`` and what else may stand between an operator and its operands."""
    found = {}
    while cursor.next.kind == NAME and (
        cursor.ahead().is_one_of("=") or (cursor.next.text == "hint" and cursor.ahead().is_one_of("."))
    ):
        if cursor.next.text not in _HINTS:
            break
        name = cursor.take().text
        if name == "hint":
            raise QueryError("Custom strategies, such as a broadcast join, are not allowed.")
        cursor.expect("=")
        found[name] = cursor.name() if not cursor.next.is_one_of("-") else cursor.keyword()
    return found


_HINTS = ("kind", "withsource", "with_source", "isfuzzy", "hint", "bagexpansion", "with_itemindex", "flags")


def _join(cursor: Cursor) -> Stage:
    kind = _hints(cursor).get("kind", "innerunique")
    return Join(kind, _operand(cursor), _conditions(cursor))


def _operand(cursor: Cursor) -> Query:
    """The other side of a join or union: a table, or a query in parentheses."""
    if cursor.accept("("):
        inner: Query = cursor.parse_query(cursor)
        cursor.expect(")")
        return inner
    name = cursor.name()
    if not cursor.accept("("):
        return Query(Table(name), ())
    arguments = []
    while not cursor.accept(")"):
        arguments.append(expression(cursor))
        if not cursor.next.is_one_of(")"):
            cursor.expect(",")
    return Query(Table(name, tuple(arguments)), ())


def _conditions(cursor: Cursor) -> tuple[Expression, ...]:
    cursor.expect("on")
    found = [expression(cursor)]
    while cursor.accept(","):
        found.append(expression(cursor))
    return tuple(found)


def union(cursor: Cursor) -> UnionOf:
    """Parses what follows ``union``."""
    hints = _hints(cursor)
    legs = [_operand(cursor)]
    while cursor.accept(","):
        legs.append(_operand(cursor))
    source = hints.get("withsource") or hints.get("with_source")
    return UnionOf(tuple(legs), hints.get("kind") == "inner", source)


def _mv_expand(cursor: Cursor) -> Stage:
    hints = _hints(cursor)
    columns = [_expansion(cursor)]
    while cursor.accept(","):
        columns.append(_expansion(cursor))
    limit = EXPAND_LIMIT
    if cursor.accept("limit"):
        if cursor.next.kind != NUMBER:
            raise cursor.failure()
        limit = int(float(cursor.take().text))
    as_arrays = hints.get("bagexpansion") == "array" or hints.get("kind") == "array"
    return MvExpand(tuple(columns), limit, hints.get("with_itemindex"), as_arrays)


def _expansion(cursor: Cursor) -> Expansion:
    name = None
    if cursor.ahead().is_one_of("=") or (cursor.next.is_one_of("[") and cursor.ahead(3).is_one_of("=")):
        name = cursor.name()
        cursor.expect("=")
    value = expression(cursor)
    kind = None
    if cursor.accept("to"):
        cursor.expect("typeof")
        token = cursor.next
        kind = KIND_NAMES.get(cursor.raw_argument())
        if kind is None:
            raise cursor.failure(token)
    return Expansion(value, name, kind)


def _parse(*, is_filter: bool) -> Callable[[Cursor], Stage]:
    def parse(cursor: Cursor) -> Stage:
        mode = _hints(cursor).get("kind", "simple")
        value = expression(cursor)
        cursor.expect("with")
        parts = []
        while not ends_stage(cursor):
            parts.append(_parse_part(cursor))
        if not parts:
            raise cursor.failure()
        return Parse(value, tuple(parts), is_filter, mode)

    return parse


def _parse_part(cursor: Cursor) -> ParsePart:
    if cursor.next.kind == STRING:
        return ParsePart(text=string_value(cursor.take().text))
    if cursor.accept("*"):
        return ParsePart()
    column = cursor.name()
    kind = Kind.STRING
    if cursor.accept(":"):
        token = cursor.next
        found = KIND_NAMES.get(cursor.name())
        if found is None:
            raise cursor.failure(token)
        kind = found
    return ParsePart(column=column, kind=kind)


def _evaluate(cursor: Cursor) -> Stage:
    token = cursor.next
    if cursor.name() != "bag_unpack":
        raise unsupported(f"evaluate {token.text}")
    cursor.expect("(")
    column = cursor.name()
    prefix = ""
    if cursor.accept(","):
        found = expression(cursor)
        if not isinstance(found, Literal) or found.kind is not Kind.STRING:
            raise cursor.failure()
        prefix = found.value
    cursor.expect(")")
    return Unpack(column, prefix)


def _as(cursor: Cursor) -> Stage:
    return Pass(name=cursor.name())


def _serialize(cursor: Cursor) -> Stage:
    return Pass(columns=() if ends_stage(cursor) else name_list(cursor))


def _render(cursor: Cursor) -> Stage:
    while not ends_stage(cursor):
        cursor.take()
    return Pass()


STAGES: Mapping[str, Callable[[Cursor], Stage]] = {
    "where": _where,
    "filter": _where,
    "project": _project,
    "extend": _extend,
    "project-away": _choose("away"),
    "project-keep": _choose("keep"),
    "project-reorder": _choose("reorder"),
    "project-rename": _rename,
    "summarize": _summarize,
    "distinct": _distinct,
    "order": _order,
    "sort": _order,
    "take": _take,
    "limit": _take,
    "top": _top,
    "count": _count,
    "join": _join,
    "union": union,
    "mv-expand": _mv_expand,
    "mvexpand": _mv_expand,
    "parse": _parse(is_filter=False),
    "parse-where": _parse(is_filter=True),
    "evaluate": _evaluate,
    "as": _as,
    "serialize": _serialize,
    "render": _render,
}
"""What each operator is parsed by. A query may begin with one: it is then about the default table."""

_UNSUPPORTED = frozenset(
    [
        "consume",
        "externaldata",
        "facet",
        "find",
        "fork",
        "getschema",
        "invoke",
        "lookup",
        "make-graph",
        "make-series",
        "mv-apply",
        "parse-kv",
        "partition",
        "range",
        "reduce",
        "sample",
        "sample-distinct",
        "scan",
        "search",
        "top-hitters",
        "top-nested",
    ]
)
