"""What a write does to a body."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.testing.simulator.arm.member_rules import check_names, read_only_part, without_read_only
from defender_remediate.testing.simulator.arm.merge_patch import merge_patch
from defender_remediate.testing.simulator.arm.merging import patched, put
from defender_remediate.testing.simulator.state.types import ResourceType, shipped_types
from defender_remediate.testing.simulator.transport.exchange import ArmError

names = st.text("abc", min_size=1, max_size=2)
leaves = st.none() | st.booleans() | st.integers(0, 3) | st.text("xy", max_size=2)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(names, values, max_size=4)
KIND = ResourceType(
    name="Contoso.Things/things",
    versions=("2024-01-01",),
    known={"a": None, "list": {"x": None, "ro": None}, "nest": {"deep": None, "ro": None}, "safe": None, "ro": None},
    read_only=("ro", "nest.ro", "list.ro"),
    irreversible=("safe",),
    defaults={"a": 1},
    required=("sku",),
)
THING = {"name": "t", "location": "westeurope", "properties": {"a": 2, "ro": "kept", "safe": True}}


def code(error: pytest.ExceptionInfo[ArmError]) -> str:
    """Azure's word."""
    return str(error.value.reply.body["error"]["code"])


def strip_nulls(value: Any) -> Any:
    """What no merge can hold: objects without null members."""
    if isinstance(value, dict):
        return {name: strip_nulls(item) for name, item in value.items() if item is not None}
    return value


@given(objects, objects)
def test_merging_twice_is_merging_once(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """RFC 7396 is idempotent."""
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(objects)
def test_the_empty_patch_changes_nothing(target: dict[str, Any]) -> None:
    """An object without members keeps every member."""
    assert merge_patch(target, {}) == target


@given(objects, objects)
def test_merging_changes_neither_argument_and_shares_nothing(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """The result is a fresh value."""
    before = deepcopy((target, patch))
    merged = merge_patch(target, patch)
    _spoil(merged)
    assert (target, patch) == before


def _spoil(value: Any) -> None:
    if isinstance(value, dict):
        for item in list(value.values()):
            _spoil(item)
        value["spoilt"] = True
    elif isinstance(value, list):
        for item in value:
            _spoil(item)
        value.append("spoilt")


@given(objects, objects)
def test_what_the_patch_names_is_as_it_says_and_the_rest_is_as_it_was(
    target: dict[str, Any], patch: dict[str, Any]
) -> None:
    """Null removes; a value that is no object replaces; a member that is not named stays."""
    merged = merge_patch(target, patch)
    for name, value in patch.items():
        if value is None:
            assert name not in merged
        elif not isinstance(value, dict):
            assert merged[name] == value
    for name in set(target) - set(patch):
        assert merged[name] == target[name]


@given(objects)
def test_patching_nothing_gives_the_patch_without_its_nulls(patch: dict[str, Any]) -> None:
    """On an empty target a merge patch is a value."""
    assert merge_patch({}, patch) == strip_nulls(patch)
    assert merge_patch("no object", patch) == strip_nulls(patch)


def test_arrays_are_replaced_whole() -> None:
    """No item of the old array survives."""
    assert merge_patch({"a": [1, 2, {"b": 1}]}, {"a": [3]}) == {"a": [3]}


def test_a_patch_merges_properties_and_replaces_tags() -> None:
    """The one exception from RFC 7396 that Azure makes."""
    current = {**THING, "tags": {"a": "1", "b": "2"}, "sku": {"name": "x", "tier": "y"}}
    after = patched(KIND, current, {"tags": {"c": "3"}, "sku": {"tier": "z"}, "properties": {"nest": {"deep": 1}}})
    assert after["tags"] == {"c": "3"}
    assert after["sku"] == {"name": "x", "tier": "z"}
    assert after["properties"] == {"a": 2, "ro": "kept", "safe": True, "nest": {"deep": 1}}
    assert "tags" not in patched(KIND, current, {"tags": None})
    assert patched(KIND, current, {"properties": None}) == current


def test_what_a_caller_may_not_write_is_passed_over() -> None:
    """Read-only members in a body have no effect, in arrays neither."""
    body = {"properties": {"ro": "mine", "nest": {"ro": 1, "deep": 2}, "list": [{"x": 1, "ro": 2}], "a": 5}}
    after = patched(KIND, THING, body)
    assert after["properties"]["ro"] == "kept"
    assert after["properties"]["nest"] == {"deep": 2}
    assert after["properties"]["list"] == [{"x": 1}]
    assert without_read_only(KIND, {"nest": "text"}) == {"nest": "text"}
    assert read_only_part(KIND, {"nest": "text", "ro": 1}) == {"ro": 1}


@pytest.mark.parametrize("write", [patched, put])
def test_a_write_keeps_what_is_read_only_in_the_elements_of_an_array(write: Any) -> None:
    """Azure goes on showing it, whether the elements are sent back without it, with another value, or in another order."""
    there = [{"name": "A", "x": 1, "ro": "a"}, {"name": "b", "x": 1, "ro": "b"}, {"x": 1, "ro": "third"}, "text"]
    current = {**THING, "properties": {"list": there}}
    kind = attrs.evolve(KIND, known=None)
    sent = [{"name": "b", "x": 2}, {"name": "a", "x": 2, "ro": "mine"}, {"x": 2}, "text"]
    shown = [{"name": "b", "x": 2, "ro": "b"}, {"name": "a", "x": 2, "ro": "a"}, {"x": 2, "ro": "third"}, "text"]
    body = {"location": "westeurope", "properties": {"list": sent}}
    assert write(kind, current, body)["properties"]["list"] == shown
    new = [{"name": "new", "x": 2}, {"x": 2}]
    body = {"location": "westeurope", "properties": {"list": new}}
    assert write(kind, current, body)["properties"]["list"] == new


def test_a_write_keeps_what_the_schema_says_is_read_only() -> None:
    """The library sends none of it back, and Azure goes on showing it: in arrays, in objects of any names, one below another."""
    kind = shipped_types()["microsoft.containerservice/managedclusters"]
    pool = {"name": "one", "count": 3, "currentOrchestratorVersion": "1.33.1", "provisioningState": "Succeeded"}
    current = {
        "name": "c",
        "location": "westeurope",
        "systemData": {"createdAt": "2024-01-01T00:00:00Z"},
        "properties": {"agentPoolProfiles": [pool], "dnsPrefix": "c"},
    }
    sent = {"name": "one", "count": 4}
    after = put(
        kind, current, {"location": "westeurope", "properties": {"agentPoolProfiles": [sent], "dnsPrefix": "c"}}
    )
    assert after["properties"]["agentPoolProfiles"] == [{**pool, "count": 4}]
    assert after["systemData"] == current["systemData"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"wrong": 1}, "'wrong'"),
        ({"properties": {"wrong": 1}}, "'properties.wrong'"),
        ({"properties": {"list": [{"wrong": 1}]}}, "'properties.list.wrong'"),
        ({"properties": {"nest": {"wrong": 1}}}, "'properties.nest.wrong'"),
        ({"properties": "text"}, "not an object"),
    ],
)
def test_an_unknown_member_is_refused_by_its_path(body: dict[str, Any], path: str) -> None:
    """A name that looks right and is wrong does not pass in silence."""
    with pytest.raises(ArmError) as error:
        check_names(KIND, body, THING)
    assert code(error) == "InvalidRequestContent"
    assert path in error.value.reply.body["error"]["message"]


