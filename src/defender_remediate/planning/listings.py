"""Reads many targets of one type with the list operation of the type, a page at a time, in place of a GET for each.

A list that shows less than a GET would make a plan that is wrong, so a list is only used where it is shown to be whole:

- types whose lists are known to leave members out are not listed (``PARTIAL_LISTS``);
- the first targets of each shape (the names of their members at every level) are read with a GET too. If one GET differs from
  the list in anything but what Azure changes by itself, nothing of that list is used.

Whatever cannot be listed is read with a GET, and each target is read with a GET again right before it is written to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, ForbiddenError, InvalidResourceIdError
from defender_remediate.fixes.drift import depends_on, fingerprint
from defender_remediate.fixes.paths import look_up
from defender_remediate.json_values import ABSENT
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.threads import in_parallel

Place = tuple[str, str]
"""The folded id of a resource, and the api-version to read it in."""

FEW = 5
"""This many targets of a type are read with a GET each: a list and the GETs that prove it would cost as much."""

PARTIAL_LISTS = frozenset(
    {
        "microsoft.automation/automationaccounts",
        "microsoft.compute/virtualmachines",
        "microsoft.containerinstance/containergroups",
        "microsoft.hybridcompute/machines",
        "microsoft.web/hostingenvironments",
        "microsoft.web/sites",
    }
)
"""Types, folded, whose list operation leaves out members of some resources, or is not known to show all of them.

The list of web apps does not show the settings in ``siteConfig``, those of machines and containers leave out their state and what
is installed on them, and that of automation accounts shows little more than names and times.
"""

_SAMPLES = 2
_WHOLE = depends_on(is_whole=True)


@attrs.frozen(kw_only=True)
class _List:
    """The targets of one type below one scope."""

    scope: str
    resource_type: str
    api_version: str
    wanted: Mapping[str, ResourceId]


def listed_bodies(reader: Reader, places: Iterable[tuple[str, str]], *, workers: int) -> dict[Place, Any]:
    """The bodies of those of these resources whose lists show them whole.

    Makes one request per page of each list and up to two per shape of the resources found, and never more than a GET for
    each resource would make twice. Subscriptions are read side by side. Never raises for a list: what cannot be listed is missing.

    Args:
        reader: What to read with.
        places: The ids of resources, each with the api-version to read it in.
        workers: Threads at most.
    """
    bodies: dict[Place, Any] = {}
    lists = _lists(places)
    found = in_parallel(lambda one: _read(reader, one), lists, workers=workers)
    samples = [(number, key) for number, listed in enumerate(found) for key in _samples(listed)]

    def compared(sample: tuple[int, str]) -> tuple[int, str, Any, bool]:
        number, key = sample
        one = lists[number]
        try:
            body = reader.get(one.wanted[key].text, api_version=one.api_version).body
        except DefenderRemediateError:
            return number, key, None, False
        return number, key, body, _is_same(body, found[number][key])

    partial = set()
    for number, key, body, is_same in in_parallel(compared, samples, workers=workers):
        if body is not None:
            bodies[key, lists[number].api_version] = body
        if not is_same:
            partial.add(number)
    for number, listed in enumerate(found):
        for key, body in listed.items() if number not in partial else ():
            bodies.setdefault((key, lists[number].api_version), body)
    return bodies


def _lists(places: Iterable[tuple[str, str]]) -> list[_List]:
    grouped: dict[tuple[str, str, str], dict[str, ResourceId]] = {}
    for resource_id, api_version in places:
        with suppress(InvalidResourceIdError):
            resource = ResourceId.parse(resource_id)
            is_top_level = resource.type.count("/") == 1 and resource.parent == resource.group is not None
            if is_top_level and fold(resource.type) not in PARTIAL_LISTS:
                key = (fold(resource.subscription_id or ""), fold(resource.type), api_version)
                grouped.setdefault(key, {})[resource.key] = resource
    lists = []
    for (subscription, resource_type, api_version), wanted in grouped.items():
        if len(wanted) > FEW:
            groups = {id_key(str(one.group)) for one in wanted.values()}
            scope = groups.pop() if len(groups) == 1 else f"/subscriptions/{subscription}"
            lists.append(_List(scope=scope, resource_type=resource_type, api_version=api_version, wanted=wanted))
    return lists


def _read(reader: Reader, one: _List) -> dict[str, Any]:
    """The items of a list that are wanted; none if it cannot be read."""
    try:
        return dict(_items(reader, one))
    except ForbiddenError:
        # Who may read some resource groups only may list those.
        groups: dict[str, dict[str, ResourceId]] = {}
        for key, resource in one.wanted.items():
            groups.setdefault(id_key(str(resource.group)), {})[key] = resource
        found: dict[str, Any] = {}
        for scope, wanted in groups.items() if len(groups) > 1 else ():
            if len(wanted) > FEW:
                found.update(_read(reader, attrs.evolve(one, scope=scope, wanted=wanted)))
        return found
    except DefenderRemediateError:
        return {}


def _items(reader: Reader, one: _List) -> Iterator[tuple[str, Any]]:
    missing = set(one.wanted)
    pages = reader.list_pages(f"{one.scope}/providers/{one.resource_type}", api_version=one.api_version)
    # No more pages than GETs that they save.
    for _, page in zip(range(len(one.wanted)), pages, strict=False):
        for item in page:
            key = id_key(str(item.get("id", "")))
            if key in missing:
                missing.discard(key)
                yield key, item
        if not missing:
            return


def _samples(listed: Mapping[str, Any]) -> list[str]:
    """The first resources of each shape."""
    shapes: dict[tuple[Any, ...], list[str]] = {}
    for key, body in listed.items():
        shapes.setdefault((_shape(body), str(body.get("kind"))), []).append(key)
    return [key for keys in shapes.values() for key in keys[:_SAMPLES]]


def _shape(value: Any) -> Any:
    """The names of the members at every level. Tags, and members that are named by ids, have names of their own."""
    if isinstance(value, (list, tuple)):
        return frozenset(map(_shape, value))
    if not isinstance(value, Mapping):
        return None
    shape: set[Any] = set()
    for name, inner in value.items():
        if len(name) == len("tags") and fold(name) == "tags":
            continue
        own = "/" if "/" in name else name
        # What is below a name is part of the shape only where there is something below it.
        shape.add((own, _shape(inner)) if isinstance(inner, (dict, list)) else own)
    return frozenset(shape)


def _names(value: Any) -> Iterator[str]:
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ():
        yield from _names(inner)
    if isinstance(value, Mapping):
        yield from value


def _is_same(got: Any, listed: Any) -> bool:
    """Whether a GET and a list show the same in the same spelling, apart from what Azure changes by itself."""
    one, other = set(_names(got)), set(_names(listed))
    if {fold(name) for name in one - other} & {fold(name) for name in other - one}:
        return False
    same_etag = (look_up(got, "etag") is ABSENT) == (look_up(listed, "etag") is ABSENT)
    return same_etag and fingerprint(got, _WHOLE) == fingerprint(listed, _WHOLE)
