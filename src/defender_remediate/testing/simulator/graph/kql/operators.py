"""The operators of expressions, with Kusto's rules for null, for case and for values of different kinds."""

from __future__ import annotations

import math
import operator as python
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.graph.kql.compiled import Compiled, converted, lifted
from defender_remediate.testing.simulator.graph.kql.dynamic_functions import key_of
from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.text_functions import (
    has_term,
    has_term_at_end,
    has_term_at_start,
    pattern,
)
from defender_remediate.testing.simulator.graph.kql.values import (
    CONVERSIONS,
    NUMBERS,
    Kind,
    common_kind,
    text_of,
    to_number,
)

ARITHMETIC = frozenset("+-*/%")
ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {"<": python.lt, "<=": python.le, ">": python.gt, ">=": python.ge}
_TEXTS = (Kind.STRING, Kind.GUID)
_TEXT_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "==": python.eq,
    "=~": python.eq,
    "contains": python.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "has": has_term,
    "hasprefix": has_term_at_start,
    "hassuffix": has_term_at_end,
}


def logical(operator: str, left: Compiled, right: Compiled) -> Compiled:
    """``and`` and ``or`` of bools, either of which may be null."""
    one, other = left.read, right.read
    if operator == "and":

        def both(row: Any) -> Any:
            first = one(row)
            if first is False:
                return False
            second = other(row)
            return second if first or second is False else None

        return Compiled(Kind.BOOL, both, is_constant=left.is_constant and right.is_constant)

    def either(row: Any) -> Any:
        first = one(row)
        if first is True:
            return True
        second = other(row)
        return second if first is False or second is True else None

    return Compiled(Kind.BOOL, either, is_constant=left.is_constant and right.is_constant)


def _comparable(left: Compiled, right: Compiled) -> tuple[Compiled, Compiled]:
    """Two operands as ones of the same kind; a dynamic one becomes what the other is."""
    if left.kind is right.kind:
        return left, right
    if Kind.DYNAMIC in (left.kind, right.kind):
        kind = right.kind if left.kind is Kind.DYNAMIC else left.kind
        if kind in NUMBERS:
            return _number(left), _number(right)
        return converted(left, kind), converted(right, kind)
    numbers = (*NUMBERS, Kind.BOOL)
    if (left.kind in numbers and right.kind in numbers) or (left.kind in _TEXTS and right.kind in _TEXTS):
        return left, right
    raise QueryError(
        f"Cannot compare values of types {left.kind.value} and {right.kind.value}. Try adding explicit casts."
    )


def _number(part: Compiled) -> Compiled:
    return lifted(Kind.REAL, to_number, part) if part.kind is Kind.DYNAMIC else part


def equality(left: Compiled, right: Compiled, *, is_negated: bool) -> Compiled:
    """``==`` and ``!=``. Null equals nothing; whether it equals null is null."""
    left, right = _comparable(left, right)
    if left.kind in _TEXTS:
        return lifted(Kind.BOOL, python.ne if is_negated else python.eq, left, right)
    key = key_of if left.kind is Kind.DYNAMIC else _same

    def compare(one: Any, other: Any) -> bool | None:
        if one is None or other is None:
            return None if one is other else is_negated
        return (key(one) != key(other)) is is_negated

    return lifted(Kind.BOOL, compare, left, right)


def _same(value: Any) -> Any:
    return value


def ordering(operator: str, left: Compiled, right: Compiled) -> Compiled:
    """``<``, ``<=``, ``>`` and ``>=``; null if an operand is null."""
    if left.kind is right.kind is Kind.DYNAMIC:
        left, right = _number(left), _number(right)
    left, right = _comparable(left, right)
    compare = ORDERINGS[operator]

    def ordered(one: Any, other: Any) -> bool | None:
        return None if one is None or other is None else compare(one, other)

    return lifted(Kind.BOOL, ordered, left, right)


def text_comparison(operator: str, left: Compiled, right: Compiled) -> Compiled:
    """The operators for text; those whose name does not end in ``_cs`` ignore case."""
    left, right = converted(left, Kind.STRING), converted(right, Kind.STRING)
    if operator == "matches regex":
        return lifted(Kind.BOOL, lambda text, wanted: pattern(wanted).search(text) is not None, left, right)
    is_negated = operator.startswith(("!", "not"))
    name = {"!~": "=~", "!=": "=="}.get(operator) or operator.removeprefix("!").removeprefix("not")
    ignores_case = not name.endswith("_cs") and name != "=="
    test = _TEXT_TESTS[name.removesuffix("_cs")]
    if not ignores_case:
        return lifted(Kind.BOOL, lambda text, wanted: test(text, wanted) is not is_negated, left, right)
    if right.is_constant:
        folded = fold(right.read(()))
        return lifted(Kind.BOOL, lambda text: test(fold(text), folded) is not is_negated, left)
    return lifted(Kind.BOOL, lambda text, wanted: test(fold(text), fold(wanted)) is not is_negated, left, right)


