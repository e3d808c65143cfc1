"""The functions of policy expressions for dates and times, with the formats of .NET that they take."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?\Z", re.IGNORECASE)
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\Z")
_DURATION = re.compile(
    r"(-)?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?\Z"
)
_STANDARD = {
    "d": "%m/%d/%Y",
    "G": "%m/%d/%Y %H:%M:%S",
    "g": "%m/%d/%Y %H:%M",
    "s": "%Y-%m-%dT%H:%M:%S",
    "u": "%Y-%m-%d %H:%M:%SZ",
    "U": "%A, %d %B %Y %H:%M:%S",
    "R": "%a, %d %b %Y %H:%M:%S GMT",
    "r": "%a, %d %b %Y %H:%M:%S GMT",
    "T": "%H:%M:%S",
    "t": "%H:%M",
    "D": "%A, %d %B %Y",
    "F": "%A, %d %B %Y %H:%M:%S",
    "f": "%A, %d %B %Y %H:%M",
    "M": "%B %d",
    "Y": "%Y %B",
}
_IN_UTC = frozenset("uURr")
_CUSTOM = re.compile(r"yyyy|yy|MMMM|MMM|MM|dddd|ddd|dd|HH|hh|mm|ss|tt|f{1,7}|K|zzz|'[^']*'")
_WORDS = {
    "yyyy": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "dddd": "%A",
    "ddd": "%a",
    "dd": "%d",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "tt": "%p",
}


def _parsed(text: object) -> tuple[datetime, str]:
    """Returns a time and the digits of its fraction of a second.

    Raises:
        ValueError: The text is not a time.
    """
    found = _TIME.match(_BASIC.sub(r"\1-\2-\3T\4:\5:\6Z", text)) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is not a time")
    day, clock, fraction, zone = found.groups()
    offset = "+00:00" if zone is None or zone in "Zz" else zone
    return datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{offset}"), fraction or ""


def _written(moment: datetime, fraction: str) -> str:
    zone = "Z" if moment.utcoffset() == timedelta(0) else moment.strftime("%z")
    zone = zone if zone == "Z" else f"{zone[:3]}:{zone[3:]}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}{f'.{fraction}' if fraction else ''}{zone}"


def add_days(text: str, days: int) -> str:
    """Returns a time that many days later."""
    moment, fraction = _parsed(text)
    return _written(moment + timedelta(days=days), fraction)


def add_duration(text: str, duration: str, shape: str | None = None) -> str:
    """Returns a time that is later by an ISO 8601 duration; a year has 365 days, a month 30."""
    moment, fraction = _parsed(text)
    found = _DURATION.match(duration)
    if found is None or duration.rstrip("T") in ("P", "-P"):
        raise ValueError(f"{duration!r} is not a duration")
    minus, years, months, weeks, days, hours, minutes, seconds = found.groups()
    span = timedelta(
        days=365 * int(years or 0) + 30 * int(months or 0) + 7 * int(weeks or 0) + int(days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=float(seconds or 0),
    )
    moment += -span if minus else span
    return _written(moment, fraction) if shape is None else formatted(moment, fraction, shape)


def formatted(moment: datetime, fraction: str, shape: str) -> str:
    """Returns a time in a standard or a custom format of .NET."""
    if len(shape) == 1 and shape in "oO":
        whole = _written(moment, "")
        return f"{whole[:19]}.{fraction[:7].ljust(7, '0')}{whole[19:]}"
    if len(shape) == 1:
        if shape not in _STANDARD:
            raise ValueError(f"{shape!r} is not a format")
        return (moment.astimezone(timezone.utc) if shape in _IN_UTC else moment).strftime(_STANDARD[shape])

    def word(found: re.Match[str]) -> str:
        mark = found[0]
        if mark[0] == "f":
            return fraction.ljust(7, "0")[: len(mark)]
        if mark in ("K", "zzz"):
            return _written(moment, "")[19:]
        return mark[1:-1] if mark[0] == "'" else moment.strftime(_WORDS[mark])

    return _CUSTOM.sub(word, shape)


def from_epoch(seconds: int) -> str:
    """Returns the time that many seconds after 1970."""
    return _written(datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds), "")


def to_epoch(text: str) -> int:
    """Returns the seconds from 1970 to a time."""
    return int(_parsed(text)[0].timestamp())
