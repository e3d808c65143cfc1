"""Facets: how often each value of an expression occurs in the rows of a query."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from defender_remediate.testing.simulator.graph.kql.compiled import converted
from defender_remediate.testing.simulator.graph.kql.compiler import compiled
from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.relation import Column, Relation, place_of
from defender_remediate.testing.simulator.graph.kql.scope import NameScope, result_name
from defender_remediate.testing.simulator.graph.kql.statements import parse_expression
from defender_remediate.testing.simulator.graph.kql.syntax import Expression, Name
from defender_remediate.testing.simulator.graph.kql.values import Kind, plain

_OPTIONS = frozenset({"sortBy", "sortOrder", "filter", "$top"})
_MOST = 1000


def facet(request: Any, relation: Relation, now: datetime) -> dict[str, Any]:
    """Returns a facet of the result of a query, or the errors in its request.

    The most frequent value comes first unless the request sorts otherwise; ten values are shown unless it says more.
    """
    expression = str(request.get("expression") or "") if isinstance(request, Mapping) else ""
    options = (request.get("options") if isinstance(request, Mapping) else None) or {}
    try:
        return {"expression": expression, "resultType": "FacetResult", **_counted(expression, options, relation, now)}
    except QueryError as error:
        errors = [{"code": "NoValidColumns", "message": "No valid columns in facet expression."}]
        if "Failed to resolve" in str(error):
            invalid = f"Invalid column names: [{expression}]."
            errors.append({"code": "InvalidColumnNames", "message": invalid})
        else:
            errors = [{"code": error.code, "message": str(error)}]
        return {"expression": expression, "resultType": "FacetError", "errors": errors}


def _counted(text: str, options: Any, relation: Relation, now: datetime) -> dict[str, Any]:
    if not isinstance(options, Mapping) or not set(options) <= _OPTIONS:
        raise QueryError("The options of a facet are sortBy, sortOrder, filter and $top.", code="InvalidFacetOptions")
    most = options.get("$top", 10)
    order = str(options.get("sortOrder", "desc")).lower()
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _MOST or order not in ("asc", "desc"):
        raise QueryError("A facet has a $top from 1 to 1000 and a sortOrder asc or desc.", code="InvalidFacetOptions")
    value, name = _resolved(parse_expression(text), relation)
    rows = relation.whole()
    if options.get("filter"):
        holds = converted(compiled(parse_expression(str(options["filter"])), _scope(relation.columns, now)), Kind.BOOL)
        rows = [row for row in rows if holds.read(row)]
    found = compiled(value, _scope(relation.columns, now))
    if found.kind is Kind.DYNAMIC:
        found = converted(found, Kind.STRING)
    counts: dict[Any, int] = {}
    for row in rows:
        key = found.read(row)
        counts[key] = counts.get(key, 0) + 1
    shown = _sorted(list(counts.items()), (Column(name, found.kind), Column("count", Kind.LONG)), options, order, now)
    data = [{name: plain(key), "count": count} for key, count in shown[:most]]
    return {"totalRecords": len(shown), "count": len(data), "data": data}


def _resolved(expression: Expression, relation: Relation) -> tuple[Expression, str]:
    """The expression, which may be one that the query projected already, and the name of its values."""
    name = result_name(expression) or "Column1"
    return (Name(name) if place_of(relation.columns, name) is not None else expression), name


def _sorted(
    rows: list[tuple[Any, int]], columns: tuple[Column, ...], options: Mapping[str, Any], order: str, now: datetime
) -> list[tuple[Any, int]]:
    key = compiled(parse_expression(str(options.get("sortBy") or "['count']")), _scope(columns, now))
    known = [row for row in rows if key.read(row) is not None]
    known.sort(key=key.read, reverse=order == "desc")
    return known + [row for row in rows if key.read(row) is None]


def _scope(columns: tuple[Column, ...], now: datetime) -> NameScope:
    def run(*_: Any) -> Relation:
        raise QueryError("A facet cannot contain a query.")

    return NameScope(columns, {}, run, now, "facet")
