"""The functions about numbers."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

_EPOCH = datetime(1, 1, 1, tzinfo=timezone.utc)


def is_nan(value: float) -> bool:
    """Whether a real is no number."""
    return math.isnan(value)


def is_infinite(value: float) -> bool:
    """Whether a real is infinite."""
    return math.isinf(value)


def is_finite(value: float) -> bool:
    """Whether a real is a finite number."""
    return math.isfinite(value)


def absolute(value: Any) -> Any:
    """Returns a number or timespan without its sign."""
    return abs(value) if isinstance(value, (int, float, timedelta)) else None


def sign(value: float) -> float:
    """Returns -1, 0 or 1."""
    return float((value > 0) - (value < 0))


def ceiling(value: float) -> float:
    """Returns the smallest integer that is not below a number."""
    return float(math.ceil(value)) if math.isfinite(value) else value


def rounded(value: float, precision: int = 0) -> float:
    """Rounds half away from zero."""
    if not math.isfinite(value) or abs(precision) > 20:
        return value
    return float(Decimal(value).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP))


def bin_of(value: Any, size: Any = 1) -> Any:
    """Rounds a number, time or timespan down to a multiple of a size."""
    if isinstance(value, datetime):
        if not isinstance(size, timedelta) or size <= timedelta():
            return None
        return value - (value - _EPOCH) % size
    if isinstance(value, timedelta):
        return value - value % size if isinstance(size, timedelta) and size > timedelta() else None
    if not isinstance(value, (int, float)) or not isinstance(size, (int, float)) or size <= 0:
        return None
    return (
        math.floor(value / size) * size if isinstance(value, float) or isinstance(size, float) else value - value % size
    )


def bin_at(value: Any, size: Any, fixed: Any) -> Any:
    """Rounds down to a multiple of a size, counted from a fixed point."""
    if isinstance(value, datetime) and isinstance(fixed, datetime) and isinstance(size, timedelta) and size:
        return value - (value - fixed) % size
    if isinstance(value, (int, float)) and isinstance(size, (int, float)) and isinstance(fixed, (int, float)) and size:
        return fixed + math.floor((value - fixed) / size) * size
    return None


def power(base: float, exponent: float) -> float:
    """Returns a power."""
    try:
        found = base**exponent
    except (OverflowError, ZeroDivisionError):
        return math.inf
    return found if isinstance(found, float) else math.nan


def square_root(value: float) -> float:
    """Returns a square root."""
    return math.sqrt(value) if value >= 0 else math.nan


def exponential(value: float) -> float:
    """Returns a power of e."""
    return power(math.e, value)


def logarithm(value: float, base: float = math.e) -> float:
    """Returns a logarithm."""
    if value <= 0:
        return -math.inf if value == 0 else math.nan
    return {2.0: math.log2, 10.0: math.log10}.get(base, math.log)(value)


def hexadecimal(value: int, length: int = 0) -> str:
    """Returns an integer in hexadecimal."""
    return format(value & (2**64 - 1), "x").rjust(max(0, min(length, 64)), "0")
