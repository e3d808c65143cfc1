"""Laying a fix over a body, and the smallest PATCH that brings it about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.fixes.merge import difference, merge_into, merge_patch, patched, without
from defender_remediate.json_values import thaw
from defender_remediate.models import Condition

NEVER = Condition(operator="equals", path="no.such.member", value=1)
NAMES = st.sampled_from(["a", "b", "c", "d"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["x", "y", "Z"]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=4)


def over(
    before: Any,
    desired: dict[str, Any],
    *,
    lists: dict[str, str] | None = None,
    when: Condition = NEVER,
    remove: tuple[str, ...] = (),
) -> Any:
    return thaw(merge_into(before, desired, lists=lists or {}, compliant_when=when, remove=remove))


def asks(test: str, path: str, *parts: Condition) -> Condition:
    """``some`` or ``every`` of these conditions, all at once when there are several."""
    return Condition(operator=test, path=path, of=parts if len(parts) == 1 else (Condition(operator="all", of=parts),))


def is_at(path: str, *values: Any) -> Condition:
    """One of these values is at the path."""
    return Condition(operator="in", path=path, value=values)


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
    """The difference planned for a PUT, merged into the target that was read, is the body that was planned."""
    before, after = without_nulls(before), without_nulls(after)
    assert patched(before, difference(before, after)) == after == rfc7396(before, difference(before, after))


def test_a_difference_removes_tags_too() -> None:
    """Only a PATCH sends all tags; a difference is merged by this library and must be able to remove one."""
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


@pytest.mark.exhaustive
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
    """``bypass`` is a list written as a string; None in it means nothing."""
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
    assert after["identity"]["type"] == "SystemAssigned, UserAssigned"
    assert merge_patch(before, after) == {
        "identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {"/x/y": {}}}
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
        operator="all",
        of=(
            Condition(operator="at_least", path="properties.tls", value="1.2"),
            Condition(operator="equals", path="properties.httpsOnly", value=True),
        ),
    )
    desired = {"properties": {"tls": "1.2", "httpsOnly": True}}
    assert over({"properties": {"tls": "1.3", "httpsOnly": False}}, desired, when=when) == {
        "properties": {"tls": "1.3", "httpsOnly": True}
    }


def test_a_negative_condition_keeps_an_absent_member_absent() -> None:
    """What is rightly not there is not written."""
    when = Condition(operator="not_equals", path="properties.remote", value=True)
    assert over({"properties": {}}, {"properties": {"remote": False}}, when=when) == {"properties": {}}


def test_questions_about_elements_protect_nothing() -> None:
    """A condition on the elements of an array says nothing about one member."""
    when = Condition(operator="some", path="rules", of=(Condition(operator="exists", path="x", value=True),))
    assert over({"rules": [1]}, {"rules": [2]}, when=when) == {"rules": [1, 2]}


def test_true_and_one_are_different_values() -> None:
    """JSON's true is not the number 1, although Python says they are equal."""
    assert merge_patch({"a": 1}, {"a": True}) == {"a": True}


SOURCES = {"properties.sources": "by:kind"}


def test_elements_that_are_known_by_a_member_are_merged() -> None:
    """Those that the fix names change member by member, new ones come last, the others stay where they are."""
    before = {"properties": {"sources": [{"kind": "Path", "level": 1}, {"Kind": "alert", "level": "Low", "own": 1}, 7]}}
    desired = {"properties": {"sources": [{"kind": "Alert", "level": "High"}, {"kind": "New", "level": 2}]}}
    once = over(before, desired, lists=SOURCES)
    assert once["properties"]["sources"] == [
        {"kind": "Path", "level": 1},
        {"Kind": "alert", "level": "High", "own": 1},
        7,
        {"kind": "New", "level": 2},
    ]
    assert over(once, desired, lists=SOURCES) == once
    for empty in ({}, {"properties": {"sources": None}}, {"properties": {"sources": []}}):
        assert over(empty, desired, lists=SOURCES) == desired


def test_every_element_of_one_name_is_merged() -> None:
    """Two rules of one name are two rules: none of them is left as it is."""
    before = {"a": [{"n": 1, "on": False}, {"n": 1, "on": False}]}
    desired = {"a": [{"n": 1, "on": True}]}
    assert over(before, desired, lists={"a": "by:n"}) == {"a": [{"n": 1, "on": True}] * 2}


