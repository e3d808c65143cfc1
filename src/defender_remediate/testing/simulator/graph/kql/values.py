"""The values of the query language: kinds, conversions, and how they are written.

A string is never null. In a dynamic value stand what JSON has; ``null`` is None there as everywhere.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from defender_remediate.enums import StrEnum


class Kind(StrEnum):
    """The type of a column or an expression. Decimals are calculated as reals."""

    BOOL = "bool"
    INT = "int"
    LONG = "long"
    REAL = "real"
    STRING = "string"
    DATETIME = "datetime"
    TIMESPAN = "timespan"
    GUID = "guid"
    DYNAMIC = "dynamic"


NUMBERS = (Kind.INT, Kind.LONG, Kind.REAL)
KIND_NAMES = {
    **{kind.value: kind for kind in Kind},
    "boolean": Kind.BOOL,
    "double": Kind.REAL,
    "decimal": Kind.REAL,
    "date": Kind.DATETIME,
    "time": Kind.TIMESPAN,
    "uuid": Kind.GUID,
    "object": Kind.DYNAMIC,
}
_PLAIN = frozenset({str, int, bool})
_INTEGER = re.compile(r"\s*([+-]?\d+)\s*\Z")
_HEXADECIMAL = re.compile(r"\s*0[xX]([0-9a-fA-F]+)\s*\Z")
_REAL = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*\Z")
_INSTANT = re.compile(
    r"\s*(\d{4})-(\d{1,2})(?:-(\d{1,2}))?"
    r"(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d{2}:?\d{2})?)?\s*\Z",
    re.IGNORECASE,
)
_OTHER_INSTANTS = (
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4}"), "%m/%d/%Y"),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2}"), "%m/%d/%Y %H:%M:%S"),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2} [AP]M", re.IGNORECASE), "%m/%d/%Y %I:%M:%S %p"),
    (re.compile(r"\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT"), "%a, %d %b %Y %H:%M:%S GMT"),
)
_SPAN = re.compile(r"\s*(-)?(?:(\d+)\.)?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?\s*\Z")
_SHORT_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE)
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "microsecond": 1e-6, "tick": 1e-7}


def text_of(value: Any) -> str:
    """Returns a value as ``tostring`` shows it; a bool as it stands inside a dynamic value."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return real_text(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
    if isinstance(value, timedelta):
        return span_text(value)
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False)
    return str(value)


def bool_text(value: Any) -> str:
    """Returns a value of the kind bool as ``tostring`` shows it."""
    return "" if value is None else str(value)


def real_text(value: float) -> str:
    """Returns a real as text."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return repr(value)


def span_text(span: timedelta) -> str:
    """Returns a timespan as text: ``1.02:03:04.5000000``."""
    sign, span = ("-", -span) if span < timedelta() else ("", span)
    hours, rest = divmod(span.seconds, 3600)
    text = f"{hours:02}:{rest // 60:02}:{rest % 60:02}"
    days = f"{span.days}." if span.days else ""
    fraction = f".{span.microseconds:06}0" if span.microseconds else ""
    return f"{sign}{days}{text}{fraction}"


def plain(value: Any) -> Any:
    """Returns a value as the answer shows it in JSON."""
    if value.__class__ in _PLAIN or value is None:
        return value
    if value.__class__ is dict:
        return {name: item if item.__class__ in _PLAIN else plain(item) for name, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else real_text(value)
    if isinstance(value, datetime):
        fraction = f".{value.microsecond:06}".rstrip("0") if value.microsecond else ""
        return value.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
    if isinstance(value, timedelta):
        return span_text(value)
    if isinstance(value, Mapping):
        return plain(dict(value))
    return value if isinstance(value, (str, int)) else [plain(item) for item in value]


def to_integer(value: Any) -> int | None:
    """Returns the integer that a value stands for; a real loses its fraction, a string has to be an integer."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else None
    if isinstance(value, str):
        found = _INTEGER.match(value)
        if found is not None:
            return int(found[1][:40])
        hexadecimal = _HEXADECIMAL.match(value)
        return int(hexadecimal[1][:16], 16) if hexadecimal else None
    return None


def to_real(value: Any) -> float | None:
    """Returns the real that a value stands for."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    if isinstance(value, timedelta):
        return value.total_seconds() * 1e7
    return float(value) if isinstance(value, str) and _REAL.match(value) else None


def to_number(value: Any) -> int | float | None:
    """Returns the number that a value stands for, as an integer if it is one."""
    if isinstance(value, (int, float)):
        return value
    whole = to_integer(value)
    return to_real(value) if whole is None else whole


def to_bool(value: Any) -> bool | None:
    """Returns the bool that a value stands for."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value != 0
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
    return None


def to_instant(value: Any) -> datetime | None:
    """Returns the time that a value stands for; a time without a zone is UTC."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        return None
    found = _INSTANT.match(value)
    try:
        if found is None:
            return _other_instant(value.strip())
        year, month, day, hour, minute, second, fraction, zone = found.groups()
        midnight = datetime(int(year), int(month), int(day or 1), tzinfo=timezone.utc)
        time = midnight.replace(hour=int(hour or 0), minute=int(minute or 0), second=int(second or 0))
        moment = time + timedelta(microseconds=int((fraction or "0")[:6].ljust(6, "0")))
        if zone and zone not in "Zz":
            sign = -1 if zone[0] == "-" else 1
            moment -= sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        return moment
    except (ValueError, OverflowError):
        return None


def _other_instant(text: str) -> datetime | None:
    for shape, form in _OTHER_INSTANTS:
        if shape.fullmatch(text):
            return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
    return None


def to_span(value: Any) -> timedelta | None:
    """Returns the timespan that a value stands for: ``d.hh:mm:ss`` or a literal such as ``2h``."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        return None
    found = _SPAN.match(value)
    if found is None:
        return short_span(value)
    sign, days, hours, minutes, seconds, fraction = found.groups()
    span = timedelta(days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=int(seconds or 0))
    span += timedelta(microseconds=int((fraction or "0")[:6].ljust(6, "0")))
    return -span if sign else span


def short_span(text: str) -> timedelta | None:
    """Returns the timespan of a literal such as ``1.5h``."""
    found = _SHORT_SPAN.fullmatch(text.strip())
    if found is None:
        return None
    unit = found[2].lower()
    if unit not in _SECONDS:
        unit = unit.rstrip("s")
        unit = {"millisecond": "ms", "microsecond": "microsecond", "tick": "tick"}.get(unit, unit[:1])
    return timedelta(seconds=float(found[1]) * _SECONDS[unit]) if unit in _SECONDS else None


def to_dynamic(value: Any) -> Any:
    """Returns what a string in JSON stands for; the text itself where it is no JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return value


CONVERSIONS: dict[Kind, Callable[[Any], Any]] = {
    Kind.BOOL: to_bool,
    Kind.INT: to_integer,
    Kind.LONG: to_integer,
    Kind.REAL: to_real,
    Kind.STRING: text_of,
    Kind.DATETIME: to_instant,
    Kind.TIMESPAN: to_span,
    Kind.GUID: text_of,
    Kind.DYNAMIC: lambda value: value,
}
"""How a dynamic value becomes one of another kind."""


def common_kind(kinds: list[Kind]) -> Kind:
    """Returns the kind of what has one of these: the one that is not dynamic, the widest of numbers, else dynamic."""
    known = [kind for kind in dict.fromkeys(kinds) if kind is not Kind.DYNAMIC]
    if len(known) == 1:
        return known[0]
    if known and all(kind in NUMBERS for kind in known):
        return max(known, key=NUMBERS.index)
    return Kind.DYNAMIC
