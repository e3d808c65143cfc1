"""Laying a fix over a body, and the smallest PATCH that brings it about."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from defender_remediate import Condition
from defender_remediate.models._json import thaw
from defender_remediate.planning.merge import difference, lay_over, merge_patch, patched

NEVER = Condition(test="equals", path="no.such.member", value=1)
NAMES = st.sampled_from(["a", "b", "c", "d"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["x", "y", "Z"]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=4)


def over(before: Any, desired: dict[str, Any], *, lists: dict[str, str] | None = None, when: Condition = NEVER) -> Any:
    return thaw(lay_over(before, desired, lists=lists or {}, compliant_when=when))


def rfc7396(target: Any, patch: Any) -> Any:
    """The algorithm of RFC 7396, section 2, as an independent oracle."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = rfc7396(result.get(name), value)
    return result


def without_nulls(value: Any) -> Any:
    """Null members taken out: a merge patch cannot set a member to null, so such bodies are out of its reach."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return value


@given(BODIES, BODIES)
def test_the_patch_brings_about_the_body(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Applied as RFC 7396 says, the difference turns one body into the other."""
    before, after = without_nulls(before), without_nulls(after)
    assert rfc7396(before, merge_patch(before, after)) == after


@given(BODIES, BODIES)
def test_a_difference_laid_over_gives_the_body(before: dict[str, Any], after: dict[str, Any]) -> None:
    """What is planned for a PUT, laid over the target as it is read, is the body that was planned."""
    before, after = without_nulls(before), without_nulls(after)
    assert patched(before, difference(before, after)) == after == rfc7396(before, difference(before, after))


def test_a_difference_removes_tags_too() -> None:
    """Only a PATCH sends tags whole; a difference is laid over here and must be able to take one out."""
    assert difference({"tags": {"a": "1", "b": "2"}}, {"tags": {"a": "1"}}) == {"tags": {"b": None}}
    assert patched(None, {"a": {"b": 1}}) == {"a": {"b": 1}}


@given(BODIES)
def test_nothing_to_do_gives_an_empty_patch(body: dict[str, Any]) -> None:
    """Equal bodies differ in nothing."""
    assert merge_patch(body, body) == {}


@given(BODIES, BODIES)
def test_laying_over_twice_changes_nothing_more(before: dict[str, Any], desired: dict[str, Any]) -> None:
    """A fix is idempotent."""
    once = over(before, desired)
    assert over(once, desired) == once


@given(BODIES, BODIES)
def test_what_a_fix_does_not_name_stays(before: dict[str, Any], desired: dict[str, Any]) -> None:
    """Members that only the body has are untouched."""
    after = over(before, desired)
    assert {name: after[name] for name in before if name not in desired} == {
        name: before[name] for name in before if name not in desired
    }


def test_a_missing_body_becomes_what_the_fix_names() -> None:
    """A target that does not exist starts empty."""
    assert over(None, {"properties": {"state": "Enabled"}}) == {"properties": {"state": "Enabled"}}


def test_members_keep_the_casing_that_is_there() -> None:
    """A member is never written a second time in another casing."""
    assert over({"Properties": {"httpsonly": False}}, {"properties": {"httpsOnly": True}}) == {
        "Properties": {"httpsonly": True}
    }


def test_a_change_of_case_alone_is_no_change() -> None:
    """Azure reads "enabled" and "Enabled" as one."""
    assert over({"state": "enabled"}, {"state": "Enabled"}) == {"state": "enabled"}


def test_arrays_are_joined_unless_the_fix_says_replace() -> None:
    """What others put into an array stays."""
    before = {"properties": {"rules": [{"name": "a"}]}}
    desired = {"properties": {"rules": [{"name": "A"}, {"name": "b"}]}}
    assert over(before, desired)["properties"]["rules"] == [{"name": "a"}, {"name": "b"}]
    assert over(before, desired, lists={"properties.rules": "replace"})["properties"]["rules"] == [
        {"name": "A"},
        {"name": "b"},
    ]
    assert over({"properties": {"rules": None}}, desired)["properties"]["rules"] == desired["properties"]["rules"]


def test_comma_separated_words_are_joined_when_the_fix_says_so() -> None:
    """``bypass`` is a list written as a text; None in it means nothing."""
    how = {"properties.bypass": "union"}
    desired = {"properties": {"bypass": "AzureServices"}}
    assert over({"properties": {"bypass": "Logging, Metrics"}}, desired, lists=how)["properties"]["bypass"] == (
        "Logging, Metrics, AzureServices"
    )
    assert over({"properties": {"bypass": "None"}}, desired, lists=how)["properties"]["bypass"] == "AzureServices"
    assert (
        over({"properties": {"bypass": "azureservices"}}, desired, lists=how)["properties"]["bypass"] == "azureservices"
    )
    assert over({}, desired, lists=how)["properties"]["bypass"] == "AzureServices"


def test_an_identity_is_added_and_never_dropped() -> None:
    """``SystemAssigned`` alone would drop the user-assigned identities; a PATCH names them all."""
    before = {"identity": {"type": "UserAssigned", "userAssignedIdentities": {"/x/y": {"clientId": "1"}}}}
    after = over(before, {"identity": {"type": "SystemAssigned"}})
    assert after["identity"]["type"] == "UserAssigned, SystemAssigned"
    assert merge_patch(before, after) == {
        "identity": {"type": "UserAssigned, SystemAssigned", "userAssignedIdentities": {"/x/y": {}}}
    }
    fresh = over({}, {"identity": {"type": "SystemAssigned"}})
    assert merge_patch({}, fresh) == {"identity": {"type": "SystemAssigned"}}


def test_tags_are_sent_whole_because_azure_replaces_them() -> None:
    """A PATCH of one tag would delete the others."""
    before = {"tags": {"owner": "a", "env": "prod"}}
    after = over(before, {"tags": {"reviewed": "yes"}})
    assert merge_patch(before, after) == {"tags": {"owner": "a", "env": "prod", "reviewed": "yes"}}
    assert merge_patch(before, {}) == {"tags": None}


def test_a_stricter_value_is_never_weakened() -> None:
    """A member that already satisfies the condition stays, also when another member has to change."""
    when = Condition(
        test="all",
        of=(
            Condition(test="at_least", path="properties.tls", value="1.2"),
            Condition(test="equals", path="properties.httpsOnly", value=True),
        ),
    )
    desired = {"properties": {"tls": "1.2", "httpsOnly": True}}
    assert over({"properties": {"tls": "1.3", "httpsOnly": False}}, desired, when=when) == {
        "properties": {"tls": "1.3", "httpsOnly": True}
    }


def test_a_negative_condition_keeps_an_absent_member_absent() -> None:
    """What is rightly not there is not written."""
    when = Condition(test="not_equals", path="properties.remote", value=True)
    assert over({"properties": {}}, {"properties": {"remote": False}}, when=when) == {"properties": {}}


def test_questions_about_elements_protect_nothing() -> None:
    """A condition on the elements of an array says nothing about one member."""
    when = Condition(test="some", path="rules", of=(Condition(test="exists", path="x", value=True),))
    assert over({"rules": [1]}, {"rules": [2]}, when=when) == {"rules": [1, 2]}


def test_true_and_one_are_different_values() -> None:
    """JSON's true is not the number 1, although Python says they are equal."""
    assert merge_patch({"a": 1}, {"a": True}) == {"a": True}
