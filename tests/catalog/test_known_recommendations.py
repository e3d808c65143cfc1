"""The catalog against the list of recommendations that Microsoft documents."""

from __future__ import annotations

import csv
from pathlib import Path

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.guidance import bundled_guidance
from defender_remediate.models.ids import is_guid

CATALOG = Catalog.bundled()
LIST = Path(__file__).parent / "known-recommendations.tsv"


def known() -> list[tuple[str, list[str], str]]:
    """The assessment key, which may be empty, the policy definitions and the title of each recommendation."""
    with LIST.open(encoding="utf-8", newline="") as rows:
        return [(key, policies.split(","), title) for key, policies, title in csv.reader(rows, delimiter="\t")]


def test_every_known_recommendation_has_a_fix_or_guidance() -> None:
    """The key, a policy definition or the title of a recommendation leads to a fix, or guidance with the reason."""
    unanswered = []
    for key, policies, title in known():
        answers = (
            CATALOG.get_for_recommendation(key, each, title=title) or CATALOG.get_guidance(key, each, title)
            for each in policies or [""]
        )
        if not any(answers):
            unanswered.append((key, title))
    assert unanswered == []


def test_titles_are_those_of_azure() -> None:
    """Every fix and every guidance entry has a title that Azure shows for its key."""
    titles: dict[str, set[str]] = {"foundational-cspm": {"Foundational CSPM should be enabled"}}  # no recommendation
    for key, policies, title in known():
        for name in (key, *policies):
            titles.setdefault(name.casefold(), set()).add(title)
    unpublished = {title for key, _, title in known() if not key}
    offenders = [
        entry.key
        for entry in (*CATALOG, *bundled_guidance())
        if entry.title not in titles.get(entry.key.casefold(), set() if is_guid(entry.key) else unpublished)
    ]
    assert offenders == []
