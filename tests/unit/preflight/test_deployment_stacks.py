"""What a deployment stack forbids, and on which resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight import Subject
from defender_remediate.preflight.deployment_stacks import DeploymentStackCheck

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
STACK = f"{GROUP}/providers/Microsoft.Resources/deploymentStacks/s"


def stack(resources: Any = "the account", /, **settings: Any) -> dict[str, Any]:
    if resources == "the account":
        resources = [{"id": ACCOUNT}]
    return {"id": STACK, "properties": {"denySettings": settings, "resources": resources}}


@pytest.fixture
def judge(check_one: Callable[..., tuple[CheckResult, ...]]) -> Callable[..., list[CheckStatus]]:
    """The results for one step and one stack of the resource group."""

    def run(subject: Subject, *stacks: Any) -> list[CheckStatus]:
        answers = {f"{GROUP}/providers/Microsoft.Resources/deploymentStacks": [*stacks]}
        answers[f"{SUBSCRIPTION}/providers/Microsoft.Resources/deploymentStacks"] = []
        return [found.status for found in check_one(DeploymentStackCheck(), subject, answers)]

    return run


@pytest.mark.parametrize(
    ("resources", "settings", "status"),
    [
        (None, {"mode": "denyWriteAndDelete"}, None),
        ("text", {"mode": "denyWriteAndDelete"}, None),
        ([{"id": ""}, {}], {"mode": "denyWriteAndDelete"}, None),
        ([{"id": ACCOUNT.upper()}], {"mode": "DenyWriteAndDelete"}, CheckStatus.BLOCKED),
        ([{"id": ACCOUNT}], {"mode": "denyEverything"}, CheckStatus.BLOCKED),
        ([{"id": ACCOUNT}], {"mode": "denyWriteAndDelete", "excludedActions": ["*/write"]}, CheckStatus.WARNING),
        ([{"id": ACCOUNT}], {}, CheckStatus.WARNING),
        ([{"id": GROUP}], {"mode": "denyWriteAndDelete"}, CheckStatus.WARNING),
        ([{"id": GROUP}], {"mode": "denyWriteAndDelete", "applyToChildScopes": True}, CheckStatus.BLOCKED),
    ],
)
def test_what_a_stack_forbids(
    judge: Any, make_subject: Callable[..., Subject], resources: Any, settings: dict[str, Any], status: Any
) -> None:
    """Its own resources, and what is below them if it says so; a mode that is not known may forbid writes."""
    subject = make_subject({}, {"properties": {"a": 1}}, resource_id=ACCOUNT, target_id=ACCOUNT)
    assert judge(subject, stack(resources, **settings)) == ([] if status is None else [status])


def test_a_removal_is_stopped_by_the_milder_mode(judge: Any, make_subject: Callable[..., Subject]) -> None:
    """DenyDelete is about deletes only."""
    subject = make_subject(resource_id=ACCOUNT, target_id=ACCOUNT, permissions=())
    removal = attrs.evolve(
        subject, step=attrs.evolve(subject.step, request=attrs.evolve(subject.step.request, method="DELETE"))
    )
    assert judge(removal, stack(mode="denyDelete")) == [CheckStatus.BLOCKED]
    assert judge(subject, stack(mode="denyDelete")) == [CheckStatus.WARNING]


def test_a_subscription_has_no_group(
    check_one: Callable[..., tuple[CheckResult, ...]], make_subject: Callable[..., Subject]
) -> None:
    """A Defender plan is in no resource group; the stacks of the subscription are listed once."""
    pricing = f"{SUBSCRIPTION}/providers/Microsoft.Security/pricings/Arm"
    answers = {f"{SUBSCRIPTION}/providers/Microsoft.Resources/deploymentStacks": [stack([{"id": pricing}])]}
    found = check_one(DeploymentStackCheck(), make_subject(resource_id=SUBSCRIPTION, target_id=pricing), answers)
    assert [one.status for one in found] == [CheckStatus.WARNING]
