"""Values that satisfy or violate a condition on one member, and values that are stricter than another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.fixes.conditions import same, version
from defender_remediate.json_values import ABSENT
from defender_remediate.models.condition import Condition, Operator

_OTHER = "other"
# Words of Azure, each stricter than the one before it, and the part of a path where they have this order.
LADDERS = (
    ("immutab", ("Disabled", "Unlocked", "Locked")),
    ("softdelete", ("Off", "On", "AlwaysOn")),
    ("defaultaction", ("Allow", "Deny")),
    ("ftpsstate", ("AllAllowed", "FtpsOnly", "Disabled")),
    ("clientcertmode", ("Optional", "OptionalInteractiveUser", "Required")),
    ("firewall", ("Detection", "Prevention")),
    ("pricingtier", ("Free", "Standard")),
)
# Numbers with these names are durations or counts, of which more is stricter.
_AMOUNTS = re.compile(r"(days|retention|period|count)\w*\Z", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)")


def violating_values(leaf: Condition, shape: Any = ABSENT) -> Iterator[Any]:
    """Values that probably violate a condition on one member; the caller tests each of them."""
    yield from _VIOLATING[leaf.operator](leaf.value, shape)


def satisfying_values(leaf: Condition, shape: Any = ABSENT) -> Iterator[Any]:
    """Values that probably satisfy a condition on one member; the caller tests each of them."""
    yield from _SATISFYING[leaf.operator](leaf.value, shape)


def stricter(path: str, value: Any, shape: Any = ABSENT) -> Iterator[Any]:
    """Values that are stricter than this one, where Azure's words, versions and amounts have an order.

    Args:
        path: Where it is; only the name tells what a number or a word means.
        value: The value that a fix asks for.
        shape: What is known of the values that Azure accepts there.
    """
    words = _words(shape)
    if is_versioned(path, value):
        higher = [word for word in words if (version(word) or (0, 0)) > (version(value) or (0, 0))]
        yield from higher or ([] if words else [_moved(str(value), 1)])
    elif _is_number(value) and _AMOUNTS.search(path) and value > 0:
        yield from (value + 1, value * 10)
    elif isinstance(value, str):
        for place, ladder in LADDERS:
            folded = [fold(word) for word in ladder]
            if place in fold(path) and fold(value) in folded:
                known = {fold(word): word for word in words or ladder}
                yield from (known[word] for word in folded[folded.index(fold(value)) + 1 :] if word in known)


def is_versioned(path: str, value: Any) -> bool:
    """Whether the value is the version of a protocol, so that a higher one is stricter."""
    return bool(re.search(r"(tls|ssl)\w*\Z|tlsversion", path, re.IGNORECASE)) and version(value) is not None


def opposite(value: Any) -> Any:
    """A different value of the same type."""
    if isinstance(value, Mapping):
        return {name: opposite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_OTHER]
    if isinstance(value, bool):
        return not value
    return _OTHER if isinstance(value, str) else value + 1 if _is_number(value) else _OTHER


def example(pattern: str) -> str:
    """A string that a simple regular expression probably matches as a whole."""
    text = re.sub(r"\(\?\w+\)|\A\^|\$\Z", "", pattern)
    text = re.sub(r"\((?:\?:)?([^()|]*)[^()]*\)", r"\1", text)
    text = re.sub(r"\[\^[^\]]*\][*+?]?|\[(\\?.)[^\]]*\][*+?]?", lambda found: (found[1] or "x")[-1], text)
    text = re.sub(r"\.[*?]", "", text).replace(".+", "x")
    text = re.sub(r"\\d[+*]?", "1", text)
    text = re.sub(r"\\([.\-/])", r"\1", text)
    return text.split("|")[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _moved(text: str, by: int) -> str:
    """The version with another last number: TLS 1.2 becomes 1.3 or 1.1."""
    return _LAST_NUMBER.sub(lambda found: str(int(found[1]) + by), text)


def _words(shape: Any) -> tuple[str, ...]:
    return tuple(shape) if isinstance(shape, list) else ()


def _other_than(values: tuple[Any, ...], shape: Any) -> Iterator[Any]:
    yield from (word for word in _words(shape) if not any(same(word, value) for value in values))


def _not_equal(value: Any, shape: Any) -> Iterator[Any]:
    yield ABSENT
    yield from _other_than((value,), shape)
    if not _words(shape):
        yield opposite(value)
    if _is_number(value):
        yield from (0, value + 1)
    yield None


def _below(value: Any, shape: Any) -> Iterator[Any]:
    yield ABSENT
    if _is_number(value):
        yield from (value - 1, 0)
        return
    words = _words(shape)
    yield from (word for word in words if (version(word) or (9, 9)) < (version(value) or (0, 0)))
    yield from (() if words else (_moved(str(value), -1), "unreadable"))


def _above(value: Any, shape: Any) -> Iterator[Any]:
    yield value
    yield from (value + 1, value * 10) if _is_number(value) else stricter("tls", value, shape)


def _one_of(value: Any, _: Any) -> Iterator[Any]:
    yield from value


def _none_of(value: Any, shape: Any) -> Iterator[Any]:
    yield ABSENT
    yield from _other_than(value, shape)
    yield from () if _words(shape) else (_OTHER,)


def _existing(value: Any, shape: Any) -> Iterator[Any]:
    words = _words(shape)
    yield from (words[0] if words else _OTHER, {_OTHER: _OTHER}) if value else (ABSENT, None)


def _without(value: Any, shape: Any) -> Iterator[Any]:
    yield from (ABSENT, [])
    if isinstance(shape, Mapping):
        yield [opposite(value)]
    elif shape is not ABSENT:
        yield from ("", "None", *(word for word in _words(shape) if fold(str(value)) not in fold(word)))


def _holding(value: Any, shape: Any) -> Iterator[Any]:
    if not isinstance(shape, Mapping):
        yield from (str(value), f"{_OTHER}, {value}")
    if isinstance(shape, Mapping) or shape is ABSENT:
        yield from ([value], [opposite(value), value])


_Values = Mapping[Operator, Callable[[Any, Any], Iterator[Any]]]
_VIOLATING: _Values = {
    Operator.EQUALS: _not_equal,
    Operator.NOT_EQUALS: lambda value, _: iter((value,)),
    Operator.IN: _none_of,
    Operator.NOT_IN: _one_of,
    Operator.EXISTS: lambda value, shape: _existing(not value, shape),
    Operator.AT_LEAST: _below,
    Operator.CONTAINS: _without,
    Operator.MATCHES: lambda *_: iter((ABSENT, "", "~")),
}
_SATISFYING: _Values = {
    Operator.EQUALS: lambda value, _: iter((value,)),
    Operator.NOT_EQUALS: lambda value, shape: iter((ABSENT, opposite(value), *_other_than((value,), shape))),
    Operator.IN: _one_of,
    Operator.NOT_IN: _none_of,
    Operator.EXISTS: _existing,
    Operator.AT_LEAST: _above,
    Operator.CONTAINS: _holding,
    Operator.MATCHES: lambda value, _: iter((example(value), _OTHER, "1")),
}
