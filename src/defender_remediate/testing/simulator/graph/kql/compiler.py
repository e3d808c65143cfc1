"""Expressions as functions of a row, with the kind of what they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import attrs

from defender_remediate.testing.simulator.graph.kql import operators
from defender_remediate.testing.simulator.graph.kql.compiled import Compiled, column_at, constant, converted, lifted
from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.functions import FUNCTIONS, Function
from defender_remediate.testing.simulator.graph.kql.relation import Deferred, Relation, forced, not_a_column, place_of
from defender_remediate.testing.simulator.graph.kql.scope import NameScope, result_name, wrong_arity
from defender_remediate.testing.simulator.graph.kql.special_functions import SPECIAL
from defender_remediate.testing.simulator.graph.kql.syntax import (
    Argument,
    Between,
    Binary,
    Element,
    Expression,
    FunctionCall,
    Lambda,
    Literal,
    Member,
    Membership,
    Name,
    NamedExpression,
    Query,
    Scalar,
    Star,
    Unary,
)
from defender_remediate.testing.simulator.graph.kql.values import KIND_NAMES, NUMBERS, Kind, common_kind


def compiled(expression: Expression | Query, scope: NameScope) -> Compiled:
    """Returns an expression as a function of a row.

    Raises:
        QueryError: A name, a function or a combination of kinds is unknown.
    """
    return _COMPILERS[type(expression)](expression, scope)


def _literal(literal: Literal, scope: NameScope) -> Compiled:
    del scope
    return constant(literal.value, literal.kind)


def _name(name: Name, scope: NameScope) -> Compiled:
    place = place_of(scope.columns, name.name)
    if place is not None:
        return column_at(scope.columns, place)
    bound = scope.bindings.get(name.name)
    if isinstance(bound, Compiled):
        return bound
    raise not_a_column(scope.operator, name.name)


def _member(member: Member, scope: NameScope) -> Compiled:
    """A member of a member of a value. Of a column that is still to be made, only what the path names is made."""
    names = [member.name]
    owner = member.owner
    while isinstance(owner, Member):
        names.insert(0, owner.name)
        owner = owner.owner
    source = _dynamic_owner(compiled(owner, scope), owner)

    def walk(value: Any) -> Any:
        for name in names:
            if value.__class__ is dict:
                value = value.get(name)
            elif isinstance(value, Deferred):
                value = value.member(name)
            else:
                return None
        return forced(value)

    if source.place is None:
        return lifted(Kind.DYNAMIC, walk, source)
    cell = itemgetter(source.place)
    return Compiled(Kind.DYNAMIC, lambda row: walk(cell(row)))


def _dynamic_owner(owner: Compiled, expression: Expression) -> Compiled:
    if owner.kind is not Kind.DYNAMIC:
        name = result_name(expression) or "expression"
        raise QueryError(f"Path expression source must be of type 'dynamic', '{name}' is of type '{owner.kind.value}'.")
    return owner


def _index(index: Element, scope: NameScope) -> Compiled:
    owner = _dynamic_owner(compiled(index.owner, scope), index.owner)

    def at(value: Any, place: Any) -> Any:
        if isinstance(value, dict):
            return value.get(place) if isinstance(place, str) else None
        if isinstance(value, list) and isinstance(place, int) and -len(value) <= place < len(value):
            return value[place]
        return None

    return lifted(Kind.DYNAMIC, at, owner, compiled(index.index, scope))


def _unary(unary: Unary, scope: NameScope) -> Compiled:
    operand = compiled(unary.operand, scope)
    if unary.operator == "+":
        return operand
    zero = constant(0, Kind.LONG)
    if operand.kind is Kind.TIMESPAN:
        return lifted(Kind.TIMESPAN, lambda span: None if span is None else -span, operand)
    return operators.arithmetic("-", zero, operand)


def _binary(binary: Binary, scope: NameScope) -> Compiled:
    if binary.operator in ("and", "or"):
        sides = [converted(compiled(side, scope), Kind.BOOL) for side in (binary.left, binary.right)]
        return operators.logical(binary.operator, *sides)
    right = compiled(binary.right, scope)
    if isinstance(binary.left, Star):
        return _any_column(binary.operator, right, scope)
    left = compiled(binary.left, scope)
    if binary.operator in operators.ARITHMETIC:
        return operators.arithmetic(binary.operator, left, right)
    if binary.operator in operators.ORDERINGS:
        return operators.ordering(binary.operator, left, right)
    if binary.operator in ("==", "!="):
        return operators.equality(left, right, is_negated=binary.operator == "!=")
    return operators.text_comparison(binary.operator, left, right)


def _any_column(comparison: str, right: Compiled, scope: NameScope) -> Compiled:
    """``* contains 'x'``: whether it holds for a column."""
    tests = []
    for column in scope.columns:
        if comparison in ("==", "!=") and column.kind is not Kind.STRING:
            continue
        left = _name(Name(column.name), scope)
        tests.append(operators.text_comparison(comparison, left, right).read)
    return Compiled(Kind.BOOL, lambda row: any(test(row) for test in tests))


def _membership(membership: Membership, scope: NameScope) -> Compiled:
    operand = compiled(membership.operand, scope)
    among = []
    for item in membership.among:
        found = _relation_of(item, scope) or compiled(item, scope)
        if isinstance(found, Relation):
            found = constant([forced(row[0]) for row in found.rows], Kind.DYNAMIC)
        among.append(found)
    return operators.membership(membership.operator, operand, among)


def _relation_of(item: Expression | Query, scope: NameScope) -> Relation | None:
    if isinstance(item, Query):
        return scope.run(item, scope.bindings)
    if isinstance(item, Name) and place_of(scope.columns, item.name) is None:
        bound = scope.bindings.get(item.name)
        return bound if isinstance(bound, Relation) else None
    return None


def _between(between: Between, scope: NameScope) -> Compiled:
    operand, low, high = (compiled(one, scope) for one in (between.operand, between.low, between.high))
    if high.kind is Kind.TIMESPAN and low.kind is Kind.DATETIME:
        high = operators.arithmetic("+", low, high)
    above, below = operators.ordering(">=", operand, low), operators.ordering("<=", operand, high)
    within = operators.logical("and", above, below)
    return (
        lifted(Kind.BOOL, lambda value: None if value is None else not value, within) if between.is_negated else within
    )


def _scalar(scalar: Scalar, scope: NameScope) -> Compiled:
    relation = scope.run(scalar.query, scope.bindings)
    kind = relation.columns[0].kind if relation.columns else Kind.DYNAMIC
    for row in relation.rows:
        return constant(forced(row[0]), kind)
    return constant("" if kind is Kind.STRING else None, kind)


def _star(star: Star, scope: NameScope) -> Compiled:
    del star
    raise QueryError(f"'{scope.operator}' operator: '*' cannot stand here.")


def _call(call: FunctionCall, scope: NameScope) -> Compiled:
    bound = scope.bindings.get(call.function)
    if isinstance(bound, Lambda):
        return _apply(call, bound, scope)
    special = SPECIAL.get(call.function)
    if special is not None:
        return special(call, [compiled(_plain_argument(one), scope) for one in call.arguments], scope)
    function = FUNCTIONS.get(call.function)
    if function is None:
        raise QueryError(
            f"Unknown function: '{call.function}'.", code="UnknownFunction", at=call.at, token=call.function
        )
    arguments = [compiled(_plain_argument(one), scope) for one in call.arguments]
    kind = None
    if function.is_typed and len(arguments) == len(function.takes) + 1:
        kind = KIND_NAMES.get(str(arguments.pop().read(())))
    _check_arity(call, function, len(arguments))
    found = _applied(function, arguments)
    return found if kind is None else converted(found, kind)


def _plain_argument(argument: Argument) -> Expression:
    return argument.value if isinstance(argument, NamedExpression) else argument


def _check_arity(call: FunctionCall, function: Function, count: int) -> None:
    most = None if function.repeats else len(function.takes)
    if count < function.required or (most is not None and count > most):
        raise wrong_arity(call, count)


def _applied(function: Function, arguments: list[Compiled]) -> Compiled:
    gives = function.gives
    if gives is None:
        gives = Kind.REAL if arguments[0].kind is Kind.DYNAMIC else arguments[0].kind
        if gives in NUMBERS and len(arguments) > 1 and arguments[1].kind in NUMBERS:
            gives = common_kind([gives, arguments[1].kind])
    wanted = list(function.takes)
    if function.repeats:
        wanted += [function.takes[-1]] * (len(arguments) - len(wanted))
    if function.gives is None:
        wanted = [
            gives if kind is None and one.kind is Kind.DYNAMIC else kind
            for kind, one in zip(wanted, arguments, strict=False)
        ]
    readers = [one if kind is None else converted(one, kind) for kind, one in zip(wanted, arguments, strict=False)]
    call, empty = function.call, "" if gives is Kind.STRING else None
    if function.takes_nulls:
        return lifted(gives, call, *readers)

    def guarded(*values: Any) -> Any:
        return empty if None in values else call(*values)

    def guarded_one(value: Any) -> Any:
        return empty if value is None else call(value)

    return lifted(gives, guarded_one if len(readers) == 1 else guarded, *readers)


def _apply(call: FunctionCall, function: Lambda, scope: NameScope) -> Compiled:
    """A function of the query itself: its parameters stand for the arguments."""
    if isinstance(function.body, Query):
        raise QueryError(f"'{call.function}' gives a table, not a value.", at=call.at, token=call.function)
    bindings = dict(scope.bindings)
    for place, parameter in enumerate(function.parameters):
        if place < len(call.arguments):
            value = compiled(_plain_argument(call.arguments[place]), scope)
        elif parameter.default is not None:
            value = compiled(parameter.default, scope)
        else:
            raise wrong_arity(call, len(call.arguments))
        bindings[parameter.name] = value if parameter.kind is None else converted(value, parameter.kind)
    inner = attrs.evolve(scope, bindings=bindings)
    for let in function.lets:
        if isinstance(let.value, (Query, Lambda)):
            raise QueryError(f"'{let.name}' inside the function '{call.function}' has to be a value.")
        bindings[let.name] = compiled(let.value, inner)
    return compiled(function.body, inner)


_COMPILERS: Mapping[type, Callable[[Any, NameScope], Compiled]] = {
    Literal: _literal,
    Name: _name,
    Member: _member,
    Element: _index,
    FunctionCall: _call,
    Unary: _unary,
    Binary: _binary,
    Membership: _membership,
    Between: _between,
    Star: _star,
    Scalar: _scalar,
}
