"""``join``, ``lookup`` and ``union``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from defender_remediate.testing.simulator.graph.kql.compiled import Compiled, converted
from defender_remediate.testing.simulator.graph.kql.compiler import compiled
from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.relation import Column, Relation, Row, unique_names
from defender_remediate.testing.simulator.graph.kql.scope import NameScope
from defender_remediate.testing.simulator.graph.kql.syntax import Binary, Expression, Join, Member, Name, UnionOf
from defender_remediate.testing.simulator.graph.kql.values import NUMBERS, Kind

_KINDS = {
    "innerunique": "innerunique",
    "inner": "inner",
    "leftouter": "leftouter",
    "rightouter": "rightouter",
    "fullouter": "fullouter",
    "leftsemi": "leftsemi",
    "rightsemi": "rightsemi",
    "leftanti": "leftanti",
    "anti": "leftanti",
    "leftantisemi": "leftanti",
    "rightanti": "rightanti",
    "rightantisemi": "rightanti",
}


def joined(stage: Join, left: Relation, right: Relation, scope: NameScope) -> Relation:
    """Returns the rows of two tables that belong together; a column whose name is taken gets a number."""
    kind = _KINDS.get(stage.kind)
    if kind is None:
        raise QueryError(f'The join kind "{stage.kind}" is not supported or not allowed.', code="UnsupportedJoinFlavor")
    pairs = _keys(stage.conditions, left, right, scope)
    left_key, right_key = (_key_of([pair[side] for pair in pairs]) for side in (0, 1))
    left_rows, right_rows = left.whole(), right.whole()
    if kind in ("leftsemi", "leftanti"):
        known = {right_key(row) for row in right_rows}
        return Relation(left.columns, [row for row in left_rows if (left_key(row) in known) is (kind == "leftsemi")])
    if kind in ("rightsemi", "rightanti"):
        known = {left_key(row) for row in left_rows}
        return Relation(
            right.columns, [row for row in right_rows if (right_key(row) in known) is (kind == "rightsemi")]
        )
    if kind == "innerunique":
        left_rows = list({left_key(row): row for row in reversed(left_rows)}.values())[::-1]
    names = unique_names([column.name for column in (*left.columns, *right.columns)])
    columns = tuple(
        attrs.evolve(column, name=name) for name, column in zip(names, (*left.columns, *right.columns), strict=True)
    )
    found: dict[Any, list[Row]] = {}
    for row in right_rows:
        found.setdefault(right_key(row), []).append(row)
    return Relation(columns, list(_pairs(kind, left, right, left_rows, right_rows, left_key, right_key, found)))


def _pairs(
    kind: str,
    left: Relation,
    right: Relation,
    left_rows: Sequence[Row],
    right_rows: Sequence[Row],
    left_key: Callable[[Row], Any],
    right_key: Callable[[Row], Any],
    found: dict[Any, list[Row]],
) -> Iterator[Row]:
    no_left, no_right = _empty(left.columns), _empty(right.columns)
    for row in left_rows:
        matches = found.get(left_key(row), ())
        for other in matches:
            yield (*row, *other)
        if not matches and kind in ("leftouter", "fullouter"):
            yield (*row, *no_right)
    if kind in ("rightouter", "fullouter"):
        known = {left_key(row) for row in left_rows}
        for other in right_rows:
            if right_key(other) not in known:
                yield (*no_left, *other)


def _empty(columns: Sequence[Column]) -> tuple[Any, ...]:
    return tuple("" if column.kind is Kind.STRING else None for column in columns)


def _key_of(parts: Sequence[Compiled]) -> Callable[[Row], Any]:
    """The key of a row. A null matches a null, other than in a comparison: Microsoft's emulator of Kusto was seen to do so."""
    readers = [part.read for part in parts]
    return lambda row: tuple([read(row) for read in readers])


def _keys(
    conditions: Sequence[Expression], left: Relation, right: Relation, scope: NameScope
) -> list[tuple[Compiled, Compiled]]:
    pairs: list[tuple[Compiled, Compiled]] = []
    left_scope, right_scope = scope.over(left.columns, "join"), scope.over(right.columns, "join")
    pending = list(conditions)
    while pending:
        condition = pending.pop(0)
        if isinstance(condition, Binary) and condition.operator == "and":
            pending = [condition.left, condition.right, *pending]
        elif isinstance(condition, Name):
            pairs.append((compiled(condition, left_scope), compiled(condition, right_scope)))
        elif isinstance(condition, Binary) and condition.operator == "==":
            sides = {_side(one): one for one in (condition.left, condition.right)}
            if set(sides) != {"$left", "$right"}:
                raise _unknown_condition()
            pairs.append(
                (compiled(_column(sides["$left"]), left_scope), compiled(_column(sides["$right"]), right_scope))
            )
        else:
            raise _unknown_condition()
    return [_comparable(*pair) for pair in pairs]


def _unknown_condition() -> QueryError:
    return QueryError("join: only column entities or equality expressions are allowed in this context.")


def _side(expression: Expression) -> str | None:
    return expression.owner.name if isinstance(expression, Member) and isinstance(expression.owner, Name) else None


def _column(expression: Expression) -> Name:
    assert isinstance(expression, Member)
    return Name(expression.name)


def _comparable(left: Compiled, right: Compiled) -> tuple[Compiled, Compiled]:
    if Kind.DYNAMIC in (left.kind, right.kind):
        raise QueryError("join key is of a 'dynamic' type. Please use an explicit cast, such as tostring().")
    if left.kind is right.kind or (left.kind in NUMBERS and right.kind in NUMBERS):
        return left, right
    strings = (Kind.STRING, Kind.GUID)
    if left.kind in strings and right.kind in strings:
        return converted(left, Kind.STRING), converted(right, Kind.STRING)
    raise QueryError(f"join: the types of the keys do not match: {left.kind.value} and {right.kind.value}.")


def united(stage: UnionOf, legs: Sequence[tuple[str, Relation]]) -> Relation:
    """Returns the rows of several tables. A name with two kinds becomes two columns: ``name_string``, ``name_long``."""
    kinds: dict[str, list[Kind]] = {}
    shown_names = {column.name for _, leg in legs for column in leg.columns if not column.is_hidden}
    for _, leg in legs:
        for column in leg.columns:
            known = kinds.setdefault(column.name, [])
            if column.kind not in known:
                known.append(column.kind)
    if stage.is_inner:
        everywhere = [{column.name for column in leg.columns} for _, leg in legs]
        kinds = {name: found for name, found in kinds.items() if all(name in names for names in everywhere)}
    columns = [
        (name, Column(name if len(found) == 1 else f"{name}_{kind.value}", kind, is_hidden=name not in shown_names))
        for name, found in kinds.items()
        for kind in found
    ]
    rows: list[Row] = []
    for source, leg in legs:
        places = [_place(leg, name, column) for name, column in columns]
        empty = _empty([column for _, column in columns])
        head = (source,) if stage.source_column else ()
        for row in leg.rows:
            cells = [none if place is None else row[place] for place, none in zip(places, empty, strict=True)]
            rows.append((*head, *cells))
    shown = [column for _, column in columns]
    if stage.source_column:
        shown.insert(0, Column(stage.source_column, Kind.STRING))
    return Relation(tuple(shown), rows)


def _place(leg: Relation, name: str, column: Column) -> int | None:
    place = leg.place(name)
    return place if place is not None and leg.columns[place].kind is column.kind else None
