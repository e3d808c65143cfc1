"""Subscriptions and resource providers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.errors import ConnectionCutError, ForbiddenError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight import CheckReader, Subject
from defender_remediate.preflight.providers import ProviderCheck
from defender_remediate.preflight.subscriptions import SubscriptionCheck, tenant_of

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
Judge = Callable[..., tuple[CheckResult, ...]]


@pytest.mark.parametrize(
    ("state", "statuses"),
    [
        ("enabled", []),
        ("Disabled", [CheckStatus.BLOCKED]),
        ("deleted", [CheckStatus.BLOCKED]),
        ("Warned", [CheckStatus.BLOCKED]),
        ("PastDue", [CheckStatus.WARNING]),
        ("Novelty", [CheckStatus.UNCHECKED]),
        (None, [CheckStatus.UNCHECKED]),
    ],
)
def test_a_subscription_that_is_not_enabled(
    check_one: Judge, make_subject: Callable[..., Subject], state: str | None, statuses: list[CheckStatus]
) -> None:
    """Read-only ones block, an overdue payment is a warning, and an unknown state does not pass."""
    found = check_one(SubscriptionCheck(), make_subject(), {SUBSCRIPTION: {"state": state}})
    assert [one.status for one in found] == statuses
    assert all(one.evidence == (f"state: {state or ''}",) and one.advice for one in found)


def provider(**changes: Any) -> dict[str, Any]:
    types = [{"resourceType": "storageAccounts", "apiVersions": ["2025-01-01", "2023-05-01", "2022-09-01"]}]
    return {"namespace": "Microsoft.Storage", "registrationState": "Registered", "resourceTypes": types, **changes}


@pytest.fixture
def judge(check_one: Judge) -> Judge:
    """What the check makes of the provider of a step."""
    return lambda subject, body: check_one(ProviderCheck(), subject, {"/providers/Microsoft.Storage": body})


def test_a_registered_provider_with_the_version_passes(judge: Judge, make_subject: Callable[..., Subject]) -> None:
    """Names in any case."""
    assert judge(make_subject(), provider(registrationState="registered")) == ()


@pytest.mark.parametrize("state", ["NotRegistered", "Registering", "Unregistering", "Unregistered"])
def test_any_other_registration_blocks(judge: Judge, make_subject: Callable[..., Subject], state: str) -> None:
    """And this library registers nothing."""
    (found,) = judge(make_subject(), provider(registrationState=state))
    assert (found.check, found.status) == ("resource_provider", CheckStatus.BLOCKED)
    assert "az provider register --namespace Microsoft.Storage" in found.advice


def test_a_version_that_is_not_listed_is_a_warning(judge: Judge, make_subject: Callable[..., Subject]) -> None:
    """The target was read in it, and Azure hides some; the evidence says which are listed."""
    (found,) = judge(make_subject(api_version="2031-01-01"), provider())
    assert (found.status, found.evidence) == (CheckStatus.WARNING, ("listed: 2025-01-01, 2023-05-01, 2022-09-01",))
    (none,) = judge(make_subject(), provider(resourceTypes=[{"resourceType": "storageAccounts", "apiVersions": []}]))
    assert none.evidence == ("listed: none",)


def test_a_child_type_that_azure_hides_passes(judge: Judge, make_subject: Callable[..., Subject]) -> None:
    """Its parent is listed, and the target was read in this version."""
    child = make_subject(target_id=f"{ACCOUNT}/blobServices/default", api_version="2031-01-01")
    assert judge(child, provider()) == ()


@pytest.mark.parametrize("types", [[], None, "x", [{"resourceType": "other"}]])
def test_a_type_that_is_not_listed_at_all_is_a_warning(
    judge: Judge, make_subject: Callable[..., Subject], types: Any
) -> None:
    """There are hidden ones."""
    (found,) = judge(make_subject(), provider(resourceTypes=types))
    assert found.status is CheckStatus.WARNING


def test_an_answer_without_a_state_leaves_the_step_unchecked(
    judge: Judge, make_subject: Callable[..., Subject]
) -> None:
    """Whether it is registered is the question."""
    (found,) = judge(make_subject(), {})
    assert (found.status, "registrationState" in found.evidence[0]) == (CheckStatus.UNCHECKED, True)


def test_a_step_needs_every_provider_that_it_writes_through(check_one: Judge, deployment: Subject) -> None:
    """Those of its permissions too, but not the ones that every subscription has; only their registration counts."""
    unregistered = {"registrationState": "NotRegistered"}
    answers = {
        "/providers/Microsoft.Insights": {**unregistered, "namespace": "Microsoft.Insights"},
        "/providers/Microsoft.Network": {**unregistered, "namespace": "Microsoft.Network"},
    }
    blocked = [one for one in check_one(ProviderCheck(), deployment, answers) if one.is_blocking]
    assert [one.evidence[0].partition(":")[0] for one in blocked] == ["Microsoft.Insights", "Microsoft.Network"]


@pytest.mark.parametrize(
    ("answer", "tenant"),
    [
        ({"tenantId": "AAAAAAAA-0000-4000-8000-000000000001"}, "aaaaaaaa-0000-4000-8000-000000000001"),
        ({}, None),
        (ForbiddenError("no", status=403, code="AuthorizationFailed"), None),
    ],
)
def test_a_tenant_that_is_not_told_is_none(make_reader: Callable[..., CheckReader], answer: Any, tenant: Any) -> None:
    """A caller with permissions on a group only may not read the subscription; no answer at all is an error."""
    assert tenant_of(make_reader({SUBSCRIPTION: answer}), SUBSCRIPTION.rpartition("/")[2]) == tenant
    with pytest.raises(ConnectionCutError):
        tenant_of(make_reader({SUBSCRIPTION: ConnectionCutError("cut")}), SUBSCRIPTION.rpartition("/")[2])
