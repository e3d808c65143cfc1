"""Runs a query: its stages one after the other, each a function from rows to rows."""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import Any

import attrs

from defender_remediate.testing.simulator.graph.kql.compiled import Compiled, converted
from defender_remediate.testing.simulator.graph.kql.compiler import compiled
from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.expansion import expanded, parsed, unpacked
from defender_remediate.testing.simulator.graph.kql.joins import joined, united
from defender_remediate.testing.simulator.graph.kql.pushdown import wanted_types
from defender_remediate.testing.simulator.graph.kql.relation import (
    Column,
    Relation,
    Row,
    not_a_column,
    place_of,
    unique_names,
)
from defender_remediate.testing.simulator.graph.kql.scope import Binding, NameScope, result_name
from defender_remediate.testing.simulator.graph.kql.summarize import count_of, summarized
from defender_remediate.testing.simulator.graph.kql.syntax import (
    Choose,
    Count,
    DataTable,
    Distinct,
    Extend,
    Join,
    Lambda,
    Let,
    MvExpand,
    Name,
    NamedExpression,
    Order,
    Parse,
    Pass,
    Print,
    Project,
    Query,
    Rename,
    SortKey,
    Statement,
    Summarize,
    Table,
    Take,
    Top,
    UnionOf,
    Unpack,
    Where,
)
from defender_remediate.testing.simulator.graph.kql.values import Kind

Tables = Callable[[str, "frozenset[str] | None"], Relation]
"""Gives a table, or the rows of some types, in lower case, if only those are wanted."""
Bindings = Mapping[str, Binding]


@attrs.frozen
class Limits:
    """How many operators of a kind one query may have; Azure raises them on request."""

    joins: int = 3
    unions: int = 3
    expansions: int = 3


def run(statement: Statement, tables: Tables, *, now: datetime, limits: Limits | None = None) -> Relation:
    """Returns the result of a query. Its rows are a list.

    Args:
        statement: The parsed query.
        tables: Gives the tables.
        now: The time that ``now()`` gives.
        limits: Azure's limits unless others are set.

    Raises:
        QueryError: The query is refused.
    """
    _check_limits(statement, limits or Limits())
    try:
        engine = _Engine(tables, now)
        found = engine.query(statement.query, engine.bound(statement.lets, {}))
        return Relation(found.columns, found.whole())
    except RecursionError:
        raise QueryError("The query is nested too deeply.") from None


def _check_limits(statement: Statement, limits: Limits) -> None:
    counts = {Join: 0, UnionOf: 0, MvExpand: 0}
    for node in _nodes(statement):
        if type(node) in counts:
            counts[type(node)] += len(node.legs) if isinstance(node, UnionOf) else 1
    for kind, name, most in (
        (Join, "join", limits.joins),
        (UnionOf, "union", limits.unions),
        (MvExpand, "mv-expand", limits.expansions),
    ):
        if counts[kind] > most:
            raise QueryError(
                f"The query has {counts[kind]} '{name}' operators. At most {most} are allowed.",
                code="DisallowedMaxNumberOfRemoteTables" if kind is Join else "InvalidQuery",
            )


def contains(statement: Statement, stage: type) -> bool:
    """Whether a query has an operator, wherever it stands."""
    return any(type(node) is stage for node in _nodes(statement))


def _nodes(statement: Statement) -> Iterator[Any]:
    pending: list[Any] = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, (tuple, list)):
            pending.extend(node)
        elif attrs.has(type(node)):
            yield node
            pending.extend(getattr(node, field.name) for field in attrs.fields(type(node)))


