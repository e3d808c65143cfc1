"""The tree of management groups: which are below which, and which subscriptions are in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold

Groups = Mapping[str, Mapping[str, Any]]
"""Management groups by their folded names. A group has ``name``, ``shown``, ``subscriptions`` (folded GUIDs directly in it) and the
folded name of its ``parent``; one without a parent is directly below the root group."""
MOST_LEVELS = 6
"""So many levels Azure allows below the root group."""


def parent_of(groups: Groups, name: str) -> Mapping[str, Any] | None:
    """Returns the group above a group; None for one directly below the root group."""
    parent: str | None = groups[fold(name)].get("parent")
    return None if parent is None else groups[parent]


def children_of(groups: Groups, name: str | None) -> list[Mapping[str, Any]]:
    """Returns the groups directly below a group, or below the root group."""
    wanted = None if name is None else fold(name)
    return [one for one in groups.values() if one.get("parent") == wanted]


def above(groups: Groups, name: str) -> Iterator[Mapping[str, Any]]:
    """Yields the groups above a group, the nearest first, without the root group."""
    found = parent_of(groups, name)
    while found is not None:
        yield found
        found = parent_of(groups, str(found["name"]))


def group_of(groups: Groups, subscription: str) -> Mapping[str, Any] | None:
    """Returns the group that a subscription is directly in; None if that is the root group."""
    return next((one for one in groups.values() if fold(subscription) in one["subscriptions"]), None)


def chain_of(groups: Groups, subscription: str) -> list[Mapping[str, Any]]:
    """Returns the groups that a subscription is in, the nearest first, without the root group."""
    nearest = group_of(groups, subscription)
    return [] if nearest is None else [nearest, *above(groups, str(nearest["name"]))]


def below(groups: Groups, name: str) -> Iterator[Mapping[str, Any]]:
    """Yields the groups below a group, at any level, each before those below it."""
    for child in children_of(groups, name):
        yield child
        yield from below(groups, str(child["name"]))


def subscriptions_in(groups: Groups, name: str) -> list[str]:
    """Returns the folded GUIDs of the subscriptions in a group and in those below it."""
    found = list(groups[fold(name)]["subscriptions"])
    for child in below(groups, name):
        found += child["subscriptions"]
    return found


def problem_of(groups: Groups, name: str, parent: str) -> str | None:
    """Returns why a group cannot be below another one; None if it can.

    Args:
        groups: The groups, of which the parent is one.
        name: The name of the group, which may be new.
        parent: The name of the group above it.
    """
    chain = [fold(parent), *(fold(str(one["name"])) for one in above(groups, parent))]
    if fold(name) in chain:
        return f"the group '{name}' cannot be below itself"
    height = height_of(groups, name) if fold(name) in groups else 1
    return f"there are at most {MOST_LEVELS} levels of groups" if len(chain) + height > MOST_LEVELS else None


def height_of(groups: Groups, name: str) -> int:
    """Returns how many levels a group and those below it take."""
    return 1 + max((height_of(groups, str(child["name"])) for child in children_of(groups, name)), default=0)
