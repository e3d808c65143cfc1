"""Going back, three ways."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.diff import changes
from defender_remediate.fixes.restore import GONE, is_restored, may_be_removed, restoration, what_goes
from defender_remediate.json_values import canonical
from defender_remediate.models import ABSENT, PropertyChange

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from(["x", "y"])),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=3)


@given(BODIES, BODIES)
def test_undisturbed_everything_goes_back(before: dict[str, Any], after: dict[str, Any]) -> None:
    """The body is what it was, to the last null and the last absent member."""
    found = restoration(changes(before, after), after)
    assert canonical(found.body) == canonical(before)
    assert found.preserved == ()


@given(BODIES, BODIES, VALUES)
def test_a_third_partys_edit_survives(before: dict[str, Any], after: dict[str, Any], edit: Any) -> None:
    """A member that someone added since is preserved."""
    now = deepcopy(after) | {"theirs": edit}
    found = restoration(changes(before, after), now)
    assert canonical(found.body) == canonical(before | {"theirs": edit})


@given(BODIES, BODIES, NAMES)
def test_a_member_that_was_changed_since_is_left_alone_and_named(
    before: dict[str, Any], after: dict[str, Any], name: str
) -> None:
    """It is never overwritten."""
    now = deepcopy(after) | {name: "theirs"}
    found = restoration(changes(before, after), now)
    assert found.body[name] == "theirs"
    undone = [change.path for change in changes(before, after) if change.before is not ABSENT]
    assert {path for path in undone if path.partition(".")[0] == name} <= set(found.preserved)


@given(BODIES, BODIES)
def test_the_condition_proves_the_restoration(before: dict[str, Any], after: dict[str, Any]) -> None:
    """It is true of the restored body."""
    found = restoration(changes(before, after), after)
    if found.restored:
        assert holds(is_restored(found.body, found.restored), found.body)


def test_an_object_that_the_change_brought_goes_without_what_was_added_to_it() -> None:
    """Ours goes, theirs stays, and what they changed of ours is named."""
    change = PropertyChange(path="properties.acls", before=ABSENT, after={"action": "Deny", "bypass": "None", "x": 1})
    now = {"properties": {"acls": {"Action": "Deny", "bypass": "Logging", "rules": [1]}}}
    found = restoration([change], now)
    assert found.body == {"properties": {"acls": {"bypass": "Logging", "rules": [1]}}}
    assert found.restored == ("properties.acls.Action",)
    assert found.preserved == ("properties.acls.bypass",)


def test_what_is_back_already_needs_nothing() -> None:
    """A change that someone has already undone needs no request."""
    change = PropertyChange(path="a", before=1, after=2)
    assert restoration([change], {"a": 1}).restored == ()
    assert restoration([change], {"a": 1}).preserved == ()


def test_what_was_taken_out_comes_back_whether_it_is_shown_as_null_or_not_at_all() -> None:
    """Providers differ in how they show that a member is gone; null where something else was is an edit."""
    removed = changes({"a": {"b": 1, "c": 2}}, {"a": {"c": 2}})
    for now in ({"a": {"c": 2}}, {"a": {"b": None, "c": 2}}):
        assert restoration(removed, now).body == {"a": {"b": 1, "c": 2}}
    changed = changes({"a": {"b": 1}}, {"a": {"b": 2}})
    assert restoration(changed, {"a": {"b": None}}).preserved == ("a.b",)


def test_azures_casing_is_not_an_edit() -> None:
    """A provider that answers "enabled" for "Enabled" did not change anything."""
    change = PropertyChange(path="state", before="Disabled", after="Enabled")
    assert restoration([change], {"state": "enabled"}).body == {"state": "Disabled"}


def test_absent_null_and_a_value_are_proven_apart() -> None:
    """One path or several."""
    assert holds(is_restored({"a": 1}, ["a"]), {"a": 1})
    assert not holds(is_restored({"a": 1}, ["a"]), {"a": 2})
    both = is_restored({"a": 1}, ["a", "gone"])
    assert holds(both, {"a": 1})
    assert not holds(both, {"a": 1, "gone": 2})


@pytest.mark.parametrize("body", [{}, {"id": "/x"}, {"id": None}, {"value": []}])
def test_only_what_does_not_exist_is_gone(body: dict[str, Any]) -> None:
    """An empty body is a body."""
    assert holds(GONE, None)
    assert not holds(GONE, body)
    assert str(GONE) == "the resource is absent"


def test_a_removal_shows_all_that_goes() -> None:
    """Member by member; what is null is not there to go, and who it is stands in its id."""
    body = {"id": "/x", "name": "x", "type": "t", "tags": None, "properties": {"logs": [1]}, "kind": ""}
    assert what_goes(body) == (
        PropertyChange(path="properties", before={"logs": [1]}),
        PropertyChange(path="kind", before=""),
    )
    assert what_goes(None) == ()


GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg"


@pytest.mark.parametrize(
    ("resource_id", "may"),
    [
        (f"{GROUP}/providers/Microsoft.Network/privateEndpoints/pe", True),
        (f"{GROUP}/providers/A.B/c/d/providers/Microsoft.Insights/diagnosticSettings/e", True),
        (GROUP, False),
        (GROUP.partition("/resourceGroups")[0], False),
        (f"{GROUP}/providers/microsoft.resources/deployments/d", False),
        (f"{GROUP}/providers/Microsoft.Insights/diagnosticSettings", False),
        ("", False),
    ],
)
def test_what_others_put_things_into_is_never_removed(resource_id: str, may: bool) -> None:
    """A group that a deployment created may hold anything by now."""
    assert may_be_removed(resource_id) is may


def test_a_state_that_azure_adds_to_an_element_does_not_make_it_somebody_elses():
    """Read-only members do not tell who changed what is around them, and the proof does not ask for them."""
    change = PropertyChange(path="a", before=({"name": "x", "on": False, "by": {"who": "me"}},), after=({"name": "x"},))
    now = {"a": [{"name": "x", "state": {"code": "Succeeded"}}]}
    found = restoration([change], now, read_only=["a[*].state"])
    assert (found.restored, found.preserved) == (("a",), ())
    proof = is_restored(found.body, found.restored)
    assert holds(proof, {"a": [{"name": "x", "on": False, "by": {"who": "me"}, "state": {"code": "Pending"}}]})
    assert not holds(proof, {"a": [{"name": "x", "on": False, "by": {"who": "me"}}, {"name": "y"}]})
    assert not holds(proof, {"a": [{"name": "x", "on": True, "by": {"who": "me"}}]})


def test_a_member_that_the_change_added_to_an_element_must_be_gone():
    """Or the proof would hold before the restoration, and nothing would be sent."""
    before = {"a": [{"name": "x", "b": [{"c": 1}]}]}
    after = {"a": [{"name": "x", "b": [{"c": 1, "link": {"id": "1"}}]}]}
    found = restoration(changes(before, after), after)
    proof = is_restored(found.body, found.restored, replaced=after)
    assert holds(proof, before)
    assert not holds(proof, after)
    after = {"a": [{"name": "x", "b": [{"c": 1}], "link": {"id": "1"}}]}
    assert not holds(is_restored(before, ["a"], replaced=after), after)
    after = {"a": [{"name": "x", "b": [{"c": 1}], "rules": [{"d": 1}]}]}
    assert not holds(is_restored(before, ["a"], replaced=after), after)
