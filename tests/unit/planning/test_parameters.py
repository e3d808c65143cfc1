"""Parameters of fixes, and the texts they fill in."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate import Condition, FixAction, FixParameter
from defender_remediate.errors import ParameterError
from defender_remediate.planning.parameters import check_names, fill, names_in, resolve, resource_values

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
        compliant_when=Condition(test="exists", path="x", value=True),
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
        (parameter("string"), " ", "text that is not empty"),
        (parameter("integer"), True, "whole number"),
        (parameter("boolean"), "true", "True or False"),
        (parameter("string_list"), "a", "list of texts"),
        (parameter("string_list"), ["a", ""], "list of texts"),
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
    with pytest.raises(ParameterError, match=r"'q' \(they take p\)"):
        check_names([fix(parameter("string"))], {"q": 1})
    with pytest.raises(ParameterError, match="they take none"):
        check_names([fix()], {"q": 1})


def test_texts_are_filled_in() -> None:
    """A text that is one placeholder takes the value's own type; an unknown name is left as it is."""
    values = {"n": 3, "resource.name": "st1"}
    template = {"whole": "${n}", "part": "diag-${resource.name}-${n}", "list": ["${other}"], "number": 7}
    assert fill(template, values) == {"whole": 3, "part": "diag-st1-3", "list": ["${other}"], "number": 7}
    assert names_in(template) == {"n", "resource.name", "other"}


def test_a_resource_describes_itself() -> None:
    """What ${resource.…} stands for, with and without the resource's body."""
    values = resource_values(WORKSPACE, {"location": "westeurope"})
    assert values == {
        "resource.id": WORKSPACE,
        "resource.name": "w",
        "resource.group": "rg",
        "resource.subscription": SUBSCRIPTION.rpartition("/")[2],
        "resource.location": "westeurope",
    }
    assert resource_values(SUBSCRIPTION, None)["resource.group"] == ""
    assert resource_values(SUBSCRIPTION, None)["resource.location"] == ""
