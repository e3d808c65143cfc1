"""What can be done about recommendations without a fix: read when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.catalog.schema import POLICY, RESOURCE_TYPE
from defender_remediate.catalog.table import TomlTable
from defender_remediate.catalog.toml import parse
from defender_remediate.models.guidance import Guidance, GuidanceReason

_KEYS = frozenset({"action", "key", "policies", "reason", "resource_type", "sources", "title"})
_SENTENCES = re.compile(r".+\.", re.DOTALL)


def find_guidance(key: str, policy_definition_id: str = "") -> Guidance | None:
    """The guidance for a recommendation: by its key, else by the bare name of its policy definition."""
    by_key, by_policy = _bundled()
    return by_key.get(fold(key)) or by_policy.get(fold(policy_definition_id))


def bundled_guidance() -> tuple[Guidance, ...]:
    """All guidance that comes with this library, file by file in the order of their names."""
    found: list[Guidance] = []
    folder = resources.files("defender_remediate.catalog").joinpath("data").joinpath("guidance")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        found += guidance(parse(file.read_text(encoding="utf-8")), source=file.name)
    return tuple(found)


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
            resource_type=entry.text("resource_type", "", shape=RESOURCE_TYPE, like="Microsoft.Cache/redis"),
            reason=entry.word("reason", GuidanceReason),
            action=entry.text("action", shape=_SENTENCES, like="a sentence or two, with a full stop"),
            policy_definition_ids=entry.strings("policies", shape=POLICY, like="the bare name of a policy definition"),
            sources=entry.strings("sources"),
        )
        if found.setdefault(fold(made.key), made) is not made:
            raise entry.error("there is another [[guidance]] with this key", "key")
    return tuple(found.values())


@cache
def _bundled() -> tuple[Mapping[str, Guidance], Mapping[str, Guidance]]:
    by_key: dict[str, Guidance] = {}
    by_policy: dict[str, Guidance] = {}
    for each in bundled_guidance():
        by_key.setdefault(fold(each.key), each)
        for policy in each.policy_definition_ids:
            by_policy.setdefault(fold(policy), each)
    return by_key, by_policy
