"""The functions of policy expressions that depend on nothing but their arguments."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urljoin

from defender_remediate.arm_template.functions import FUNCTIONS as TEMPLATE_FUNCTIONS
from defender_remediate.casing import fold
from defender_remediate.testing.simulator.policy import dates
from defender_remediate.testing.simulator.policy.values import (
    as_boolean,
    contains,
    folded,
    has_name,
    is_number,
    number,
    same,
)

_MOST_ITEMS = 10_000
_LARGEST = 2**31 - 1
_MOST_WIDTH = 1_000_000
_DATA_URI = re.compile(r"data:[^,]*;base64,(.*)\Z", re.DOTALL)
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\d+)(?:,\s*(-?\d+)\s*)?(?::([^{}]*))?\}|[{}]")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, bool) else _text(value)


def _concat(*values: Any) -> Any:
    if values and all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    return "".join(_shown(value) for value in values)


def _format(template: str, *values: Any) -> str:
    def filled(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        if found[1] is None:
            raise ValueError("a brace has no partner")
        value, width = values[int(found[1])], int(found[2] or 0)
        if abs(width) > _MOST_WIDTH:
            raise ValueError("the width is too large")
        shown = _formatted(value, found[3]) if found[3] else _shown(value)
        return shown.ljust(-width) if width < 0 else shown.rjust(width)

    return _PLACEHOLDER.sub(filled, template)


def _formatted(value: Any, shape: str) -> str:
    """Returns a number in one of .NET's standard formats."""
    kind, digits = shape[0], int(shape[1:] or -1)
    if kind in "xX":
        return f"{int(value):{kind}}".rjust(max(digits, 0), "0")
    if kind in "dD":
        return f"{int(value):0{max(digits, 1)}d}"
    places = 2 if digits < 0 else digits
    if kind in "fF":
        return f"{value:.{places}f}"
    if kind in "nN":
        return f"{value:,.{places}f}"
    if kind in "pP":
        return f"{value * 100:,.{places}f} %"
    raise ValueError(f"'{kind}' is not a numeric format")


def _integer(value: Any) -> int:
    if isinstance(value, str):
        value = number(value)
    if not is_number(value):
        raise ValueError("it is not a number")
    return int(value)


def _boolean(value: Any) -> bool:
    if is_number(value):
        return bool(value)
    found = {"1": True, "0": False}.get(value) if isinstance(value, str) else None
    found = as_boolean(value) if found is None else found
    if found is None:
        raise ValueError("it is not a boolean")
    return found


def _float(value: Any) -> float:
    found: Any = number(value) if isinstance(value, str) else value
    if not is_number(found):
        raise ValueError("it is not a number")
    return float(found)


def _divided(left: Any, right: Any) -> int:
    quotient = abs(left) // abs(right)
    return int(quotient if (left < 0) == (right < 0) else -quotient)


def _numbers(*values: Any) -> list[Any]:
    listed = values[0] if len(values) == 1 and isinstance(values[0], list) else list(values)
    return list(listed)


def _union(first: Any, *others: Any) -> Any:
    if isinstance(first, Mapping):
        merged = dict(first)
        for other in others:
            for name, value in other.items():
                held = merged.get(name)
                both = isinstance(held, Mapping) and isinstance(value, Mapping)
                merged[name] = _union(held, value) if both else value
        return merged
    found: list[Any] = []
    for value in (item for listed in (first, *others) for item in listed):
        if value not in found:
            found.append(value)
    return found


def _intersection(first: Any, *others: Any) -> Any:
    if isinstance(first, Mapping):
        return {
            name: value
            for name, value in first.items()
            if all(name in other and other[name] == value for other in others)
        }
    return [item for item in first if all(item in other for other in others)]


def _first(value: Any) -> Any:
    return value[0] if value else ("" if isinstance(value, str) else None)


def _last(value: Any) -> Any:
    return value[-1] if value else ("" if isinstance(value, str) else None)


def _index_of(value: Any, item: Any, *, last: bool = False) -> int:
    if isinstance(value, list):
        places = [place for place, one in enumerate(value) if one == item]
        return (places[-1] if last else places[0]) if places else -1
    return folded(value).rfind(folded(item)) if last else folded(value).find(folded(item))


def _split(text: str, marks: Any) -> list[str]:
    listed = [marks] if isinstance(marks, str) else list(marks)
    return re.split("|".join(re.escape(mark) for mark in listed), text) if any(listed) else [text]


def _substring(text: str, start: int, count: int | None = None) -> str:
    if start < 0 or start > len(text) or (count is not None and (count < 0 or start + count > len(text))):
        raise ValueError("the part is not inside the string")
    return text[start:] if count is None else text[start : start + count]


def _range(start: int, count: int) -> list[int]:
    if count > _MOST_ITEMS or start + count > _LARGEST:
        raise ValueError("there are too many numbers")
    return list(range(start, start + count))


def _object(*pairs: Any) -> dict[str, Any]:
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def _from_end(items: Any, place: int) -> Any:
    if not isinstance(items, list) or not 1 <= place <= len(items):
        raise IndexError("there is no item at this place")
    return items[-place]


