"""What a target would not accept or what would break, end to end: the plan says so, and what is put right is planned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from defender_remediate import Catalog, RemediationClient, RemediationPlan
from defender_remediate.models import CheckStatus, SkipReason
from defender_remediate.testing import ArmSimulator

GUEST_CONFIGURATION = "6c99f570-2ce7-46bc-8175-cde013df43bc"
ENCRYPTION_AT_HOST = "efbbd784-656d-473a-9863-ea7693bfcd2a"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
BLOCKED = CheckStatus.BLOCKED


def found_in(plan: RemediationPlan) -> set[tuple[str, CheckStatus]]:
    """What the checks found, less what concerns the api-versions of the simulator."""
    return {(found.check, found.status) for _, found in plan.check_results if found.check != "resource_provider"}


def planned(client: RemediationClient, key: str, **options: Any) -> str:
    """The first resource that a recommendation can be fixed on."""
    return client.plan([key], **options).steps[0].resource_id


def test_a_stopped_machine_takes_no_extension(sim: ArmSimulator, client: RemediationClient) -> None:
    """Nor does one that allows none; Azure shows the power state on request only."""
    machine = planned(client, GUEST_CONFIGURATION)
    view = {"statuses": [{"code": "PowerState/deallocated"}]}
    sim.resources.edit(machine, lambda body: body["properties"].update(instanceView=view))
    plan = client.plan([GUEST_CONFIGURATION], resources=[machine])
    assert found_in(plan) == {("virtual_machine", BLOCKED)}
    assert plan.skipped[0].reason is SkipReason.BLOCKED
    assert "start the machine" in str(plan)
    view["statuses"][0]["code"] = "PowerState/running"
    sim.resources.edit(machine, lambda body: body["properties"].update(instanceView=view))
    assert len(client.plan([GUEST_CONFIGURATION], resources=[machine]).steps) == 1
    profile = {"allowExtensionOperations": False}
    sim.resources.edit(machine, lambda body: body["properties"].setdefault("osProfile", {}).update(profile))
    assert found_in(client.plan([GUEST_CONFIGURATION], resources=[machine])) == {("virtual_machine", BLOCKED)}


def test_an_extension_under_another_name_is_found(sim: ArmSimulator, client: RemediationClient) -> None:
    """A machine takes one of a publisher and type."""
    step = client.plan([GUEST_CONFIGURATION]).steps[0]
    values = step.request.body["properties"]["parameters"]
    properties = {"publisher": "Microsoft.GuestConfiguration", "type": values["extensionType"]["value"]}
    for name, expected in (("MyOwnName", {("virtual_machine", BLOCKED)}), (values["extensionName"]["value"], set())):
        own = f"{step.resource_id}/extensions/{name}"
        sim.resources.add({"id": own, "properties": properties})
        sim.resources.edit(own, lambda body: body["properties"].update(provisioningState="Failed"))
        sim.defender.add_assessment(GUEST_CONFIGURATION, step.resource_id)
        assert found_in(client.plan([GUEST_CONFIGURATION], resources=[step.resource_id])) == expected
        sim.resources.remove(own)


def test_a_feature_has_to_be_registered(sim: ArmSimulator, client: RemediationClient) -> None:
    """On the subscription of the machine."""
    machine = planned(client, ENCRYPTION_AT_HOST)
    sim.resources.unregister_feature(machine, "Microsoft.Compute/EncryptionAtHost")
    plan = client.plan([ENCRYPTION_AT_HOST], resources=[machine])
    assert found_in(plan) == {("feature", BLOCKED)}
    assert "az feature register" in str(plan)


def test_a_workspace_receives_the_logs_of_a_resource_once(sim: ArmSimulator, client: RemediationClient) -> None:
    """A second setting with the same category and workspace is refused by Azure."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    parameters = {"workspace_id": workspace}
    vault = planned(client, KEY_VAULT_LOGS, parameters=parameters)
    retention = {"enabled": True, "days": 30}
    logs = [{"category": "AuditEvent", "enabled": True, "retentionPolicy": retention}]
    account = sim.resources.list_ids("Microsoft.Storage/storageAccounts")[0]
    setting = {"workspaceId": workspace, "storageAccountId": account, "logs": logs}
    sim.resources.add({"id": f"{vault}/providers/Microsoft.Insights/diagnosticSettings/mine", "properties": setting})
    sim.defender.add_assessment(KEY_VAULT_LOGS, vault)
    plan = client.plan([KEY_VAULT_LOGS], resources=[vault], parameters=parameters)
    assert found_in(plan) == {("diagnostic_setting", BLOCKED)}
    assert "setting_name='mine'" in str(plan)


def test_access_policies_give_way_to_roles_when_everyone_has_one(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """The principals of the policies are looked for among the role assignments at the vault and above it."""
    (fix,) = [
        fix
        for fix in Catalog.bundled()
        if fix.resource_type == "Microsoft.KeyVault/vaults" and "enableRbacAuthorization" in str(fix.body)
    ]
    vault = sim.resources.list_ids("Microsoft.KeyVault/vaults")[0]
    one, two = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
    policies = [{"tenantId": one, "objectId": holder, "permissions": {"secrets": ["get"]}} for holder in (one, two)]
    sim.resources.edit(
        vault, lambda body: body["properties"].update(accessPolicies=policies, enableRbacAuthorization=False)
    )
    rule = {"path": "properties.enableRbacAuthorization", "equals": True}
    metadata = {"displayName": fix.title, "severity": "Medium"}
    sim.defender.add_recommendation(metadata, key=fix.key, resource_type="Microsoft.KeyVault/vaults", rule=rule)
    client = connect()
    sim.access.assign_data_role(one, vault, "Microsoft.KeyVault/vaults/secrets/*")
    plan = client.plan([fix.key], resources=[vault])
    assert found_in(plan) == {("access_model", BLOCKED)}
    assert f"no data role for {two}" in str(plan)
    assert f"no data role for {one}" not in str(plan)
    other = "00000000-0000-4000-8000-0000000000db"
    sim.access.assign_data_role(two, sim.scopes[0], "Microsoft.KeyVault/*", name=other)
    assert len(client.plan([fix.key], resources=[vault]).steps) == 1
