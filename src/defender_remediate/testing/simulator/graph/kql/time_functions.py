"""The functions about times."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from defender_remediate.testing.simulator.graph.kql.errors import QueryError

_LENGTHS = {
    "week": timedelta(weeks=1),
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
    "millisecond": timedelta(milliseconds=1),
    "microsecond": timedelta(microseconds=1),
}
_MONTHS = {"year": 12, "quarter": 3, "month": 1}
_EPOCH = datetime(1, 1, 1, tzinfo=timezone.utc)
_FORMAT = re.compile(r"y+|M+|d+|h+|H+|m+|s+|f+|F+|t+|'[^']*'|.", re.DOTALL)


def _unknown(part: str) -> QueryError:
    return QueryError(f"'{part}' is not a part of a datetime.")


def shifted(moment: datetime, months: int) -> datetime:
    """Returns a time some months later; the day becomes the last one of a shorter month."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def add(part: str, count: int, moment: datetime) -> datetime | None:
    """Returns a time some parts later."""
    name = part.lower()
    try:
        if name in _MONTHS:
            return shifted(moment, count * _MONTHS[name])
        if name in _LENGTHS:
            return moment + count * _LENGTHS[name]
    except (OverflowError, ValueError):
        return None
    raise _unknown(part)


def difference(part: str, later: datetime, earlier: datetime) -> int:
    """Returns how many limits between two parts lie between two times."""
    name = part.lower()
    if name in _MONTHS:
        return _months(later) // _MONTHS[name] - _months(earlier) // _MONTHS[name]
    if name not in _LENGTHS:
        raise _unknown(part)
    if name == "week":
        return (start_of("week")(later) - start_of("week")(earlier)) // _LENGTHS["week"]
    return (later - _EPOCH) // _LENGTHS[name] - (earlier - _EPOCH) // _LENGTHS[name]


def _months(moment: datetime) -> int:
    return moment.year * 12 + moment.month - 1


def part(name: str, moment: datetime) -> int:
    """Returns a part of a time as a number."""
    lowered = name.lower()
    if lowered in ("year", "month", "day", "hour", "minute", "second", "microsecond"):
        return int(getattr(moment, lowered))
    other = {
        "quarter": (moment.month + 2) // 3,
        "week_of_year": moment.isocalendar()[1],
        "weekofyear": moment.isocalendar()[1],
        "dayofyear": moment.timetuple().tm_yday,
        "millisecond": moment.microsecond // 1000,
        "nanosecond": moment.microsecond * 1000,
    }
    if lowered not in other:
        raise _unknown(name)
    return other[lowered]


def start_of(unit: str) -> Callable[..., datetime]:
    """Returns the function that gives the start of a unit of time, some units later."""

    def start(moment: datetime, offset: int = 0) -> datetime:
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        if unit == "day":
            return midnight + timedelta(days=offset)
        if unit == "week":
            # A week begins with Sunday.
            return midnight - timedelta(days=(midnight.weekday() + 1) % 7) + timedelta(weeks=offset)
        first = midnight.replace(day=1)
        return shifted(first if unit == "month" else first.replace(month=1), offset * _MONTHS[unit])

    return start


def end_of(unit: str) -> Callable[..., datetime]:
    """Returns the function that gives the last moment of a unit of time, some units later."""
    start = start_of(unit)

    def end(moment: datetime, offset: int = 0) -> datetime:
        return start(moment, offset + 1) - timedelta(microseconds=1)

    return end


def day_of_week(moment: datetime) -> timedelta:
    """Returns the days since Sunday."""
    return timedelta(days=(moment.weekday() + 1) % 7)


def make(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: float = 0.0) -> datetime | None:
    """Returns a time from its parts; None if there is no such time."""
    try:
        return datetime(year, month, day, hour, minute, tzinfo=timezone.utc) + timedelta(seconds=second)
    except (ValueError, OverflowError):
        return None


def make_span(hours: int, minutes: int, seconds: float = 0.0) -> timedelta:
    """Returns a timespan from its parts."""
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def from_seconds(seconds: float) -> datetime | None:
    """Returns the time some seconds after 1970."""
    try:
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def format_instant(moment: datetime, form: str) -> str:
    """Returns a time in a format of .NET's letters."""

    def shown(found: re.Match[str]) -> str:
        letters = found[0]
        fraction = f"{moment.microsecond:06}0"
        if letters[0] == "y":
            return str(moment.year).zfill(4) if len(letters) > 2 else f"{moment.year % 100:0{len(letters)}}"
        if letters[0] == "M" and len(letters) > 2:
            return (calendar.month_abbr if len(letters) == 3 else calendar.month_name)[moment.month]
        if letters[0] == "d" and len(letters) > 2:
            return (calendar.day_abbr if len(letters) == 3 else calendar.day_name)[moment.weekday()]
        numbers = {
            "M": moment.month,
            "d": moment.day,
            "H": moment.hour,
            "h": moment.hour % 12 or 12,
            "m": moment.minute,
            "s": moment.second,
        }
        if letters[0] in numbers:
            return f"{numbers[letters[0]]:0{len(letters)}}"
        if letters[0] == "f":
            return fraction[: len(letters)]
        if letters[0] == "F":
            return fraction[: len(letters)].rstrip("0")
        if letters[0] == "t":
            return ("AM" if moment.hour < 12 else "PM")[: len(letters)]
        return letters.strip("'")

    return _FORMAT.sub(shown, form)


def format_span(span: timedelta, form: str) -> str:
    """Returns a timespan in a format of .NET's letters."""
    span = abs(span)
    fraction = f"{span.microseconds:06}0"
    numbers = {
        "d": span.days,
        "h": span.seconds // 3600,
        "H": span.seconds // 3600,
        "m": span.seconds // 60 % 60,
        "s": span.seconds % 60,
    }

    def shown(found: re.Match[str]) -> str:
        letters = found[0]
        if letters[0] in numbers:
            return f"{numbers[letters[0]]:0{len(letters)}}"
        return fraction[: len(letters)] if letters[0] in "fF" else letters.strip("'")

    return _FORMAT.sub(shown, form)
