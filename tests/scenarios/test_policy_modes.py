"""Enforcement modes of policies and deny settings of deployment stacks, judged before a change as Azure judges it then."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate import RemediationClient
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.check import CheckStatus
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
TYPE = "Microsoft.Storage/storageAccounts"
DENIED: dict[str, Any] = {"resource_type": TYPE, "path": "properties.supportsHttpsTrafficOnly", "equals": True}
EAST = {"kind": "resourceLocation", "in": ["East US 2"]}
STORAGE = {"kind": "resourceType", "in": [TYPE.upper()]}
NOT_STORAGE = {"kind": "resourceType", "notIn": [TYPE]}
NOWHERE = {"kind": "resourceWithoutLocation", "in": ["true"]}
SOMEWHERE = {"kind": "resourceWithoutLocation", "notIn": ["true"]}


@pytest.fixture
def account(accounts: list[str]) -> str:
    """One account that takes plain HTTP."""
    return accounts[0]


def found(client: RemediationClient, account: str, check: str) -> set[CheckStatus]:
    plan = client.plan([SECURE_TRANSFER], resources=[account])
    return {result.status for _, result in plan.check_results if result.check == check}


def azure_refuses(client: RemediationClient, account: str) -> bool:
    """What Azure does when the same change is sent, whatever the checks say."""
    names = ("policy", "deny_assignment", "deployment_stack")
    plan = client.plan([SECURE_TRANSFER], resources=[account], waive=dict.fromkeys(names, "to see it"))
    return client.apply(plan, approve=plan.digest).results[0].outcome == "blocked"


def group(account: str) -> str:
    return account.partition("/providers/")[0]


@pytest.mark.parametrize(
    ("mode", "enrollments", "refused"),
    [
        ("Default", None, True),
        ("DoNotEnforce", None, False),
        ("Enroll", None, False),
        ("Enroll", ({"at": "subscription"},), True),
        ("Enroll", ({"at": "group"},), True),
        ("Enroll", ({"at": "resource"},), True),
        ("Enroll", ({"at": "elsewhere"},), False),
        ("Enroll", ({"at": "group", "selectors": ((STORAGE,),)},), True),
        ("Enroll", ({"at": "group", "selectors": ((NOT_STORAGE,),)},), False),
        ("Enroll", ({"at": "group", "selectors": ((EAST,),)},), False),
        ("Enroll", ({"at": "group", "selectors": ((EAST,), (STORAGE,))},), True),
        ("Enroll", ({"at": "group", "selectors": ((EAST, STORAGE),)},), False),
        ("Enroll", ({"at": "group", "selectors": ((NOWHERE,),)},), False),
        ("Enroll", ({"at": "group", "selectors": ((SOMEWHERE,),)},), True),
        ("Enroll", ({"at": "group", "selectors": ((EAST,),)}, {"at": "resource"}), True),
    ],
)
def test_a_mode_of_a_policy_is_judged_as_azure_judges_it(
    sim: ArmSimulator, client: RemediationClient, account: str, mode: str, enrollments: Any, refused: bool
) -> None:
    """Enroll evaluates everywhere and denies only where an enrollment at or above the resource matches."""
    subscription = "/".join(account.split("/")[:3])
    assignment = sim.access.assign_policy(subscription, enforcement=mode, **DENIED)
    places = {"subscription": subscription, "group": group(account), "resource": account}
    for number, one in enumerate(enrollments or ()):
        scope = places.get(one["at"], f"{subscription}/resourceGroups/other")
        sim.access.enroll(assignment, scope, selectors=one.get("selectors", ()), name=f"e{number}")
    assert found(client, account, "policy") == ({CheckStatus.BLOCKED} if refused else set())
    assert azure_refuses(client, account) is refused


def test_enrollments_that_cannot_be_read_are_no_pass(
    sim: ArmSimulator, client: RemediationClient, account: str
) -> None:
    """The policy may deny; only one that could is unchecked."""
    subscription = "/".join(account.split("/")[:3])
    sim.access.assign_policy(subscription, enforcement="Enroll", **DENIED)
    sim.access.deny("Microsoft.Authorization/policyEnrollments/read", subscription)
    assert found(client, account, "policy") == {CheckStatus.UNCHECKED}


def test_enrollments_of_a_harmless_policy_do_not_matter(
    sim: ArmSimulator, client: RemediationClient, account: str
) -> None:
    """An audit refuses nothing, wherever it is enforced."""
    subscription = "/".join(account.split("/")[:3])
    sim.access.assign_policy(subscription, enforcement="Enroll", effect="audit", **DENIED)
    sim.access.deny("Microsoft.Authorization/policyEnrollments/read", subscription)
    assert found(client, account, "policy") == set()


@pytest.mark.parametrize(
    ("settings", "status", "refused"),
    [
        ({}, CheckStatus.WARNING, False),
        ({"mode": "denyDelete"}, CheckStatus.WARNING, False),
        ({"mode": "denyWriteAndDelete"}, CheckStatus.BLOCKED, True),
        ({"mode": "denyWriteAndDelete", "excluded_actions": (f"{TYPE}/WRITE",)}, CheckStatus.WARNING, False),
        ({"mode": "denyWriteAndDelete", "excluded_principals": ("caller",)}, CheckStatus.WARNING, False),
        ({"mode": "denyWriteAndDelete", "excluded_principals": ("a-group",)}, CheckStatus.UNCHECKED, True),
    ],
)
def test_deny_settings_of_a_stack_block_with_its_id(
    sim: ArmSimulator,
    client: RemediationClient,
    account: str,
    settings: dict[str, Any],
    status: CheckStatus,
    refused: bool,
) -> None:
    """Only denyWriteAndDelete stops a PATCH, and not for whom or what it excludes. Any stack may undo the change later."""
    principals = settings.get("excluded_principals", ())
    names = tuple(sim.access.caller if name == "caller" else name for name in principals)
    stack = sim.access.add_stack(group(account), (account,), **{**settings, "excluded_principals": names})
    plan = client.plan([SECURE_TRANSFER], resources=[account])
    results = [result for _, result in plan.check_results if result.check == "deployment_stack"]
    assert [(result.status, result.evidence[0]) for result in results] == [(status, stack)]
    assert azure_refuses(client, account) is refused


def test_a_stack_that_does_not_manage_the_resource_says_nothing(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """A stack concerns what it lists, and below it only if it says so."""
    account, other = accounts[0], accounts[1]
    sim.access.add_stack(group(account), (other,), mode="denyWriteAndDelete")
    assert found(client, account, "deployment_stack") == set()
    sim.access.add_stack("/".join(account.split("/")[:3]), (account,), name="of-subscription")
    assert found(client, account, "deployment_stack") == {CheckStatus.WARNING}


def test_stacks_that_cannot_be_listed_are_no_pass(sim: ArmSimulator, client: RemediationClient, account: str) -> None:
    """Their deny settings are unknown then."""
    sim.access.deny("Microsoft.Resources/deploymentStacks/read", "/".join(account.split("/")[:3]))
    assert found(client, account, "deployment_stack") == {CheckStatus.UNCHECKED}


def test_the_simulator_takes_what_azure_takes(sim: ArmSimulator, account: str) -> None:
    """The limits of enrollments and of deny settings."""
    assignment = sim.access.assign_policy(account, enforcement="Enroll")
    with pytest.raises(InvalidInputError, match="no policy assignment"):
        sim.access.enroll(assignment + "x", account)
    with pytest.raises(InvalidInputError, match="takes 10 resource selectors"):
        sim.access.enroll(assignment, account, selectors=((EAST,),) * 11)
    for wrong in ({"kind": "sku", "in": ["x"]}, {"kind": "resourceType"}, {"kind": "resourceType", "in": ["x"] * 51}):
        with pytest.raises(InvalidInputError, match="Invalid selector"):
            sim.access.enroll(assignment, account, selectors=((wrong,),))
    with pytest.raises(InvalidInputError, match="one of none, denyDelete"):
        sim.access.add_stack(group(account), (account,), mode="deny")
    with pytest.raises(InvalidInputError, match="up to 5 principals"):
        sim.access.add_stack(group(account), (account,), excluded_principals=("x",) * 6)
