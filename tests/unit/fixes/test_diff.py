"""Differences for people."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.fixes.diff import changes, settled, spelled_out
from defender_remediate.fixes.merge import merge_patch
from defender_remediate.json_values import canonical, freeze
from defender_remediate.models import ABSENT, PropertyChange

BODIES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.booleans() | st.integers(0, 2), lambda inner: st.dictionaries(st.sampled_from("xy"), inner, max_size=2)
    ),
    max_size=3,
)


def test_each_member_that_differs_is_one_change() -> None:
    """Nested members are named by their path; arrays count as one value."""
    before = {"properties": {"a": False, "list": [1], "gone": 1}}
    after = {"properties": {"a": True, "list": [1, 2], "new": {"deep": None}}}
    assert changes(before, after) == (
        PropertyChange(path="properties.a", before=False, after=True),
        PropertyChange(path="properties.list", before=[1], after=[1, 2]),
        PropertyChange(path="properties.new", before=ABSENT, after={"deep": None}),
        PropertyChange(path="properties.gone", before=1, after=ABSENT),
    )


def test_a_frozen_body_equals_a_plain_one() -> None:
    """What was read is plain and what was merged is frozen: their arrays must not look different."""
    body = {"properties": {"rules": [{"ports": [1]}], "on": True}}
    assert changes(body, freeze(body)) == ()
    assert merge_patch(body, freeze(body)) == {}
    assert merge_patch({"a": 1}, {"a": True}) == {"a": True}


def test_absent_and_null_are_different() -> None:
    """Setting a missing member to null is a change."""
    assert changes({}, {"a": None}) == (PropertyChange(path="a", before=ABSENT, after=None),)


def test_a_new_object_is_one_change_that_can_be_spelled_out() -> None:
    """To undo its coming it has to go whole; to be read it is shown member by member."""
    (change,) = changes({"properties": {}}, {"properties": {"acls": {"rules": [1], "deep": {"a.b": 1}, "none": {}}}})
    assert (change.path, change.before) == ("properties.acls", ABSENT)
    assert [(one.path, one.after) for one in spelled_out(change)] == [
        ("properties.acls.rules", (1,)),
        ("properties.acls.deep['a.b']", 1),
        ("properties.acls.none", {}),
    ]
    other = PropertyChange(path="a", before=1, after={"b": 1})
    assert list(spelled_out(other)) == [other]


def test_an_empty_object_that_appears_is_a_change() -> None:
    """Nothing hides because it is empty."""
    assert changes({}, {"a": {}}) == (PropertyChange(path="a", before=ABSENT, after={}),)


@given(BODIES)
def test_equal_bodies_have_no_changes(body: dict[str, Any]) -> None:
    """The difference of a body with itself is nothing."""
    assert changes(body, body) == ()


@given(BODIES, BODIES)
def test_bodies_that_differ_have_changes(left: dict[str, Any], right: dict[str, Any]) -> None:
    """Every difference is shown: none, exactly when the bodies are equal JSON documents."""
    assert bool(changes(left, right)) == (canonical(left) != canonical(right))


def test_what_no_request_can_carry_is_left_out() -> None:
    """An etag, the audit stamp and the provisioning state are neither shown nor sent."""
    noisy = {"name": "x", "Etag": "1", "systemData": {}, "properties": {"a": 1, "provisioningState": "Updating"}}
    assert settled(noisy) == {"name": "x", "properties": {"a": 1}}
    assert settled(None) is None
    assert settled({"properties": None}) == {"properties": None}
