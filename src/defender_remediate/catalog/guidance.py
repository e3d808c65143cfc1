"""What can be done about recommendations without a fix: read when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from itertools import chain
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.catalog.freshness import bundled_freshness
from defender_remediate.catalog.schema import POLICY, RESOURCE_TYPE
from defender_remediate.catalog.table import TomlTable
from defender_remediate.catalog.titles import title_key
from defender_remediate.catalog.toml import parse
from defender_remediate.models.freshness import CatalogFreshness, RetiredRecommendation
from defender_remediate.models.guidance import Guidance, GuidanceReason

_KEYS = frozenset(
    {
        "action", "category", "key", "policies", "reason", "replaced_by", "resource_type", "retired_on", "sources", "title",
        "titles",
    }
)  # fmt: skip
_GONE = {GuidanceReason.REPLACED: 1, GuidanceReason.RETIRED: 2}
_SENTENCES = re.compile(r".+\.", re.DOTALL)
CATEGORIES, SOURCES = "categories.toml", "sources.toml"
"""The files with guidance about whole categories of individual recommendations, and about resources of other clouds."""


def find_guidance(key: str, policy_definition_id: str = "", title: str = "") -> Guidance | None:
    """The guidance for a recommendation: by its key, else by the bare name of its policy definition, else by its title."""
    found = _bundled()
    return (
        found.by_key.get(fold(key))
        or found.by_policy.get(fold(policy_definition_id))
        or found.by_policy.get(fold(key))
        or found.by_title.get(title_key(title))
    )


def find_category_guidance(category: str) -> Guidance | None:
    """The guidance for the individual recommendations of a category."""
    return next((each for each in category_guidance() if fold(each.key) == fold(category)), None)


def all_guidance() -> Iterable[Guidance]:
    """All guidance that comes with this library; its files are read once."""
    return _bundled().by_key.values()


@cache
def bundled_guidance() -> tuple[Guidance, ...]:
    """All guidance about recommendations that comes with this library, file by file in the order of their names.

    What the manifest says about a retired recommendation or service is in it. The replaced recommendations that no file
    has an entry for follow, with the guidance of what replaced them.
    """
    known = bundled_freshness()
    written = tuple(chain.from_iterable(entries for name, entries in _files() if name not in (CATEGORIES, SOURCES)))
    keys = {fold(each.key) for each in written}
    rest = (each for each in known.recommendations if fold(each.key) not in keys)
    return (*(_dated(each, known) for each in written), *map(_replaced, rest))


def _dated(guidance: Guidance, known: CatalogFreshness) -> Guidance:
    """The guidance with the day and the successors that the manifest has for its recommendation, or its service."""
    retired = known.retired(guidance.key)
    if retired is not None:
        return attrs.evolve(
            guidance,
            retired_on=retired.retired_on,
            replaced_by=retired.replaced_by,
            category=retired.category,
        )
    service = known.service_of(guidance.resource_type or "")
    is_over = service is not None and guidance.reason is GuidanceReason.RETIRED and guidance.retired_on is None
    return attrs.evolve(guidance, retired_on=service.retired_on) if service and is_over else guidance


def _replaced(retired: RetiredRecommendation) -> Guidance:
    category = find_category_guidance(retired.category) if retired.category else None
    if category is not None:
        what = f"the individual recommendations of the category {category.key}, one for each finding"
        then = category.action
    else:
        many = len(retired.replaced_by)
        what = "another recommendation" if many == 1 else f"{many} recommendations"
        then = "Plan those instead, or read the guidance for each of their keys."
    return Guidance(
        key=retired.key,
        title=retired.title,
        titles=retired.titles,
        resource_type=retired.resource_type,
        reason=GuidanceReason.REPLACED,
        action=f"Azure replaced it by {what}. {then}",
        category=retired.category,
        replaced_by=retired.replaced_by,
        retired_on=retired.retired_on,
        policy_definition_ids=retired.policy_definition_ids,
        sources=(retired.source,),
    )


def find_source_guidance(source: str) -> Guidance | None:
    """The guidance for resources of another cloud."""
    return next((each for each in source_guidance() if fold(each.key) == fold(source)), None)


def source_guidance() -> tuple[Guidance, ...]:
    """The guidance about resources of other clouds that comes with this library."""
    return tuple(chain.from_iterable(entries for name, entries in _files() if name == SOURCES))


def category_guidance() -> tuple[Guidance, ...]:
    """The guidance about categories of individual recommendations that comes with this library."""
    return tuple(chain.from_iterable(entries for name, entries in _files() if name == CATEGORIES))


def guidance(document: Any, *, source: str) -> tuple[Guidance, ...]:
    """The ``[[guidance]]`` tables of a whole file, in its order.

    Raises:
        CatalogError: Names the file and the key path of the first thing that is wrong.
    """
    table = TomlTable(document, source=source, path="")
    table.only(frozenset({"guidance"}))
    entries = table.tables("guidance")
    found: dict[str, Guidance] = {}
    for entry in entries:
        entry.only(_KEYS)
        made = Guidance(
            key=entry.text("key"),
            title=entry.text("title"),
            titles=entry.strings("titles"),
            resource_type=entry.text("resource_type", "", shape=RESOURCE_TYPE, like="Microsoft.Cache/redis"),
            reason=entry.word("reason", GuidanceReason),
            action=entry.text("action", shape=_SENTENCES, like="a sentence or two, with a full stop"),
            category=entry.text("category", ""),
            replaced_by=entry.strings("replaced_by"),
            retired_on=entry.day("retired_on"),
            policy_definition_ids=entry.strings("policies", shape=POLICY, like="the bare name of a policy definition"),
            sources=entry.strings("sources"),
        )
        if found.setdefault(fold(made.key), made) is not made:
            raise entry.error("there is another [[guidance]] with this key", "key")
    return tuple(found.values())


@attrs.frozen
class _Index:
    by_key: Mapping[str, Guidance]
    by_policy: Mapping[str, Guidance]
    by_title: Mapping[str, Guidance]


@cache
def _files() -> tuple[tuple[str, tuple[Guidance, ...]], ...]:
    folder = resources.files("defender_remediate.catalog").joinpath("data").joinpath("guidance")
    files = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return tuple((file.name, guidance(parse(file.read_text(encoding="utf-8")), source=file.name)) for file in files)


@cache
def _bundled() -> _Index:
    by_key: dict[str, Guidance] = {}
    by_policy: dict[str, Guidance] = {}
    by_title: dict[str, Guidance] = {}
    # A policy definition or a title that several have leads to the one in force, else to the one that leads on.
    for each in sorted(bundled_guidance(), key=lambda each: _GONE.get(each.reason, 0)):
        by_key.setdefault(fold(each.key), each)
        for policy in each.policy_definition_ids:
            by_policy.setdefault(fold(policy), each)
        for title in (each.title, *each.titles):
            by_title.setdefault(title_key(title), each)
    return _Index(by_key, by_policy, by_title)