def membership(operator: str, operand: Compiled, among: list[Compiled]) -> Compiled:
    """``in``, ``has_any`` and ``has_all``. An array among the values stands for its elements."""
    is_negated = operator.startswith("!")
    name = operator.removeprefix("!")
    if not all(part.is_constant for part in among):
        raise QueryError(f"'{operator}': the values to compare with have to be constants.")
    values = []
    for part in among:
        value = part.read(())
        values.extend(value if isinstance(value, list) else [value])
    if name.startswith("has"):
        terms = [fold(text_of(value)) for value in values]
        matches = all if name == "has_all" else any
        text = converted(operand, Kind.STRING)
        return lifted(
            Kind.BOOL, lambda one: matches(has_term(fold(one), term) for term in terms) is not is_negated, text
        )
    if name == "in~" or operand.kind in (*_TEXTS, Kind.DYNAMIC):
        key = fold if name == "in~" else _same
        known = {key(text_of(value)) for value in values}
        text = converted(operand, Kind.STRING)
        return lifted(Kind.BOOL, lambda one: (key(one) in known) is not is_negated, text)
    comparable = {_like(value, operand.kind) for value in values}
    return lifted(Kind.BOOL, lambda one: (one in comparable) is not is_negated, operand)


def _like(value: Any, kind: Kind) -> Any:
    return CONVERSIONS[kind](value) if isinstance(value, str) else value


def arithmetic(operator: str, left: Compiled, right: Compiled) -> Compiled:
    """Sums and products of numbers, times and timespans; null if an operand is null, or for a division by zero."""
    kinds = {left.kind, right.kind}
    if kinds & {Kind.DATETIME, Kind.TIMESPAN}:
        return _with_time(operator, left, right)
    if not kinds <= {*NUMBERS, Kind.DYNAMIC, Kind.BOOL}:
        raise QueryError(
            f"Arithmetic expression cannot be carried-out between {left.kind.value} and {right.kind.value}."
        )
    kind = common_kind([left.kind, right.kind])
    if kind is Kind.DYNAMIC or kind is Kind.BOOL:
        kind = Kind.LONG if operator == "%" else Kind.REAL
    elif kind is Kind.INT:
        kind = Kind.LONG
    call = _NUMBER_OPERATIONS[operator]

    def compute(one: Any, other: Any) -> Any:
        return None if one is None or other is None else call(one, other)

    return lifted(kind, compute, _number(left), _number(right))


def _divided(one: Any, other: Any) -> Any:
    if isinstance(one, int) and isinstance(other, int):
        return None if other == 0 else int(abs(one) // abs(other)) * (1 if (one < 0) == (other < 0) else -1)
    if other == 0:
        return math.nan if one == 0 or math.isnan(one) else math.copysign(math.inf, one)
    return one / other


def _remainder(one: Any, other: Any) -> Any:
    return None if other == 0 else one % abs(other)


_NUMBER_OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": python.add,
    "-": python.sub,
    "*": python.mul,
    "/": _divided,
    "%": _remainder,
}


def _with_time(operator: str, left: Compiled, right: Compiled) -> Compiled:
    if left.kind is Kind.DYNAMIC:
        left = converted(left, Kind.DATETIME if right.kind is Kind.DATETIME else Kind.TIMESPAN)
    if right.kind is Kind.DYNAMIC:
        right = converted(right, Kind.DATETIME if left.kind is Kind.DATETIME and operator == "-" else Kind.TIMESPAN)
    shape = (
        _TIME_KINDS.get(left.kind, "number") + operator + _TIME_KINDS.get(right.kind, "number")
        if left.kind in (*_TIME_KINDS, *NUMBERS) and right.kind in (*_TIME_KINDS, *NUMBERS)
        else ""
    )
    if shape not in _TIME_OPERATIONS:
        raise QueryError(
            f"Arithmetic expression cannot be carried-out between {left.kind.value} and {right.kind.value}."
        )
    kind, call = _TIME_OPERATIONS[shape]

    def compute(one: Any, other: Any) -> Any:
        if one is None or other is None:
            return None
        try:
            return call(one, other)
        except (OverflowError, ZeroDivisionError):
            return None

    return lifted(kind, compute, left, right)


def _span_from(moment: datetime, other: datetime) -> timedelta:
    return moment - other


_TIME_KINDS = {Kind.DATETIME: "time", Kind.TIMESPAN: "span"}
_TIME_OPERATIONS: Mapping[str, tuple[Kind, Callable[[Any, Any], Any]]] = {
    "time-time": (Kind.TIMESPAN, _span_from),
    "time+span": (Kind.DATETIME, python.add),
    "span+time": (Kind.DATETIME, lambda span, moment: moment + span),
    "time-span": (Kind.DATETIME, python.sub),
    "span+span": (Kind.TIMESPAN, python.add),
    "span-span": (Kind.TIMESPAN, python.sub),
    "span/span": (Kind.REAL, python.truediv),
    "span*number": (Kind.TIMESPAN, python.mul),
    "number*span": (Kind.TIMESPAN, python.mul),
    "span/number": (Kind.TIMESPAN, python.truediv),
    "span%span": (Kind.TIMESPAN, python.mod),
}
