"""Roles, policies and decisions of Defender are recorded, and taken from exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

AUTHORIZATION = "providers/Microsoft.Authorization"
SECURITY = "providers/Microsoft.Security"
PERSON = "cccccccc-0000-4000-8000-00000000000c"
GUID = "dddddddd-0000-4000-8000-00000000000d"
OTHER_GUID = "dddddddd-0000-4000-8000-00000000000e"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
NO_POLICY = "aaaaaaaa-0000-4000-8000-000000000001"
SHARED_KEYS = {
    "mode": "Indexed",
    "policyType": "Custom",
    "policyRule": {
        "if": {"field": "type", "equals": "Microsoft.Storage/storageAccounts"},
        "then": {"effect": "audit"},
    },
}
RULE = {
    "displayName": "Ours",
    "rulePriority": 1,
    "ruleType": "Integrated",
    "sourceResourceType": "Assessments",
    "ownerSource": {"type": "Manually", "value": "ops@contoso.example"},
    "conditionSets": [{"conditions": [{"property": "$.AssessmentKey", "operator": "In", "value": "[]"}]}],
}


def puts(scope: str, account: str) -> list[tuple[str, str, dict[str, Any]]]:
    """What a subscription with roles, policies and decisions has: path, api-version and properties."""
    definition = f"{scope}/{AUTHORIZATION}/policyDefinitions/keys"
    initiative = f"{scope}/{AUTHORIZATION}/policySetDefinitions/ours"
    role = f"{scope}/{AUTHORIZATION}/roleDefinitions"
    exempt = {"exemptionCategory": "waiver", "assignedAssessment": {"assessmentKey": NO_POLICY}}
    return [
        (definition, "2023-04-01", SHARED_KEYS),
        (initiative, "2023-04-01", {"policyDefinitions": [{"policyDefinitionId": definition}], "policyType": "Custom"}),
        (
            f"{account}/{AUTHORIZATION}/policyAssignments/one",
            "2023-04-01",
            {"policyDefinitionId": initiative, "displayName": "One", "description": "x"},
        ),
        (
            f"{account}/{AUTHORIZATION}/policyExemptions/e1",
            "2022-07-01-preview",
            {
                "policyAssignmentId": f"{account}/{AUTHORIZATION}/policyAssignments/one",
                "exemptionCategory": "Mitigated",
                "expiresOn": "2027-01-01T00:00:00Z",
            },
        ),
        (
            f"{role}/{GUID}",
            "2022-04-01",
            {
                "roleName": "Restarter",
                "type": "CustomRole",
                "assignableScopes": [scope],
                "permissions": [{"actions": ["Microsoft.Web/sites/restart/action"]}],
            },
        ),
        (
            f"{account}/{AUTHORIZATION}/roleAssignments/{GUID}",
            "2022-04-01",
            {"roleDefinitionId": f"{role}/{GUID}", "principalId": PERSON, "principalType": "Group"},
        ),
        (
            f"{scope}/{AUTHORIZATION}/roleAssignments/{OTHER_GUID}",
            "2022-04-01",
            {"roleDefinitionId": f"{role}/{READER}", "principalId": PERSON, "principalType": "Group"},
        ),
        (
            f"{account}/{SECURITY}/standardAssignments/{GUID}",
            "2024-08-01",
            {"effect": "Exempt", "exemptionData": exempt, "expiresOn": "2027-01-01T00:00:00Z"},
        ),
        (
            f"{scope}/{SECURITY}/alertsSuppressionRules/known",
            "2019-01-01-preview",
            {"alertType": "*", "reason": "Noise", "state": "Enabled"},
        ),
        (f"{scope}/{SECURITY}/governanceRules/{GUID}", "2022-01-01-preview", RULE),
    ]


@pytest.fixture
def recorded(demo: ArmSimulator, connect: Any) -> tuple[Any, Any, str]:
    """A tenant with much in it, what was recorded of it, and the storage account."""
    call, scope = connect(demo), demo.scopes[0]
    account = demo.resources.list_ids("Microsoft.Storage/storageAccounts", scope)[0]
    metadata = {"displayName": "Ours", "severity": "Low", "assessmentType": "BuiltIn"}
    nothing = {"path": "x", "equals": 1}
    demo.defender.add_recommendation(metadata, key=NO_POLICY, resource_type="No.Such/types", rule=nothing)
    for path, version, properties in puts(scope, account):
        reply = call("PUT", f"{path}?api-version={version}", json={"properties": properties})
        assert reply.status_code in (200, 201), reply.text()
    made, left_out = ArmSimulator.record(demo.credential, scope.rpartition("/")[2], transport=demo)
    assert left_out == ()
    return call, made, account


def test_what_was_recorded_is_shown_again(demo: ArmSimulator, recorded: Any, connect: Any) -> None:
    """With another subscription and other principals; policies say the same of the resources."""
    call, made, account = recorded
    again, old, new = connect(made), demo.scopes[0], made.scopes[0]
    for path, version, _ in puts(demo.scopes[0], account):
        text = json.dumps(call.get(path, version)).replace(old, new)
        shown = json.loads(text.replace(old.rpartition("/")[2], new.rpartition("/")[2]))
        found = again.get(path.replace(old, new), version)
        if "roleAssignments" in path:
            assert found["properties"]["principalId"] not in (PERSON, "")
            shown["properties"]["principalId"] = found["properties"]["principalId"]
        if "governanceRules" in path:
            shown["properties"]["ownerSource"]["value"] = "person1@example.com"
        assert found == shown
    listed = f"{new}/{AUTHORIZATION}/roleAssignments"
    assert len(again.get(listed, "2022-04-01")["value"]) == 3
    states = f"{account.replace(old, new)}/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults"
    rows = again("POST", f"{states}?api-version=2024-10-01").json()["value"]
    assert [one["complianceState"] for one in rows if one["policyAssignmentName"] == "one"] == ["Exempt"]


def test_what_is_assigned_above_is_named(demo: ArmSimulator) -> None:
    """An assignment of a management group cannot be in the tenant, and a recording says so."""
    top = "/providers/Microsoft.Management/managementGroups/contoso"
    demo.access.assign_policy(top, name="above")
    _, left_out = ArmSimulator.record(demo.credential, demo.scopes[0].rpartition("/")[2], transport=demo)
    assert left_out == (f"{top}/{AUTHORIZATION}/policyAssignments/above: it is assigned above the subscription",)


def row(
    kind: str, name: str = "x", scope: str = "/subscriptions/0a0a0a0a-0000-4000-8000-00000000000a", **more: Any
) -> Any:
    """One object of an export."""
    return {
        "id": f"{scope}/{AUTHORIZATION}/{kind}/{name}",
        "type": f"microsoft.authorization/{kind}",
        "properties": more,
    }


def test_an_export_has_them_too(tmp_path: Path) -> None:
    """In any order; what the simulator makes itself stays as it is, and what is wrong is named."""
    path = tmp_path / "export.json"
    role = {"roleName": "All", "type": "BuiltInRole", "permissions": [{"actions": ["*"]}]}
    known = "404c3081-a854-4457-ae30-26a93ef643f9"
    rows = [
        row("roleAssignments", GUID, roleDefinitionId=f"/x/{GUID}", principalId=PERSON),
        row("roleDefinitions", GUID, scope="", **role),
        row("roleDefinitions", READER, scope="", **role),
        row("policyDefinitions", known, scope="", **SHARED_KEYS),
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    sim = ArmSimulator()
    assert len(sim.add_export(path)) == 4
    assert sim._service.tenant.access.definitions[READER].role_name == "Reader"
    for wrong, problem in (
        (row("roleAssignments", GUID, roleDefinitionId="/x/y"), "has no role '/x/y'"),
        (row("policyExemptions", expiresOn="soon"), "must be a time, got 'soon'"),
        (row("policyAssignments"), "must be an id, got None"),
        (row("roleDefinitions", ""), "must name one object"),
        (row("policyDefinitions"), "needs 'properties'"),
        (row("roleDefinitions", permissions=1), "'permissions' must be an array, got 1"),
        (row("policyExemptions", metadata=1), "'metadata' must be an object, got 1"),
    ):
        path.write_text(json.dumps([wrong]), encoding="utf-8")
        with pytest.raises(InvalidInputError, match=problem):
            ArmSimulator().add_export(path)
