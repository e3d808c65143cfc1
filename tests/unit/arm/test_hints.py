"""Advice for Azure's codes."""

from __future__ import annotations

from defender_remediate.arm.bodies import ErrorDetail
from defender_remediate.arm.hints import hint_for, supported_versions_in


def test_a_lock_names_where_it_is() -> None:
    """All of the scopes, so that the owner can be found; a message of another form still gets the advice."""
    message = (
        "... because following scope(s) are locked: '/subscriptions/s/a', '/subscriptions/s/b'. Please remove the lock."
    )
    assert "/subscriptions/s/a, /subscriptions/s/b" in hint_for([ErrorDetail(code="ScopeLocked", message=message)])
    assert hint_for([ErrorDetail(code="ScopeLocked", message="locked")]) == "a ReadOnly lock forbids this"


def test_a_policy_is_named_from_either_place() -> None:
    """From the additional information, else from the text of the message."""
    info = {"type": "PolicyViolation", "info": {"policyAssignmentId": "/a", "policyDefinitionId": "/d"}}
    assert "/a, /d;" in hint_for([ErrorDetail(code="RequestDisallowedByPolicy", message="", info=(info,))])
    text = """'[{"policyAssignment":{"name":"x","id":"/a"},"policyDefinition":{"id":"/d"}}]'"""
    assert "/a, /d;" in hint_for([ErrorDetail(code="RequestDisallowedByPolicy", message=text)])
    assert "policy refuses this;" in hint_for([ErrorDetail(code="RequestDisallowedByPolicy", message="")])


def test_a_missing_permission_is_named() -> None:
    """Also when it is missing on the resource that is linked to."""
    message = "The client 'c' does not have authorization to perform action 'A/write' over scope '/s' or the scope is invalid."
    assert hint_for([ErrorDetail(code="AuthorizationFailed", message=message)]).startswith("you need A/write on /s;")
    linked = "it does not have permission to perform action(s) 'D/read' on the linked scope(s) '/l' (respectively)"
    assert hint_for([ErrorDetail(code="LinkedAuthorizationFailed", message=linked)]).startswith(
        "you need D/read on /l;"
    )
    assert hint_for([ErrorDetail(code="AuthorizationFailed", message="no")]) == "you lack a permission for this"


def test_other_versions_are_offered_newest_first() -> None:
    """As many as a person reads."""
    message = "The api-version 'x' is invalid. The supported versions are '2020-01-01,2022-01-01-preview, 2021-06-01'."
    assert supported_versions_in([ErrorDetail(code="", message=message)]) == (
        "2022-01-01-preview",
        "2021-06-01",
        "2020-01-01",
    )
    assert hint_for([ErrorDetail(code="InvalidApiVersionParameter", message=message)]).endswith(
        "2021-06-01, 2020-01-01"
    )
    assert hint_for([ErrorDetail(code="InvalidApiVersionParameter", message="no")]).endswith(
        "does not offer this api-version"
    )
    assert supported_versions_in([ErrorDetail(code="", message="nothing")]) == ()


def test_the_innermost_code_decides() -> None:
    """What wraps it says less."""
    faults = [
        ErrorDetail(code="Conflict", message=""),
        ErrorDetail(code="ScopeLocked", message="", depth=2),
        ErrorDetail(code="?", message="", depth=3),
    ]
    assert "lock" in hint_for(faults)


def test_an_unknown_code_gets_no_advice() -> None:
    """Rather than wrong advice."""
    assert hint_for([ErrorDetail(code="Odd", message="m")]) == ""
