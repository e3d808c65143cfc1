"""Ids above and below one another."""

from __future__ import annotations

import pytest

from defender_remediate.preflight import scopes as places

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (ACCOUNT.upper(), True),
        (GROUP.replace("resourceGroups", "resourcegroups"), True),
        (SUBSCRIPTION, True),
        ("/", True),
        ("/providers/Microsoft.Management/managementGroups/contoso", True),
        (f"{ACCOUNT}2", False),
        (GROUP[:-1], False),
        (f"{ACCOUNT}/blobServices/default", False),
    ],
)
def test_a_scope_covers_what_is_below_it_segment_by_segment(scope: str, covered: bool) -> None:
    """A name that begins alike is another place, and case does not count."""
    assert places.covers(scope, ACCOUNT) is covered


def test_what_is_attached_to_a_scope_names_it() -> None:
    """All of the id before the last provider of authorization; an id without one is a scope itself."""
    lock = f"{ACCOUNT}/providers/Microsoft.Authorization/locks/keep"
    assert places.scope_of(lock) == ACCOUNT
    assert places.scope_of(f"{lock}/providers/microsoft.authorization/policyExemptions/e") == lock
    assert places.scope_of(ACCOUNT) == ACCOUNT


@pytest.mark.parametrize(
    ("place", "subscription", "group"),
    [
        (ACCOUNT, SUBSCRIPTION[15:], GROUP),
        (f"{SUBSCRIPTION}/providers/Microsoft.Security/pricings/Arm", SUBSCRIPTION[15:], SUBSCRIPTION),
        (SUBSCRIPTION, SUBSCRIPTION[15:], SUBSCRIPTION),
        ("/providers/Microsoft.Management/managementGroups/x", "", "/providers/Microsoft.Management"),
    ],
)
def test_a_place_is_in_a_group_or_in_a_subscription(place: str, subscription: str, group: str) -> None:
    """What is in no group is checked at its subscription."""
    assert (places.subscription_of(place), places.group_of(place)) == (subscription, group)


@pytest.mark.parametrize(
    ("place", "kind", "name"),
    [
        (ACCOUNT, "Microsoft.Storage/storageAccounts", "shopdata"),
        (f"{ACCOUNT}/blobServices/default", "Microsoft.Storage/storageAccounts/blobServices", "shopdata/default"),
        (f"{ACCOUNT}/blobServices", "Microsoft.Storage/storageAccounts/blobServices", "shopdata"),
        (f"{ACCOUNT}/providers/Microsoft.Insights/diagnosticSettings/d", "Microsoft.Insights/diagnosticSettings", "d"),
        (GROUP, "", ""),
        ("", "", ""),
    ],
)
def test_an_id_says_its_type_and_its_name(place: str, kind: str, name: str) -> None:
    """Also that of a collection, which a template may be about."""
    assert (places.type_of(place), places.name_of(place)) == (kind, name)
