"""Deny assignments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.errors import MalformedResponseError
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.preflight.deny_assignments import EVERYONE, DenyAssignment, judge
from defender_remediate.preflight.subject import Demand

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
DEMAND = Demand(place=ACCOUNT, actions=("Microsoft.Storage/storageAccounts/write",))
ME = "aaaaaaaa-0000-4000-8000-00000000000A"
YOU = "bbbbbbbb-0000-4000-8000-00000000000b"


def principal(object_id: str, kind: str = "User") -> dict[str, str]:
    return {"id": object_id, "type": kind}


ALL = principal(EVERYONE, "SystemDefined")


def assignment(**properties: Any) -> DenyAssignment:
    """One as Azure lists it, at the group, for everyone."""
    return DenyAssignment.from_rest(
        {
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
    )


def verdicts(found: DenyAssignment, caller: str = ME) -> list[CheckStatus]:
    return [finding.status for finding in judge(DEMAND, [found], lambda: caller)]


def test_what_is_denied_to_everyone_blocks() -> None:
    """Nobody has to be known for that."""

    def unasked() -> str:
        raise AssertionError

    (found,) = judge(DEMAND, [assignment()], unasked)
    assert found == CheckResult(
        check=CheckName.DENY_ASSIGNMENT,
        status=CheckStatus.BLOCKED,
        message="the deny assignment 'managed' forbids Microsoft.Storage/storageAccounts/write",
        evidence=(f"{GROUP}/providers/Microsoft.Authorization/denyAssignments/d",),
        advice=found.advice,
    )


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
def test_whom_it_concerns(properties: dict[str, Any], caller: str, expected: list[CheckStatus]) -> None:
    """A group may hold the caller, and a caller that is not known may be anyone: neither is passed in silence."""
    assert verdicts(assignment(**properties), caller) == expected


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
def test_where_and_what_it_forbids(properties: dict[str, Any], expected: list[CheckStatus]) -> None:
    """At its scope and below, unless it says otherwise; a condition cannot be evaluated here."""
    assert verdicts(assignment(**properties)) == expected


def test_a_condition_is_evidence() -> None:
    """So that somebody can evaluate it."""
    (found,) = judge(DEMAND, [assignment(condition="c")], lambda: ME)
    assert found.evidence[1:] == ("condition: c",)


def test_findings_come_in_the_order_of_their_ids() -> None:
    """Azure lists in any order, and a plan's digest must not depend on it."""
    one, two = (
        assignment(),
        DenyAssignment.from_rest(
            {"id": "/a", "properties": {"permissions": [{"actions": ["*"]}], "principals": [ALL], "scope": "/"}}
        ),
    )
    caller: Callable[[], str] = lambda: ME  # noqa: E731
    assert judge(DEMAND, [one, two], caller) == judge(DEMAND, [two, one], caller)
    assert judge(DEMAND, [one, two], caller)[0].evidence == ("/a",)
    assert two.name == "a"


@pytest.mark.parametrize("broken", [None, "x", {}, [{"notActions": []}]])
def test_one_without_permissions_is_no_answer(broken: Any) -> None:
    """What it forbids is not known then."""
    with pytest.raises(MalformedResponseError):
        assignment(permissions=broken)
