"""What the names in an expression mean, and how its results are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Union

import attrs

from defender_remediate.testing.simulator.graph.kql.compiled import Compiled
from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.functions import FUNCTIONS, NAME_AND_FIRST, OF_FIRST
from defender_remediate.testing.simulator.graph.kql.relation import Column, Relation
from defender_remediate.testing.simulator.graph.kql.syntax import (
    Argument,
    Element,
    FunctionCall,
    Lambda,
    Literal,
    Member,
    Name,
    Query,
)

Binding = Union[Compiled, Relation, Lambda]


@attrs.frozen
class NameScope:
    """What the names in an expression mean.

    Attributes:
        columns: The columns of the rows.
        bindings: What ``let`` statements named.
        run: Runs a query inside the expression.
        now: The time of the query.
        operator: The operator that the expression belongs to, for messages.
    """

    columns: tuple[Column, ...]
    bindings: Mapping[str, Binding]
    run: Callable[[Query, Mapping[str, Binding]], Relation]
    now: datetime
    operator: str = "where"

    def over(self, columns: tuple[Column, ...], operator: str) -> NameScope:
        """Returns the scope of another operator."""
        return attrs.evolve(self, columns=columns, operator=operator)


def result_name(expression: Argument | Query) -> str | None:
    """Returns the name that Kusto gives to a column of the results of an expression; None for a numbered one."""
    if isinstance(expression, Name):
        return expression.name
    if isinstance(expression, Member):
        owner = result_name(expression.owner)
        return f"{owner}_{expression.name}" if owner else expression.name
    if isinstance(expression, Element) and isinstance(expression.index, Literal):
        owner = result_name(expression.owner)
        return f"{owner}_{expression.index.value}" if owner else str(expression.index.value)
    if isinstance(expression, FunctionCall):
        function = FUNCTIONS.get(expression.function)
        first = result_name(expression.arguments[0]) if expression.arguments else None
        if expression.function in ("column_ifexists", "columnifexists"):
            named = expression.arguments[0]
            return str(named.value) if isinstance(named, Literal) else None
        if function is None or first is None:
            return None
        if function.naming == OF_FIRST:
            return first
        return f"{expression.function}_{first}" if function.naming == NAME_AND_FIRST else None
    return None


def wrong_arity(call: FunctionCall, count: int) -> QueryError:
    """Returns the error for a call with too few or too many arguments."""
    return QueryError(
        f"{call.function}(): function does not take {count} argument(s).", at=call.at, token=call.function
    )
