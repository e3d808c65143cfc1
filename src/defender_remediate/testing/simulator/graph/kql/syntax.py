"""The syntax tree of a query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

import attrs

from defender_remediate.testing.simulator.graph.kql.errors import Position
from defender_remediate.testing.simulator.graph.kql.values import Kind


@attrs.frozen
class Literal:
    """A value written in the query."""

    value: Any
    kind: Kind


@attrs.frozen
class Name:
    """A column, or what a ``let`` named. ``$left`` and ``$right`` are names in the condition of a join."""

    name: str


@attrs.frozen
class Member:
    """A member of a dynamic value: ``owner.name`` or ``owner['name']``."""

    owner: Expression
    name: str


@attrs.frozen
class Element:
    """An element of a dynamic value, by an expression."""

    owner: Expression
    index: Expression


@attrs.frozen
class FunctionCall:
    """A call of a function or an aggregate."""

    function: str
    arguments: tuple[Argument, ...]
    at: Position


@attrs.frozen
class Unary:
    """``-x`` or ``+x``."""

    operator: str
    operand: Expression


@attrs.frozen
class Binary:
    """Two operands and what stands between them."""

    operator: str
    left: Expression
    right: Expression


@attrs.frozen
class Membership:
    """``in``, ``in~``, ``has_any`` or ``has_all``, and their opposites."""

    operator: str
    operand: Expression
    among: tuple[Expression | Query, ...]


@attrs.frozen
class Between:
    """``between (low .. high)`` or its opposite."""

    operand: Expression
    low: Expression
    high: Expression
    is_negated: bool


@attrs.frozen
class Star:
    """``*``: all columns."""


@attrs.frozen
class Scalar:
    """``toscalar(...)``: the first value of a query."""

    query: Query


@attrs.frozen
class NamedExpression:
    """An expression with the names of its results."""

    names: tuple[str, ...]
    value: Expression


Expression = Union[Literal, Name, Member, Element, FunctionCall, Unary, Binary, Membership, Between, Star, Scalar]
Argument = Union[Expression, NamedExpression]


@attrs.frozen
class Table:
    """A table or what a ``let`` named; the arguments of a function that gives a table."""

    name: str
    arguments: tuple[Any, ...] | None = None


@attrs.frozen
class DataTable:
    """``datatable(name: type, ...) [value, ...]``."""

    columns: tuple[tuple[str, Kind], ...]
    values: tuple[Expression, ...]


@attrs.frozen
class Print:
    """``print``: one row."""

    columns: tuple[NamedExpression, ...]


@attrs.frozen
class Where:
    """Keeps the rows for which a condition holds."""

    condition: Expression


@attrs.frozen
class Project:
    """Replaces the columns."""

    columns: tuple[NamedExpression, ...]


@attrs.frozen
class Extend:
    """Adds columns."""

    columns: tuple[NamedExpression, ...]


@attrs.frozen
class Choose:
    """``project-away``, ``project-keep`` and ``project-reorder``: columns by patterns."""

    how: str
    patterns: tuple[str, ...]


@attrs.frozen
class Rename:
    """``project-rename``: the old name of each new one."""

    names: Mapping[str, str]


@attrs.frozen
class Summarize:
    """Groups rows."""

    aggregates: tuple[NamedExpression, ...]
    keys: tuple[NamedExpression, ...]


@attrs.frozen
class Distinct:
    """Keeps one row of each combination; no columns stand for all."""

    columns: tuple[NamedExpression, ...]


@attrs.frozen
class SortKey:
    """A key of ``order by`` and ``top``."""

    value: Expression
    is_descending: bool
    has_nulls_first: bool


@attrs.frozen
class Order:
    """Sorts the rows."""

    keys: tuple[SortKey, ...]


@attrs.frozen
class Take:
    """Keeps some rows."""

    count: Expression


@attrs.frozen
class Top:
    """Sorts the rows and keeps the first ones."""

    count: Expression
    key: SortKey


@attrs.frozen
class Count:
    """Counts the rows."""


@attrs.frozen
class Join:
    """Combines rows with those of another query."""

    kind: str
    right: Query
    conditions: tuple[Expression, ...]


@attrs.frozen
class UnionOf:
    """Appends the rows of other queries."""

    legs: tuple[Query, ...]
    is_inner: bool
    source_column: str | None


@attrs.frozen
class Expansion:
    """A column that ``mv-expand`` expands, under its new name if it has one."""

    value: Expression
    name: str | None
    kind: Kind | None


@attrs.frozen
class MvExpand:
    """One row for each element of arrays."""

    columns: tuple[Expansion, ...]
    limit: int
    index_column: str | None
    bags_as_arrays: bool


@attrs.frozen
class ParsePart:
    """A part of a pattern of ``parse``: a string, a column with its kind, or ``*``."""

    text: str | None = None
    column: str | None = None
    kind: Kind = Kind.STRING


@attrs.frozen
class Parse:
    """Columns from the parts of a string."""

    value: Expression
    parts: tuple[ParsePart, ...]
    is_filter: bool
    mode: str


@attrs.frozen
class Unpack:
    """``evaluate bag_unpack(column)``."""

    column: str
    prefix: str


@attrs.frozen
class Pass:
    """An operator without effect on the rows: ``as``, ``serialize``, ``render``."""

    columns: tuple[NamedExpression, ...] = ()
    name: str | None = None


Stage = Union[
    Where,
    Project,
    Extend,
    Choose,
    Rename,
    Summarize,
    Distinct,
    Order,
    Take,
    Top,
    Count,
    Join,
    UnionOf,
    MvExpand,
    Parse,
    Unpack,
    Pass,
]


@attrs.frozen
class Query:
    """A source of rows and what is done with them."""

    source: Table | DataTable | Print | Query | UnionOf
    stages: tuple[Stage, ...]


@attrs.frozen
class Parameter:
    """A parameter of a function; a table has no kind."""

    name: str
    kind: Kind | None
    default: Expression | None


@attrs.frozen
class Lambda:
    """A function that a ``let`` defines: its own ``let`` statements, then a query or an expression."""

    parameters: tuple[Parameter, ...]
    lets: tuple[Let, ...]
    body: Query | Expression


@attrs.frozen
class Let:
    """A name for an expression, a query or a function."""

    name: str
    value: Expression | Query | Lambda


@attrs.frozen
class Statement:
    """A whole query."""

    lets: tuple[Let, ...]
    query: Query
