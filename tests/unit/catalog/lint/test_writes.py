"""Rules about writes report what goes wrong in planning: here one fix is given the samples of another."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from defender_remediate.catalog.lint.checked_fix import (
    CheckedFix,
    PlannedSample,
    checked_fix,
    plan_on,
    plan_sample,
    plausible,
)
from defender_remediate.catalog.lint.rules.secrets import keeps_write_only_members
from defender_remediate.catalog.lint.rules.writes import (
    changes_nothing_else,
    closes_condition,
    is_idempotent,
    states_reversibility,
    undo_restores_original,
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


def with_changes(checked: CheckedFix, *changes: PropertyChange) -> PlannedSample:
    """The first sample of a fix, as if planning had made these changes."""
    return attrs.evolve(checked.samples[0], changes=changes)


def said(found: Any) -> str:
    """Everything that a rule reports."""
    return "; ".join(each.message for each in found)


def test_a_change_that_the_fix_does_not_name() -> None:
    """A change that the fix does not name is reported with its path."""
    checked = checked_fix(HTTPS)
    assert not said(changes_nothing_else(checked, checked.samples[0]))
    stray = PropertyChange(path="tags.owner", before="someone", after=None)
    assert "it also changes tags.owner" in said(changes_nothing_else(checked, with_changes(checked, stray)))


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
    """An element may only gain the members that the fix names."""
    checked = checked_fix(ADDED)
    change = PropertyChange(path="properties.networkAcls.ipRules", before=before, after=after)
    assert bool(said(changes_nothing_else(checked, with_changes(checked, change)))) is is_lost


@pytest.mark.parametrize(
    ("before", "after", "is_lost"),
    [
        ("Logging", "Logging, AzureServices", False),
        ("None", "AzureServices", False),
        ("Logging", "AzureServices", True),
    ],
)
def test_words_that_are_lost(before: str, after: str, is_lost: bool) -> None:
    """A comma-separated string keeps its words."""
    checked = checked_fix(BYPASS)
    change = PropertyChange(path="properties.networkAcls.bypass", before=before, after=after)
    assert bool(said(changes_nothing_else(checked, with_changes(checked, change)))) is is_lost


def test_a_fix_that_is_not_idempotent() -> None:
    """A fix that leaves the target not compliant is not idempotent."""
    checked, sample = checked_fix(HTTPS), checked_fix(HTTPS).samples[0]
    undone = attrs.evolve(sample, combined=attrs.evolve(sample.combined, after=sample.before))
    assert "a second plan would change the target again" in said(is_idempotent(checked, undone))


def test_an_undo_that_does_not_restore() -> None:
    """An undo request that does not restore the target is reported."""
    checked, sample = checked_fix(HTTPS), checked_fix(HTTPS).samples[0]
    moved = attrs.evolve(sample, changes=(PropertyChange(path="properties.supportsHttpsTrafficOnly", after=False),))
    assert "does not restore properties.supportsHttpsTrafficOnly" in said(undo_restores_original(checked, moved))
    assert "does not restore the target" in said(undo_restores_original(checked, attrs.evolve(sample, changes=())))


def test_tags_are_restored_whole() -> None:
    """Azure replaces tags whole, also in a PATCH, so an undo request removes a tag that the fix added."""
    condition = Condition(operator=Operator.EQUALS, path="tags.state", value="fixed")
    checked = checked_fix(fix({"tags": {"state": "fixed"}}, condition, kind="patch"))
    assert checked.samples
    assert not "".join(said(undo_restores_original(checked, sample)) for sample in checked.samples)
    untagged = plan_on(checked, {"properties": {}}, "it has no tags")
    assert untagged is not None
    assert not said(undo_restores_original(checked, untagged))


def test_a_rejected_fix_violates_one_rule() -> None:
    """A fix that planning rejects violates closes_condition, and no other rule."""
    checked = checked_fix(HTTPS)
    wrong = attrs.evolve(checked.candidate, fix=attrs.evolve(HTTPS, body={"properties": {"isSftpEnabled": True}}))
    sample = checked.samples[0]
    refused = plan_sample(wrong, note=sample.note, before=sample.before, resource=sample.resource)
    assert "its change would not bring about" in said(closes_condition(checked, refused))
    for rule in (changes_nothing_else, is_idempotent, undo_restores_original):
        assert not said(rule(checked, refused))


def test_an_array_without_elements() -> None:
    """A fix that changes each element of an array writes nothing when there is none, which is right."""
    path = "properties.networkAcls.ipRules"
    rule = Condition(
        operator=Operator.EVERY, path=path, of=(Condition(operator=Operator.EQUALS, path="action", value="Allow"),)
    )
    each = fix(
        {"properties": {"networkAcls": {"ipRules": [{"action": "Allow"}]}}}, rule, array_strategies={path: "each"}
    )
    checked = checked_fix(each)
    assert {sample.combined.accepted == () for sample in checked.samples} == {True, False}
    assert not "".join(said(closes_condition(checked, sample)) for sample in checked.samples)


def test_fixes_that_are_not_exactly_reversible() -> None:
    """A deployment is not exactly reversible, and an irreversible fix is not checked for its undo."""
    checked = checked_fix(fix(None, HTTPS.compliant_when, kind="template", template={"resources": []}))
    assert "a deployment is not exactly reversible" in said(states_reversibility(checked))
    never = checked_fix(attrs.evolve(HTTPS, reversibility="none", impact_reason="it never goes back"))
    assert not said(undo_restores_original(never, never.samples[0]))
    assert not said(states_reversibility(never))


def test_a_fix_is_checked_on_any_body_that_it_applies_to() -> None:
    """Any body of the type may be the sample, unless it is compliant or the fix does not apply to it."""
    checked = checked_fix(
        attrs.evolve(HTTPS, applies_when=Condition(operator=Operator.EQUALS, path="kind", value="StorageV2"))
    )
    assert plan_on(checked, {"kind": "StorageV2"}, "it is so") is not None
    assert plan_on(checked, {"kind": "Storage"}, "it is so") is None
    assert plan_on(checked, {"kind": "StorageV2", "properties": {"supportsHttpsTrafficOnly": True}}, "it is so") is None


def test_samples_are_repeatable() -> None:
    """The same fix always has the same samples."""
    assert checked_fix(HTTPS) == checked_fix(HTTPS)
    assert [sample.note for sample in checked_fix(HTTPS).samples] == [
        "properties.supportsHttpsTrafficOnly is absent",
        "properties.supportsHttpsTrafficOnly is False",
        "properties.supportsHttpsTrafficOnly is None",
    ]


def test_plausible_bodies() -> None:
    """A body has every known member down to some depth, and an unknown member in every object."""
    shape = {"a": "s", "b": "-b", "c": ["x", "y"], "d": {"[]": "i"}, "e": {"*": "s"}, "f": "n", "g": "x"}
    body = plausible(shape, 2)
    unknown = {"list": [1], "none": None}
    assert body == {
        "unknownMember": unknown, "a": "some text", "b": True, "c": "x", "d": [5], "e": {"unknownMember": unknown},
        "f": 0.5, "g": "anything",
    }  # fmt: skip
    assert plausible({"[]": {"a": {"[]": "s"}}}, 0, depth=1) == [{"unknownMember": unknown}]
    assert plausible({"[]": "s"}, 0, depth=0) == []


def test_an_undo_of_an_object_that_is_sent_whole() -> None:
    """Azure replaces the object with what the undo request carries, which is all of it; objects without a change stay."""
    body = {"properties": {"networkAcls": {"defaultAction": "Deny"}}}
    condition = Condition(operator=Operator.EQUALS, path="properties.networkAcls.defaultAction", value="Deny")
    whole = ("properties.networkAcls", "properties.encryption")
    checked = checked_fix(fix(body, condition, kind="patch", send_whole=whole))
    assert checked.samples
    assert not "".join(said(undo_restores_original(checked, sample)) for sample in checked.samples)


def test_a_put_that_may_lose_what_a_get_does_not_return() -> None:
    """A user's PUT fix of a type with a write-only member needs a decision."""
    members = {"resource_type": "Microsoft.Sql/servers", "api_version": "2023-08-01"}
    condition = Condition(operator=Operator.EQUALS, path="properties.publicNetworkAccess", value="Disabled")
    put = fix({"properties": {"publicNetworkAccess": "Disabled"}}, condition, **members)
    assert "administratorLoginPassword" in said(keeps_write_only_members(checked_fix(put)))
    decided = attrs.evolve(put, put_decision="Azure keeps the password that a PUT leaves out.")
    assert not list(keeps_write_only_members(checked_fix(decided)))
