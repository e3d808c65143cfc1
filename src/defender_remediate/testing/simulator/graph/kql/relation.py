"""Rows with typed columns, and values that are made only when something reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    """A dynamic value that is made each time something reads it: most rows of a table never show theirs.

    It is not kept, so that the result of a query over many rows stays small.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def value(self) -> Any:
        """Returns the value, which is what an answer shows: nothing in it has to be made plain."""
        return self._make()

    def member(self, name: str) -> Any:
        """Returns a member of the value, which may be deferred as well; None if it has none."""
        value = self._make()
        return value.get(name) if value.__class__ is dict else None


class Bag(Deferred):
    """A deferred bag of which one member is made at a time.

    Attributes:
        members: What makes each of its members of a subject, in order; None for one that the subject does not have.
        subject: What the members are made of.
    """

    __slots__ = ("members", "subject")

    def __init__(self, members: Mapping[str, Callable[[Any], Any]], subject: Any) -> None:
        self.members = members
        self.subject = subject

    def value(self) -> Any:
        """Returns the bag with all members that are there."""
        found = {}
        for name, make in self.members.items():
            value = forced(make(self.subject))
            if value is not None:
                found[name] = value
        return found

    def member(self, name: str) -> Any:
        """Returns a member; None if there is none."""
        make = self.members.get(name)
        return None if make is None else make(self.subject)


def forced(cell: Any) -> Any:
    """Returns the value of a cell."""
    return cell.value() if isinstance(cell, Deferred) else cell


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
