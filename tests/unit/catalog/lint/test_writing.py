"""What the proofs say when planning goes wrong: here one fix is given the trials of another."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from defender_remediate.catalog.lint.bodies import Subject, Trial, plausible, subject, tried, tried_on
from defender_remediate.catalog.lint.writing import (
    changes_nothing_else,
    closes,
    has_a_way_back,
    is_empty_the_second_time,
    says_how_good_its_way_back_is,
)
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import FixAction
from defender_remediate.models.plan import PropertyChange

STORAGE = "Microsoft.Storage/storageAccounts"


def fix(body: Any, condition: Condition, **members: Any) -> FixAction:
    """A fix of a storage account."""
    members = {"kind": "put", "resource_type": STORAGE, "api_version": "2025-08-01", **members}
    return FixAction(key="k", title="t", body=body, compliant_when=condition, **members)


HTTPS = fix(
    {"properties": {"supportsHttpsTrafficOnly": True}},
    Condition(operator=Operator.EQUALS, path="properties.supportsHttpsTrafficOnly", value=True),
)
RULES = Condition(
    operator=Operator.SOME,
    path="properties.networkAcls.ipRules",
    of=(Condition(operator=Operator.EQUALS, path="value", value="10.0.0.0/8"),),
)
ADDED = fix({"properties": {"networkAcls": {"ipRules": [{"value": "10.0.0.0/8"}]}}}, RULES)
BYPASS = fix(
    {"properties": {"networkAcls": {"bypass": "AzureServices"}}},
    Condition(operator=Operator.CONTAINS, path="properties.networkAcls.bypass", value="AzureServices"),
    array_strategies={"properties.networkAcls.bypass": "union"},
)


def with_changes(about: Subject, *changes: PropertyChange) -> Trial:
    """The first trial of a fix, as if planning had made these changes."""
    return attrs.evolve(about.trials[0], changes=changes)


def said(found: Any) -> str:
    """Everything that a proof says."""
    return "; ".join(each.message for each in found)


def test_a_change_that_the_fix_does_not_name() -> None:
    """Whatever differs beside what is named is told with its path."""
    about = subject(HTTPS)
    assert not said(changes_nothing_else(about, about.trials[0]))
    stray = PropertyChange(path="tags.owner", before="somebody", after=None)
    assert "it also changes tags.owner" in said(changes_nothing_else(about, with_changes(about, stray)))


@pytest.mark.parametrize(
    ("before", "after", "is_lost"),
    [
        ([{"value": "1"}], [{"value": "1"}, {"value": "10.0.0.0/8"}], False),
        ([{"value": "1", "action": "Allow"}], [{"value": "10.0.0.0/8", "action": "Allow"}], False),
        ([{"value": "1", "action": "Allow"}], [{"value": "10.0.0.0/8"}], True),
        ([{"value": "1"}], [], True),
        ([1], [2], True),
        ("1", [{"value": "10.0.0.0/8"}], False),
    ],
)
def test_elements_that_are_lost(before: Any, after: Any, is_lost: bool) -> None:
    """An element may gain what the fix names, and nothing else may happen to it."""
    about = subject(ADDED)
    change = PropertyChange(path="properties.networkAcls.ipRules", before=before, after=after)
    assert bool(said(changes_nothing_else(about, with_changes(about, change)))) is is_lost


@pytest.mark.parametrize(
    ("before", "after", "is_lost"),
    [
        ("Logging", "Logging, AzureServices", False),
        ("None", "AzureServices", False),
        ("Logging", "AzureServices", True),
    ],
)
def test_words_that_are_lost(before: str, after: str, is_lost: bool) -> None:
    """A text that the fix joins keeps its words."""
    about = subject(BYPASS)
    change = PropertyChange(path="properties.networkAcls.bypass", before=before, after=after)
    assert bool(said(changes_nothing_else(about, with_changes(about, change)))) is is_lost


def test_a_fix_that_is_never_done() -> None:
    """When the target is not compliant afterwards, a second plan would write again."""
    about, trial = subject(HTTPS), subject(HTTPS).trials[0]
    undone = attrs.evolve(trial, combined=attrs.evolve(trial.combined, after=trial.case.before))
    assert "a second plan has something to do again" in said(is_empty_the_second_time(about, undone))


def test_a_way_back_that_leads_elsewhere() -> None:
    """A rollback that leaves anything changed is no way back."""
    about, trial = subject(HTTPS), subject(HTTPS).trials[0]
    moved = attrs.evolve(trial, changes=(PropertyChange(path="properties.supportsHttpsTrafficOnly", after=False),))
    assert "leaves properties.supportsHttpsTrafficOnly changed" in said(has_a_way_back(about, moved))
    assert "leaves the target changed" in said(has_a_way_back(about, attrs.evolve(trial, changes=())))


def test_tags_come_back_whole() -> None:
    """Azure replaces tags whole, also in a PATCH: a tag that a fix added is gone after the way back."""
    condition = Condition(operator=Operator.EQUALS, path="tags.state", value="fixed")
    about = subject(fix({"tags": {"state": "fixed"}}, condition, kind="patch"))
    assert about.trials
    assert not "".join(said(has_a_way_back(about, trial)) for trial in about.trials)
    untagged = tried_on(about, {"properties": {}}, "it has no tags")
    assert untagged is not None
    assert not said(has_a_way_back(about, untagged))


def test_nothing_is_asked_of_a_refusal() -> None:
    """Where planning refuses a fix, there is no change to prove anything of; that it refuses is what is wrong."""
    about = subject(HTTPS)
    wrong = attrs.evolve(about.candidate, fix=attrs.evolve(HTTPS, body={"properties": {"isSftpEnabled": True}}))
    refused = tried(wrong, about.trials[0].case)
    assert "its change would not bring about" in said(closes(about, refused))
    for proof in (changes_nothing_else, is_empty_the_second_time, has_a_way_back):
        assert not said(proof(about, refused))


def test_an_array_without_elements() -> None:
    """A fix for each element writes nothing where there is none, and nobody calls that a mistake."""
    path = "properties.networkAcls.ipRules"
    rule = Condition(
        operator=Operator.EVERY, path=path, of=(Condition(operator=Operator.EQUALS, path="action", value="Allow"),)
    )
    each = fix(
        {"properties": {"networkAcls": {"ipRules": [{"action": "Allow"}]}}}, rule, array_strategies={path: "each"}
    )
    about = subject(each)
    assert {trial.combined.accepted == () for trial in about.trials} == {True, False}
    assert not "".join(said(closes(about, trial)) for trial in about.trials)


def test_what_has_no_exact_way_back() -> None:
    """A deployment leaves behind what it created, and an irreversible fix says nothing of restoring."""
    about = subject(fix(None, HTTPS.compliant_when, kind="template", template={"resources": []}))
    assert "a deployment has no exact way back" in said(says_how_good_its_way_back_is(about))
    never = subject(attrs.evolve(HTTPS, reversibility="none", impact_reason="it never goes back"))
    assert not said(has_a_way_back(never, never.trials[0]))
    assert not said(says_how_good_its_way_back_is(never))


def test_other_bodies() -> None:
    """Any body of the type may be tried; one that is compliant, or that the fix does not apply to, is none."""
    about = subject(
        attrs.evolve(HTTPS, applies_when=Condition(operator=Operator.EQUALS, path="kind", value="StorageV2"))
    )
    assert tried_on(about, {"kind": "StorageV2"}, "it is so") is not None
    assert tried_on(about, {"kind": "Storage"}, "it is so") is None
    assert tried_on(about, {"kind": "StorageV2", "properties": {"supportsHttpsTrafficOnly": True}}, "it is so") is None


def test_bodies_follow_from_the_fix() -> None:
    """The same fix is tried on the same bodies, today and tomorrow."""
    assert subject(HTTPS) == subject(HTTPS)
    assert [trial.case.note for trial in subject(HTTPS).trials] == [
        "properties.supportsHttpsTrafficOnly is absent",
        "properties.supportsHttpsTrafficOnly is False",
        "properties.supportsHttpsTrafficOnly is None",
    ]


def test_plausible_bodies() -> None:
    """A body has what is known of its type, down to some depth, and strangers in every object."""
    shape = {"a": "s", "b": "-b", "c": ["x", "y"], "d": {"[]": "i"}, "e": {"*": "s"}, "f": "n", "g": "x"}
    body = plausible(shape, 2)
    stranger = {"list": [1], "none": None}
    assert body == {
        "stranger": stranger, "a": "some text", "b": True, "c": "x", "d": [5], "e": {"stranger": stranger},
        "f": 0.5, "g": "anything",
    }  # fmt: skip
    assert plausible({"[]": {"a": {"[]": "s"}}}, 0, depth=1) == [{"stranger": stranger}]
    assert plausible({"[]": "s"}, 0, depth=0) == []
