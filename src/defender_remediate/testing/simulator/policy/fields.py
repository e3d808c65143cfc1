"""The fields of policy rules: where in a resource a field or an alias points, and what is there.

An alias is the type of a resource and a path. Most paths are those of the resource below ``properties``; the shipped list has the
others. The properties of a child in an array, such as a rule of a network security group, are below ``properties`` of the element.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Final

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.policy.values import MISSING
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.types import published_since, shipped_types

EACH: Final = object()
"""Stands for every element of an array in a path."""

Part = Any
Path = tuple[Part, ...]
"""Names, indices and ``EACH``."""

_PART = re.compile(r"\[(?:\*|'((?:[^']|'')*)'|([^\]']*))\]|([^.\[\]]+)|\.")
_TOP = frozenset(
    [
        "id",
        "name",
        "type",
        "kind",
        "location",
        "tags",
        "identity",
        "sku",
        "zones",
        "plan",
        "managedby",
        "extendedlocation",
        "etag",
        "systemdata",
        "properties",
    ]
)
_TAG = re.compile(
    r"tags(?:\.(?P<dotted>.+)|\[(?P<quote>'?)(?P<name>(?!\*\]).*)(?P=quote)\])\Z", re.IGNORECASE | re.DOTALL
)


@lru_cache(maxsize=10_000)
def path_of(text: str) -> Path:
    """Returns the parts of a path such as ``a.b[*].c`` or ``tags['cost center']``."""
    tag = _TAG.match(text)
    if tag is not None:
        return ("tags", tag["dotted"] if tag["dotted"] is not None else tag["name"].replace("''", "'"))
    parts: list[Part] = []
    for found in _PART.finditer(text):
        quoted, bare, name = found.groups()
        if quoted is not None:
            parts.append(quoted.replace("''", "'"))
        elif bare is not None:
            parts.append(int(bare) if bare.isdigit() else bare)
        elif name is not None:
            parts.append(name)
        elif found[0] == "[*]":
            parts.append(EACH)
    return tuple(parts)


def written(path: Path) -> str:
    """Returns a path as Azure shows it."""
    text = ""
    for part in path:
        if part is EACH:
            text += "[*]"
        elif isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


@cache
def _aliases() -> Mapping[str, Any]:
    found: Mapping[str, Any] = _folded_names(facts("aliases"))
    return found


def _folded_names(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {fold(name): _folded_names(item) for name, item in value.items()}
    return [fold(item) for item in value] if isinstance(value, list) else value


def alias_path(kind: str, field: str) -> Path | None:
    """Returns where a field of a rule points in a resource of a type; None for an alias of another type.

    Args:
        kind: The type of the resource.
        field: A member that every resource has, or an alias.
    """
    if "/" not in field or _TAG.match(field):
        return path_of(field)
    listed = _aliases()["paths"].get(fold(kind), {}).get(fold(field))
    if listed is not None:
        return path_of(listed)
    start = f"{fold(kind)}/"
    rest = field[len(start) :]
    if not fold(field).startswith(start) or "/" in rest:
        return None
    path = path_of(rest)
    first = fold(str(path[0]))
    if first in _TOP:
        return path
    if first in _aliases()["names"].get(fold(kind), ()):
        return ("properties", *path[1:])
    return ("properties", *_with_children(path, fold(kind.partition("/")[0])))


@cache
def _alias_members() -> Mapping[str, frozenset[str]]:
    return {kind: frozenset(names.split()) for kind, names in facts("alias_members").items()}


def is_alias(field: str) -> bool:
    """Whether a field of a rule is a member that every resource has, or an alias that Azure may have.

    What Azure has is known for the types that the simulator has: an alias of one of these names a member that is published, as an alias
    or in the model of the type. Other types are published with their provider, or they do not exist.
    """
    kind, _, rest = field.rpartition("/")
    if not kind or _TAG.match(field) or "[" in kind:
        return True
    member = fold(re.split(r"[.\[]", rest)[0])
    if member in _alias_members().get(fold(kind), ()):
        return True
    shipped = shipped_types().get(fold(kind))
    if shipped is not None:
        return member in {fold(name) for name in (*(shipped.known or ()), *_TOP)} or shipped.known is None
    is_known_provider = any(name.startswith(f"{fold(kind).partition('/')[0]}/") for name in shipped_types())
    return not is_known_provider or published_since(kind) is not None


def _with_children(path: Path, namespace: str) -> Iterator[Part]:
    """Yields the parts of a path, with ``properties`` where a provider keeps the properties of a child apart."""
    containers = _aliases()["containers"].get(namespace, {})
    container = ""
    for part in path:
        if isinstance(part, str):
            direct = containers.get(container)
            if direct is not None and fold(part) not in direct:
                yield "properties"
            container = fold(part)
        yield part


def member(owner: Any, part: Part) -> Any:
    """Returns a member of an object, ignoring case, or an element of an array; ``MISSING`` if it is not there."""
    if isinstance(part, int):
        return owner[part] if isinstance(owner, list) and part < len(owner) else MISSING
    if not isinstance(owner, Mapping):
        return MISSING
    if part in owner:
        return owner[part]
    wanted = fold(part)
    return next((value for name, value in owner.items() if fold(str(name)) == wanted), MISSING)


def value_at(body: Any, path: Path) -> Any:
    """Returns the value at a path without ``EACH``; ``MISSING`` if there is none."""
    for part in path:
        body = member(body, part)
    return body


def values_at(body: Any, path: Path) -> list[Any]:
    """Returns the values at a path with ``EACH``, without those that are missing."""
    if EACH not in path:
        found = value_at(body, path)
        return [] if found is MISSING else [found]
    place = path.index(EACH)
    items = value_at(body, path[:place])
    return [value for item in items for value in values_at(item, path[place + 1 :])] if isinstance(items, list) else []


def every(body: Any, path: Path, test: Callable[[Any], bool]) -> bool:
    """Whether each value at a path passes a test. An empty array passes; one that is missing does not."""
    if EACH not in path:
        return test(value_at(body, path))
    place = path.index(EACH)
    items = value_at(body, path[:place])
    return isinstance(items, list) and all(every(item, path[place + 1 :], test) for item in items)


def changed(body: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """Returns a body with another value at a path, made where it is missing; ``MISSING`` removes the member."""
    if not path:
        return change(body)
    part, rest = path[0], path[1:]
    if part is EACH or isinstance(part, int):
        items = body if isinstance(body, list) else []
        made = [changed(item, rest, change) if part in (EACH, place) else item for place, item in enumerate(items)]
        return [item for item in made if item is not MISSING] if isinstance(body, list) else body
    held = dict(body) if isinstance(body, Mapping) else {}
    name = next((one for one in held if fold(str(one)) == fold(part)), part)
    value = changed(held.get(name, MISSING), rest, change)
    if value is MISSING:
        held.pop(name, None)
        return held if held or isinstance(body, Mapping) else MISSING
    held[name] = value
    return held
