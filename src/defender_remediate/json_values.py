"""JSON values: reading and writing them as text, freezing them so that they can be compared and hashed, and their digest."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from contextlib import suppress
from enum import Enum
from functools import cache
from typing import Any

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError

MAX_DEPTH = 100
"""Levels of objects and arrays that ``parse_json`` accepts. Azure's own limits are far below."""
TOO_DEEP = "it is nested more than {} levels deep"
OWN_MAX_DEPTH = MAX_DEPTH + 20
"""The same for plans and journals of this library, which hold bodies of Azure below their own levels."""

# What changes how a terminal shows text without being seen: control, format, bidirectional and line characters, and halves
# of surrogate pairs, which no encoding takes.
_UNPRINTABLE = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


class Absent(Enum):
    """The only value of an absent property. Absent is not null."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"

    def __str__(self) -> str:
        return "(absent)"


ABSENT = Absent.ABSENT


_LEAVES = frozenset({str, bool, int, type(None)})
_LARGE = 2.0**63
# While orjson reads, it needs twelve times the memory of the text: with larger pages a listing would need more than 200 MiB.
_LARGEST_FAST = 1_000_000
_NAMES = frozenset({str})
_SCALARS = frozenset({str, bool, int, float, type(None)})


class FrozenMap(Mapping[str, Any]):
    """A JSON object that cannot change; equal to any mapping with the same content, hashable, picklable."""

    __slots__ = ("_hash", "_items")

    def __init__(self, items: Mapping[str, Any] | None = None) -> None:
        if items is None:
            items = {}
        elif type(items) is not dict and not isinstance(items, Mapping):
            raise InvalidInputError(f"a FrozenMap is made of a mapping, got {quoted(items)}")
        # Listings make several for each of many thousand items, most of whose values need no copy.
        is_plain = _NAMES.issuperset(map(type, items)) and _SCALARS.issuperset(map(type, items.values()))
        self._items: dict[str, Any] = (
            dict(items)
            if is_plain
            else {k if type(k) is str else str(k): v if type(v) in _SCALARS else freeze(v) for k, v in items.items()}
        )
        self._hash: int | None = None

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    # The views of a dict are several times faster than those of Mapping, and as unchangeable.
    def keys(self) -> KeysView[str]:
        """The names of the members."""
        return self._items.keys()

    def values(self) -> ValuesView[Any]:
        """The values of the members."""
        return self._items.values()

    def items(self) -> ItemsView[str, Any]:
        """The members."""
        return self._items.items()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, FrozenMap):
            return self._items == other._items
        if isinstance(other, Mapping):
            return self._items == FrozenMap(other)._items
        return NotImplemented

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._items.items()))
        return self._hash

    def __repr__(self) -> str:
        return repr(thaw(self))

    def __reduce__(self) -> tuple[type[FrozenMap], tuple[dict[str, Any]]]:
        return FrozenMap, (self._items,)


def freeze(value: Any) -> Any:
    """An immutable copy of a JSON value.

    Raises:
        InvalidInputError: The value is nested deeper than Python can follow.
    """
    if type(value) is FrozenMap:
        return value
    try:
        return _frozen(value)
    except RecursionError:
        raise InvalidInputError("the value is nested too deeply for JSON") from None


def _frozen(value: Any) -> Any:
    if isinstance(value, (str, int, float, FrozenMap)) or value is None:
        return value
    if isinstance(value, Mapping):
        return FrozenMap(value)
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    return value


def thaw(value: Any) -> Any:
    """The same JSON value as plain dicts and lists: a fresh copy, ready for ``json.dumps``."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, (dict, FrozenMap, Mapping)):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [thaw(item) for item in value]
    return value


