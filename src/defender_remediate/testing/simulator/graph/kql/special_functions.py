"""The functions that are more than a function of their arguments' values: choices, the time, and whole rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate.testing.simulator.graph.kql import operators
from defender_remediate.testing.simulator.graph.kql.compiled import Compiled, column_at, constant, converted, lifted
from defender_remediate.testing.simulator.graph.kql.relation import forced, place_of
from defender_remediate.testing.simulator.graph.kql.scope import NameScope, wrong_arity
from defender_remediate.testing.simulator.graph.kql.syntax import FunctionCall
from defender_remediate.testing.simulator.graph.kql.values import Kind, common_kind, plain


def _iff(call: FunctionCall, parts: list[Compiled], scope: NameScope) -> Compiled:
    del scope
    if len(parts) != 3:
        raise wrong_arity(call, len(parts))
    return _choice([converted(parts[0], Kind.BOOL)], parts[1:])


def _case(call: FunctionCall, parts: list[Compiled], scope: NameScope) -> Compiled:
    del scope
    if len(parts) < 3 or len(parts) % 2 == 0:
        raise wrong_arity(call, len(parts))
    conditions = [converted(one, Kind.BOOL) for one in parts[:-1:2]]
    return _choice(conditions, [*parts[1:-1:2], parts[-1]])


def _choice(conditions: list[Compiled], results: list[Compiled]) -> Compiled:
    kind = common_kind([one.kind for one in results])
    results = [converted(one, kind) for one in results]
    pairs = [(condition.read, result.read) for condition, result in zip(conditions, results, strict=False)]
    otherwise = results[-1].read

    def choose(row: Any) -> Any:
        for condition, result in pairs:
            if condition(row):
                return result(row)
        return otherwise(row)

    return Compiled(kind, choose)


def _coalesce(call: FunctionCall, parts: list[Compiled], scope: NameScope) -> Compiled:
    del scope
    if len(parts) < 2:
        raise wrong_arity(call, len(parts))
    kind = common_kind([one.kind for one in parts])
    readers = [converted(one, kind).read for one in parts]
    empty = "" if kind is Kind.STRING else None

    def first(row: Any) -> Any:
        for read in readers:
            value = read(row)
            if value is not None and value != empty:
                return value
        return empty

    return Compiled(kind, first)


def _extreme(call: FunctionCall, parts: list[Compiled], scope: NameScope) -> Compiled:
    del scope
    if len(parts) < 2:
        raise wrong_arity(call, len(parts))
    kind = common_kind([one.kind for one in parts])
    choose = min if call.function == "min_of" else max

    def found(*values: Any) -> Any:
        known = [value for value in values if value is not None]
        return choose(known) if known else None

    return lifted(kind, found, *(converted(one, kind) for one in parts))


def _now(call: FunctionCall, parts: list[Compiled], scope: NameScope) -> Compiled:
    moment = constant(scope.now, Kind.DATETIME)
    if len(parts) > 1 or (call.function == "ago" and not parts):
        raise wrong_arity(call, len(parts))
    if not parts:
        return moment
    offset = converted(parts[0], Kind.TIMESPAN)
    return operators.arithmetic("-" if call.function == "ago" else "+", moment, offset)


def _pack_all(call: FunctionCall, parts: list[Compiled], scope: NameScope) -> Compiled:
    if len(parts) > 1:
        raise wrong_arity(call, len(parts))
    ignores_empty = bool(parts) and parts[0].is_constant and parts[0].read(())
    named = [(column.name, place) for place, column in enumerate(scope.columns) if not column.is_hidden]

    def pack(row: Any) -> dict[str, Any]:
        cells = {name: plain(forced(row[place])) for name, place in named}
        return {name: cell for name, cell in cells.items() if cell not in (None, "")} if ignores_empty else cells

    return Compiled(Kind.DYNAMIC, pack)


def _column_if_exists(call: FunctionCall, parts: list[Compiled], scope: NameScope) -> Compiled:
    if len(parts) != 2 or not parts[0].is_constant:
        raise wrong_arity(call, len(parts))
    place = place_of(scope.columns, str(parts[0].read(())))
    return parts[1] if place is None else column_at(scope.columns, place)


def _row_number(call: FunctionCall, parts: list[Compiled], scope: NameScope) -> Compiled:
    del scope
    if len(parts) > 2 or (parts and not parts[0].is_constant):
        raise wrong_arity(call, len(parts))
    start = parts[0].read(()) if parts else 1
    restart = converted(parts[1], Kind.BOOL).read if len(parts) > 1 else None
    count = start - 1

    def number(row: Any) -> int:
        nonlocal count
        count = start if restart is not None and restart(row) else count + 1
        return int(count)

    return Compiled(Kind.LONG, number)


SPECIAL: Mapping[str, Callable[[FunctionCall, list[Compiled], NameScope], Compiled]] = {
    "iff": _iff,
    "iif": _iff,
    "case": _case,
    "coalesce": _coalesce,
    "min_of": _extreme,
    "max_of": _extreme,
    "now": _now,
    "ago": _now,
    "pack_all": _pack_all,
    "column_ifexists": _column_if_exists,
    "columnifexists": _column_if_exists,
    "row_number": _row_number,
}
