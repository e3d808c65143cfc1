"""Values of the simulator as plain JSON, and back: what a file says is checked against the annotations of the classes."""

from __future__ import annotations

import re
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

import attrs

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError


def encode(value: Any) -> Any:
    """Returns a value as plain JSON.

    A mapping whose keys are no strings becomes an array of pairs, bytes become a string with one character for each byte, and a
    regular expression its text.
    """
    if attrs.has(type(value)):
        return {field.alias: encode(getattr(value, field.name)) for field in _saved(type(value))}
    if isinstance(value, Mapping):
        if all(isinstance(name, str) for name in value):
            return {name: encode(item) for name, item in value.items()}
        return [[encode(name), encode(item)] for name, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((encode(item) for item in value), key=str)
    if isinstance(value, re.Pattern):
        return value.pattern
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value.isoformat() if isinstance(value, (datetime, date)) else value


def decode(hint: Any, value: Any, path: str) -> Any:
    """Returns what ``encode`` was given.

    Args:
        hint: The type: a class of attrs, a container of such, a scalar, or ``Any``.
        value: The plain JSON.
        path: Where it stands, for messages.

    Raises:
        InvalidInputError: It is not of the type; the message gives the path.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        chosen = next(one for one in inner if one is not type(None))
        return None if value is None and type(None) in inner else decode(chosen, value, path)
    if attrs.has(hint):
        return _decode_fields(hint, value, path)
    if origin is re.Pattern:
        return _pattern(_scalar(str, value, path), path)
    if origin is not None and issubclass(origin, Mapping):
        return _decode_mapping(inner, value, path)
    if origin is tuple and inner[-1] is not Ellipsis:
        items = _array(value, path)
        if len(items) != len(inner):
            raise InvalidInputError(f"{path}: expected {len(inner)} elements, got {len(items)}")
        return tuple(
            decode(one, item, f"{path}[{place}]") for place, (one, item) in enumerate(zip(inner, items, strict=True))
        )
    if origin is not None:
        found = [decode(inner[0], item, f"{path}[{place}]") for place, item in enumerate(_array(value, path))]
        return (
            tuple(found)
            if origin in (tuple, Sequence) or not issubclass(origin, (list, set, frozenset))
            else origin(found)
        )
    return _scalar(hint, value, path)


def _saved(cls: Any) -> list[Any]:
    """Returns the fields of a class that are in a file: those of its constructor that are not marked as left out."""
    return [field for field in attrs.fields(cls) if field.init and field.metadata.get("saved", True)]


def _decode_fields(cls: Any, value: Any, path: str) -> Any:
    known = {field.alias: field for field in _saved(cls)}
    given = _object(value, path)
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InvalidInputError(f"{path} has no member {quoted(unknown[0])}")
    missing = [name for name, field in known.items() if field.default is attrs.NOTHING and name not in given]
    if missing:
        raise InvalidInputError(f"{path}.{missing[0]} is missing")
    hints = _hints(cls)
    try:
        return cls(**{name: decode(hints[known[name].name], item, f"{path}.{name}") for name, item in given.items()})
    except (AttributeError, LookupError, TypeError) as error:
        raise InvalidInputError(f"{path}: {error}") from error


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls, vars(sys.modules[cls.__module__]))


def _decode_mapping(inner: tuple[Any, ...], value: Any, path: str) -> dict[Any, Any]:
    if inner[0] is str:
        return {name: decode(inner[1], item, f"{path}.{name}") for name, item in _object(value, path).items()}
    if value == {}:  # without a name, an empty mapping is an object
        return {}
    pairs = (
        decode(types.GenericAlias(tuple, inner), item, f"{path}[{place}]")
        for place, item in enumerate(_array(value, path))
    )
    return dict(pairs)


def _pattern(text: str, path: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise InvalidInputError(f"{path}: expected a regular expression, got {quoted(text)}: {error}") from None


def _object(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{path}: expected an object, got {quoted(value)}")
    return value


def _array(value: Any, path: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise InvalidInputError(f"{path}: expected an array, got {quoted(value)}")
    return value


def _bytes(value: Any, path: str) -> bytes:
    try:
        return str(_scalar(str, value, path)).encode("latin-1")
    except UnicodeEncodeError:
        raise InvalidInputError(f"{path}: expected one character for each byte, got {quoted(value)}") from None


def _scalar(kind: Any, value: Any, path: str) -> Any:
    if kind in (datetime, date):
        try:
            moment = kind.fromisoformat(value)
        except (TypeError, ValueError):
            raise InvalidInputError(f"{path}: expected a {kind.__name__} in ISO 8601, got {quoted(value)}") from None
        if kind is datetime and moment.tzinfo is None:
            raise InvalidInputError(f"{path}: the time {quoted(value)} has no time zone")
        return moment
    if kind is bytes:
        return _bytes(value, path)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return value  # an integer that stands for any number stays as it was written
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InvalidInputError(f"{path}: expected {kind.__name__}, got {quoted(value)}")
    return value
