"""Rows with typed columns, and values that are made only when something reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs

from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.values import Kind

Row = Sequence[Any]
Read = Callable[[Row], Any]


@attrs.frozen
class Column:
    """A column.

    Attributes:
        is_hidden: Whether an answer leaves it out where the query does not name it.
    """

    name: str
    kind: Kind
    is_hidden: bool = False


class Deferred:
    """A dynamic value that is made when it is first read: most rows of a table never show theirs."""

    __slots__ = ("_make", "_value")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make: Callable[[], Any] | None = make
        self._value: Any = None

    def value(self) -> Any:
        """Returns the value."""
        if self._make is not None:
            self._value, self._make = self._make(), None
        return self._value


def forced(cell: Any) -> Any:
    """Returns the value of a cell."""
    return cell.value() if cell.__class__ is Deferred else cell


@attrs.frozen
class Relation:
    """A table or the result of a query.

    Attributes:
        rows: A list, or an iterator that can be read once.
    """

    columns: tuple[Column, ...]
    rows: Iterable[Row]

    def place(self, name: str) -> int | None:
        """Returns the place of a column; None if there is none. The case of names counts."""
        return place_of(self.columns, name)

    def whole(self) -> list[Row]:
        """Returns all rows."""
        return self.rows if isinstance(self.rows, list) else list(self.rows)


def place_of(columns: Sequence[Column], name: str) -> int | None:
    """Returns the place of a column by its name; None if there is none."""
    for place, column in enumerate(columns):
        if column.name == name:
            return place
    return None


def unique_names(names: Iterable[str]) -> Iterator[str]:
    """Yields the names; those that are already taken get the next free number: ``name``, ``name1``, ``name2``."""
    taken: set[str] = set()
    for name in names:
        free, number = name, 0
        while free in taken:
            number += 1
            free = f"{name}{number}"
        taken.add(free)
        yield free


def not_a_column(operator: str, name: str) -> QueryError:
    """Returns the error for a name that means nothing here."""
    return QueryError(f"'{operator}' operator: Failed to resolve scalar expression named '{name}'")
