"""Whether a request does what is shown of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from defender_remediate.fixes.diff import changes
from defender_remediate.fixes.merge import difference, merge_patch
from defender_remediate.fixes.unshown import unshown_effects, unshown_members
from defender_remediate.models.plan import ABSENT, PlannedRequest, PropertyChange

_NAMES = st.sampled_from(["a", "b", "tags", "identity", "properties"])
_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(0, 3), st.text("xy", max_size=2)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(_NAMES, inner, max_size=3)),
    max_leaves=6,
)
_BODIES = st.dictionaries(_NAMES, _VALUES, max_size=4)


def put(body: dict[str, Any]) -> PlannedRequest:
    return PlannedRequest(method="PUT", path="/x", api_version="1", body=body, is_merge_patch=True)


def patch(body: dict[str, Any], *send_whole: str) -> PlannedRequest:
    return PlannedRequest(method="PATCH", path="/x", api_version="1", body=body, send_whole=send_whole)


@given(before=_BODIES, after=_BODIES)
def test_a_planned_put_shows_all_that_it_does(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Its body and its changes are made of the same two bodies."""
    request = put(difference(before, after))
    shown = changes(before, after)
    assert unshown_members(request, shown) == ()
    assert unshown_effects(request, shown, before) == ()


@pytest.mark.exhaustive
@given(before=_BODIES, after=_BODIES, more=st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=1))
def test_another_member_in_a_put_is_found(before: dict[str, Any], after: dict[str, Any], more: dict[str, Any]) -> None:
    """At whatever top-level name it was added."""
    ((name, value),) = more.items()
    planned = difference(before, after)
    assume(name not in planned)
    assert unshown_members(put({**planned, name: value}), changes(before, after)) == (name,)


def test_an_identity_is_assigned_by_its_id_alone() -> None:
    """Azure shows the ids of an identity that a request names without them."""
    shown = [PropertyChange(path="identity.userAssignedIdentities['/one']", before=ABSENT, after={"clientId": "1"})]
    request = patch({"identity": {"userAssignedIdentities": {"/one": {}}}})
    assert unshown_members(request, shown) == ()


IDENTITY = {"type": "UserAssigned", "userAssignedIdentities": {"/one": {"clientId": "1"}}}


@pytest.mark.parametrize(
    ("before", "after", "send_whole"),
    [
        ({"tags": {"a": "1"}}, {"tags": {"a": "1", "b": "2"}}, ()),
        ({"tags": {"a": "1", "b": "2"}}, {"tags": {"a": "1"}}, ()),
        ({}, {"tags": {"a": "1"}}, ()),
        ({"identity": IDENTITY}, {"identity": {**IDENTITY, "type": "SystemAssigned, UserAssigned"}}, ()),
        ({"identity": IDENTITY}, {}, ()),
        ({}, {"identity": {"type": "UserAssigned", "userAssignedIdentities": {"/one": {}}}}, ()),
        ({"p": {"q": {"a": 1, "b": 2}}}, {"p": {"q": {"a": 1, "b": 3}}}, ("p.q",)),
        ({"p": {"q": {"a": 1, "b": 2}}}, {"p": {"q": {"a": 1}}}, ("p.q",)),
    ],
)
def test_what_a_patch_carries_whole_is_as_it_was(
    before: dict[str, Any], after: dict[str, Any], send_whole: tuple[str, ...]
) -> None:
    """Tags, assigned identities and the objects that a fix sends whole."""
    request = patch(merge_patch(before, after, send_whole=send_whole), *send_whole)
    shown = changes(before, after)
    assert unshown_members(request, shown) == ()
    assert unshown_effects(request, shown, before) == ()


@pytest.mark.parametrize(
    ("body", "before", "effects"),
    [
        ({"tags": {"a": "2", "b": "2"}}, {"tags": {"a": "1"}}, ("tags.a",)),
        ({"tags": {"b": "2"}}, {"tags": {"a": "1"}}, ("tags.a",)),
        (
            {"identity": {"userAssignedIdentities": {}}},
            {"identity": IDENTITY},
            ("identity.userAssignedIdentities./one",),
        ),
        ({"tags": {"a": "1"}}, None, ("tags",)),
    ],
)
def test_what_a_patch_would_change_besides_shows_at_the_target(
    body: dict[str, Any], before: Any, effects: tuple[str, ...]
) -> None:
    """Where the plan alone cannot tell."""
    shown = [PropertyChange(path="tags.b", before=ABSENT, after="2")] if "b" in body.get("tags", {}) else []
    found = unshown_effects(patch(body), shown, before)
    assert tuple(path.replace("['", ".").replace("']", "") for path in found) == effects


def test_a_changed_value_and_a_path_that_is_none_are_found() -> None:
    """Each with its place."""
    shown = [PropertyChange(path="p.a", before=1, after=2)]
    assert unshown_members(patch({"p": {"a": 3}}), shown) == ("p.a",)
    assert unshown_members(patch({"p": {"a": 2, "b": 1}}), shown) == ("p.b",)
    assert unshown_members(patch({}), shown) == ("p.a",)
    (problem,) = unshown_members(patch({}), [PropertyChange(path="a[[", after=1)])
    assert "a[[" in problem
