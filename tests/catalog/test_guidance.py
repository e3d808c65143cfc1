"""The bundled guidance: every recommendation that has no fix answers what can be done, and no answer is empty talk."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.guidance import bundled_guidance, category_guidance, guidance, source_guidance
from defender_remediate.catalog.toml import parse
from defender_remediate.models.guidance import Guidance, GuidanceReason

CATALOG = Catalog.bundled()
FOUND = bundled_guidance()
WRITTEN = [entry for entry in FOUND if entry.reason is not GuidanceReason.REPLACED]
"""What a person wrote; a replaced recommendation answers with the words of what replaced it."""

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_END = re.compile(r"[.?!](?=\s+[A-Z]|$)")
# What one can say of every recommendation says nothing about any of them.
_TALK = re.compile(
    r"\b(as appropriate|as needed|best practices?|consult|documentation|etc|follow the steps|if applicable|learn more"
    r"|more information|please|refer to|remediat\w+|see https?|tbd|todo|where possible)\b",
    re.IGNORECASE,
)
_RECREATED = re.compile(r"\b(create|add a new|order|restore it to a new)\b", re.IGNORECASE)
_NO_MORE = re.compile(r"retire|retiring|replaced|deprecated|went away|no longer|can no longer", re.IGNORECASE)
# A member of a body, or what is made or deleted: what a person sends who has decided.
_NAMED = re.compile(
    r"\b[a-z]+[A-Z]\w*|\bproperties\.\w+|\b(identity|sku)\b|\bMicrosoft\.\w+/\w|private endpoints?\b|\bDELETE\b",
    re.ASCII,
)


def test_says_what_can_be_done() -> None:
    """Every action is one or two whole, specific sentences."""
    offenders = [
        (entry.key, entry.action)
        for entry in WRITTEN
        if not (
            entry.action == " ".join(entry.action.split())
            and entry.title == entry.title.strip()
            and 1 <= len(_END.findall(entry.action)) <= 2
            and 100 <= len(entry.action) <= 450
            and _TALK.search(entry.action) is None
            and entry.title.rstrip(".") not in entry.action.partition("'")[0]
            and entry.action.isascii()
        )
    ]
    assert offenders == []


def test_is_known_by_ids() -> None:
    """Keys and policy definitions are ids in lower case, or a name without one, and the sources are named."""
    for entry in FOUND:
        assert _ID.fullmatch(entry.key) or _NAME.fullmatch(entry.key)
        assert all(_ID.fullmatch(policy) for policy in entry.policy_definition_ids)
        assert entry.sources
        assert len(set(entry.sources)) == len(entry.sources)


def test_fits_its_reason() -> None:
    """Every action fits its reason: recreate, retired, or what a decision sets."""
    fitting = {
        GuidanceReason.CREATE_TIME_ONLY: _RECREATED,
        GuidanceReason.RETIRED: _NO_MORE,
        GuidanceReason.NEEDS_A_DECISION: _NAMED,
    }
    without_a_resource = {
        GuidanceReason.NOT_A_RESOURCE,
        GuidanceReason.OUTSIDE_AZURE,
        GuidanceReason.INSIDE_THE_MACHINE,
    }
    offenders = [
        (entry.key, entry.reason, entry.action)
        for entry in WRITTEN
        if (entry.reason in fitting and not fitting[entry.reason].search(entry.action))
        or not (entry.resource_type or entry.reason in without_a_resource)
    ]
    assert offenders == []


def test_no_two_for_the_same() -> None:
    """One recommendation has one answer, whichever file it stands in."""
    keys = Counter(entry.key.casefold() for entry in FOUND)
    assert [key for key, times in keys.items() if times > 1] == []


def test_nothing_that_has_a_fix() -> None:
    """Neither a key nor a policy definition has both guidance and a fix."""
    for entry in FOUND:
        assert CATALOG.list_for_recommendation(entry.key, resource_type=entry.resource_type or None) == ()
        assert CATALOG.get_for_policy(entry.key) is None
        assert [policy for policy in entry.policy_definition_ids if CATALOG.get_for_policy(policy)] == []


def test_a_shared_policy_leads_to_what_is_in_force() -> None:
    """A policy definition behind two recommendations, one of them gone, answers with the other, or with what leads on."""
    behind: dict[str, list[Guidance]] = {}
    for entry in FOUND:
        for policy in entry.policy_definition_ids:
            behind.setdefault(policy, []).append(entry)
    for policy, entries in behind.items():
        gone = {GuidanceReason.RETIRED, GuidanceReason.REPLACED}
        current = [entry for entry in entries if entry.reason not in gone]
        leading_on = [entry for entry in entries if entry.reason is GuidanceReason.REPLACED]
        assert CATALOG.get_guidance("", policy) == (current or leading_on or entries)[0]


def test_wording_is_shared_by_few() -> None:
    """A sentence for a family is for a small one: what fits many types fits none of them well."""
    shared = Counter(entry.action for entry in WRITTEN)
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


def test_every_category_answers() -> None:
    """Individual recommendations, whose keys Azure makes, are answered by their category, whatever its case."""
    known = {
        "ApiVulnerabilities", "CodeVulnerabilities", "ExposedSecrets", "HostMisconfigurations", "IacVulnerabilities",
        "ServiceUpgrade", "SoftwareUpdate", "SystemUpdate",
    }  # fmt: skip
    assert {entry.key for entry in category_guidance()} == {entry.category for entry in category_guidance()} == known
    for category in known:
        found = CATALOG.guidance_for_category(category.upper())
        assert found is not None
        assert found.category == category
        assert 100 <= len(found.action) <= 450
        assert _TALK.search(found.action) is None
    assert CATALOG.guidance_for_category("Unknown") is None
    assert CATALOG.guidance_for_category("SomethingNew") is None


def test_another_cloud_answers() -> None:
    """Azure publishes no keys of recommendations about other clouds: they are answered by where the resource is."""
    assert [entry.key for entry in source_guidance()] == ["Aws", "Gcp"]
    for source in ("AWS", "gcp"):
        found = CATALOG.guidance_for_source(source)
        assert found is not None
        assert found.reason is GuidanceReason.OUTSIDE_AZURE
    assert CATALOG.guidance_for_source("Azure") is None


def test_the_mark_of_a_preview_does_not_count() -> None:
    """Azure takes the mark out of a title when the preview ends; the recommendation stays the same."""
    found = CATALOG.get_guidance("", title="Content filtering should be used on model deployed in Microsoft Foundry")
    assert found is not None
    for mark in ("[Preview] {}", "(preview): {}", "{} (Preview)", " {} "):
        assert CATALOG.get_guidance("", title=mark.format(found.title.upper())) == found
        title = mark.format("Network connections should be limited on Microsoft Foundry")
        assert CATALOG.get_for_recommendation("", title=title) is not None
    assert CATALOG.get_guidance("", title="Preview of nothing") is None


def test_what_is_replaced_leads_on() -> None:
    """A retired recommendation names what replaced it, which is in force and has an answer of its own."""
    offenders = []
    for entry in FOUND:
        if entry.reason is GuidanceReason.REPLACED and not (entry.replaced_by or entry.category):
            offenders.append(entry.key)
        for key in entry.replaced_by:
            found = CATALOG.get_guidance(key)
            if not CATALOG.get(key) and (found is None or found.reason is GuidanceReason.REPLACED):
                offenders.append(f"{entry.key}: {key}")
        if entry.category and CATALOG.guidance_for_category(entry.category) is None:
            offenders.append(f"{entry.key}: {entry.category}")
    assert offenders == []
    vulnerabilities = CATALOG.get_guidance("1195AFFF-C881-495E-9BC5-1486211AE03F")
    assert vulnerabilities is not None
    assert (vulnerabilities.category, str(vulnerabilities.retired_on)) == ("SoftwareUpdate", "2026-07-31")
    assert "replaced on 2026-07-31, replaced by SoftwareUpdate" in str(vulnerabilities)
