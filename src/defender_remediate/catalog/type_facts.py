"""What each resource type lets a caller write: facts taken from the Azure management packages.

A shape is compact. ``s``, ``b``, ``i``, ``n`` and ``x`` stand for a string, a boolean, an integer, a number and any value. A
leading ``-`` marks a read-only member, ``+`` one that can be set at creation only, ``!`` one that a GET does not return. A
list of strings is an enumeration, ``{"[]": …}`` an array, ``{"*": …}`` an object with any names, and any other object has
the members that it names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.fixes.paths import look_up, member
from defender_remediate.json_values import ABSENT

ANYTHING = "x"
READ_ONLY, CREATE_ONLY, WRITE_ONLY = "-", "+", "!"
MARKS = f"{READ_ONLY}{CREATE_ONLY}{WRITE_ONLY}"
ELEMENT, ANY_NAME = "[]", "*"
IS_FOR_CREATION = "can be set when the resource is created, and not later"
IS_SPELT = "is spelled by Azure"
"""Begins what is said about a difference of case only: Azure accepts both, people and policies may not."""
_DATA = resources.files("defender_remediate.catalog") / "data" / "schemas"
_PLAIN: Mapping[str, tuple[str, type | tuple[type, ...]]] = {
    "s": ("a string", str),
    "b": ("true or false", bool),
    "i": ("an integer", int),
    "n": ("a number", (int, float)),
}
# The names of members that hold a secret. Azure does not return most of them, or masks them.
_SECRET = re.compile(
    r"(password|secret|accesskey|sastoken|saskey|connectionstring|sharedkey|(primary|secondary)key)$", re.IGNORECASE
)
_CERTIFICATE = re.compile(r"certificates\[\*\]\.properties\.data$", re.IGNORECASE)
# Types whose packages do not name the header If-Match, and that are known to compare it with the etag of the body: the
# network provider answers "Etag provided in if-match header ... does not match etag ..." (412), Azure was recorded accepting
# it for IoT Central, and the specification of provisioning services asks for the etag of the body in the header.
_HONOUR_IF_MATCH = ("microsoft.network/", "microsoft.iotcentral/iotapps", "microsoft.devices/provisioningservices")


@attrs.frozen(kw_only=True)
class TypeFacts:
    """What is known of one resource type.

    Attributes:
        name: The type, with the name of the resource where the resources of a type accept different members.
        source: The package and its version.
        version: The api-version of the package.
        patch: What a PATCH may carry: ``properties``, ``tags`` or ``none``.
        not_patched: The paths that a PUT accepts and a PATCH does not.
        if_match: Whether a write accepts the header If-Match.
        members: The shape of the body.
    """

    name: str
    source: str
    version: str
    patch: str
    not_patched: tuple[str, ...] = ()
    if_match: bool = False
    members: Any

    @property
    def origin(self) -> str:
        """The package and its api-version, for people."""
        return f"{self.source} ({self.version})"

    @property
    def write_only_members(self) -> tuple[str, ...]:
        """The paths of the members that a caller can set and that a GET leaves out or masks, such as passwords."""
        return tuple(_write_only(self.members, ""))


def facts_of(resource_type: str, name: str = "") -> TypeFacts | None:
    """What is known of a type, or of its resource of this name where that makes a difference; None if nothing is known."""
    provider, _, rest = fold(resource_type).partition("/")
    known = _provider(provider)
    raw = known.get(f"{rest}/{fold(name)}", known.get(rest))
    if raw is None:
        return None
    members = {**raw, "not_patched": tuple(raw.get("not_patched", ()))}
    return TypeFacts(name=f"{provider}/{rest}", **members)


def has_own_facts(resource_type: str, name: str) -> bool:
    """Whether the resource of this name accepts other members than the rest of its type."""
    provider, _, rest = fold(resource_type).partition("/")
    return f"{rest}/{fold(name)}" in _provider(provider)


def honours_if_match(resource_type: str, name: str = "") -> bool:
    """Whether a type is known to compare the header If-Match of a write with the etag in its body."""
    facts = facts_of(resource_type, name)
    return (facts is not None and facts.if_match) or fold(resource_type).startswith(_HONOUR_IF_MATCH)


def etag_for_write(body: Any, resource_type: str, name: str = "") -> str | None:
    """The etag of a body, for the header If-Match of a write; None for a type that is not known to compare it."""
    etag = look_up(body, "etag")
    return etag if isinstance(etag, str) and honours_if_match(resource_type, name) else None


def _write_only(shape: Any, path: str) -> Iterator[str]:
    if isinstance(shape, str):
        is_settable = not shape.startswith(READ_ONLY) and shape.lstrip(MARKS) in ("s", ANYTHING)
        if shape.startswith(WRITE_ONLY) or (is_settable and (_SECRET.search(path) or _CERTIFICATE.search(path))):
            yield path
    elif isinstance(shape, Mapping):
        for name, inner_shape in shape.items():
            step = "[*]" if name in (ELEMENT, ANY_NAME) else f".{name}"
            yield from _write_only(inner_shape, f"{path}{step}".removeprefix("."))


@cache
def _provider(provider: str) -> Mapping[str, Mapping[str, Any]]:
    file = _DATA / f"{provider}.json"
    if not file.is_file():
        return {}
    return {fold(name): raw for name, raw in json.loads(file.read_text(encoding="utf-8")).items()}


def inner(shape: Any, part: str | int) -> Any:
    """The shape one step further down; ``ABSENT`` when there is no such member."""
    if not isinstance(shape, Mapping):
        return ANYTHING if isinstance(shape, str) and shape.lstrip(MARKS) == ANYTHING else ABSENT
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
        if not isinstance(value, (list, tuple)):
            yield path, f"must be an array, got {quoted(value)}"
            return
        for number, item in enumerate(value):
            yield from misfits(item, shape[ELEMENT], f"{path}[{number}]")
    elif isinstance(shape, Mapping):
        yield from _not_members(value, shape, path)
    elif (plain := shape.lstrip(WRITE_ONLY)) != ANYTHING:
        name, types = _PLAIN[plain]
        if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
            yield path, f"must be {name}, got {quoted(value)}"


def _not_among(value: Any, words: list[str], path: str) -> Iterator[tuple[str, str]]:
    if value in words:
        return
    # Some types accept several words in one string, such as "Logging, AzureServices".
    chosen = [word.strip() for word in value.split(",")] if isinstance(value, str) else [value]
    for each in chosen:
        if each not in words:
            known = next((word for word in words if fold(str(each)) == fold(word)), "")
            yield (
                path,
                f"{quoted(each)} {IS_SPELT} {known}" if known else f"{quoted(each)} is not one of {', '.join(words)}",
            )


def _not_members(value: Any, shape: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        yield path, f"must be an object, got {quoted(value)}"
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
