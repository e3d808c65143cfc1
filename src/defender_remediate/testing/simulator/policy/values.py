"""Values in policy rules: how they are compared, and what stands for one that is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from defender_remediate.casing import fold


class RuleError(Exception):
    """A rule that Azure Policy would not store."""


class EvaluationError(Exception):
    """A rule that cannot be evaluated on a resource; Azure counts that as a refusal."""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


_EXPANDED = str.maketrans({"ß": "ss", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})


def folded(text: str) -> str:
    """Returns the form in which policies compare strings: unlike ids, a ligature is the same as its letters."""
    return fold(text).translate(_EXPANDED)


MISSING: Final = _Missing()
"""Stands for a value that is not there, which differs from null."""


def number(text: str) -> int | float | None:
    """Returns the number that a string is; None for another string."""
    text = text.strip()
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return None


def is_number(value: Any) -> bool:
    """Whether a value is a number and not a boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def as_boolean(value: Any) -> bool | None:
    """Returns a boolean, or a string that says one; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(fold(value)) if isinstance(value, str) else None


def as_string(value: Any) -> str | None:
    """Returns a string, number or boolean as policies compare them with strings; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, (str, int, float)) else None


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal: case is ignored, and strings are read as numbers and booleans where needed."""
    if left is MISSING or right is MISSING:
        return False
    if left is None or right is None:
        return left is right or "" in (left, right)
    if isinstance(left, str) and isinstance(right, str):
        return folded(left) == folded(right)
    if isinstance(right, str):
        left, right = right, left
    if isinstance(left, str):
        if isinstance(right, bool):
            return as_boolean(left) is right
        return is_number(right) and number(left) == right
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def order(left: Any, right: Any) -> int | None:
    """Returns -1, 0 or 1 for two values that can be compared; None for others."""
    if isinstance(left, str) and is_number(right):
        left = number(left)
    elif isinstance(right, str) and is_number(left):
        right = number(right)
    elif isinstance(left, str) and isinstance(right, str):
        left, right = folded(left), folded(right)
    elif type(left) is not type(right) and not (is_number(left) and is_number(right)):
        return None
    if left is None or right is None or isinstance(left, (list, Mapping)):
        return None
    return int(left > right) - int(left < right)


def is_in(value: Any, items: Any) -> bool:
    """Whether a value is one of a list, in which null stands for a missing value only."""
    listed = items if isinstance(items, list) else [items]
    if value is MISSING:
        return any(item is None for item in listed)
    return value is not None and any(item is not None and same(value, item) for item in listed)


def contains(container: Any, item: Any) -> bool:
    """Whether a string has a part, a list a member, or an object a name."""
    if isinstance(container, list):
        return any(same(one, item) for one in container)
    if isinstance(container, Mapping):
        return has_name(container, item)
    whole, part = as_string(container), as_string(item)
    if whole is None or part is None or not (isinstance(container, str) or isinstance(item, str)):
        return False
    return folded(part) in folded(whole)


def has_name(container: Any, name: Any) -> bool:
    """Whether an object has a name."""
    return isinstance(container, Mapping) and any(same(one, name) for one in container)


def is_like(value: Any, wanted: Any) -> bool:
    """Whether a string fits a pattern with ``*``."""
    text, shape = as_string(value), as_string(wanted)
    if text is None or shape is None:
        return False
    return _fits(folded(text), (_LIKE.get(mark, re.escape(mark)) for mark in folded(shape)))


def is_match(value: Any, wanted: Any, *, ignoring_case: bool) -> bool:
    """Whether a string fits a pattern with ``#`` for a digit, ``?`` for a letter and ``.`` for any character."""
    text, shape = as_string(value), as_string(wanted)
    if text is None or shape is None:
        return False
    if ignoring_case:
        text, shape = folded(text), folded(shape)
    return _fits(text, (_MATCH.get(mark, re.escape(mark)) for mark in shape))


_LIKE: Mapping[str, str] = {"*": ".*", "?": "."}
_MATCH: Mapping[str, str] = {"#": "[0-9]", "?": "[A-Za-z]", ".": "."}


def _fits(text: str, marks: Iterable[str]) -> bool:
    return re.fullmatch("".join(marks), text, re.DOTALL) is not None