def test_a_name_that_the_resource_has_is_known() -> None:
    """A test may bring resources with members that the simulator has never heard of."""
    current = {**THING, "odd": 1, "properties": {"odd": {"er": 1}, "nest": {"odder": 1}, "list": 5}}
    check_names(KIND, {"odd": 2, "properties": {"odd": {"er": 2}, "nest": {"odder": 3}, "list": [{}]}}, current)
    check_names(KIND, {"properties": {"nest": 5}}, current)
    check_names(attrs.evolve(KIND, known=None), {"properties": {"anything": 1}}, THING)


@pytest.mark.parametrize(("patch", "word"), [("none", "MethodNotAllowed"), ("tags", "InvalidRequestFormat")])
def test_a_type_without_property_patch_refuses_it(patch: str, word: str) -> None:
    """A passing test must not suggest that a PATCH works where Azure refuses it."""
    with pytest.raises(ArmError) as error:
        patched(attrs.evolve(KIND, patch=patch), THING, {"properties": {"a": 3}})
    assert code(error) == word


def test_a_type_that_takes_tags_only_takes_tags() -> None:
    """Its tags can be replaced."""
    assert patched(attrs.evolve(KIND, patch="tags"), THING, {"tags": {"a": "b"}})["tags"] == {"a": "b"}


def test_what_is_immutable_stays() -> None:
    """Another location is refused; the same one, however it is written, is not."""
    assert patched(KIND, THING, {"location": "West Europe"})["location"] == "westeurope"
    with pytest.raises(ArmError) as error:
        patched(KIND, THING, {"location": "eastus"})
    assert code(error) == "PropertyChangeNotAllowed"


