"""What fixes of the bundled catalog send, where Azure accepts less than a GET returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from defender_remediate import RemediationClient
from defender_remediate.testing import ArmSimulator

SERVERS = "56a6e81f-7413-4f72-9a1b-aaeeaa87c872"
STORAGE_PLAN = "1be22853-8ed1-4005-9907-ddad64cb1417"
FIREWALL = "45d313c3-3fca-5040-035f-d61928366d31"
SQL_ALERTS = "400a6682-992c-4726-9549-629fbc3b988f"
WAIVE = {"private_endpoint": "this tenant is not in use"}


def sent(sim: ArmSimulator) -> Any:
    """The body of the last write."""
    return json.loads(sim.writes[-1].body)


def test_a_defender_plan_is_sent_without_what_its_sub_plan_does_not_accept(
    sim: ArmSimulator, client: RemediationClient
) -> None:
    """Azure lists the extensions of every sub-plan, and refuses those of P2 in a request for P1."""
    plan = client.plan([SERVERS], parameters={"servers_sub_plan": "P1"}).limit(1)
    target = plan.steps[0].target_id

    def add_extensions(body: dict[str, Any]) -> None:
        body["properties"]["extensions"] = [{"name": "AgentlessVmScanning", "isEnabled": "False"}]

    sim.resources.edit(target, add_extensions)
    plan = client.plan([SERVERS], parameters={"servers_sub_plan": "P1"}).limit(1)
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    assert sent(sim) == {"properties": {"pricingTier": "Standard", "subPlan": "P1", "enforce": "False"}}
    undo = client.plan_rollback(report.run_id)
    client.apply(undo, approve=undo.digest).raise_for_failures()
    assert sent(sim) == {"properties": {"pricingTier": "Free", "enforce": "False"}}


def test_an_undo_of_the_storage_plan_sends_no_state_of_its_extensions(
    sim: ArmSimulator, client: RemediationClient
) -> None:
    """Only DefenderForStorageV2 has extensions, and what Azure says about their state is not sent back."""
    subscription = sim.scopes[0]
    target = f"{subscription}/providers/Microsoft.Security/pricings/StorageAccounts"
    sim.defender.add_recommendation(
        {"displayName": "Microsoft Defender for Storage should be enabled", "severity": "High"},
        key=STORAGE_PLAN,
        resource_type="Microsoft.Resources/subscriptions",
        rule={"path": "properties.subPlan", "equals": "DefenderForStorageV2"},
    )
    sim.defender.add_assessment(STORAGE_PLAN, subscription)
    status = {"code": "Succeeded", "message": "done"}
    off = {"name": "SensitiveDataDiscovery", "isEnabled": "False", "operationStatus": status}
    sim.resources.edit(
        target,
        lambda body: body["properties"].update(pricingTier="Standard", subPlan="PerTransaction", extensions=[off]),
    )
    plan = client.plan([STORAGE_PLAN], parameters={"scan_cap_gb_per_month": 5000})
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    assert {name for each in sent(sim)["properties"]["extensions"] for name in each} <= {
        "name",
        "isEnabled",
        "additionalExtensionProperties",
    }
    undo = client.plan_rollback(report.run_id)
    client.apply(undo, approve=undo.digest).raise_for_failures()
    assert "extensions" not in sent(sim)["properties"]


def test_an_object_that_azure_replaces_whole_keeps_its_other_members(
    sim: ArmSimulator, client: RemediationClient
) -> None:
    """A PATCH of the storage firewall carries the existing rules, there and back."""
    plan = client.plan([FIREWALL], waive=WAIVE).limit(1)
    target = plan.steps[0].target_id
    rules = [{"value": "203.0.113.7", "action": "Allow"}]
    acls = {"defaultAction": "Allow", "bypass": "AzureServices", "ipRules": rules, "virtualNetworkRules": []}
    sim.resources.edit(target, lambda body: body["properties"].update(networkAcls=acls))
    plan = client.plan([FIREWALL], resources=[plan.steps[0].resource_id], waive=WAIVE)
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    assert sim.writes[-1].method == "PATCH"
    assert sent(sim) == {"properties": {"networkAcls": {**acls, "defaultAction": "Deny"}}}
    undo = client.plan_rollback(report.run_id)
    client.apply(undo, approve=undo.digest).raise_for_failures()
    assert sent(sim) == {"properties": {"networkAcls": acls}}


def test_a_change_inside_an_object_that_is_sent_whole_is_drift(sim: ArmSimulator, client: RemediationClient) -> None:
    """A rule that someone adds after planning is not overwritten by the planned object."""
    plan = client.plan([FIREWALL], waive=WAIVE).limit(1)

    def add_rule(body: dict[str, Any]) -> None:
        acls = body["properties"].setdefault("networkAcls", {"defaultAction": "Allow"})
        acls["ipRules"] = [{"value": "203.0.113.9", "action": "Allow"}]

    sim.resources.edit(plan.steps[0].target_id, add_rule)
    result = client.apply(plan, approve=plan.digest).results[0]
    assert result.error is not None
    assert result.error.code == "Drifted"


def test_a_policy_with_a_key_that_no_get_returns_is_not_planned(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """Azure refuses the alert policy without the key of its storage account, so it is skipped with the reason."""
    client = connect()
    plan = client.plan([SQL_ALERTS])
    assert plan.steps
    target = plan.steps[0].target_id
    endpoint = "https://contoso.blob.core.windows.net"
    sim.resources.edit(target, lambda body: body["properties"].update(storageEndpoint=endpoint))
    plan = client.plan([SQL_ALERTS], resources=[plan.steps[0].resource_id])
    assert [(skip.reason, "the key of the storage account" in str(skip.message)) for skip in plan.skipped] == [
        ("not_applicable", True)
    ]