def _get(owner: Any, *names: Any) -> Any:
    for name in names:
        if isinstance(owner, Mapping):
            owner = next((value for key, value in owner.items() if fold(str(key)) == fold(str(name))), None)
        elif isinstance(owner, list) and isinstance(name, int) and 0 <= name < len(owner):
            owner = owner[name]
        else:
            return None
    return owner


def _from_base64(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


def _from_data_uri(text: str) -> str:
    found = _DATA_URI.match(text)
    if found is None:
        raise ValueError("it is not a data URI")
    return _from_base64(found[1])


def _ip_range_contains(outer: str, inner: str) -> bool:
    """Whether a range has an address or another range in it; ``10.0.0.1-10.0.0.9`` is a range, too."""
    try:
        low, high = _addresses(outer)
        first, last = _addresses(inner)
    except ValueError:
        return False
    return low.version == first.version and int(low) <= int(first) and int(last) <= int(high)


def _addresses(text: str) -> tuple[Any, Any]:
    low, dash, high = text.partition("-")
    if dash:
        return ipaddress.ip_address(low.strip()), ipaddress.ip_address(high.strip())
    network = ipaddress.ip_network(text.strip(), strict=False)
    return network[0], network[-1]


def _uri(base: str, relative: str) -> str:
    return urljoin(base if base.count("/") > 2 else f"{base}/", relative)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": lambda left, right: left + right,
    "adddays": dates.add_days,
    "and": lambda *values: all(value is True for value in values),
    "array": lambda value: value if isinstance(value, list) else [value],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64tojson": lambda text: json.loads(_from_base64(text)),
    "base64tostring": _from_base64,
    "bool": _boolean,
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "concat": _concat,
    "contains": lambda value, item: has_name(value, item) if isinstance(value, Mapping) else contains(value, item),
    "createarray": lambda *values: list(values),
    "createobject": _object,
    "datauri": lambda text: f"data:text/plain;charset=utf8;base64,{base64.b64encode(text.encode()).decode()}",
    "datauritostring": _from_data_uri,
    "datetimeadd": dates.add_duration,
    "datetimefromepoch": dates.from_epoch,
    "datetimetoepoch": dates.to_epoch,
    "div": _divided,
    "empty": lambda value: value is None or (isinstance(value, (str, list, Mapping)) and not value),
    "endswith": lambda text, end: folded(text).endswith(folded(end)),
    "equals": lambda left, right: left == right if isinstance(left, (list, Mapping)) else same(left, right),
    "false": lambda: False,
    "first": _first,
    "float": _float,
    "format": _format,
    "greater": lambda left, right: left > right,
    "greaterorequals": lambda left, right: left >= right,
    "indexfromend": _from_end,
    "indexof": _index_of,
    "int": _integer,
    "intersection": _intersection,
    "iprangecontains": _ip_range_contains,
    "items": lambda owner: [{"key": name, "value": owner[name]} for name in sorted(owner.keys())],
    "join": lambda items, mark: mark.join(_text(item) for item in items),
    "json": json.loads,
    "last": _last,
    "lastindexof": lambda value, item: _index_of(value, item, last=True),
    "length": len,
    "less": lambda left, right: left < right,
    "lessorequals": lambda left, right: left <= right,
    "max": lambda *values: max(_numbers(*values)),
    "min": lambda *values: min(_numbers(*values)),
    "mod": lambda left, right: left - right * _divided(left, right),
    "mul": lambda left, right: left * right,
    "not": lambda value: value is not True,
    "null": lambda: None,
    "or": lambda *values: any(value is True for value in values),
    "padleft": lambda text, width, mark=" ": _text(text).rjust(width, mark),
    "range": _range,
    "replace": lambda text, old, new: text.replace(old, new),
    "skip": lambda value, count: value[max(count, 0) :],
    "split": _split,
    "startswith": lambda text, start: folded(text).startswith(folded(start)),
    "string": _text,
    "sub": lambda left, right: left - right,
    "substring": _substring,
    "take": lambda value, count: value[: max(count, 0)],
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "true": lambda: True,
    "tryget": _get,
    "tryindexfromend": lambda items, place: (
        items[-place] if isinstance(items, list) and 1 <= place <= len(items) else None
    ),
    "union": _union,
    "uniquestring": TEMPLATE_FUNCTIONS["uniquestring"],
    "uri": _uri,
    "uricomponent": lambda text: quote(text, safe=""),
    "uricomponenttostring": unquote,
}
"""By their folded names. A wrong argument raises one of Python's errors for wrong values."""

NUMBERS_OF_ARGUMENTS: Mapping[str, tuple[int, int | None]] = {
    "if": (3, 3),
    "field": (1, 1),
    "parameters": (1, 1),
    "current": (0, 1),
    "length": (1, 1),
    "empty": (1, 1),
    "split": (2, 2),
    "adddays": (2, 2),
    "iprangecontains": (2, 2),
    "equals": (2, 2),
    "not": (1, 1),
    "replace": (3, 3),
    "contains": (2, 2),
}
"""The least and the largest number of arguments of functions, where a definition with another number is refused."""