def test_the_provisioning_state_can_only_be_sent_back_as_it_is() -> None:
    """Anything else is refused."""
    current = {**THING, "properties": {**THING["properties"], "provisioningState": "Succeeded"}}  # type: ignore[dict-item]
    kind = attrs.evolve(KIND, known={**(KIND.known or {}), "provisioningState": None})
    assert patched(kind, current, {"properties": {"provisioningState": "Succeeded"}}) == current
    with pytest.raises(ArmError):
        patched(kind, current, {"properties": {"provisioningState": "Failed"}})


def test_what_cannot_be_undone_cannot_be_undone() -> None:
    """Not by false and not by null; a PUT that does not mention it keeps it."""
    for value in (False, None):
        with pytest.raises(ArmError) as error:
            patched(KIND, THING, {"properties": {"safe": value}})
        assert code(error) == "BadRequest"
    assert put(KIND, THING, {"location": "westeurope", "properties": {}})["properties"]["safe"] is True
    with pytest.raises(ArmError):
        put(KIND, THING, {"location": "westeurope", "properties": {"safe": False}})


def test_a_put_replaces_all_but_what_is_not_the_callers() -> None:
    """Defaults come back for what is left out; read-only members stay; tags that are left out go."""
    after = put(KIND, {**THING, "tags": {"a": "b"}}, {"location": "westeurope", "properties": {"nest": {"deep": 1}}})
    assert after == {
        "location": "westeurope",
        "properties": {"a": 1, "ro": "kept", "safe": True, "nest": {"deep": 1}},
    }


def test_a_put_keeps_nothing_below_what_is_no_object() -> None:
    """What a provider keeps below a member that is left out or an object; another value of the member is written."""
    kind = attrs.evolve(KIND, keeps=("properties.nest.deep",), known=None)
    thing = {**THING, "properties": {**THING["properties"], "nest": {"deep": 1}}}
    for sent, after in (({}, {"deep": 1}), ({"nest": {"x": 2}}, {"x": 2, "deep": 1}), ({"nest": []}, [])):
        assert put(kind, thing, {"location": "westeurope", "properties": sent})["properties"]["nest"] == after


@pytest.mark.parametrize(
    ("current", "body", "word"),
    [
        (None, {"sku": {"name": "x"}}, "LocationRequired"),
        (None, {"location": "westeurope"}, "InvalidRequestContent"),
        (THING, {"location": "eastus"}, "InvalidResourceLocation"),
    ],
)
def test_a_put_that_makes_no_sense_is_refused(current: Any, body: dict[str, Any], word: str) -> None:
    """A new resource needs what its type requires, and an old one does not move."""
    with pytest.raises(ArmError) as error:
        put(KIND, current, body)
    assert code(error) == word


def test_a_put_of_something_new_has_defaults() -> None:
    """As the provider would."""
    after = put(KIND, None, {"location": "westeurope", "sku": {"name": "x"}})
    assert after == {"location": "westeurope", "sku": {"name": "x"}, "properties": {"a": 1}}


@pytest.mark.parametrize("kind", shipped_types().values(), ids=lambda kind: kind.name)
def test_every_shipped_type_is_consistent(kind: ResourceType) -> None:
    """Versions are sorted dates, and what is read-only or born with a resource is a name the type knows."""
    assert kind.versions == tuple(sorted(set(kind.versions)))
    assert kind.patch in ("properties", "tags", "none")
    assert kind.last_type in kind.name
    known = kind.known
    if known is not None:
        assert {path.split(".")[0] for path in kind.read_only} <= set(known)
        for name, properties in kind.built_in.items():
            check_names(kind.for_name(name), {"properties": properties}, {})
        check_names(kind, {"properties": kind.defaults}, {})


def test_an_identity_is_taken_away_by_its_type() -> None:
    """As Azure documents it, by PATCH and by PUT."""
    mine = {**THING, "identity": {"type": "SystemAssigned"}}
    assert "identity" not in patched(KIND, mine, {"identity": {"type": "None"}})
    assert "identity" not in put(KIND, mine, {**mine, "sku": {"name": "s"}, "identity": {"type": "None"}})
    assert patched(KIND, mine, {"tags": {}})["identity"] == {"type": "SystemAssigned"}


def test_an_identity_that_is_shown_as_none_stays_so() -> None:
    """Some bodies name the type None where there is no identity: a change of something else leaves that."""
    none = {**THING, "identity": {"type": "None"}}
    assert patched(KIND, none, {"tags": {}})["identity"] == {"type": "None"}