class _Engine:
    def __init__(self, tables: Tables, now: datetime) -> None:
        self._tables = tables
        self._now = now
        self._stages: Mapping[type, Callable[[Any, Relation, NameScope], Relation]] = {
            Where: _where,
            Project: _project,
            Extend: _extend,
            Choose: _choose,
            Rename: _rename,
            Summarize: summarized,
            Distinct: _distinct,
            Order: _order,
            Take: _take,
            Top: _top,
            Count: _count,
            MvExpand: expanded,
            Parse: parsed,
            Unpack: _unpack,
            Join: self._join,
            UnionOf: self._union,
            Pass: _pass,
        }

    def bound(self, lets: Sequence[Let], bindings: Bindings) -> Bindings:
        """Returns what names mean after some ``let`` statements."""
        found = dict(bindings)
        for let in lets:
            if isinstance(let.value, Lambda):
                found[let.name] = let.value
            elif isinstance(let.value, Query):
                # A name alone is a query as well as a value.
                is_name = isinstance(let.value.source, Table) and not let.value.stages
                value = found.get(let.value.source.name) if is_name and isinstance(let.value.source, Table) else None
                found[let.name] = value if isinstance(value, (Compiled, Lambda)) else self._kept(let.value, found)
            else:
                found[let.name] = compiled(let.value, self._scope((), found))
        return found

    def _kept(self, query: Query, bindings: Bindings) -> Relation:
        relation = self.query(query, bindings)
        return Relation(relation.columns, relation.whole())

    def _scope(self, columns: tuple[Column, ...], bindings: Bindings) -> NameScope:
        return NameScope(columns, bindings, self.query, self._now)

    def query(self, query: Query, bindings: Bindings) -> Relation:
        """Returns the result of a query."""
        relation = self._source(query, bindings)
        named = dict(bindings)
        for stage in query.stages:
            relation = self._stages[type(stage)](stage, relation, self._scope(relation.columns, named))
            if isinstance(stage, Pass) and stage.name is not None:
                relation = named[stage.name] = Relation(relation.columns, relation.whole())
        return relation

    def _source(self, query: Query, bindings: Bindings) -> Relation:
        source = query.source
        if isinstance(source, Query):
            return self.query(source, bindings)
        if isinstance(source, UnionOf):
            return united(source, [self._leg(leg, number, bindings) for number, leg in enumerate(source.legs)])
        if isinstance(source, Print):
            return self._print(source, bindings)
        if isinstance(source, DataTable):
            return self._data(source, bindings)
        bound = bindings.get(source.name)
        if isinstance(bound, Relation):
            return bound
        if isinstance(bound, Lambda):
            return self._applied(source, bound, bindings)
        if source.arguments is not None:
            raise QueryError(f"Unknown function: '{source.name}'.", code="UnknownFunction", token=source.name)
        return self._tables(source.name, wanted_types(query.stages))

    def _applied(self, source: Table, function: Lambda, bindings: Bindings) -> Relation:
        inner = dict(bindings)
        arguments = source.arguments or ()
        for place, parameter in enumerate(function.parameters):
            given = arguments[place] if place < len(arguments) else parameter.default
            if given is None:
                raise QueryError(f"{source.name}(): the argument '{parameter.name}' is missing.")
            if parameter.kind is not None:
                inner[parameter.name] = converted(compiled(given, self._scope((), bindings)), parameter.kind)
            elif isinstance(given, Query):
                inner[parameter.name] = self._kept(given, bindings)
            else:
                inner[parameter.name] = self._kept(Query(Table(str(result_name(given))), ()), bindings)
        body = function.body
        if not isinstance(body, Query):
            raise QueryError(f"'{source.name}' gives a value, not a table.")
        return self.query(body, self.bound(function.lets, inner))

    def _print(self, source: Print, bindings: Bindings) -> Relation:
        scope = self._scope((), bindings)
        cells = [compiled(item.value, scope) for item in source.columns]
        names = [item.names[0] if item.names else f"print_{place}" for place, item in enumerate(source.columns)]
        columns = tuple(Column(name, cell.kind) for name, cell in zip(names, cells, strict=True))
        return Relation(columns, [tuple(cell.read(()) for cell in cells)])

    def _data(self, source: DataTable, bindings: Bindings) -> Relation:
        columns = tuple(Column(name, kind) for name, kind in source.columns)
        scope = self._scope((), bindings)
        if not columns or len(source.values) % len(columns):
            raise QueryError("'datatable' operator: the number of values is not a multiple of that of the columns.")
        kinds = [column.kind for column in columns] * (len(source.values) // len(columns))
        cells = [converted(compiled(one, scope), kind).read(()) for one, kind in zip(source.values, kinds, strict=True)]
        return Relation(columns, [tuple(cells[at : at + len(columns)]) for at in range(0, len(cells), len(columns))])

    def _join(self, stage: Join, relation: Relation, scope: NameScope) -> Relation:
        return joined(stage, relation, self.query(stage.right, scope.bindings), scope)

    def _union(self, stage: UnionOf, relation: Relation, scope: NameScope) -> Relation:
        legs = [self._leg(leg, number + 1, scope.bindings) for number, leg in enumerate(stage.legs)]
        return united(stage, [("union_arg0", relation), *legs])

    def _leg(self, leg: Query, number: int, bindings: Bindings) -> tuple[str, Relation]:
        is_table = isinstance(leg.source, Table) and not leg.stages
        name = leg.source.name if is_table and isinstance(leg.source, Table) else f"union_arg{number}"
        return name, self.query(leg, bindings)


def _where(stage: Where, relation: Relation, scope: NameScope) -> Relation:
    holds = converted(compiled(stage.condition, scope.over(relation.columns, "where")), Kind.BOOL).read
    return Relation(relation.columns, (row for row in relation.rows if holds(row)))


def _computed(items: Sequence[NamedExpression], scope: NameScope) -> list[tuple[str | None, Compiled]]:
    found: list[tuple[str | None, Compiled]] = []
    for item in items:
        value = compiled(item.value, scope)
        found.append((item.names[0] if item.names else result_name(item.value), value))
        found += [(name, attrs.evolve(value, place=None)) for name in item.names[1:]]
    return found


def _named(computed: Sequence[tuple[str | None, Compiled]]) -> list[tuple[str, Compiled]]:
    count, found = 0, []
    for name, value in computed:
        if name is None:
            count += 1
            name = f"Column{count}"
        found.append((name, value))
    return found


def _project(stage: Project, relation: Relation, scope: NameScope) -> Relation:
    computed = _named(_computed(stage.columns, scope.over(relation.columns, "project")))
    names = unique_names([name for name, _ in computed])
    columns = tuple(Column(name, value.kind) for name, (_, value) in zip(names, computed, strict=True))
    # A column as it is need not be read: its value may still have to be made.
    cells: list[Callable[[Row], Any]] = [_raw(value) for _, value in computed]
    return Relation(columns, (tuple([read(row) for read in cells]) for row in relation.rows))


def _raw(value: Compiled) -> Callable[[Row], Any]:
    place = value.place
    return value.read if place is None else itemgetter(place)


def _extend(stage: Extend, relation: Relation, scope: NameScope) -> Relation:
    computed = _named(_computed(stage.columns, scope.over(relation.columns, "extend")))
    columns = list(relation.columns)
    targets = []
    for name, value in computed:
        place = place_of(columns, name)
        if place is None:
            place = len(columns)
            columns.append(Column(name, value.kind))
        else:
            columns[place] = Column(name, value.kind)
        targets.append((place, _raw(value)))
    new = [None] * (len(columns) - len(relation.columns))

    def rows() -> Iterator[Row]:
        for row in relation.rows:
            cells = [*row, *new]
            for place, read in targets:
                cells[place] = read(row)
            yield cells

    return Relation(tuple(columns), rows())


def _choose(stage: Choose, relation: Relation, scope: NameScope) -> Relation:
    del scope
    chosen: list[int] = []
    for pattern in stage.patterns:
        matcher = re.compile(fnmatch.translate(pattern.replace("[", "[[]")))
        found = [place for place, column in enumerate(relation.columns) if matcher.match(column.name)]
        if not found and "*" not in pattern:
            raise not_a_column(f"project-{stage.how}", pattern)
        chosen += [place for place in found if place not in chosen]
    if stage.how == "away":
        places = [place for place in range(len(relation.columns)) if place not in chosen]
    elif stage.how == "keep":
        places = sorted(chosen)
    else:
        places = chosen + [place for place in range(len(relation.columns)) if place not in chosen]
    columns = tuple(relation.columns[place] for place in places)
    return Relation(columns, (tuple([row[place] for place in places]) for row in relation.rows))


def _rename(stage: Rename, relation: Relation, scope: NameScope) -> Relation:
    del scope
    columns = list(relation.columns)
    for new, old in stage.names.items():
        place = place_of(relation.columns, old)
        if place is None:
            raise not_a_column("project-rename", old)
        columns[place] = attrs.evolve(columns[place], name=new)
    return Relation(tuple(columns), relation.rows)


def _distinct(stage: Distinct, relation: Relation, scope: NameScope) -> Relation:
    keys = stage.columns or tuple(
        NamedExpression((), Name(column.name)) for column in relation.columns if not column.is_hidden
    )
    return summarized(Summarize((), keys), relation, scope)


def _order(stage: Order, relation: Relation, scope: NameScope) -> Relation:
    return Relation(relation.columns, _sorted(relation.whole(), stage.keys, scope.over(relation.columns, "order")))


def _sorted(rows: list[Row], keys: Sequence[SortKey], scope: NameScope) -> list[Row]:
    found = list(rows)
    for key in reversed(keys):
        value = compiled(key.value, scope)
        if value.kind is Kind.DYNAMIC:
            name = result_name(key.value) or "expression"
            raise QueryError(f"'{scope.operator}' operator: key '{name}' can't be of dynamic type.")
        pairs = [(value.read(row), row) for row in found]
        known = [pair for pair in pairs if pair[0] is not None]
        known.sort(key=itemgetter(0), reverse=key.is_descending)
        sorted_rows = [row for _, row in known]
        unknown = [row for cell, row in pairs if cell is None]
        found = [*unknown, *sorted_rows] if key.has_nulls_first else [*sorted_rows, *unknown]
    return found


def _number(count: Compiled) -> int:
    value = count.read(()) if count.is_constant else None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise QueryError("'take' operator: the number of rows has to be a constant that is not negative.")
    return value


def _take(stage: Take, relation: Relation, scope: NameScope) -> Relation:
    return Relation(relation.columns, islice(relation.rows, min(_number(compiled(stage.count, scope)), sys.maxsize)))


def _top(stage: Top, relation: Relation, scope: NameScope) -> Relation:
    rows = _sorted(relation.whole(), [stage.key], scope.over(relation.columns, "top"))
    return Relation(relation.columns, rows[: _number(compiled(stage.count, scope))])


def _count(stage: Count, relation: Relation, scope: NameScope) -> Relation:
    del stage, scope
    return count_of(relation)


def _unpack(stage: Unpack, relation: Relation, scope: NameScope) -> Relation:
    del scope
    return unpacked(stage, relation)


def _pass(stage: Pass, relation: Relation, scope: NameScope) -> Relation:
    return _extend(Extend(stage.columns), relation, scope) if stage.columns else relation
