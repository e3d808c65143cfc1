"""Parameters of fixes, and the strings that they fill in."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate import FixAction
from defender_remediate.errors import ParameterError
from defender_remediate.fixes.placeholders import (
    PerResource,
    check_names,
    check_values,
    fill,
    fill_condition,
    named_resources,
    names_in,
    per_resource,
    resolve,
    resource_values,
    same_place,
)
from defender_remediate.models import Condition, FixParameter

SUBSCRIPTION = "/subscriptions/11111111-1111-1111-1111-111111111111"
WORKSPACE = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/w"


def fix(*parameters: FixParameter) -> FixAction:
    return FixAction(
        key="k",
        title="A fix",
        kind="patch",
        resource_type="Microsoft.Test/things",
        api_version="2024-01-01",
        body={"properties": {}},
        parameters=parameters,
        compliant_when=Condition(operator="exists", path="x", value=True),
    )


def parameter(kind: str, **more: Any) -> FixParameter:
    return FixParameter(name="p", type=kind, description="what it is", **more)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (parameter("string"), "x"),
        (parameter("integer"), 3),
        (parameter("boolean"), False),
        (parameter("string_list"), ["a", "b"]),
        (parameter("guid"), "11111111-1111-1111-1111-111111111111"),
        (parameter("resource_id"), WORKSPACE),
        (parameter("resource_id", resource_type="microsoft.operationalinsights/workspaces"), WORKSPACE),
        (parameter("string", allowed=["A", "B"]), "a"),
        (parameter("string_list", allowed=["A", "B"]), ["B"]),
    ],
    ids=str,
)
def test_a_right_value_is_taken(declared: FixParameter, value: Any) -> None:
    """Each type takes its values."""
    assert resolve(fix(declared), {"p": value})["p"] == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("declared", "value", "why"),
    [
        (parameter("string"), " ", "string that is not empty"),
        (parameter("integer"), True, "integer"),
        (parameter("boolean"), "true", "True or False"),
        (parameter("string_list"), "a", "list of strings"),
        (parameter("string_list"), ["a", ""], "list of strings"),
        (parameter("guid"), "1", "a GUID"),
        (parameter("resource_id"), "w", "an Azure resource id"),
        (parameter("resource_id", resource_type="Microsoft.Storage/storageAccounts"), WORKSPACE, "storageAccounts"),
        (parameter("string", allowed=["A"]), "C", "may be 'A'"),
        (parameter("string_list", allowed=["A"]), ["A", "C"], "may be 'A'"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_with_the_reason(declared: FixParameter, value: Any, why: str) -> None:
    """The error names the parameter, the fix and what it takes."""
    with pytest.raises(ParameterError, match=why) as caught:
        resolve(fix(declared), {"p": value})
    assert "'p' of 'A fix'" in str(caught.value)


def test_a_missing_value_is_asked_for() -> None:
    """The error says what to pass."""
    with pytest.raises(ParameterError, match=r'pass parameters=\{"p": …\}'):
        resolve(fix(parameter("string")), {})


def test_a_default_stands_in() -> None:
    """A parameter with a default needs nothing from the caller."""
    assert resolve(fix(parameter("integer", default=30)), {}) == {"p": 30}


def test_a_name_that_no_fix_takes_is_refused() -> None:
    """A misspelt name would otherwise be ignored."""
    check_names([fix(parameter("string"))], {"p": "x"})
    with pytest.raises(ParameterError, match=r"'q' \(use one of p\)"):
        check_names([fix(parameter("string"))], {"q": 1})
    with pytest.raises(ParameterError, match="they take none"):
        check_names([fix()], {"q": 1})


def test_texts_are_filled_in() -> None:
    """A string that is one placeholder becomes the value with its type; an unknown name is unchanged."""
    values = {"n": 3, "resource.name": "st1"}
    template = {"whole": "${n}", "part": "diag-${resource.name}-${n}", "list": ["${other}"], "number": 7}
    assert fill(template, values) == {"whole": 3, "part": "diag-st1-3", "list": ["${other}"], "number": 7}
    assert names_in(template) == {"n", "resource.name", "other"}
    assert fill(["${on}", "is-${on}"], {"on": True}) == [True, "is-true"]


def test_a_resource_describes_itself() -> None:
    """What ${resource.…} stands for, with and without the resource's body."""
    values = resource_values(WORKSPACE, {"location": "westeurope"})
    assert values == {
        "resource.id": WORKSPACE,
        "resource.name": "w",
        "resource.parent": "",
        "resource.group": "rg",
        "resource.subscription": SUBSCRIPTION.rpartition("/")[2],
        "resource.location": "westeurope",
    }
    assert resource_values(SUBSCRIPTION, None)["resource.group"] == ""
    assert resource_values(SUBSCRIPTION, None)["resource.location"] == ""


def test_a_value_for_each_resource() -> None:
    """It is found by the resource's id, in any casing; another resource has none, not even the default."""
    asking = fix(parameter("string", default="d"))
    given = {"p": per_resource("p", {f"{WORKSPACE}/": "x"}), "q": 1}
    assert resolve(asking, given, WORKSPACE.upper()) == {"p": "x"}
    assert named_resources(given) == {WORKSPACE.casefold()}
    for other in ({"p": PerResource({})}, {"p": per_resource("p", {WORKSPACE: None})}):
        with pytest.raises(ParameterError, match="for other resources, and not for this one"):
            resolve(asking, other, WORKSPACE)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"w": "x"}, "'p' is given for each resource: 'w' is not a resource id"),
        ({5: "x"}, "expected an Azure id, got 5"),
        ({WORKSPACE: "x", WORKSPACE.upper(): "y"}, "given twice"),
    ],
)
def test_resources_are_named_by_their_ids(given: dict[Any, Any], why: str) -> None:
    """Each once."""
    with pytest.raises(ParameterError, match=why):
        per_resource("p", given)


def test_all_values_are_checked_before_anything_is_read() -> None:
    """Whichever resources they are for; that one is missing for a resource is not known yet."""
    asking = fix(parameter("integer"))
    check_values(asking, {"p": per_resource("p", {WORKSPACE: 1})})
    check_values(asking, {"p": per_resource("p", {})})
    for given in ({"p": per_resource("p", {WORKSPACE: "1"})}, {"p": "1"}, {}):
        with pytest.raises(ParameterError):
            check_values(asking, given)


def test_the_hint_says_where_candidates_are() -> None:
    """Only where there can be any."""
    for declared, hinted in ((parameter("string"), False), (parameter("resource_id", resource_type="A.B/c"), True)):
        with pytest.raises(ParameterError) as caught:
            resolve(fix(declared), {})
        assert ("list_parameter_choices" in caught.value.hint) is hinted


def test_locations_are_compared_as_azure_writes_them() -> None:
    """With spaces and capitals or without; nothing is nowhere."""
    assert same_place("West Europe", "westeurope")
    assert not same_place("westeurope", "northeurope")
    assert not same_place("", "")
    assert not same_place(None, None)


def test_a_condition_is_filled_in() -> None:
    """In the values of its parts; one without placeholders stays the same object."""
    inner = Condition(operator="in", path="id", value=["x", "${resource.id}"])
    outer = Condition(operator="some", path="a", of=(inner,))
    assert fill_condition(outer, {"resource.id": "/y"}).of[0].value == ("x", "/y")
    plain = Condition(operator="equals", path="a", value=1)
    assert fill_condition(plain, {}) is plain
