"""Locks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate.errors import ForbiddenError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.preflight import Subject
from defender_remediate.preflight.locks import LockCheck

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
Judge = Callable[[Subject, list[dict[str, Any]]], tuple[CheckResult, ...]]


def lock(scope: str, level: str = "ReadOnly", **properties: Any) -> dict[str, Any]:
    """A lock as Azure lists it."""
    return {"id": f"{scope}/providers/Microsoft.Authorization/locks/l", "properties": {"level": level, **properties}}


@pytest.fixture
def judge(check_one: Callable[..., tuple[CheckResult, ...]]) -> Judge:
    """What the check finds among these locks of the subscription."""
    return lambda subject, locks: check_one(LockCheck(), subject, {"/locks": locks})


@pytest.mark.parametrize("scope", [SUBSCRIPTION, GROUP.upper(), ACCOUNT])
def test_a_read_only_lock_blocks_from_wherever_it_is_inherited(
    judge: Judge, make_subject: Callable[..., Subject], scope: str
) -> None:
    """Its notes say whom to ask."""
    (found,) = judge(make_subject(), [lock(scope, notes="ask Kim")])
    assert (found.check, found.status) == ("lock", CheckStatus.BLOCKED)
    assert found.message == "a lock (ReadOnly) forbids writes"
    assert found.evidence == (f"{scope}/providers/Microsoft.Authorization/locks/l (ask Kim)",)


@pytest.mark.parametrize("scope", [f"{ACCOUNT}/blobServices/default", f"{ACCOUNT}2", GROUP.replace("shop", "other")])
def test_a_lock_elsewhere_is_none(judge: Judge, make_subject: Callable[..., Subject], scope: str) -> None:
    """Below the target or beside it; a list at a subscription has those as well."""
    assert judge(make_subject(), [lock(scope)]) == ()


@pytest.mark.parametrize("level", ["NotSpecified", "", "Novelty"])
def test_a_level_that_is_not_known_counts_as_read_only(
    judge: Judge, make_subject: Callable[..., Subject], level: str
) -> None:
    """A lock no one understands is respected."""
    assert judge(make_subject(), [lock(GROUP, level)])[0].status is CheckStatus.BLOCKED


def test_can_not_delete_lets_a_patch_through(judge: Judge, make_subject: Callable[..., Subject]) -> None:
    """Whatever its case."""
    assert judge(make_subject(), [lock(GROUP, "canNotDelete")]) == ()


def test_can_not_delete_keeps_the_history_of_deployments(judge: Judge, deployment: Subject) -> None:
    """Worth knowing, and no reason to stop; a ReadOnly lock beside it is."""
    (found,) = judge(deployment, [lock(GROUP, "CanNotDelete")])
    assert (found.status, "800" in found.advice) == (CheckStatus.WARNING, True)
    (stopping,) = judge(deployment, [lock(GROUP, "CanNotDelete"), lock(SUBSCRIPTION)])
    assert (stopping.status, len(stopping.evidence)) == (CheckStatus.BLOCKED, 1)


def test_can_not_delete_blocks_a_removal(judge: Judge, make_subject: Callable[..., Subject]) -> None:
    """That is what it is for."""
    request = PlannedRequest(method="DELETE", path=ACCOUNT, api_version="1", body={})
    (found,) = judge(make_subject(request=request), [lock(GROUP, "CanNotDelete")])
    assert (found.status, found.message) == (CheckStatus.BLOCKED, "a lock (CanNotDelete) forbids removals")


def test_the_order_of_the_list_does_not_count(judge: Judge, make_subject: Callable[..., Subject]) -> None:
    """A digest covers what is found."""
    several = [lock(ACCOUNT), lock(SUBSCRIPTION), lock(GROUP, "")]
    (one,), (two,) = judge(make_subject(), several), judge(make_subject(), several[::-1])
    assert one == two
    assert one.message == "a lock (ReadOnly, unknown level) forbids writes"


@pytest.mark.parametrize("level", ["ReadOnly", "CanNotDelete"])
def test_a_lock_below_stops_a_removal(judge: Judge, make_subject: Callable[..., Subject], level: str) -> None:
    """A removal includes all child resources; a lock on a resource whose name only begins alike does not count."""
    request = PlannedRequest(method="DELETE", path=ACCOUNT, api_version="1", body={})
    subject = make_subject(request=request)
    (found,) = judge(subject, [lock(f"{ACCOUNT}/blobServices/default", level)])
    assert (found.status, len(found.evidence)) == (CheckStatus.BLOCKED, 1)
    assert judge(subject, [lock(f"{ACCOUNT}2/blobServices/default", level)]) == ()


def test_a_lock_on_what_a_template_refers_to_is_found(judge: Judge, deployment: Subject) -> None:
    """A warning where it is only named, as a workspace; blocked where it is changed, as the subnet of an endpoint."""
    other = f"{SUBSCRIPTION}/resourceGroups/logs-rg"
    (found,) = judge(deployment, [lock(other)])
    assert (found.status, found.evidence) == (CheckStatus.WARNING, (lock(other)["id"],))
    assert judge(deployment, [lock(other, "CanNotDelete")]) == ()
    subnet = f"{other}/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
    body = {"properties": {"parameters": {"subnet": {"value": subnet}}}}
    request = attrs.evolve(deployment.step.request, body=body)
    join = ("Microsoft.Network/virtualNetworks/subnets/join/action",)
    joining = attrs.evolve(deployment, step=attrs.evolve(deployment.step, request=request, permissions=join))
    assert [found.status for found in judge(joining, [lock(other)])] == [CheckStatus.BLOCKED]


@pytest.mark.parametrize(
    ("target", "expected"),
    [(ACCOUNT, [CheckStatus.BLOCKED]), (f"{SUBSCRIPTION}/providers/A.B/c/d", [CheckStatus.UNCHECKED])],
)
def test_a_caller_of_one_group_lists_the_group(
    check_one: Callable[..., tuple[CheckResult, ...]],
    make_subject: Callable[..., Subject],
    target: str,
    expected: list[CheckStatus],
) -> None:
    """What is in it, and what it inherits, each lock once; what is in no group has no other listing."""
    forbidden = ForbiddenError("no", status=403, code="AuthorizationFailed")
    answers = {
        f"{SUBSCRIPTION}/providers/Microsoft.Authorization/locks": forbidden,
        "/shop-rg/providers/Microsoft.Authorization/locks": [lock(GROUP)],
        "/locks?atScope()": [lock(GROUP), lock(SUBSCRIPTION)],
    }
    found = check_one(LockCheck(), make_subject(resource_id=target, target_id=target), answers)
    assert [one.status for one in found] == expected
    assert [len(one.evidence) for one in found if one.status is CheckStatus.BLOCKED] in ([], [2])
