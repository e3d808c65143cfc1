"""The bundled catalog against the lists of facts it was made from, where those lists are at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from defender_remediate.catalog import Catalog
from defender_remediate.models.fix import FixAction

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the facts are not part of the project")


def facts(name: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every fact of a list, with the keys it goes by: the assessment key, else its policy definitions."""
    for fact in json.loads((DATA / f"{name}.json").read_text(encoding="utf-8")):
        key = fact.get("assessment_key")
        policies = fact.get("policy_definition_ids") or [fact.get("policy_definition_id")]
        yield (key,) if key else tuple(filter(None, policies)), fact


def known(name: str) -> dict[str, list[dict[str, Any]]]:
    """The facts of a list by key."""
    found: dict[str, list[dict[str, Any]]] = {}
    for keys, fact in facts(name):
        for key in keys:
            found.setdefault(key.casefold(), []).append(fact)
    return found


def test_keys_titles_and_policies_are_the_facts() -> None:
    """Every bundled fix carries a key, a display name and the policies that the facts give."""
    by_key = known("recommendations")
    for key, more in known("fixes").items():
        by_key.setdefault(key, []).extend(more)
    for fix in Catalog.bundled():
        known_as = by_key[fix.key.casefold()]
        assert fix.title in {fact["display_name"] for fact in known_as}
        named = (fact.get("policy_definition_ids") or [] for fact in known_as)
        # A fix may name more: a second definition that asks the same.
        assert any(set(policies) <= set(fix.policy_definition_ids) for policies in named), fix.key


def test_a_restart_is_said() -> None:
    """Where the facts know of a restart, the fix says so."""
    by_key = known("fixes")

    def of(fix: FixAction) -> list[dict[str, Any]]:
        found = by_key.get(fix.key.casefold(), [])
        return [fact for fact in found if fact["resource_type"] == fix.resource_type and fact["kind"] != "manual"]

    for fix in Catalog.bundled():
        if any(fact["disruptive"]["level"] == "restart" for fact in of(fix)):
            assert fix.impact == "restart", fix.key
