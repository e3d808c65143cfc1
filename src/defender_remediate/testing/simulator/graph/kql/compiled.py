"""Expressions as functions of a row: what is constant is computed once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from defender_remediate.testing.simulator.graph.kql.relation import Column, Read, Row, forced
from defender_remediate.testing.simulator.graph.kql.values import CONVERSIONS, NUMBERS, Kind, bool_text, text_of


@attrs.frozen
class Compiled:
    """An expression as a function of a row.

    Attributes:
        kind: The kind of what it gives.
        read: Gives its value for a row.
        is_constant: Whether it gives the same for every row.
        place: The column that it is, if it is nothing else.
    """

    kind: Kind
    read: Read
    is_constant: bool = False
    place: int | None = None


def constant(value: Any, kind: Kind) -> Compiled:
    """Returns a value that is the same for every row."""

    def read(row: Row) -> Any:
        del row
        return value

    return Compiled(kind, read, is_constant=True)


def column_at(columns: Sequence[Column], place: int) -> Compiled:
    """Returns a column as an expression. A dynamic value is made when it is read."""
    kind = columns[place].kind
    if kind is Kind.DYNAMIC:
        return Compiled(kind, lambda row: forced(row[place]), place=place)
    return Compiled(kind, operator.itemgetter(place), place=place)


def lifted(kind: Kind, call: Callable[..., Any], *parts: Compiled) -> Compiled:
    """Returns a function of the values of other expressions."""
    if all(part.is_constant for part in parts):
        return constant(call(*(part.read(()) for part in parts)), kind)
    if len(parts) == 1:
        only = parts[0].read
        return Compiled(kind, lambda row: call(only(row)))
    if len(parts) == 2:
        first, second = parts[0].read, parts[1].read
        if parts[1].is_constant:
            known = second(())
            return Compiled(kind, lambda row: call(first(row), known))
        return Compiled(kind, lambda row: call(first(row), second(row)))
    readers = [part.read for part in parts]
    return Compiled(kind, lambda row: call(*[read(row) for read in readers]))


def converted(part: Compiled, kind: Kind) -> Compiled:
    """Returns an expression as one of another kind."""
    if part.kind is kind or (part.kind in NUMBERS[:2] and kind in NUMBERS[:2]):
        return part
    if kind is Kind.STRING and part.kind is Kind.BOOL:
        return lifted(kind, bool_text, part)
    if kind is Kind.STRING and part.kind is Kind.GUID:
        return lifted(kind, text_of, part)
    return lifted(kind, CONVERSIONS[kind], part)
