"""``summarize``: groups, and the aggregates of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from defender_remediate.testing.simulator.graph.kql.aggregates import (
    AGGREGATES,
    COUNT_OF_VALUES,
    SEVERAL,
    Aggregate,
    extreme_row,
    percentile,
)
from defender_remediate.testing.simulator.graph.kql.compiled import Compiled, converted
from defender_remediate.testing.simulator.graph.kql.compiler import compiled
from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.relation import Column, Relation, Row, forced, unique_names
from defender_remediate.testing.simulator.graph.kql.scope import NameScope, result_name, wrong_arity
from defender_remediate.testing.simulator.graph.kql.syntax import (
    Argument,
    Between,
    Binary,
    Element,
    Expression,
    FunctionCall,
    Member,
    Membership,
    Name,
    NamedExpression,
    Star,
    Summarize,
    Unary,
)
from defender_remediate.testing.simulator.graph.kql.values import Kind
from defender_remediate.validation import is_number

Compute = Callable[[Sequence[Row]], Any]
_INNER = "$aggregate"


@attrs.frozen
class _Output:
    """A column of the result: its name, its kind and how it is computed from the rows of a group."""

    name: str
    kind: Kind
    compute: Compute


def summarized(stage: Summarize, relation: Relation, scope: NameScope) -> Relation:
    """Returns one row for each group: the keys, then the aggregates."""
    scope = scope.over(relation.columns, "summarize")
    keys = [_key(key, scope) for key in stage.keys]
    unnamed = sum(result_name(key.value) is None and not key.names for key in stage.keys)
    key_names = list(_numbered([_own_name(key) for key in stage.keys]))
    outputs: list[_Output] = []
    for item in stage.aggregates:
        outputs += _outputs(item, scope, unnamed, frozenset(key_names))
    names = list(unique_names([*key_names, *(output.name for output in outputs)]))
    kinds = [key.kind for key in keys] + [output.kind for output in outputs]
    columns = tuple(Column(name, kind) for name, kind in zip(names, kinds, strict=True))
    groups: dict[tuple[Any, ...], list[Row]] = {}
    readers = [key.read for key in keys]
    for row in relation.rows:
        groups.setdefault(tuple([read(row) for read in readers]), []).append(row)
    if not keys:
        groups.setdefault((), [])
    return Relation(columns, [(*key, *(output.compute(rows) for output in outputs)) for key, rows in groups.items()])


def _own_name(key: NamedExpression) -> str | None:
    return key.names[0] if key.names else result_name(key.value)


def _numbered(names: Sequence[str | None]) -> list[str]:
    found, count = [], 0
    for name in names:
        if name is None:
            count += 1
            name = f"Column{count}"
        found.append(name)
    return found


def _key(key: NamedExpression, scope: NameScope) -> Compiled:
    found = compiled(key.value, scope)
    if found.kind is Kind.DYNAMIC:
        name = result_name(key.value) or "expression"
        raise QueryError(
            f"Summarize group key ('{name}') is of a 'dynamic' type. Please use an explicit cast (for example, "
            f"'summarize ... by tostring({name})') as grouping by a 'dynamic' type is not supported."
        )
    return found


def _outputs(item: NamedExpression, scope: NameScope, unnamed_before: int, keys: frozenset[str]) -> list[_Output]:
    call = item.value
    if isinstance(call, FunctionCall) and call.function in SEVERAL and not _is_single(call):
        return _several(call, item.names, scope, keys)
    inner: list[_Output] = []
    outer = _with_aggregates_replaced(call, scope, inner)
    if not inner:
        raise QueryError("'summarize' operator: an aggregate is expected before 'by'.")
    if isinstance(outer, Name):
        name = item.names[0] if item.names else inner[0].name
        return [attrs.evolve(inner[0], name=name)]
    # An expression around aggregates is computed over their results.
    columns = tuple(Column(f"{_INNER}{place}", output.kind) for place, output in enumerate(inner))
    whole = compiled(outer, scope.over(columns, "summarize"))
    name = item.names[0] if item.names else result_name(call) or f"Column{unnamed_before + 1}"
    return [_Output(name, whole.kind, lambda rows: whole.read([output.compute(rows) for output in inner]))]


def _is_single(call: FunctionCall) -> bool:
    return call.function in ("take_any", "any") and len(call.arguments) == 1 and not isinstance(call.arguments[0], Star)


def _with_aggregates_replaced(expression: Any, scope: NameScope, found: list[_Output]) -> Any:
    """Returns an expression in which names stand for its aggregates, and collects those."""
    if isinstance(expression, FunctionCall):
        if expression.function in AGGREGATES:
            found.append(_aggregate(expression, scope))
            return Name(f"{_INNER}{len(found) - 1}")
        arguments = tuple(_with_aggregates_replaced(one, scope, found) for one in expression.arguments)
        return attrs.evolve(expression, arguments=arguments)
    if isinstance(expression, (Member, Element, Unary, Binary, Between, Membership, NamedExpression)):
        changed = {
            field.name: _with_aggregates_replaced(getattr(expression, field.name), scope, found)
            for field in attrs.fields(type(expression))
        }
        return attrs.evolve(expression, **changed)
    return expression


def _aggregate(call: FunctionCall, scope: NameScope) -> _Output:
    aggregate = AGGREGATES[call.function]
    arguments = [one.value if isinstance(one, NamedExpression) else one for one in call.arguments]
    if call.function == "count" and arguments:
        aggregate = COUNT_OF_VALUES
    least = aggregate.takes_argument + aggregate.has_condition + aggregate.extra_required
    if not least <= len(arguments) <= aggregate.takes_argument + aggregate.has_condition + aggregate.extra:
        raise wrong_arity(call, len(arguments))
    value = compiled(arguments[0], scope) if aggregate.takes_argument else None
    condition = None
    if aggregate.has_condition:
        condition = converted(compiled(arguments[1 if value else 0], scope), Kind.BOOL).read
    extras = [_constant(one, scope) for one in arguments[aggregate.takes_argument + aggregate.has_condition :]]
    name = _aggregate_name(aggregate, arguments[0] if value else None, extras if call.function == "percentile" else [])
    kind = aggregate.gives or _given_kind(call.function, value)

    def compute(rows: Sequence[Row]) -> Any:
        if condition is not None:
            rows = [row for row in rows if condition(row)]
        return aggregate.compute(rows if value is None else [value.read(row) for row in rows], *extras)

    return _Output(name, kind, compute)


def _aggregate_name(aggregate: Aggregate, argument: Expression | None, extras: list[Any]) -> str:
    inferred = "" if argument is None else result_name(argument) or ""
    if aggregate.prefix is None:
        return inferred or "any_arg0"
    return "_".join([aggregate.prefix, inferred, *map(str, extras)])


def _given_kind(function: str, value: Compiled | None) -> Kind:
    kind = Kind.DYNAMIC if value is None else value.kind
    if function in ("sum", "sumif", "percentile"):
        return {Kind.INT: Kind.LONG, Kind.BOOL: Kind.LONG, Kind.DYNAMIC: Kind.REAL}.get(kind, kind)
    return kind


def _constant(expression: Expression, scope: NameScope) -> Any:
    found = compiled(expression, scope)
    if not found.is_constant:
        raise QueryError("'summarize' operator: a constant is expected as the last argument of an aggregate.")
    return found.read(())


def _several(call: FunctionCall, names: tuple[str, ...], scope: NameScope, keys: frozenset[str]) -> list[_Output]:
    if call.function == "percentiles":
        found = _percentiles(call, scope)
    elif call.function in ("arg_max", "arg_min"):
        found = _extremes(call, scope, keys)
    else:
        found = [
            _Output(name, value.kind, _first(value)) for name, value in _returned(call.arguments, scope, without=keys)
        ]
    return [attrs.evolve(output, name=name) for output, name in zip(found, names, strict=False)] + found[len(names) :]


def _percentiles(call: FunctionCall, scope: NameScope) -> list[_Output]:
    arguments = [one.value if isinstance(one, NamedExpression) else one for one in call.arguments]
    if len(arguments) < 2:
        raise wrong_arity(call, len(arguments))
    value = compiled(arguments[0], scope)
    found = []
    for wanted in (_constant(one, scope) for one in arguments[1:]):
        if not is_number(wanted):
            raise QueryError("'percentiles': a percentile has to be a number.")

        def compute(rows: Sequence[Row], wanted: Any = wanted) -> Any:
            return percentile([value.read(row) for row in rows], wanted)

        found.append(_Output(f"percentile_{result_name(arguments[0]) or ''}_{wanted}", value.kind, compute))
    return found


def _extremes(call: FunctionCall, scope: NameScope, keys: frozenset[str]) -> list[_Output]:
    if not call.arguments:
        raise wrong_arity(call, 0)
    first = call.arguments[0]
    expression = first.value if isinstance(first, NamedExpression) else first
    extreme = compiled(expression, scope)
    if extreme.kind is Kind.DYNAMIC:
        raise QueryError(f"{call.function}(): its first argument cannot be of a 'dynamic' type.")
    own = first.names[0] if isinstance(first, NamedExpression) else result_name(expression)
    prefix = call.function.removeprefix("arg_")
    name = own or f"{prefix}_"
    returned = [(name, extreme), *_returned(call.arguments[1:], scope, without=keys | {name})]

    def reader(value: Compiled) -> Compute:
        def compute(rows: Sequence[Row]) -> Any:
            row = extreme_row(rows, [extreme.read(row) for row in rows], greatest=prefix == "max")
            return None if row is None else value.read(row)

        return compute

    return [_Output(name, value.kind, reader(value)) for name, value in returned]


def _returned(
    arguments: Sequence[Argument], scope: NameScope, *, without: frozenset[str]
) -> list[tuple[str, Compiled]]:
    """The named values that arguments stand for; ``*`` stands for all columns."""
    found: list[tuple[str, Compiled]] = []
    for place, argument in enumerate(arguments):
        if isinstance(argument, Star):
            found += [
                (column.name, compiled(Name(column.name), scope))
                for column in scope.columns
                if not column.is_hidden
                and column.name not in without
                and column.name not in {name for name, _ in found}
            ]
        elif isinstance(argument, NamedExpression):
            found.append((argument.names[0], compiled(argument.value, scope)))
        else:
            found.append((result_name(argument) or f"arg{place + 1}", compiled(argument, scope)))
    return found


def _first(value: Compiled) -> Compute:
    return lambda rows: forced(value.read(rows[0])) if rows else None


def count_of(relation: Relation) -> Relation:
    """Returns the number of rows, as ``count`` shows it."""
    return Relation((Column("Count", Kind.LONG),), [(sum(1 for _ in relation.rows),)])
