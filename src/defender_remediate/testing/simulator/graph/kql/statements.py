"""The parser of queries: ``let`` statements, a source of rows, and its stages."""

from __future__ import annotations

from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.expressions import expression, name_list
from defender_remediate.testing.simulator.graph.kql.stages import STAGES, stage, union
from defender_remediate.testing.simulator.graph.kql.syntax import (
    DataTable,
    Expression,
    Lambda,
    Let,
    Parameter,
    Print,
    Query,
    Stage,
    Statement,
    Table,
    UnionOf,
)
from defender_remediate.testing.simulator.graph.kql.tokens import END, NAME, Cursor
from defender_remediate.testing.simulator.graph.kql.values import KIND_NAMES, Kind

DEFAULT_TABLE = "resources"
"""The table of a query that names none."""


def parse(query: str) -> Statement:
    """Parses a query.

    Raises:
        QueryError: It is not a query, or has an operator that Resource Graph does not have.
    """
    try:
        cursor = Cursor(query, _query)
        lets = []
        while cursor.next.is_one_of("let"):
            lets.append(_let(cursor))
            if not cursor.accept(";") and cursor.next.kind != END:
                raise cursor.failure()
        body = _query(cursor)
        cursor.accept(";")
        if cursor.next.kind != END:
            raise cursor.failure()
        return Statement(tuple(lets), body)
    except RecursionError:
        raise QueryError("The query is nested too deeply.") from None


def _query(cursor: Cursor) -> Query:
    """A source and its stages. Without a source it is the default table's."""
    token = cursor.next
    source: Table | DataTable | Print | Query | UnionOf
    if token.is_one_of("|") or (token.kind == NAME and token.text in STAGES and not _is_named(cursor)):
        source = Table(DEFAULT_TABLE)
        if token.kind == NAME and token.text != "union":
            first = stage(cursor)
            return Query(source, (first, *_stages(cursor)))
        if token.kind == NAME:
            cursor.take()
            source = union(cursor)
    else:
        source = _source(cursor)
    return Query(source, _stages(cursor))


def _is_named(cursor: Cursor) -> bool:
    """Whether a word that could be an operator is the name of a table here, as what a ``let`` named ``count`` is."""
    after = cursor.ahead()
    return after.kind == END or after.is_one_of("|", ")", ";")


def _stages(cursor: Cursor) -> tuple[Stage, ...]:
    found = []
    while cursor.accept("|"):
        if cursor.next.kind == END or cursor.next.is_one_of("|"):
            raise cursor.failure()
        found.append(stage(cursor))
    return tuple(found)


def _source(cursor: Cursor) -> Table | DataTable | Print | Query:
    if cursor.accept("("):
        inner = _query(cursor)
        cursor.expect(")")
        return inner
    if cursor.accept("print"):
        return Print(name_list(cursor))
    if cursor.next.is_one_of("datatable"):
        return _data_table(cursor)
    name = cursor.name()
    if name == "materialize" and cursor.accept("("):
        inner = _query(cursor)
        cursor.expect(")")
        return inner
    if not cursor.accept("("):
        return Table(name)
    arguments = []
    while not cursor.accept(")"):
        arguments.append(_argument(cursor))
        if not cursor.next.is_one_of(")"):
            cursor.expect(",")
    return Table(name, tuple(arguments))


def _argument(cursor: Cursor) -> Expression | Query:
    if cursor.next.kind == NAME and cursor.ahead().is_one_of("|"):
        return _query(cursor)
    return expression(cursor)


def _data_table(cursor: Cursor) -> DataTable:
    cursor.take()
    cursor.expect("(")
    columns = []
    while not cursor.accept(")"):
        name = cursor.name()
        cursor.expect(":")
        columns.append((name, kind(cursor)))
        if not cursor.next.is_one_of(")"):
            cursor.expect(",")
    cursor.expect("[")
    cells = []
    while not cursor.accept("]"):
        cells.append(expression(cursor))
        if not cursor.next.is_one_of("]"):
            cursor.expect(",")
    return DataTable(tuple(columns), tuple(cells))


def kind(cursor: Cursor) -> Kind:
    """Parses the name of a kind."""
    token = cursor.next
    found = KIND_NAMES.get(cursor.name())
    if found is None:
        raise cursor.failure(token)
    return found


def _let(cursor: Cursor) -> Let:
    cursor.take()
    name = cursor.name()
    cursor.expect("=")
    if cursor.next.is_one_of("view"):
        cursor.take()
    if _is_lambda(cursor):
        return Let(name, _lambda(cursor))
    if cursor.next.is_one_of("datatable", "print", "materialize") or _is_query(cursor):
        return Let(name, _query(cursor))
    return Let(name, expression(cursor))


def _is_lambda(cursor: Cursor) -> bool:
    if not cursor.next.is_one_of("("):
        return False
    depth, place = 1, 1
    while depth:
        token = cursor.ahead(place)
        if token.kind == END:
            return False
        depth += token.is_one_of("(") - token.is_one_of(")")
        place += 1
    return cursor.ahead(place).is_one_of("{")


def _is_query(cursor: Cursor) -> bool:
    """Whether what a ``let`` names is a query: it has a pipe before it ends, or is nothing but a name."""
    depth, place = 0, 0
    while True:
        token = cursor.ahead(place)
        if token.kind == END or (depth <= 0 and token.is_one_of(";", "}")):
            return place == 1 and cursor.next.kind == NAME and cursor.next.text not in ("true", "false")
        # A pipe inside the parentheses of a call does not make the call a query.
        if token.is_one_of("|") and (depth == 0 or cursor.next.is_one_of("(")):
            return True
        depth += token.is_one_of("(", "[", "{") - token.is_one_of(")", "]", "}")
        place += 1


def _lambda(cursor: Cursor) -> Lambda:
    cursor.expect("(")
    parameters = []
    while not cursor.accept(")"):
        name = cursor.name()
        cursor.expect(":")
        if cursor.next.is_one_of("("):
            cursor.raw_argument()
            parameters.append(Parameter(name, None, None))
        else:
            found = kind(cursor)
            default = expression(cursor) if cursor.accept("=") else None
            parameters.append(Parameter(name, found, default))
        if not cursor.next.is_one_of(")"):
            cursor.expect(",")
    cursor.expect("{")
    lets = []
    while cursor.next.is_one_of("let"):
        lets.append(_let(cursor))
        cursor.expect(";")
    values = [parameter.name for parameter in parameters if parameter.kind is not None] + [let.name for let in lets]
    is_value = cursor.next.text in values and cursor.ahead().is_one_of("}", ";")
    is_query = cursor.next.is_one_of("datatable", "print", "union") or (_is_query(cursor) and not is_value)
    body = _query(cursor) if is_query else expression(cursor)
    cursor.accept(";")
    cursor.expect("}")
    return Lambda(tuple(parameters), tuple(lets), body)


def parse_expression(text: str) -> Expression:
    """Parses an expression that stands alone, as a facet has it.

    Raises:
        QueryError: It is not an expression.
    """
    cursor = Cursor(text, _query)
    found = expression(cursor)
    if cursor.next.kind != END:
        raise cursor.failure()
    return found
