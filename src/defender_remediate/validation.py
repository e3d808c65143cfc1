"""What a caller gives, checked before anything is done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import attrs

from defender_remediate.errors import InvalidInputError

_T = TypeVar("_T")


def optional_text(**options: Any) -> Any:
    """A field of a value that holds a string or None: an empty string, as Azure sends it for what is absent, is None."""
    return attrs.field(default=None, converter=_none_if_empty, **options)


def _none_if_empty(text: str | None) -> str | None:
    return text or None


def several(given: Iterable[str]) -> tuple[str, ...]:
    """The texts as a tuple. A single one is refused: it would be taken apart into its letters.

    Raises:
        InvalidInputError: It is one text, or not several of anything.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidInputError(f"expected several texts, got one: {given!r}", hint=f"pass [{given!r}]")
    return tuple(given)


def whole(name: str, value: int) -> int:
    """A whole number of at least 1.

    Raises:
        InvalidInputError: It is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidInputError(f"{name} must be a whole number of at least 1, got {value!r}")
    return value


def positive(name: str, value: float) -> float:
    """A number above 0.

    Raises:
        InvalidInputError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise InvalidInputError(f"{name} must be a number above 0, got {value!r}")
    return value


def maybe(name: str, value: _T | None, kind: type[Any]) -> _T | None:
    """A value of a class, or None.

    Raises:
        InvalidInputError: It is something else.
    """
    if value is not None and not isinstance(value, kind):
        raise InvalidInputError(f"{name} must be a {kind.__name__}, got {value!r}")
    return value


def callables(name: str, given: Iterable[Callable[..., Any]]) -> tuple[Any, ...]:
    """Several things that can be called.

    Raises:
        InvalidInputError: One cannot be called, or a single one was given.
    """
    found = tuple(given) if isinstance(given, Iterable) else (None,)
    if not all(map(callable, found)):
        raise InvalidInputError(f"{name} must be several callables, got {given!r}", hint="pass [function]")
    return found


def one_of(name: str, given: _T, known: tuple[_T, ...]) -> _T:
    """One of the known values.

    Raises:
        InvalidInputError: It is another.
    """
    if given not in known:
        raise InvalidInputError(f"{name} is {' or '.join(map(repr, known))}, got {given!r}")
    return given
