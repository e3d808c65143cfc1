"""Obstacles: roles, locks, policies, disabled and unregistered subscriptions."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

STORAGE = "2025-08-01"
BODY = {"properties": {"supportsHttpsTrafficOnly": True}}


@pytest.fixture
def write(call: Any, account: str) -> Any:
    """Writes to the storage account."""
    return lambda method="PATCH": call(method, f"{account}?api-version={STORAGE}", json=BODY)


def test_a_read_only_lock_above_stops_every_write(sim: ArmSimulator, write: Any, word: Any, account: str) -> None:
    """Reads go on; taking the lock off ends it."""
    group = account.split("/providers/")[0]
    sim.access.lock(group.upper())
    for method in ("PATCH", "DELETE"):
        response = write(method)
        assert (response.status_code, word(response)) == (409, "ScopeLocked")
        assert group.upper() in response.text()
    assert sim.resources.get(account)["properties"]["supportsHttpsTrafficOnly"] is False
    sim.access.unlock(group)
    assert write().status_code == 200


def test_a_delete_lock_stops_deletes_only(sim: ArmSimulator, write: Any, word: Any, account: str) -> None:
    """A PATCH passes, and so does a write to an account whose name only begins like a locked one."""
    sim.access.lock(account, "CanNotDelete")
    sim.access.lock(account[:-1], "ReadOnly")
    assert word(write("DELETE")) == "ScopeLocked"
    assert write().status_code == 200


def test_a_role_may_lack_an_action(
    sim: ArmSimulator, call: Any, write: Any, word: Any, account: str, scope: str
) -> None:
    """The action and the scope are in the message; reads may be missing, too."""
    sim.access.deny("Microsoft.Storage/*/write", scope)
    response = write()
    assert (response.status_code, word(response)) == (403, "AuthorizationFailed")
    assert "'Microsoft.Storage/storageAccounts/write'" in response.text()
    assert account in response.text()
    assert call("GET", f"{account}?api-version={STORAGE}").status_code == 200
    sim.access.deny("*/read", account)
    assert word(call("GET", f"{account}?api-version={STORAGE}")) == "AuthorizationFailed"
    assert call("HEAD", f"{account}?api-version={STORAGE}").status_code == 403
    entry = call.get(f"{account}/providers/Microsoft.Authorization/permissions", "2022-04-01")["value"][0]
    assert entry["notActions"] == ["Microsoft.Storage/*/write", "*/read"]


@pytest.mark.parametrize(
    ("policy", "refused"),
    [
        ({"path": "properties.supportsHttpsTrafficOnly", "equals": True}, True),
        ({"path": "properties.supportsHttpsTrafficOnly", "equals": False}, False),
        ({"resource_type": "microsoft.storage/STORAGEACCOUNTS"}, True),
        ({"resource_type": "Microsoft.Web/sites"}, False),
    ],
)
def test_a_deny_policy_looks_at_what_would_become_of_the_resource(
    sim: ArmSimulator, write: Any, word: Any, scope: str, policy: dict[str, Any], refused: bool
) -> None:
    """Its ids are in the additional information."""
    sim.access.assign_policy(scope, name="no-thanks", **policy)
    sim.access.assign_policy("/subscriptions/99999999-9999-4999-8999-999999999999", name="elsewhere")
    response = write()
    assert response.status_code == (403 if refused else 200)
    if refused:
        assert word(response) == "RequestDisallowedByPolicy"
        info = response.json()["error"]["additionalInfo"][0]["info"]
        assert info["policyAssignmentId"].endswith("/policyAssignments/no-thanks")


def test_a_disabled_subscription_can_only_be_read(
    sim: ArmSimulator, call: Any, write: Any, word: Any, scope: str
) -> None:
    """Its state says so."""
    sim.resources.set_subscription_state(scope, "Disabled")
    assert word(write()) == "ReadOnlyDisabledSubscription"
    assert call.get(scope, "2022-12-01")["state"] == "Disabled"


@pytest.mark.parametrize(
    ("state", "refused"), [("Enabled", False), ("PastDue", False), ("Warned", True), ("Disabled", True)]
)
def test_what_a_subscription_lets_through_in_which_state(
    sim: ArmSimulator, call: Any, write: Any, scope: str, account: str, state: str, refused: bool
) -> None:
    """What is there can be read and deleted in all of them."""
    sim.resources.set_subscription_state(scope, state)
    assert call.get(scope, "2022-12-01")["state"] == state
    assert write().status_code == (409 if refused else 200)
    assert call("GET", f"{account}?api-version={STORAGE}").status_code == 200
    assert write("DELETE").status_code == 200


def test_of_a_deleted_subscription_only_the_state_is_left(
    sim: ArmSimulator, call: Any, write: Any, word: Any, scope: str, account: str
) -> None:
    """Everything in it is gone: from REST, and from Resource Graph for its management group."""
    sim.resources.set_subscription_state(scope, "Deleted")
    assert call.get(scope, "2022-12-01")["state"] == "Deleted"
    assert word(call("GET", f"{account}?api-version={STORAGE}")) == word(write()) == "SubscriptionNotFound"
    graph = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
    for table in ("resources", "securityresources"):
        query = {"query": f"{table} | project id", "managementGroups": ["top"]}
        assert call("POST", graph, json=query).json()["data"] == []
    top = "/providers/Microsoft.Management/managementGroups/top/providers/Microsoft.Security/assessments"
    assert call.get(top, "2025-05-04")["value"] == []
    assert word(call("GET", f"{scope[:-1]}5?api-version=2022-12-01")) == "SubscriptionNotFound"


def test_an_unknown_state_is_refused(sim: ArmSimulator, scope: str) -> None:
    """Azure has five of a subscription and five of a registration."""
    with pytest.raises(ValueError, match="PastDue"):
        sim.resources.set_subscription_state(scope, "warned")
    with pytest.raises(ValueError, match="Registering"):
        sim.resources.unregister_provider(scope, "Microsoft.Storage", state="Gone")
    with pytest.raises(KeyError):
        sim.resources.set_subscription_state("/subscriptions/99999999-9999-4999-8999-999999999999", "Warned")


@pytest.mark.parametrize(
    ("state", "refused"), [("Registering", False), ("Unregistering", True), ("Unregistered", True)]
)
def test_a_provider_on_its_way(sim: ArmSimulator, call: Any, write: Any, scope: str, state: str, refused: bool) -> None:
    """A provider that is still registering accepts writes; the other states need another registration."""
    sim.resources.unregister_provider(scope, "Microsoft.Storage", state=state)
    assert call.get(f"{scope}/providers/Microsoft.Storage", "2025-04-01")["registrationState"] == state
    assert write().status_code == (409 if refused else 200)
    sim.resources.register_provider(scope, "microsoft.storage")
    assert call.get(f"{scope}/providers/Microsoft.Storage", "2025-04-01")["registrationState"] == "Registered"
    assert write().status_code == 200


def test_an_unregistered_provider_refuses_writes(
    sim: ArmSimulator, call: Any, write: Any, word: Any, scope: str
) -> None:
    """409 for most, and the provider's own page says NotRegistered."""
    sim.resources.unregister_provider(scope, "Microsoft.Storage")
    response = write()
    assert (response.status_code, word(response)) == (409, "MissingSubscriptionRegistration")
    assert response.json()["error"]["details"][0]["target"] == "Microsoft.Storage"
    provider = call.get(f"{scope}/providers/microsoft.storage", "2025-04-01")
    assert provider["registrationState"] == "NotRegistered"


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("assessments", "2025-05-04"),
        ("assessments/1c5de8e1-f68d-6a17-e0d2-ec259c42768c", "2025-05-04"),
        ("assessmentMetadata", "2025-05-04"),
        ("secureScores", "2020-01-01"),
        ("secureScoreControls", "2020-01-01"),
        ("pricings", "2024-01-01"),
    ],
)
def test_an_unregistered_defender_answers_404_with_spaces(
    sim: ArmSimulator, call: Any, word: Any, scope: str, path: str, version: str
) -> None:
    """That is not "nothing found"."""
    sim.resources.unregister_provider(scope, "Microsoft.Security")
    response = call("GET", f"{scope}/providers/Microsoft.Security/{path}?api-version={version}")
    assert (response.status_code, word(response)) == (404, "Subscription Not Registered")


def test_a_denial_the_wrong_way_round_is_refused() -> None:
    """It would deny nothing, and a test would pass for the wrong reason."""
    sim = ArmSimulator.demo()
    with pytest.raises(ValueError, match="action must be actions of Azure"):
        sim.access.deny(sim.scopes[0], "Microsoft.Storage/storageAccounts/write")
