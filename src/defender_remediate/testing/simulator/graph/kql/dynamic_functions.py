"""The functions about arrays and property bags."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from defender_remediate.testing.simulator.graph.kql.values import plain, text_of

_RANGE_LIMIT = 1_048_576


def key_of(value: Any) -> Any:
    """Returns what is equal for equal values: ``1`` and ``true`` are two, ``1`` and ``1.0`` are one."""
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bool):
        return (bool, value)
    return value if isinstance(value, (int, float, datetime, timedelta)) else (dict, text_of(value))


def unique(items: Iterable[Any]) -> list[Any]:
    """Returns the different values, each where it first occurs."""
    return list({key_of(item): item for item in reversed(list(items))}.values())[::-1]


def type_name(value: Any) -> str:
    """Returns the name of a value's type."""
    if value is None:
        return "null"
    names = {bool: "bool", int: "long", float: "double", str: "string", list: "array"}
    return names.get(type(value)) or {datetime: "datetime", timedelta: "timespan"}.get(type(value), "dictionary")


def join(array: Any, delimiter: str) -> str:
    """Returns the elements as one text."""
    return delimiter.join(text_of(item) for item in array) if isinstance(array, list) else ""


def length(array: Any) -> int | None:
    """Returns how many elements an array has; None for what is no array."""
    return len(array) if isinstance(array, list) else None


def concat(*arrays: Any) -> list[Any] | None:
    """Returns one array of all elements; None if one is no array."""
    if not all(isinstance(array, list) for array in arrays):
        return None
    return [item for array in arrays for item in array]


def index_of(array: Any, wanted: Any, start: int = 0) -> int | None:
    """Returns where an element is; -1 if it is not there."""
    if not isinstance(array, list):
        return None
    keys = [key_of(item) for item in array]
    return keys.index(key_of(wanted), start) if key_of(wanted) in keys[start:] else -1


def slice_of(array: Any, start: int, stop: int) -> list[Any] | None:
    """Returns the elements from one place to another, both included; negative ones count from the end."""
    if not isinstance(array, list):
        return None
    first = max(0, start + len(array) if start < 0 else start)
    last = stop + len(array) if stop < 0 else stop
    return array[first : last + 1]


def split(array: Any, at: Any) -> list[Any] | None:
    """Returns the parts of an array between some places."""
    if not isinstance(array, list):
        return None
    places = [0, *(at if isinstance(at, list) else [at]), len(array)]
    return [array[one:other] for one, other in pairwise(places)]


def total(array: Any) -> float | None:
    """Returns the sum of the numbers; None if something else is among them."""
    if not isinstance(array, list) or not all(isinstance(item, (int, float)) for item in array):
        return None
    return float(sum(array))


def reverse(array: Any) -> list[Any] | None:
    """Returns the elements in the opposite order."""
    return array[::-1] if isinstance(array, list) else None


def _order(item: Any) -> tuple[int, Any]:
    if isinstance(item, (int, float)) and not isinstance(item, bool):
        return (0, item)
    return (1, text_of(item))


def ascending(array: Any) -> list[Any] | None:
    """Returns the elements in ascending order, nulls last."""
    if not isinstance(array, list):
        return None
    return sorted((item for item in array if item is not None), key=_order) + [None] * array.count(None)


def descending(array: Any) -> list[Any] | None:
    """Returns the elements in descending order, nulls last."""
    if not isinstance(array, list):
        return None
    found = sorted((item for item in array if item is not None), key=_order, reverse=True)
    return found + [None] * array.count(None)


def choose(conditions: Any, yes: Any, no: Any) -> list[Any] | None:
    """Returns for each condition an element of one array or of the other."""
    if not isinstance(conditions, list):
        return None
    found = []
    for place, condition in enumerate(conditions):
        source = yes if condition else no
        if isinstance(source, list):
            found.append(source[place] if place < len(source) else None)
        else:
            found.append(source)
    return found


def has_element(array: Any, wanted: Any) -> bool | None:
    """Whether an array has an element."""
    if not isinstance(array, list):
        return None
    return key_of(wanted) in {key_of(item) for item in array}


def union(*arrays: Any) -> list[Any] | None:
    """Returns the elements of any array, each once."""
    joined = concat(*arrays)
    return None if joined is None else unique(joined)


def intersect(first: Any, *others: Any) -> list[Any] | None:
    """Returns the elements of all arrays, each once."""
    if concat(first, *others) is None:
        return None
    keys = [{key_of(item) for item in other} for other in others]
    return unique(item for item in first if all(key_of(item) in known for known in keys))


def difference(first: Any, *others: Any) -> list[Any] | None:
    """Returns the elements of the first array that no other has, each once."""
    removed = concat(*others)
    if removed is None or not isinstance(first, list):
        return None
    keys = {key_of(item) for item in removed}
    return unique(item for item in first if key_of(item) not in keys)


def keys(bag: Any) -> list[str] | None:
    """Returns the names of the members."""
    return list(bag) if isinstance(bag, dict) else None


def has_key(bag: Any, name: str) -> bool | None:
    """Whether a bag has a member."""
    return name in bag if isinstance(bag, dict) else None


def merge(*bags: Any) -> dict[str, Any]:
    """Returns the members of all bags; the first one that has a member counts."""
    found: dict[str, Any] = {}
    for bag in bags:
        for name, value in bag.items() if isinstance(bag, dict) else ():
            found.setdefault(name, value)
    return found


def without_keys(bag: Any, names: Any) -> dict[str, Any] | None:
    """Returns a bag without some members."""
    if not isinstance(bag, dict) or not isinstance(names, list):
        return None
    return {name: value for name, value in bag.items() if name not in names}


def with_key(bag: Any, name: str, value: Any) -> dict[str, Any] | None:
    """Returns a bag with one more member."""
    return {**bag, name: plain(value)} if isinstance(bag, dict) else None


def pack(*pairs: Any) -> dict[str, Any]:
    """Returns a bag of names and values."""
    return {text_of(name): plain(value) for name, value in zip(pairs[::2], pairs[1::2], strict=False)}


def range_of(start: Any, stop: Any, step: Any = 1) -> list[Any] | None:
    """Returns the numbers, or times, from one to another."""
    if isinstance(step, int) and isinstance(start, datetime):
        step = timedelta(days=step)
    found: list[Any] = []
    value = start
    try:
        while (value <= stop if step > type(step)() else value >= stop) and len(found) < _RANGE_LIMIT and step:
            found.append(plain(value))
            value = value + step
    except TypeError:
        return None
    return found


def zip_arrays(*arrays: Any) -> list[list[Any]] | None:
    """Returns an array of the first elements, of the second ones, and so on."""
    if concat(*arrays) is None:
        return None
    longest = max(len(array) for array in arrays)
    return [[array[place] if place < len(array) else None for array in arrays] for place in range(longest)]