def strings_in(value: Any) -> Iterator[str]:
    """Yield every string of a JSON value, at any depth; not the names of members."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from strings_in(item)


def is_same_json(one: Any, other: Any) -> bool:
    """Whether two values have the same canonical text."""
    if one is other:
        return True
    if isinstance(one, str):
        return isinstance(other, str) and one == other
    if isinstance(one, Mapping):
        if not isinstance(other, Mapping) or len(one) != len(other):
            return False
        return all(name in other and is_same_json(value, other[name]) for name, value in one.items())
    if isinstance(one, (list, tuple)):
        if not isinstance(other, (list, tuple)) or len(one) != len(other):
            return False
        return all(is_same_json(*pair) for pair in zip(one, other, strict=True))
    return type(one) is type(other) and bool(one == other)


def canonical(value: Any) -> str:
    """The canonical JSON text of a value: sorted keys, no spaces. ``1``, ``1.0`` and ``true`` are three documents."""
    return _CANONICAL.encode(value)


def _as_dict(value: Any) -> dict[str, Any]:
    """A mapping as what the encoder of the standard library takes."""
    if isinstance(value, Mapping):
        return dict(value.items())
    raise TypeError(f"a {type(value).__name__} is not a JSON value")


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_as_dict)


def sha256(value: Any) -> str:
    """The SHA-256 of the canonical text, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def sha256_of_parts(items: Iterable[Any]) -> str:
    """The SHA-256 of an array, whose canonical text is made part by part. An iterator among its items is an array as well."""
    digest = hashlib.sha256()
    for part in _array(items):
        digest.update(part.encode("ascii"))
    return digest.hexdigest()


def _array(items: Iterable[Any]) -> Iterator[str]:
    yield "["
    for place, item in enumerate(items):
        if place:
            yield ","
        if isinstance(item, Iterator):
            yield from _array(item)
        else:
            yield canonical(item)
    yield "]"


def parse_json(text: str | bytes, *, unique_names: bool = False, max_depth: int = MAX_DEPTH) -> Any:
    """Parse JSON from an external source. Uses ``orjson`` where it is installed, and gives the same with and without it.

    Args:
        text: A string, or bytes in UTF-8.
        unique_names: Whether an object that has a name twice is refused. Readers disagree on which of the two counts.
        max_depth: Levels of objects and arrays at most.

    Raises:
        ValueError: It is not JSON, has a number that is not finite or has thousands of digits, is nested more than ``max_depth``
            levels deep, or has a name twice.
    """
    read_fast = None if unique_names or len(text) > _LARGEST_FAST else fast_reader()
    if read_fast is not None:
        with suppress(ValueError):
            document = read_fast(text)
            if _check_depth(document, max_depth=max_depth):
                return document
    # What orjson refuses or reads in another way is decided here.
    try:
        document = json.loads(
            text,
            parse_float=_finite,
            parse_constant=_finite,
            object_pairs_hook=_with_unique_names if unique_names else None,
        )
    except RecursionError:
        raise ValueError(TOO_DEEP.format(max_depth)) from None
    check_depth(document, max_depth=max_depth)
    return document


@cache
def fast_reader() -> Callable[[str | bytes], Any] | None:
    """What ``orjson`` reads JSON with; None where it is not installed."""
    try:
        from orjson import loads
    except ImportError:
        return None
    return loads


def check_depth(document: Any, *, max_depth: int = MAX_DEPTH) -> None:
    """Refuse a document that is nested too deeply.

    Raises:
        ValueError: The document is nested more than ``max_depth`` levels deep.
    """
    _check_depth(document, max_depth=max_depth)


def _check_depth(document: Any, *, max_depth: int) -> bool:
    """Refuse a document that is nested too deeply, and tell whether all numbers in it are surely what the text says.

    A number that is larger than an integer of 64 bits is a float to orjson, also where the text has an integer.
    """
    are_exact = True
    inner: list[Any] = [[document]]
    for _ in range(max_depth + 1):
        found = [
            item
            for node in inner
            for item in (node.values() if isinstance(node, dict) else node)
            if type(item) not in _LEAVES
        ]
        inner = [item for item in found if isinstance(item, (dict, list))]
        if len(inner) < len(found):
            are_exact = are_exact and all(type(item) is not float or abs(item) < _LARGE for item in found)
        if not inner:
            return are_exact
    raise ValueError(TOO_DEEP.format(max_depth))


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def _with_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = next(name for name, times in counted.items() if times > 1)
        raise ValueError(f"the name {twice[:100]!r} occurs twice in one object")
    return members


def format_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON text in the order of the members. Characters that a terminal would not show are escaped."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    return _UNPRINTABLE.sub(lambda found: json.dumps(found[0])[1:-1], text)
