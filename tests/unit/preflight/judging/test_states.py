"""Subscriptions and resource providers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.errors import MalformedResponseError
from defender_remediate.models.check import CheckName, CheckStatus
from defender_remediate.preflight import providers, subscriptions
from defender_remediate.preflight.subject import Subject

ACCOUNT = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop-rg"
    "/providers/Microsoft.Storage/storageAccounts/shopdata"
)


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ("Disabled", CheckStatus.BLOCKED),
        ("deleted", CheckStatus.BLOCKED),
        ("Warned", CheckStatus.BLOCKED),
        ("PastDue", CheckStatus.WARNING),
        ("Novelty", CheckStatus.UNCHECKED),
        (None, CheckStatus.UNCHECKED),
    ],
)
def test_a_subscription_that_is_not_enabled(state: str | None, verdict: CheckStatus) -> None:
    """Read-only ones block, an overdue payment is a warning, and what is not known is not passed."""
    (found,) = subscriptions.judge({"state": state})
    assert (found.check, found.status) == (CheckName.SUBSCRIPTION, verdict)
    assert found.evidence == (f"state: {state or ''}",)
    assert found.advice


def test_an_enabled_subscription_is_fine() -> None:
    """Whatever the case of the word."""
    assert subscriptions.judge({"state": "enabled"}) == ()


def provider(**changes: Any) -> dict[str, Any]:
    types = [{"resourceType": "storageAccounts", "apiVersions": ["2025-01-01", "2023-05-01", "2022-09-01"]}]
    return {"registrationState": "Registered", "resourceTypes": types, **changes}


def test_a_registered_provider_with_the_version_is_fine(make_subject: Callable[..., Subject]) -> None:
    """Names in any case."""
    assert providers.judge(provider(registrationState="registered"), "microsoft.storage", make_subject()) == ()


@pytest.mark.parametrize("state", ["NotRegistered", "Registering", "Unregistering", "Unregistered"])
def test_any_other_registration_blocks(make_subject: Callable[..., Subject], state: str) -> None:
    """And nothing is registered by itself."""
    (found,) = providers.judge(provider(registrationState=state), "Microsoft.Storage", make_subject())
    assert (found.check, found.status) == (CheckName.PROVIDER, CheckStatus.BLOCKED)
    assert "az provider register --namespace Microsoft.Storage" in found.advice


def test_a_version_that_is_not_listed_is_a_warning(make_subject: Callable[..., Subject]) -> None:
    """The target was read in it, and Azure hides some; it says which are listed."""
    (found,) = providers.judge(provider(), "Microsoft.Storage", make_subject(api_version="2031-01-01"))
    assert (found.status, found.evidence) == (CheckStatus.WARNING, ("listed: 2025-01-01, 2023-05-01, 2022-09-01",))
    types = [{"resourceType": "storageAccounts", "apiVersions": []}]
    (none,) = providers.judge(provider(resourceTypes=types), "Microsoft.Storage", make_subject())
    assert none.evidence == ("listed: none",)


def test_a_child_type_that_azure_hides_is_fine(make_subject: Callable[..., Subject]) -> None:
    """Its parent is listed, and the target was read in this version."""
    child = make_subject(target_id=f"{ACCOUNT}/blobServices/default", api_version="2031-01-01")
    assert providers.judge(provider(), "Microsoft.Storage", child) == ()


@pytest.mark.parametrize("types", [[], None, "x", [{"resourceType": "other"}]])
def test_a_type_that_is_not_listed_at_all_is_a_warning(make_subject: Callable[..., Subject], types: Any) -> None:
    """There are hidden ones."""
    (found,) = providers.judge(provider(resourceTypes=types), "Microsoft.Storage", make_subject())
    assert found.status is CheckStatus.WARNING


def test_an_answer_without_a_state_is_none(make_subject: Callable[..., Subject]) -> None:
    """Whether it is registered is the question."""
    with pytest.raises(MalformedResponseError, match="registrationState"):
        providers.judge({}, "Microsoft.Storage", make_subject())


def test_only_the_types_own_provider_is_asked_for_its_version(make_subject: Callable[..., Subject]) -> None:
    """Others are needed registered, no more."""
    assert providers.judge({"registrationState": "Registered"}, "Microsoft.Network", make_subject()) == ()


def test_a_step_needs_the_providers_that_it_writes_through(
    deployment: Subject, make_subject: Callable[..., Subject]
) -> None:
    """Each once, and not those that every subscription has."""
    assert providers.namespaces(deployment) == ("Microsoft.Insights", "Microsoft.Network")
    assert providers.namespaces(make_subject()) == ("Microsoft.Storage",)
