"""Writes values as plain data; plans, reports and journal records as JSON that is read back by their annotations."""

from __future__ import annotations

import math
import sys
import types
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping
from datetime import datetime, time, timezone
from enum import Enum
from functools import cache, lru_cache
from typing import Any, TypeVar

import attrs

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.json_values import ABSENT, OWN_MAX_DEPTH, FrozenMap, format_json, parse_json
from defender_remediate.public_path import defining_module
from defender_remediate.redaction import redact_json, redact_text

_T = TypeVar("_T")
VERSION = 1
_PLAIN = frozenset({str, int, float, bool})


class Value:
    """The base of all public values. A class names the properties that belong to its data in ``_computed``."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Show no secret in the ``repr``: a name, a status or a description from Azure may contain one."""
        super().__init_subclass__()
        if "__repr__" not in vars(cls):
            # attrs makes no repr for a class that has its own.
            cls.__repr__ = _shown  # type: ignore[method-assign]

    def to_dict(self) -> dict[str, Any]:
        """The value as a dictionary that ``json.dumps`` takes: for a web service, a log or a table.

        It has the attributes, and under their names some computed ones, such as ``potential_increase``. Values inside it
        are dictionaries and lists too, enumerations are strings, and times are in ISO 8601. Secrets are hidden. A member of
        a resource that is not there is omitted.
        """
        return typing.cast("dict[str, Any]", redact_json(plain(self)))


def _shown(value: Any) -> str:
    """The ``repr`` of a value as attrs would make it, with ``(hidden)`` for every secret in its strings."""
    parts = []
    for field in attrs.fields(type(value)):
        if field.repr:
            found = getattr(value, field.name)
            parts.append(f"{field.name}={field.repr(found) if callable(field.repr) else _shown_member(found)}")
    return f"{type(value).__qualname__.rpartition('>.')[2]}({', '.join(parts)})"


def _shown_member(value: Any) -> str:
    if type(value) is str:
        return repr(redact_text(value))
    if type(value) is tuple:
        return f"({', '.join(map(_shown_member, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def plain(value: Any) -> Any:
    """Return any value as plain JSON values: those of this library with their computed members, others as they print."""
    if attrs.has(type(value)):
        names = [field.name for field in attrs.fields(type(value)) if not field.name.startswith("_")]
        value = {name: getattr(value, name) for name in (*names, *getattr(value, "_computed", ()))}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items() if item is not ABSENT}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value), key=str)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (datetime, time)):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def dumps(document: Mapping[str, Any], *, shown: Callable[[Any], Any] | None = None) -> str:
    """Return indented JSON text, in the order of the fields. Characters that a terminal would not show are escaped.

    Args:
        document: Its members, as values of this library or plain ones.
        shown: What to write instead of a plain value, such as the same with its secrets hidden.
    """
    return "".join(json_parts({"version": VERSION, **document}, indent=2, shown=shown))


def json_parts(
    members: Mapping[str, Any], *, indent: int | None = None, shown: Callable[[Any], Any] | None = None
) -> Iterator[str]:
    """The JSON text of an object with these members, in parts. The last one ends with its brace.

    Together they are the text of the encoded whole, which would need several times the memory of the text for a plan of
    thousands of steps.

    Args:
        members: Values of this library or plain ones. ``ABSENT`` is omitted.
        indent: How far each level is indented; None for one line without spaces.
        shown: What to write instead of a plain value.
    """

    def line(depth: int) -> str:
        return "" if indent is None else "\n" + " " * (indent * depth)

    def parts(value: Any, depth: int) -> Iterator[str]:
        if type(value) is tuple and value:
            for place, item in enumerate(value):
                yield f"{',' if place else '['}{line(depth + 1)}{whole(item, depth + 1)}"
            yield f"{line(depth)}]"
        elif _fields(typing.cast(Hashable, type(value))):
            yield from object_parts(members_of(value), depth)
        else:
            yield whole(value, depth)

    def object_parts(members: Mapping[str, Any], depth: int) -> Iterator[str]:
        present = {name: value for name, value in members.items() if value is not ABSENT}
        yield "{"
        for place, (name, value) in enumerate(present.items()):
            yield f"{',' if place else ''}{line(depth + 1)}{format_json(name)}:{'' if indent is None else ' '}"
            yield from parts(value, depth + 1)
        yield f"{line(depth) if present else ''}}}"

    def whole(value: Any, depth: int) -> str:
        plain = encode(value)
        text = format_json(plain if shown is None else shown(plain), indent=indent)
        return text if indent is None else text.replace("\n", line(depth))

    return object_parts(members, 0)


def members_of(value: Any) -> dict[str, Any]:
    """The fields of a value of this library, by name."""
    return {name: getattr(value, name) for name in _fields(typing.cast(Hashable, type(value))) or ()}


