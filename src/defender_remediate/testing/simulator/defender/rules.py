"""When a resource satisfies a recommendation: the conditions in ``data/findings.json``.

A condition is an object. ``all``, ``any`` and ``not`` combine; ``child`` looks for a child or extension resource (``*``
stands for any name) on which ``where`` holds; ``path`` with one of ``equals``, ``in``, ``at_least``, ``empty``,
``excludes`` or ``contains`` looks at a value. ``or_absent`` says that a missing value satisfies it, too.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Store

Condition = Mapping[str, Any]


def holds(condition: Condition, body: Mapping[str, Any], resource_id: str, store: Store) -> bool:
    """Whether a resource satisfies a condition.

    Args:
        condition: See the module.
        body: The resource as GET shows it; empty for a subscription.
        resource_id: Its id, from which its children are found.
        store: Where they are.
    """
    if "all" in condition:
        return all(holds(part, body, resource_id, store) for part in condition["all"])
    if "any" in condition:
        return any(holds(part, body, resource_id, store) for part in condition["any"])
    if "not" in condition:
        return not holds(condition["not"], body, resource_id, store)
    if "child" in condition:
        return any(
            holds(condition["where"], child.render(), child.id, store)
            for child in _children(store, resource_id, condition["child"])
        )
    values = list(_values(body, condition["path"]))
    if not values:
        return bool(condition.get("or_absent", False))
    return _compare(condition, values)


def children_in(condition: Condition | None) -> Iterator[tuple[str, ...]]:
    """Yields the children that a condition looks at: their segments in lower case, from the resource on."""
    if condition is None:
        return
    for part in (*condition.get("all", ()), *condition.get("any", ()), condition.get("not")):
        yield from children_in(part)
    if "child" in condition:
        yield tuple(ids.segments(fold(condition["child"])))


def _children(store: Store, resource_id: str, pattern: str) -> Iterator[Any]:
    wanted = f"{ids.key(resource_id)}/{fold(pattern)}"
    if "*" not in pattern:
        found = store.find(wanted)
        if found is not None:
            yield found
        return
    for resource in store.resources(resource_id):
        if fnmatch.fnmatchcase(ids.key(resource.id), wanted):
            yield resource


def _compare(condition: Condition, values: list[Any]) -> bool:
    if "equals" in condition:
        return any(_same(value, condition["equals"]) for value in values)
    if "in" in condition:
        return any(_same(value, wanted) for value in values for wanted in condition["in"])
    if "at_least" in condition:
        return any(_version(value) >= _version(condition["at_least"]) for value in values)
    if "excludes" in condition:
        return not any(_same(value, condition["excludes"]) for value in values)
    if "contains" in condition:
        return any(fold(condition["contains"]) in fold(str(value)) for value in values)
    return any(bool(value) is not condition["empty"] for value in values)


def _values(body: Any, path: str) -> Iterator[Any]:
    values = [body]
    for name in path.split("."):
        plain = name.removesuffix("[*]")
        values = [value[plain] for value in values if isinstance(value, Mapping) and value.get(plain) is not None]
        if name != plain:
            values = [item for value in values if isinstance(value, list) for item in value]
    return iter(values)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return fold(value) == fold(wanted)
    return type(value) is type(wanted) and bool(value == wanted)


def _version(value: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", str(value)))
