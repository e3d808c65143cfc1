"""Checks the arguments of a caller."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from difflib import get_close_matches
from inspect import GEN_CREATED, getgeneratorstate
from types import GeneratorType
from typing import Any, Protocol, TextIO, TypeVar, runtime_checkable

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError

_T = TypeVar("_T")
_LONGEST_LIST = 150


def optional_text(**options: Any) -> Any:
    """A field with a string or None. An empty string, which Azure sends for absent values, becomes None."""
    return attrs.field(default=None, converter=_none_if_empty, **options)


def _none_if_empty(text: str | None) -> str | None:
    return text or None


def as_tuple(given: Iterable[str]) -> tuple[str, ...]:
    """The values as a tuple. A single string is refused, because its letters would be treated as the values.

    Raises:
        InvalidInputError: It is a single string, or not iterable.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidInputError(f"expected a list of strings, got {quoted(given)}", hint=f"pass [{quoted(given)}]")
    return tuple(given)


def strings(name: str, given: Iterable[str]) -> tuple[str, ...]:
    """The value of an argument, which must be several strings.

    Raises:
        InvalidInputError: It is a single string, not iterable, or holds something else than strings.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidInputError(
            f"{name}: expected a list of strings, got {quoted(given)}", hint=f"pass [{quoted(given)}]"
        )
    found = tuple(given)
    for item in found:
        if not isinstance(item, str):
            raise InvalidInputError(f"{name} must be strings, got {quoted(item)}")
    return found


def positive_integer(name: str, value: int) -> int:
    """The value of an argument, which must be an integer of at least 1.

    Raises:
        InvalidInputError: It is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidInputError(f"{name} must be an integer of at least 1, got {quoted(value)}")
    return value


def positive_number(name: str, value: float) -> float:
    """The value of an argument, which must be a positive number.

    Raises:
        InvalidInputError: It is not.
    """
    if not is_number(value) or not value > 0:
        raise InvalidInputError(f"{name} must be a positive number, got {quoted(value)}")
    return value


def aware_datetime(name: str, value: datetime) -> datetime:
    """A datetime with a time zone.

    Raises:
        InvalidInputError: It is something else.
    """
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidInputError(
            f"{name} must be a datetime with a time zone, got {quoted(value)}",
            hint="pass datetime(2027, 6, 30, tzinfo=timezone.utc)",
        )
    return value


def is_number(value: object) -> bool:
    """Whether this is a number to calculate with: not a boolean, and not an integer that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, float) or abs(value) <= sys.float_info.max


def string(name: str, value: str) -> str:
    """The value of an argument, which must be a string.

    Raises:
        InvalidInputError: It is not.
    """
    if not isinstance(value, str):
        raise InvalidInputError(f"{name} must be a string, got {quoted(value)}")
    return value


def filled_string(name: str, value: str) -> str:
    """The value of an argument, which must be a string that is not blank.

    Raises:
        InvalidInputError: It is not.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{name} must be a string that is not empty, got {quoted(value)}")
    return value


def instance_or_none(name: str, value: _T | None, kind: type[Any]) -> _T | None:
    """The value of an argument, which must be of a class or None.

    Raises:
        InvalidInputError: It is not.
    """
    return None if value is None else instance(name, value, kind)


def instance(name: str, value: _T, kind: type[Any], *, hint: str = "") -> _T:
    """The value of an argument, which must be of a class.

    Raises:
        InvalidInputError: It is not.
    """
    # A class has the methods of a protocol as well, and is not an instance of it.
    if isinstance(value, type) or not isinstance(value, kind):
        raise InvalidInputError(f"{name} must be a {kind.__name__}, got {quoted(value)}", hint=hint)
    return value


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """What a caller may have meant, for the hint of an error: the closest valid values, or else as many as are readable."""
    shown = {fold(value): value for value in known}
    wanted = fold(given.strip()[:200]) if isinstance(given, str) else ""
    close = get_close_matches(wanted, shown, n=2, cutoff=0.7) or [one for one in shown if wanted and wanted in one][:2]
    if close:
        return f"did you mean {' or '.join(quoted(shown[one]) for one in close)}?"
    listed = list(shown.values())
    count, length = 0, 0
    while count < len(listed) and length < _LONGEST_LIST:
        length += len(listed[count]) + 2
        count += 1
    rest = f" and {len(listed) - count} more" if count < len(listed) else ""
    return f"use one of {', '.join(listed[:count])}{rest}" if listed else "there are none"


