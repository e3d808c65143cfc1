from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.models.condition import Condition
from defender_remediate.models.plan import PropertyChange
from defender_remediate.redaction import cleaned, names_a_secret

SECRET = "hunter2-hunter2"
HIDDEN = "(hidden)"


def _deployment(kind: str, name: str = "anything", given: Any = None) -> dict[str, Any]:
    parameters = {name: {"value": SECRET if given is None else given}, "plain": {"value": "shown"}}
    declared = {name: {"type": kind}, "plain": {"type": "string"}}
    return {"mode": "Incremental", "template": {"parameters": declared}, "parameters": parameters}


@pytest.mark.parametrize("kind", ["securestring", "secureString", "SecureObject"])
def test_what_a_template_declares_as_secure_is_hidden(kind: str) -> None:
    """Whatever it is called, and whatever is inside it."""
    given = {"inner": [SECRET]} if kind == "SecureObject" else SECRET
    found = cleaned(_deployment(kind, given=given))
    assert SECRET not in str(found)
    assert found["parameters"]["plain"] == {"value": "shown"}
    assert found["template"]["parameters"]["anything"] == {"type": kind}


def test_names_of_template_parameters_still_count() -> None:
    """A password that is declared as a plain string is one all the same; a name matches whatever its case."""
    assert SECRET not in str(cleaned(_deployment("string", name="adminPassword")))
    document = _deployment("securestring")
    document["parameters"] = {"ANYTHING": {"value": SECRET}}
    assert SECRET not in str(cleaned(document))


def test_a_default_of_a_secure_parameter_is_hidden() -> None:
    """A template should have none, but may."""
    declaration = {"type": "secureString", "defaultValue": SECRET, "metadata": {"description": "A word."}}
    assert cleaned(declaration) == {**declaration, "defaultValue": HIDDEN}
    assert cleaned({"type": "string", "defaultValue": SECRET})["defaultValue"] == SECRET


@pytest.mark.parametrize(
    "found",
    [
        {"template": {"resources": []}, "parameters": {"a": {"value": SECRET}}},
        {"template": "text", "parameters": {"a": {"value": SECRET}}},
        {"template": {"parameters": {"a": {"type": "securestring"}}}, "parameters": None},
        {"template": {"parameters": {"a": "text"}}, "parameters": {"a": SECRET}},
    ],
)
def test_what_is_no_deployment_is_left_alone(found: dict[str, Any]) -> None:
    """Nothing declares these to be secure."""
    assert cleaned(found) == found


def test_a_deployment_inside_a_secret_is_secret() -> None:
    """What is around it counts as well."""
    assert "shown" not in str(cleaned({"secret": _deployment("string")}))


def test_shapes_are_hidden_where_no_name_says_so() -> None:
    """In a printed change, in its repr, and inside an app setting."""
    text = f"Server=x;Password={SECRET};Encrypt=True"
    change = PropertyChange(path="tags.note", before=text, after=[{"name": "DB_PASSWORD", "value": SECRET}])
    assert SECRET not in f"{change} {change!r}"
    assert "Server=x" in str(change)


def test_a_condition_does_not_tell_the_secret_that_proves_it() -> None:
    """Neither by name nor by shape."""
    named = Condition(operator="equals", path="tags.adminPassword", value=SECRET)
    shaped = Condition(operator="in", path="tags.note", value=(f"AccountKey={SECRET}", "plain"))
    both = Condition(operator="all", of=(named, shaped))
    assert SECRET not in f"{both} {both!r}"
    assert "plain" in repr(both)
    assert repr(Condition(operator="exists", path="a", value=True)) == (
        "Condition(operator=<Operator.EXISTS: 'exists'>, path='a', value=True, of=())"
    )


def test_how_callers_may_sign_in_is_no_secret() -> None:
    """AI Search calls it aadOrApiKey, and a rollback has to put it back; nothing else that ends in apiKey is spared."""
    found = {"authOptions": {"aadOrApiKey": {"aadAuthFailureMode": "http403"}}}
    assert cleaned(found) == found
    assert names_a_secret("vendorApiKey")
    assert names_a_secret("properties.apiKey")
    assert not names_a_secret("properties.authOptions.aadOrApiKey")
