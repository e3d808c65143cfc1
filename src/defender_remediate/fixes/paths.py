"""Where a member stands in a body: ``properties.networkAcls.defaultAction``, ``tags['a.b']``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.json_values import ABSENT

_PART = re.compile(r"\[(?:'((?:[^']|'')*)'|(\d+))\]|([^.\[\]]+)")
_PLAIN = re.compile(r"[^.\[\]']+\Z")
_WILDCARD = re.compile(r"(\[\*\]|\[\?[^\]]+\])")

EACH = "[*]"
"""In a pattern: every element of an array, or every member of an object."""


@lru_cache(4096)
def split(path: str) -> tuple[str | int, ...]:
    """The members of a path, outermost first; an integer is a place in an array.

    Raises:
        ValueError: The text is not a path.
    """
    parts: list[str | int] = []
    position = 0
    while position < len(path):
        if path[position] == "." and parts:
            position += 1
        match = _PART.match(path, position)
        if match is None:
            raise ValueError(f"{quoted(path)} is not a path: unexpected {quoted(path[position:])}")
        in_quotes, index, plain = match.groups()
        parts.append(
            int(index) if index is not None else in_quotes.replace("''", "'") if in_quotes is not None else plain
        )
        position = match.end()
    return tuple(parts)


@lru_cache(4096)
def pattern(path: str) -> tuple[str | int, ...]:
    """The members of a path that may have wildcards: ``[*]`` for each element, ``[?name]`` for each where it is true.

    Raises:
        ValueError: The text is not a path.
    """
    parts: list[str | int] = []
    for place, piece in enumerate(_WILDCARD.split(path)):
        parts.extend([piece] if place % 2 else split(piece.removeprefix(".")))
    return tuple(parts)


def join(parts: Iterable[str | int]) -> str:
    """The text of a path; ``split`` gives the members back."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.match(part):
            text += f".{part}" if text else part
        else:
            escaped = part.replace("'", "''")
            text += f"['{escaped}']"
    return text


def is_below(path: str, outer: str) -> bool:
    """Whether a path is another one, or leads to something inside it."""
    inner, around = ([fold(str(part)) for part in pattern(one)] for one in (path, outer))
    return inner[: len(around)] == around


def member(body: Mapping[str, Any], name: str) -> str:
    """The name under which an object has this member: its own casing when it has one, else the name itself.

    Azure's member names do not depend on case, and what one api-version calls ``minimumTlsVersion`` another echoes
    differently.
    """
    if name in body:
        return name
    folded, length = fold(name), len(name)
    for key in body:
        # Folding keeps the length.
        if len(key) == length and fold(key) == folded:
            return key
    return name


def look_up(body: Any, path: str) -> Any:
    """What is at a path; ``ABSENT`` when any member on the way is missing."""
    found = body
    for part in split(path):
        if isinstance(part, int):
            found = found[part] if isinstance(found, (tuple, list)) and part < len(found) else ABSENT
        elif isinstance(found, Mapping):
            found = found.get(member(found, part), ABSENT)
        else:
            return ABSENT
    return found


def look_up_all(body: Any, path: str) -> tuple[Any, ...]:
    """Everything at a path in which ``[*]`` stands for every element of an array; what is missing is left out."""
    found: list[Any] = [body]
    for place, part in enumerate(path.split("[*]")):
        if place:
            found = [item for array in found if isinstance(array, (tuple, list)) for item in array]
        inner = part.removeprefix(".")
        found = [value for value in (look_up(item, inner) for item in found) if value is not ABSENT]
    return tuple(found)


def assign(body: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the body with another value at a path of plain members; ``ABSENT`` takes the member out.

    Objects on the way are made when they are missing.
    """
    return _assigned(body, [str(part) for part in split(path)], value)


def _assigned(body: Any, parts: list[str], value: Any) -> dict[str, Any]:
    result = dict(body) if isinstance(body, Mapping) else {}
    name = member(result, parts[0])
    if value is ABSENT and name not in result:
        return result
    if len(parts) > 1:
        result[name] = _assigned(result.get(name), parts[1:], value)
    elif value is ABSENT:
        del result[name]
    else:
        result[name] = value
    return result