def loads(text: str | bytes, kind: str, *, made_by: str = "to_json()") -> dict[str, Any]:
    """Return the document in a JSON text of this kind, without its envelope.

    Args:
        text: The JSON text.
        kind: What it has to be.
        made_by: The call that makes such a string; ``to_json()`` is that of the kind.

    Raises:
        InvalidInputError: The text is not JSON, has a name twice, is of another kind, or was written by a newer version.
    """
    source = f"{kind}.{made_by}" if made_by == "to_json()" else made_by
    hint = f"pass the string that {source} returned"
    if not isinstance(text, (str, bytes, bytearray)):
        is_path = hasattr(text, "read_text")
        raise InvalidInputError(
            f"expected the JSON of a {kind}, got {quoted(text)}", hint="pass path.read_text()" if is_path else hint
        )
    try:
        document = parse_json(text, unique_names=True, max_depth=OWN_MAX_DEPTH)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"the text is not the JSON of a {kind}: {error}", hint=hint) from error
    found = document.pop("kind", None) if isinstance(document, dict) else None
    if not isinstance(document, dict) or found != kind:
        other = f" of the kind {quoted(found)}" if isinstance(found, str) else ""
        raise InvalidInputError(f"the text is JSON{other}, but not of a {kind}", hint=hint)
    version = document.pop("version", None)
    if version != VERSION:
        raise InvalidInputError(
            f"this {kind} has format version {quoted(version)}; this library reads version {VERSION}"
        )
    return document


def encode(value: Any) -> Any:
    """Return a value of this library as plain JSON values. A member with the value ``ABSENT`` is omitted."""
    if value is None or type(value) in _PLAIN:
        return value
    if (names := _fields(typing.cast(Hashable, type(value)))) is not None:
        members = ((name, getattr(value, name)) for name in names)
        return {name: encode(item) for name, item in members if item is not ABSENT}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {name: encode(item) for name, item in value.items() if item is not ABSENT}
    return value


@cache
def _fields(cls: type[Any]) -> tuple[str, ...] | None:
    """The names of the fields of a class of attrs; None for any other class."""
    return tuple(field.name for field in attrs.fields(cls)) if attrs.has(cls) else None


def decode(cls: type[_T], document: Any, path: str = "") -> _T:
    """Build an instance of an attrs class from plain JSON values, converting only enumerations and times.

    Raises:
        InvalidInputError: A member is missing, unknown or of the wrong type; the message gives its path.
    """
    if not isinstance(document, Mapping):
        raise InvalidInputError(f"{path or cls.__name__}: expected an object, got {type(document).__name__}")
    hints = _hints(typing.cast(Hashable, cls))  # mypy takes a class for unhashable
    unknown = sorted(map(str, set(document) - set(hints)))
    if unknown:
        raise InvalidInputError(f"{path or cls.__name__} has no member {quoted(unknown[0])}")
    missing = [name for name in _required(typing.cast(Hashable, cls)) if name not in document]
    if missing:
        raise InvalidInputError(f"{_join(path, missing[0])} is missing")
    values = {name: _member(hints[name], item, _join(path, name)) for name, item in document.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{path or cls.__name__}: {error}") from error


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)
    known = typing.get_type_hints(cls, vars(sys.modules[defining_module(cls)]))
    return {field.name: known[field.name] for field in fields}


@cache
def _required(cls: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _member(hint: Any, value: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
        return None if value is None else _member(choices[0], value, path)
    if origin is tuple:
        if not isinstance(value, list):
            raise InvalidInputError(f"{path}: expected an array, got {type(value).__name__}")
        inner = typing.get_args(hint)[0]
        return tuple(_member(inner, item, f"{path}[{index}]") for index, item in enumerate(value))
    if hint is Any:
        return value
    if attrs.has(hint):
        return decode(hint, value, path)
    return _scalar(hint, value, path)


def _scalar(hint: Any, value: Any, path: str) -> Any:
    try:
        if issubclass(hint, Enum):
            return hint(value)
        if hint is datetime:
            return _moment(value)
        if hint is FrozenMap and isinstance(value, Mapping):
            return FrozenMap(value)
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
    except (OverflowError, TypeError, ValueError) as error:
        raise InvalidInputError(f"{path}: {error}") from error
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise InvalidInputError(f"{path}: expected {hint.__name__}, got {type(value).__name__}")
    return _same_text(value) if type(value) is str else value


@lru_cache(4096)
def _same_text(text: str) -> str:
    """The text itself, as the one that was read before: the steps of a plan have most of their strings in common."""
    return text


def _moment(text: str) -> datetime:
    """A time with its zone. One that has no equivalent in UTC could not be compared with others."""
    try:
        moment = datetime.fromisoformat(text)
        moment.astimezone(timezone.utc)
    except (OverflowError, TypeError, ValueError) as error:
        raise InvalidInputError(f"expected a time in ISO 8601, got {quoted(text)}") from error
    if moment.tzinfo is None:
        raise InvalidInputError(f"the time {quoted(text)} has no time zone")
    return moment
