"""The bundled guidance: every recommendation that has no fix answers what can be done, and no answer is empty talk."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.guidance import bundled_guidance, guidance
from defender_remediate.catalog.toml import parse
from defender_remediate.models.guidance import Guidance, GuidanceReason

CATALOG = Catalog.bundled()
FOUND = bundled_guidance()
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
every_entry = pytest.mark.parametrize("entry", FOUND, ids=lambda entry: entry.key[:8])
with_facts = pytest.mark.skipif(not DATA.exists(), reason="the facts are not part of the project")

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_END = re.compile(r"[.?!](?=\s+[A-Z]|$)")
# What one can say of every recommendation says nothing about any of them.
_TALK = re.compile(
    r"\b(as appropriate|as needed|best practices?|consult|documentation|etc|follow the steps|if applicable|learn more"
    r"|more information|please|refer to|remediat\w+|see https?|tbd|todo|where possible)\b",
    re.IGNORECASE,
)
_MADE_ANEW = re.compile(
    r"\b(make it again|make a new|add a new|make a second|order|restore it to a new)\b", re.IGNORECASE
)
_NO_MORE = re.compile(r"retire|retiring|replaced|deprecated|went away|no longer|can no longer", re.IGNORECASE)
# A member of a body, or what is made or deleted: what somebody who has decided sends.
_NAMED = re.compile(
    r"\b[a-z]+[A-Z]\w*|\bproperties\.\w+|\b(identity|sku)\b|\bMicrosoft\.\w+/\w|private endpoints?\b|\bDELETE\b",
    re.ASCII,
)

QUICK = """
import time
from defender_remediate.catalog.guidance import bundled_guidance
taken = []
for _ in range(5):
    begun = time.process_time()
    bundled_guidance()
    taken.append(time.process_time() - begun)
print(min(taken))
"""


def facts(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every fact of a list, with its assessment key, else its first policy definition."""
    for fact in json.loads((DATA / f"{name}.json").read_text(encoding="utf-8")):
        yield fact["assessment_key"] or fact["policy_definition_ids"][0], fact


def answer(fact: dict[str, Any]) -> object:
    """The fix or the guidance that somebody finds who has the key and the policy definitions of a recommendation."""
    key, policies = fact["assessment_key"] or "", fact["policy_definition_ids"] or [""]
    for policy in policies:
        if found := CATALOG.for_recommendation(key, policy) or CATALOG.guidance(key, policy):
            return found
    return None


@every_entry
def test_says_what_can_be_done(entry: Guidance) -> None:
    """One or two whole sentences of some substance, without blanks too many and without empty talk."""
    assert entry.action == " ".join(entry.action.split())
    assert entry.title == entry.title.strip()
    assert 1 <= len(_END.findall(entry.action)) <= 2
    assert 100 <= len(entry.action) <= 450
    assert _TALK.search(entry.action) is None
    assert entry.title.rstrip(".") not in entry.action.partition("'")[0]
    assert entry.action.isascii()


@every_entry
def test_is_known_by_ids(entry: Guidance) -> None:
    """The key and the policy definitions are ids, in lower case as Azure writes them; the sources are given."""
    assert _ID.fullmatch(entry.key)
    assert all(_ID.fullmatch(policy) for policy in entry.policy_definition_ids)
    assert entry.sources
    assert len(set(entry.sources)) == len(entry.sources)


@every_entry
def test_fits_its_reason(entry: Guidance) -> None:
    """What is chosen at creation is to be made anew, what is retired says so, and a decision names what is set."""
    if entry.reason is GuidanceReason.CREATE_TIME:
        assert _MADE_ANEW.search(entry.action)
    if entry.reason is GuidanceReason.RETIRED:
        assert _NO_MORE.search(entry.action)
    if entry.reason is GuidanceReason.DECISION:
        assert _NAMED.search(entry.action)
    assert bool(entry.resource_type) or entry.reason in {
        GuidanceReason.NOT_A_RESOURCE,
        GuidanceReason.OUTSIDE_AZURE,
        GuidanceReason.INSIDE_MACHINE,
    }


def test_no_two_for_the_same() -> None:
    """One recommendation has one answer, whichever file it stands in."""
    keys = Counter(entry.key.casefold() for entry in FOUND)
    assert [key for key, times in keys.items() if times > 1] == []


def test_nothing_that_has_a_fix() -> None:
    """Neither a key nor a policy definition has both guidance and a fix."""
    for entry in FOUND:
        assert CATALOG.all_for(entry.key, resource_type=entry.resource_type or None) == ()
        assert CATALOG.for_policy(entry.key) is None
        assert [policy for policy in entry.policy_definition_ids if CATALOG.for_policy(policy)] == []


def test_a_shared_policy_leads_to_what_is_in_force() -> None:
    """A policy definition behind two recommendations, one of them retired, answers with the other."""
    behind: dict[str, list[Guidance]] = {}
    for entry in FOUND:
        for policy in entry.policy_definition_ids:
            behind.setdefault(policy, []).append(entry)
    for policy, entries in behind.items():
        current = [entry for entry in entries if entry.reason is not GuidanceReason.RETIRED]
        assert CATALOG.guidance("", policy) == (current or entries)[0]


def test_wording_is_shared_by_few() -> None:
    """A sentence for a family is for a small one: what fits many types fits none of them well."""
    shared = Counter(entry.action for entry in FOUND)
    assert max(shared.values()) <= 2


def test_every_file_is_one_provider() -> None:
    """A file holds one provider, sorted by resource type and title, so that one finds and adds an entry."""
    folder = resources.files("defender_remediate.catalog").joinpath("data").joinpath("guidance")
    for file in folder.iterdir():
        entries = guidance(parse(file.read_text(encoding="utf-8")), source=file.name)
        assert entries, file.name
        order = [((entry.resource_type or "").casefold(), entry.title) for entry in entries]
        assert order == sorted(order), file.name
        providers = {(entry.resource_type or "").casefold().partition("/")[0] for entry in entries}
        if file.name.startswith("microsoft."):
            assert {re.sub(r"(\.v2)?\.data$", "", provider) for provider in providers} == {file.name[:-5]}


def test_reading_is_quick() -> None:
    """All guidance in less than 60 ms of one processor; in a process of its own, which nobody traces."""
    done = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.06


@with_facts
@pytest.mark.parametrize("name", ["recommendations", "fixes"])
def test_every_known_recommendation_answers(name: str) -> None:
    """Whatever is known, and every fix that is known to be manual, has a fix or guidance in the catalog."""
    silent = [(key, fact["display_name"]) for key, fact in facts(name) if answer(fact) is None]
    assert silent == []


@with_facts
def test_facts_are_the_facts() -> None:
    """Titles, resource types and policy definitions are those of the facts."""
    known = dict(facts("recommendations"))
    for entry in FOUND:
        fact = known[entry.key]
        inferred = fact.get("policy_definition_ids_inferred") or []
        assert entry.title == fact["display_name"]
        assert entry.resource_type == (fact["resource_type"] or "")
        assert set(entry.policy_definition_ids) <= {*fact["policy_definition_ids"], *inferred}
