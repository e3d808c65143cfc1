"""The types that a query is about, so that a table need not make the rows of others."""

from __future__ import annotations

from collections.abc import Sequence

from defender_remediate.testing.simulator.graph.kql.syntax import (
    Binary,
    Expression,
    Literal,
    Membership,
    Name,
    Stage,
    Where,
)


def wanted_types(stages: Sequence[Stage]) -> frozenset[str] | None:
    """Returns the types, in lower case, of the only rows that pass the first stages; None if any type may pass."""
    found: frozenset[str] | None = None
    for stage in stages:
        if not isinstance(stage, Where):
            return found
        for condition in _conjuncts(stage.condition):
            types = _types(condition)
            if types is not None:
                found = types if found is None else found & types
    return found


def _conjuncts(condition: Expression) -> list[Expression]:
    if isinstance(condition, Binary) and condition.operator == "and":
        return [*_conjuncts(condition.left), *_conjuncts(condition.right)]
    return [condition]


def _types(condition: Expression) -> frozenset[str] | None:
    if isinstance(condition, Binary) and condition.operator in ("==", "=~") and condition.left == Name("type"):
        return _strings([condition.right])
    if isinstance(condition, Membership) and condition.operator in ("in", "in~") and condition.operand == Name("type"):
        return _strings(condition.among)
    if isinstance(condition, Binary) and condition.operator == "or":
        sides = [_types(condition.left), _types(condition.right)]
        return None if None in sides else frozenset().union(*(side for side in sides if side is not None))
    return None


def _strings(expressions: Sequence[object]) -> frozenset[str] | None:
    strings = [one.value.lower() for one in expressions if isinstance(one, Literal) and isinstance(one.value, str)]
    return frozenset(strings) if len(strings) == len(expressions) else None
