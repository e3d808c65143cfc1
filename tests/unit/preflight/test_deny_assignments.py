"""Deny assignments."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight import Subject
from defender_remediate.preflight.deny_assignments import EVERYONE, DenyAssignmentCheck

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"

ME = "aaaaaaaa-0000-4000-8000-00000000000A"
YOU = "bbbbbbbb-0000-4000-8000-00000000000b"


def jwt(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl"


def principal(object_id: str, kind: str = "User") -> dict[str, str]:
    return {"id": object_id, "type": kind}


ALL = principal(EVERYONE, "SystemDefined")


Judge = Callable[..., tuple[CheckResult, ...]]


def assignment(**properties: Any) -> dict[str, Any]:
    """One as Azure lists it, at the group, for everyone."""
    return {
        "id": f"{GROUP}/providers/Microsoft.Authorization/denyAssignments/d",
        "name": "d",
        "properties": {
            "denyAssignmentName": "managed",
            "permissions": [{"actions": ["*"], "notActions": ["*/read"]}],
            "scope": GROUP,
            "doNotApplyToChildScopes": False,
            "principals": [ALL],
            "excludePrincipals": [],
            **properties,
        },
    }


@pytest.fixture
def judge(check_one: Judge, make_subject: Callable[..., Subject]) -> Judge:
    """What the check finds among these deny assignments for a write to the account."""

    def run(*found: dict[str, Any], token: str = jwt({"oid": ME})) -> tuple[CheckResult, ...]:
        subject = make_subject(permissions=("Microsoft.Storage/storageAccounts/write",))
        return check_one(DenyAssignmentCheck(), subject, {"/denyAssignments": list(found)}, token=token)

    return run


def test_what_is_denied_to_everyone_blocks(judge: Judge) -> None:
    """The caller need not be known for that."""
    (found,) = judge(assignment(), token="opaque")
    assert found == CheckResult(
        check="deny_assignment",
        status=CheckStatus.BLOCKED,
        message="the deny assignment 'managed' forbids Microsoft.Storage/storageAccounts/write",
        evidence=(f"{GROUP}/providers/Microsoft.Authorization/denyAssignments/d",),
        advice=found.advice,
    )


@pytest.mark.parametrize(
    "token",
    ["opaque", "a.b", "a.!!!.c", "..", jwt({"sub": ME}), jwt({"oid": "x"}), jwt([ME]), jwt("oid"), "a.\u00e9.c"],
)
def test_an_opaque_token_leaves_the_step_unchecked(judge: Judge, token: str) -> None:
    """Azure does not promise the format of tokens, so that is no error; the caller may then be the one that is named."""
    (found,) = judge(assignment(principals=[principal(ME)]), token=token)
    assert found.status is CheckStatus.UNCHECKED


@pytest.mark.parametrize(
    ("properties", "caller", "expected"),
    [
        ({"excludePrincipals": [principal(ME)]}, ME.lower(), []),
        ({"excludePrincipals": [principal(YOU)]}, ME, [CheckStatus.BLOCKED]),
        ({"excludePrincipals": [principal(YOU, "ServicePrincipal")]}, "", [CheckStatus.UNCHECKED]),
        ({"excludePrincipals": [principal(YOU, "Group")]}, ME, [CheckStatus.UNCHECKED]),
        ({"principals": [principal(ME)]}, ME, [CheckStatus.BLOCKED]),
        ({"principals": [principal(ME)], "excludePrincipals": [principal(ME)]}, ME, []),
        ({"principals": [principal(ME)], "excludePrincipals": [principal(YOU, "Group")]}, ME, [CheckStatus.UNCHECKED]),
        ({"principals": [principal(YOU)]}, ME, []),
        ({"principals": [principal(YOU)]}, "", [CheckStatus.UNCHECKED]),
        ({"principals": [principal(YOU, "Group")]}, ME, [CheckStatus.UNCHECKED]),
        ({"principals": [principal(YOU, "Novelty")]}, ME, [CheckStatus.UNCHECKED]),
        ({"principals": []}, ME, [CheckStatus.UNCHECKED]),
        ({"principals": None}, ME, [CheckStatus.UNCHECKED]),
    ],
)
def test_whom_it_concerns(judge: Judge, properties: dict[str, Any], caller: str, expected: list[CheckStatus]) -> None:
    """A group may contain the caller, and an unknown caller may be anyone: neither passes."""
    found = judge(assignment(**properties), token=jwt({"oid": caller}))
    assert [result.status for result in found] == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"scope": ACCOUNT, "doNotApplyToChildScopes": True}, [CheckStatus.BLOCKED]),
        ({"scope": GROUP, "doNotApplyToChildScopes": True}, []),
        ({"scope": "/"}, [CheckStatus.BLOCKED]),
        ({"scope": f"{GROUP}2"}, []),
        ({"scope": None}, [CheckStatus.BLOCKED]),
        ({"permissions": [{"actions": ["*/delete"]}]}, []),
        ({"permissions": [{"actions": ["*"], "notActions": ["Microsoft.Storage/*"]}]}, []),
        ({"permissions": []}, []),
        ({"condition": "@Resource[x] Exists"}, [CheckStatus.UNCHECKED]),
        ({"denyAssignmentEffect": "audit"}, [CheckStatus.WARNING]),
        ({"denyAssignmentEffect": "enforced"}, [CheckStatus.BLOCKED]),
    ],
)
def test_where_and_what_it_forbids(judge: Judge, properties: dict[str, Any], expected: list[CheckStatus]) -> None:
    """At its scope and below, unless it says otherwise; a condition cannot be evaluated here."""
    assert [result.status for result in judge(assignment(**properties))] == expected


def test_a_condition_is_evidence(judge: Judge) -> None:
    """So that a person can evaluate it."""
    (found,) = judge(assignment(condition="c"))
    assert found.evidence[1:] == ("condition: c",)


def test_results_come_in_the_order_of_the_ids(judge: Judge) -> None:
    """Azure lists in any order, and the digest of a plan must not depend on it."""
    entries = [{"actions": ["*"]}]
    other = {"id": "/a", "name": "a", "properties": {"permissions": entries, "principals": [ALL], "scope": "/"}}
    one = judge(assignment(), other)
    assert one == judge(other, assignment())
    assert one[0].evidence == ("/a",)


@pytest.mark.parametrize("broken", [None, "x", {}, [{"notActions": []}]])
def test_one_without_permissions_leaves_the_step_unchecked(judge: Judge, broken: Any) -> None:
    """What it forbids is not known then."""
    (found,) = judge(assignment(permissions=broken))
    assert found.status is CheckStatus.UNCHECKED
