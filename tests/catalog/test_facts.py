"""The bundled catalog against the list of facts it was made from, where that list is at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from defender_remediate.catalog import Catalog

FACTS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "fixes.json"


@pytest.mark.skipif(not FACTS.exists(), reason="the facts are not part of the project")
def test_keys_titles_and_policies_are_the_facts() -> None:
    """Every bundled fix carries the key, the display name, the policies and the api-version that the facts give."""
    facts = {}
    for fact in json.loads(FACTS.read_text(encoding="utf-8")):
        key = fact["assessment_key"] or fact["policy_definition_ids"][0]
        facts[key] = fact
    for fix in Catalog.bundled():
        fact = facts[fix.key]
        assert fix.title == fact["display_name"]
        assert list(fix.policy_definition_ids) == fact["policy_definition_ids"]
        assert fact["kind"] != "manual"
        if fact["needs_put_not_patch"] and fix.resource_type == fact["resource_type"]:
            assert fix.kind != "patch"
        if fact["disruptive"]["level"] == "restart":
            assert fix.impact == "restart"
