"""Reads members of Azure's responses for the ``from_rest`` methods, and writes times as Azure does.

No function raises for an unexpected value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from defender_remediate.casing import fold

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?\s*(Z|[+-]\d\d:?\d\d)?\Z", re.IGNORECASE)

_LONGEST_TIME = 40


def mapping(value: Any) -> Mapping[str, Any]:
    """The value when it is an object, else an empty one."""
    # JSON gives dicts: asking for the abstract class each time would take half of the time of reading a page.
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def pick(value: Any, *names: str) -> Any:
    """The first of these members that is present and not null, whatever its case.

    Azure Resource Manager, Resource Graph and continuous export spell the same member differently.
    """
    members = mapping(value)
    if not members:
        return None
    for name in names:
        found = members.get(name)
        if found is not None:
            return found
    for name in names:
        wanted, length = fold(name), len(name)
        for key, item in members.items():
            # Folding keeps the length, so most names need no folding.
            if item is not None and len(text_of := str(key)) == length and fold(text_of) == wanted:
                return item
    return None


def picked(value: Any, names: tuple[str, ...]) -> list[Any]:
    """Several members of an object, each as ``pick`` gives it.

    The objects of a listing have the same members, so how a member is spelled is looked up once for each set of names.
    """
    members = mapping(value)
    if not members:
        return [None] * len(names)
    spelled = _spelled(tuple(members), names)
    return [members.get(name) for name in spelled] if spelled else [pick(members, name) for name in names]


@lru_cache(maxsize=512)
def _spelled(present: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """How members are spelled among those that are present; nothing where one of them is there in two spellings."""
    by_folded = {fold(str(name)): name for name in present}
    if len(by_folded) < len(present):
        return ()
    return tuple(by_folded.get(fold(name), name) for name in wanted)


def text(value: Any, *names: str) -> str:
    """A member as text; empty when it is missing."""
    if names and type(value) is dict:
        # Nearly every member of a listing is a string in the case that is asked for first.
        found = value.get(names[0])
        if type(found) is str:
            return found
    found = pick(value, *names) if names else value
    if isinstance(found, str):
        return found
    if isinstance(found, bool):
        return str(found).lower()
    return "" if found is None or isinstance(found, (Mapping, list)) else str(found)


def name(value: Any) -> str:
    """The name of a resource: its own member, else the end of its id; empty when it has neither."""
    return text(value, "name") or text(value, "id").rstrip("/").rpartition("/")[2]


def strings(value: Any, *names: str) -> tuple[str, ...]:
    """A member as a tuple of strings; empty when it is missing or null."""
    found = pick(value, *names)
    if isinstance(found, str):
        return (found,) if found else ()
    return tuple(text(item) for item in found) if isinstance(found, (list, tuple)) else ()


def number(value: Any, *names: str) -> float:
    """A member as a float; zero when it is missing or not a number."""
    found = pick(value, *names)
    try:
        read = float(found)
    except (OverflowError, TypeError, ValueError):
        return 0.0
    return read if math.isfinite(read) else 0.0


def count(value: Any, *names: str) -> int:
    """A member as an integer; zero when it is missing or not a number."""
    return int(number(value, *names))


def flag(value: Any, *names: str) -> bool:
    """A member as a boolean; Azure sometimes writes booleans as strings."""
    found = pick(value, *names)
    return fold(found) == "true" if isinstance(found, str) else bool(found)


def timestamp(value: Any, *names: str) -> datetime | None:
    """A member as an aware datetime in UTC; None when it is missing or not a date.

    Azure sends up to seven fractional digits; Python keeps six.
    """
    written = text(value, *names)
    # The assessments of a listing share their times, because they were evaluated together. No time of Azure's is longer.
    return _recent(written) if len(written) <= _LONGEST_TIME else _moment(written)


def utc_text(when: datetime) -> str:
    """A time as Azure writes it: in UTC, to the second."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(written: str) -> datetime | None:
    match = _TIMESTAMP.match(written)
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z", "z") else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        parsed = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6].ljust(6, '0')}{zone}")
        return parsed.astimezone(timezone.utc)
    except (OverflowError, ValueError):
        return None


_recent = lru_cache(maxsize=1024)(_moment)