def test_one_element_is_laid_over_each() -> None:
    """An existing element gets the values of the fix; a missing element is not created."""
    desired = {"ends": [{"properties": {"waf": {"id": "/w"}}}]}
    before = {"ends": [{"name": "a", "properties": {"host": "x"}}, {"name": "b"}, "text"]}
    assert over(before, desired, lists={"ends": "each"}) == {
        "ends": [
            {"name": "a", "properties": {"host": "x", "waf": {"id": "/w"}}},
            {"name": "b", "properties": {"waf": {"id": "/w"}}},
            "text",
        ]
    }
    assert over({"ends": []}, desired, lists={"ends": "each"}) == {"ends": []}
    assert over({"x": 1}, desired, lists={"ends": "each"}) == {"x": 1}


def test_a_stricter_element_stays() -> None:
    """What ``some`` or ``every`` asks is asked of the element, and of no element that is known by another name."""
    when = Condition(
        operator="all",
        of=(
            Condition(operator="equals", path="on", value=True),
            asks("some", "sources", is_at("kind", "Alert"), is_at("level", "High", "Low")),
        ),
    )
    desired = {"on": True, "sources": [{"kind": "Alert", "level": "High"}, {"kind": "Path", "level": "High"}]}
    before = {"on": False, "sources": [{"kind": "ALERT", "level": "Low"}, {"kind": "Path", "level": "Low"}]}
    assert over(before, desired, lists={"sources": "by:kind"}, when=when) == {
        "on": True,
        "sources": [{"kind": "ALERT", "level": "Low"}, {"kind": "Path", "level": "High"}],
    }


def test_a_stricter_member_of_an_element_stays() -> None:
    """Also when another member of the same element has to change, and in arrays inside of elements."""
    ports = asks("every", "ports", Condition(operator="at_least", path="tls", value="1.2"))
    when = asks("every", "ends", Condition(operator="at_least", path="tls", value="1.2"), is_at("waf", "on"), ports)
    desired = {"ends": [{"tls": "1.2", "waf": "on", "ports": [{"tls": "1.2"}]}]}
    before = {"ends": [{"tls": "1.3", "waf": "off", "ports": [{"tls": "1.3"}, {"tls": "1.0"}]}]}
    assert over(before, desired, lists={"ends": "each", "ends.ports": "each"}, when=when) == {
        "ends": [{"tls": "1.3", "waf": "on", "ports": [{"tls": "1.3"}, {"tls": "1.2"}]}]
    }


def test_what_must_not_be_there_is_removed() -> None:
    """As null in a PATCH, whatever its casing; what says nothing, or satisfies the condition, is left."""
    before = {"properties": {"AuthOptions": {"key": {}}, "a": 1}}
    after = over(before, {"properties": {"a": 2}}, remove=("properties.authOptions",))
    assert after == {"properties": {"a": 2}}
    assert merge_patch(before, after) == {"properties": {"AuthOptions": None, "a": 2}}
    for body in ({"properties": {"authOptions": None}}, {"properties": None}, {"properties": {}}, {}):
        assert over(body, {}, remove=("properties.authOptions",)) == body
        assert over(body, {}, remove=("properties.authOptions.key",)) == body
    assert over(None, {}, remove=("a",)) == {}
    fine = Condition(operator="not_equals", path="properties.authOptions", value="bad")
    assert over({"properties": {"authOptions": "good"}}, {}, when=fine, remove=("properties.authOptions",)) == {
        "properties": {"authOptions": "good"}
    }


def test_an_object_that_azure_replaces_whole_is_sent_whole() -> None:
    """A PATCH of one member of such an object keeps the others; without a change in it, it is not sent."""
    before = {"properties": {"acls": {"action": "Allow", "rules": [1]}, "a": 1}}
    after = {"properties": {"acls": {"action": "Deny", "rules": [1]}, "a": 1}}
    whole = {"properties": {"acls": {"action": "Deny", "rules": [1]}}}
    assert merge_patch(before, after, send_whole=("properties.acls",)) == whole
    other = {"properties": {"acls": {"action": "Allow", "rules": [1]}, "a": 2}}
    assert merge_patch(before, other, send_whole=("properties.acls",)) == {"properties": {"a": 2}}
    gone = {"properties": {"a": 1}}
    assert merge_patch(before, gone, send_whole=("properties.acls",)) == {"properties": {"acls": None}}


def test_a_body_without_members_keeps_the_rest() -> None:
    """Members of objects and of every element of an array are left out; what is not there needs nothing."""
    body = {"properties": {"tier": "Free", "plan": "P1", "extensions": [{"name": "a", "status": "on"}, "b"]}}
    paths = ("properties.plan", "properties.extensions[*].status", "properties.other", "properties.tier[*].x")
    assert without(body, paths) == {"properties": {"tier": "Free", "extensions": [{"name": "a"}, "b"]}}
