"""The graph of a template: what depends on what, and the order in which it is deployed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from defender_remediate.arm_template import TemplateError
from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids


@attrs.frozen(kw_only=True)
class Declared:
    """One resource, one turn of a copy loop, or one nested deployment of a template.

    Attributes:
        id: The id of the resource.
        copy: The name of the copy loop that it comes from; None for none.
        symbol: The symbolic name; None in a template that has a list of resources.
        depends_on: What it waits for, as the template names it.
        refers_to: What its expressions read, which it waits for if the template defines it.
        is_left_out: Whether a condition leaves it out, or it exists already.
    """

    id: str
    copy: str | None = None
    symbol: str | None = None
    depends_on: tuple[str, ...] = ()
    refers_to: tuple[str, ...] = ()
    is_left_out: bool = False

    def is_named(self, text: str) -> bool:
        """Whether a ``dependsOn`` means it: by id, by type and name, by its last name, by copy loop or by symbol."""
        if text.startswith("/"):
            return ids.key(text) == ids.key(self.id)
        names = [name for name in (self.copy, self.symbol, ids.segments(self.id)[-1]) if name is not None]
        if "/" not in text:
            return fold(text) in (fold(name) for name in names)
        whole = ids.key(self.id)
        return whole.endswith(f"/providers/{fold(text)}") or _type_and_name(self.id) == fold(text)


@attrs.frozen(kw_only=True)
class NestedDeployment:
    """A deployment in a template.

    Attributes:
        base: The id of what it deploys to; empty for the tenant.
        resource_ids: What its template describes, that of deployments nested in it included.
        below: The ids of the deployments nested in it.
        results: Works out its outputs, with what answers for resources.
    """

    id: str
    base: str
    mode: str
    template: Mapping[str, Any]
    parameters: Mapping[str, Any]
    resource_ids: tuple[str, ...]
    below: tuple[str, ...]
    results: Callable[[Reads], dict[str, Any]]


@attrs.define(kw_only=True)
class Contents:
    """What a template defines, so that its expressions can name it. Filled while the template is read.

    Attributes:
        declared: Its resources and nested deployments, those that exist already or are left out by a condition included.
        outputs: Works out the outputs of a nested deployment, by the key of its id, with what answers for resources.
        nested: Its nested deployments that are deployed, each after those nested in it.
    """

    declared: list[Declared] = attrs.field(factory=list)
    outputs: dict[str, Callable[[Reads], dict[str, Any]]] = attrs.field(factory=dict)
    nested: list[NestedDeployment] = attrs.field(factory=list)

    def id_of(self, text: str) -> str:
        """Returns the id of what an expression names; the text itself if the template defines no such thing."""
        return next((one.id for one in self.declared if one.is_named(text)), text)


Reads = Callable[[Contents, str, list[Any]], Any]
"""Answers ``reference`` and the ``list`` functions of a template."""


@attrs.frozen
class TemplateReader:
    """Answers these functions for one template.

    Attributes:
        read: Answers them for any template.
        contents: What the template defines.
    """

    read: Reads
    contents: Contents

    def __call__(self, function: str, arguments: list[Any]) -> Any:
        """Returns what a function reads."""
        return self.read(self.contents, function, arguments)


def _type_and_name(resource_id: str) -> str:
    """Returns ``type/names`` as ``resourceId`` takes them apart: the type with all its segments, then the names."""
    path = ids.path_of(resource_id)
    return "" if path is None else fold("/".join((path.type, *path.names)))


def in_order(declared: Sequence[Declared]) -> list[int]:
    """Returns the places of the resources so that each comes after what it depends on, otherwise as they are written.

    Raises:
        TemplateError: A resource is defined twice, depends on one that the template does not define, or on itself by others.
    """
    _check_duplicates(declared)
    waits = [set(_places(one, declared)) for one in declared]
    order: list[int] = []
    done: set[int] = set()
    while len(order) < len(declared):
        ready = next((place for place in range(len(declared)) if place not in done and waits[place] <= done), None)
        if ready is None:
            stuck = next(place for place in range(len(declared)) if place not in done)
            raise TemplateError(f"Circular dependency detected on resource: '{declared[stuck].id}'.")
        order.append(ready)
        done.add(ready)
    return order


def _check_duplicates(declared: Iterable[Declared]) -> None:
    seen: set[str] = set()
    for one in declared:
        if one.is_left_out:
            continue
        if ids.key(one.id) in seen:
            raise TemplateError(f"The resource '{one.id}' is defined multiple times in a template.")
        seen.add(ids.key(one.id))


def _places(one: Declared, declared: Sequence[Declared]) -> Iterator[int]:
    for text in one.depends_on:
        found = [place for place, other in enumerate(declared) if other.is_named(text)]
        if not found:
            raise TemplateError(f"The resource '{text}' is not defined in the template.")
        yield from found
    for text in one.refers_to:
        found = [place for place, other in enumerate(declared) if other is not one and other.is_named(text)]
        # A name that several resources end in does not say which one is meant.
        yield from found if len(found) == 1 else ()
