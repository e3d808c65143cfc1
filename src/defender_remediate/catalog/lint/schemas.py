"""What each resource type lets a caller write: facts taken from the Azure management packages.

A shape is compact. ``s``, ``b``, ``i``, ``n`` and ``x`` stand for a text, a boolean, an integer, a number and anything;
a leading ``-`` marks what nobody may set, a leading ``+`` what only creation may set. A list of texts is an enumeration,
``{"[]": …}`` an array, ``{"*": …}`` an object with any names, and any other object has the members that it names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.fixes.paths import member
from defender_remediate.json_values import ABSENT

ANYTHING = "x"
READ_ONLY, CREATE_ONLY = "-", "+"
ELEMENT, ANY_NAME = "[]", "*"
IS_FOR_CREATION = "can be set when the resource is created, and not later"
IS_SPELT = "is spelt by Azure"
"""Begins what is said about a difference of case only: Azure reads both, people and policies may not."""
_DATA = resources.files("defender_remediate.catalog") / "data" / "schemas"
_NAMES = {"s": "a text", "b": "true or false", "i": "a whole number", "n": "a number"}


@attrs.frozen(kw_only=True)
class TypeFacts:
    """What is known of one resource type.

    Attributes:
        name: The type, with the name of the resource where the names of a type differ in what they take.
        source: The package and its version.
        version: The api-version that the package speaks.
        patch: What a PATCH may carry: ``properties``, ``tags`` or ``none``.
        not_patched: The paths that a PUT takes and a PATCH does not.
        members: The shape of the body.
    """

    name: str
    source: str
    version: str
    patch: str
    not_patched: tuple[str, ...] = ()
    members: Any

    @property
    def origin(self) -> str:
        """Where it was looked up, for people."""
        return f"{self.source} ({self.version})"


def facts_of(resource_type: str, name: str = "") -> TypeFacts | None:
    """What is known of a type; of the resource of this name where that makes a difference. None: nothing."""
    provider, _, rest = fold(resource_type).partition("/")
    known = _provider(provider)
    raw = known.get(f"{rest}/{fold(name)}", known.get(rest))
    if raw is None:
        return None
    members = {**raw, "not_patched": tuple(raw.get("not_patched", ()))}
    return TypeFacts(name=f"{provider}/{rest}", **members)


@cache
def _provider(provider: str) -> Mapping[str, Mapping[str, Any]]:
    file = _DATA / f"{provider}.json"
    if not file.is_file():
        return {}
    return {fold(name): raw for name, raw in json.loads(file.read_text(encoding="utf-8")).items()}


def inner(shape: Any, part: str | int) -> Any:
    """The shape one step further down; ``ABSENT`` when there is no such member."""
    if not isinstance(shape, Mapping):
        return ANYTHING if isinstance(shape, str) and shape.lstrip("-+") == ANYTHING else ABSENT
    if isinstance(part, int) or part == ELEMENT:
        return shape.get(ELEMENT, ABSENT)
    if ANY_NAME in shape:
        return shape[ANY_NAME]
    return ABSENT if ELEMENT in shape else shape.get(member(shape, part), ABSENT)


def shape_at(shape: Any, parts: tuple[str | int, ...]) -> Any:
    """The shape at a path; ``ABSENT`` when there is no such member."""
    for part in parts:
        shape = inner(shape, part)
    return shape


def misfits(value: Any, shape: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Where a value does not fit a shape, and why; the path is empty for the value as a whole."""
    if isinstance(shape, str) and shape.startswith(READ_ONLY):
        yield path, "is read-only"
    elif isinstance(shape, str) and shape.startswith(CREATE_ONLY):
        yield path, IS_FOR_CREATION
    elif isinstance(shape, list):
        yield from _not_among(value, shape, path)
    elif isinstance(shape, Mapping) and ELEMENT in shape:
        yield from _not_elements(value, shape[ELEMENT], path)
    elif isinstance(shape, Mapping):
        yield from _not_members(value, shape, path)
    elif shape != ANYTHING and not _is(value, shape):
        yield path, f"must be {_NAMES[shape]}, got {value!r}"


def _is(value: Any, shape: str) -> bool:
    if shape in ("i", "n"):
        return isinstance(value, int if shape == "i" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, str if shape == "s" else bool)


def _not_among(value: Any, words: list[str], path: str) -> Iterator[tuple[str, str]]:
    if value in words:
        return
    # Some types take several words in one text, such as "Logging, AzureServices".
    chosen = [word.strip() for word in value.split(",")] if isinstance(value, str) else [value]
    for each in chosen:
        if each not in words:
            known = next((word for word in words if fold(str(each)) == fold(word)), "")
            yield path, f"{each!r} {IS_SPELT} {known}" if known else f"{each!r} is not one of {', '.join(words)}"


def _not_elements(value: Any, shape: Any, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, (list, tuple)):
        yield path, f"must be an array, got {value!r}"
        return
    for number, item in enumerate(value):
        yield from misfits(item, shape, f"{path}[{number}]")


def _not_members(value: Any, shape: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        yield path, f"must be an object, got {value!r}"
        return
    for name, item in value.items():
        there = f"{path}.{name}" if path else name
        below = inner(shape, name)
        if below is ABSENT:
            yield there, "is not known to Azure"
        elif ANY_NAME not in shape and member(shape, name) != name:
            yield there, f"{IS_SPELT} {member(shape, name)}"
        else:
            yield from misfits(item, below, there)
