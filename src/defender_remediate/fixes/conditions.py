"""Whether a body meets a condition."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.fixes.paths import look_up
from defender_remediate.json_values import ABSENT
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.wire import timestamp

_VERSION = re.compile(r"(?:(?:tls|ssl)\s*)?v?(\d{1,9})(?:[._](\d{1,9}))?\Z")
_PACKED = re.compile(r"(?:tls|ssl)v?(\d)(\d)\Z")


def holds(condition: Condition, body: Any) -> bool:
    """Whether the body meets the condition. A body that is not there (None) has no members."""
    if condition.operator in _JOINED:
        return _JOINED[condition.operator](condition, body)
    return _LEAVES[condition.operator](look_up(body, condition.path), condition.value)


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values say the same to Azure: strings without regard to case, members in any order.

    Two times are the same when they are the same instant: Azure writes more digits than it was sent.
    """
    if isinstance(left, str) and isinstance(right, str):
        return fold(left) == fold(right) or _same_instant(left, right)
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (tuple, list)) and isinstance(right, (tuple, list)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _same_instant(left: str, right: str) -> bool:
    if left[10:11] != "T" or right[10:11] != "T":
        return False
    instant = timestamp(left)
    return instant is not None and instant == timestamp(right)


def version(value: Any) -> tuple[int, int] | None:
    """A protocol version as numbers: ``TLS1_2``, ``1.2``, ``TLSv1.2`` and ``Tls12`` are all (1, 2); else None."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = fold(str(value).strip())
    match = _PACKED.match(text) or _VERSION.match(text)
    return (int(match[1]), int(match[2] or 0)) if match else None


def _at_least(found: Any, floor: Any) -> bool:
    if _is_number(found) and _is_number(floor):
        return bool(found >= floor)
    got, wanted = version(found), version(floor)
    return got is not None and wanted is not None and got >= wanted


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, str):
        return isinstance(value, str) and fold(value) in fold(found)
    return isinstance(found, (tuple, list)) and any(same(item, value) for item in found)


def _of_elements(condition: Condition, body: Any) -> list[bool]:
    """Whether each element of an array meets the inner condition; nothing for what is not an array."""
    found = look_up(body, condition.path)
    return [holds(condition.of[0], item) for item in found] if isinstance(found, (tuple, list)) else []


_LEAVES: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUALS: same,
    Operator.NOT_EQUALS: lambda found, value: not same(found, value),
    Operator.IN: lambda found, value: any(same(found, item) for item in value),
    Operator.NOT_IN: lambda found, value: not any(same(found, item) for item in value),
    Operator.EXISTS: lambda found, value: (found is not ABSENT and found is not None) is bool(value),
    Operator.AT_LEAST: _at_least,
    Operator.CONTAINS: _contains,
    Operator.MATCHES: lambda found, value: isinstance(found, str) and bool(re.fullmatch(value, found, re.IGNORECASE)),
}
_JOINED: Mapping[Operator, Callable[[Condition, Any], bool]] = {
    Operator.ALL: lambda condition, body: all(holds(part, body) for part in condition.of),
    Operator.ANY: lambda condition, body: any(holds(part, body) for part in condition.of),
    Operator.NOT: lambda condition, body: not holds(condition.of[0], body),
    Operator.SOME: lambda condition, body: any(_of_elements(condition, body)),
    # An empty array proves nothing: having no rule is not the same as every rule being right.
    Operator.EVERY: lambda condition, body: bool(met := _of_elements(condition, body)) and all(met),
}