def tuple_of(kind: type[Any]) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    """A validator of a field that holds a tuple of instances of a class.

    Raises:
        InvalidInputError: It holds something else. Raised by the validator.
    """

    def check(_instance: Any, field: attrs.Attribute[Any], value: Any) -> None:
        if not isinstance(value, tuple) or not all(isinstance(item, kind) for item in value):
            raise InvalidInputError(f"{field.name} must be a tuple of {kind.__name__}, got {quoted(value)}")

    return check


@runtime_checkable
class ReadOnce(Protocol):
    """A listing that can be read once, and says whether that began."""

    @property
    def was_read(self) -> bool:
        """Whether an item was asked for."""
        ...


def unread(given: Iterable[_T]) -> Iterator[_T]:
    """The items of an argument. What was read to its end before is not taken for an empty list.

    This is known of the listings of the client and of generators. Another iterator that gives nothing is empty.

    Raises:
        InvalidInputError: It gives nothing, and was read before.
    """
    was_begun = _was_begun(given)
    is_empty = True
    for item in given:
        is_empty = False
        yield item
    if is_empty and was_begun:
        raise InvalidInputError(
            f"expected values, got {quoted(given)} that was read to its end before",
            hint="ask for the listing again, or keep its values in a list",
        )


def _was_begun(given: object) -> bool:
    if isinstance(given, GeneratorType):
        return getgeneratorstate(given) != GEN_CREATED
    return isinstance(given, ReadOnce) and given.was_read is True


def instances(name: str, given: Iterable[_T], kind: type[Any]) -> tuple[_T, ...]:
    """The values of an argument, which must be several of one class.

    Raises:
        InvalidInputError: It is not iterable, holds something else, or was read to its end before.
    """
    listed = tuple(unread(given)) if isinstance(given, Iterable) and not isinstance(given, (str, bytes)) else None
    if listed is None or not all(isinstance(one, kind) for one in listed):
        raise InvalidInputError(f"{name} must be a list of {kind.__name__} values, got {quoted(given)}")
    return listed


def stream(given: TextIO | None, default: TextIO) -> TextIO:
    """The stream of an argument to write to; the default for None.

    Raises:
        InvalidInputError: It cannot be written to.
    """
    target = default if given is None else given
    if isinstance(target, type) or not (hasattr(target, "write") and hasattr(target, "isatty")):
        raise InvalidInputError(f"stream must be a stream of strings, got {quoted(given)}", hint="pass sys.stdout")
    return target


def callables(name: str, given: Iterable[Callable[..., Any]]) -> tuple[Any, ...]:
    """The functions of an argument, as a tuple.

    Raises:
        InvalidInputError: One of them cannot be called, or it is not a list.
    """
    found = tuple(given) if isinstance(given, Iterable) else (None,)
    if not all(map(callable, found)):
        raise InvalidInputError(f"{name} must be a list of functions, got {quoted(given)}", hint="pass [function]")
    return found


def one_of(name: str, given: _T, known: tuple[_T, ...]) -> _T:
    """The value of an argument, which must be one of the known values.

    Raises:
        InvalidInputError: It is not.
    """
    if given not in known:
        raise InvalidInputError(f"{name} must be {' or '.join(map(repr, known))}, got {quoted(given)}")
    return given


def is_loopback(host: str) -> bool:
    """Whether a host name can only be this machine: 127.0.0.0/8, ::1 or localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
