"""Policies in unusual forms: initiatives with gaps, rules that fail late, restrictions of pending fields, and refused writes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.testing.simulator.policy.test_effects import (
    ACCOUNT,
    AUTH,
    GROUP,
    IS_ACCOUNT,
    ROLES,
    SUB,
    TLS,
    TYPE,
    Azure,
    modify,
)

from defender_remediate.testing import ArmSimulator

INSIGHTS = "providers/Microsoft.PolicyInsights"


@pytest.fixture
def azure(call: Any, sim: ArmSimulator) -> Azure:
    sim.resources.add_resource_group(SUB, "box")
    return Azure(call, sim)


def refused(azure: Azure, path: str, body: Any) -> str:
    """The code of a refused PUT."""
    response = azure.call("PUT", f"{path}?api-version=2023-04-01", json=body)
    assert response.status_code == 400, response.text()
    return str(response.json()["error"]["message"])


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"mode": "Some"}, "the mode is 'Some'"),
        ({"parameters": []}, "not an object"),
        ({"parameters": {"a": {"type": "Guess"}}}, "needs a type"),
        (
            {"policyRule": {"if": {"value": "[concat('a' 'b')]", "equals": ""}, "then": {"effect": "deny"}}},
            "lacks a ','",
        ),
    ],
)
def test_definitions_with_a_mistake(azure: Azure, properties: Any, problem: str) -> None:
    """The mode, the parameters and the expressions of a definition are checked."""
    rule = {"if": IS_ACCOUNT, "then": {"effect": "audit"}}
    body = {"properties": {"mode": "All", "policyRule": rule, **properties}}
    assert problem in refused(azure, f"{SUB}{AUTH}/policyDefinitions/p", body)


def test_initiatives_with_a_mistake(azure: Azure) -> None:
    """Groups have to be declared, and reference ids differ."""
    azure.policy("audit", IS_ACCOUNT)
    one = {"policyDefinitionId": f"{SUB}{AUTH}/policyDefinitions/p1", "policyDefinitionReferenceId": "r"}
    place = f"{SUB}{AUTH}/policySetDefinitions/s"
    grouped = {"policyDefinitions": [{**one, "groupNames": ["g"]}]}
    assert "no group 'g'" in refused(azure, place, {"properties": grouped})
    assert "reference id 'r'" in refused(azure, place, {"properties": {"policyDefinitions": [one, one]}})
    response = azure.call("GET", f"{AUTH}/policyDefinitions?api-version=2023-04-01&$filter=policyType eq 'Own'")
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("top", "properties", "problem"),
    [
        ({"identity": {"type": "SystemAssigned"}}, {}, "needs a location"),
        ({}, {"notScopes": ["/subscriptions/x"]}, "notScope"),
        ({}, {"overrides": [{"kind": "sku", "value": "audit"}]}, "an override of the kind"),
        ({}, {"overrides": [{"kind": "policyEffect", "value": "shout"}]}, "an override has the effect"),
        ({}, {"resourceSelectors": [{"selectors": [{"kind": "resourceType", "in": ["x"]}] * 11}]}, "selectors"),
    ],
)
def test_assignments_with_a_mistake(azure: Azure, top: Any, properties: Any, problem: str) -> None:
    """Identities, scopes, selectors and overrides are checked; so is the name."""
    azure.policy("audit", IS_ACCOUNT)
    definition = f"{SUB}{AUTH}/policyDefinitions/p1"
    body = {**top, "properties": {"policyDefinitionId": definition, **properties}}
    assert problem in refused(azure, f"{SUB}{AUTH}/policyAssignments/a", body)
    plain = {"properties": {"policyDefinitionId": definition}}
    assert "name of an assignment" in refused(azure, f"{SUB}{AUTH}/policyAssignments/a ", plain)


def test_an_initiative_checks_and_says_what_its_member_says(azure: Azure) -> None:
    """Its ids are in the answer of a check; a message can be for one of its policies."""
    azure.policy("deny", {"field": TLS, "equals": "TLS1_0"}, enforcementMode="DoNotEnforce")
    one = {"policyDefinitionId": f"{SUB}{AUTH}/policyDefinitions/p1", "policyDefinitionReferenceId": "r"}
    benchmark = azure.call.get(f"{AUTH}/policyDefinitions", "2023-04-01")["value"][0]["id"]
    members = [one, {"policyDefinitionId": benchmark}]
    initiative = azure.put(f"{SUB}{AUTH}/policySetDefinitions/s", {"properties": {"policyDefinitions": members}})["id"]
    messages = [{"message": "use TLS 1.2", "policyDefinitionReferenceId": "r"}]
    assigned = {"policyDefinitionId": initiative, "nonComplianceMessages": messages}
    azure.put(f"{SUB}{AUTH}/policyAssignments/s", {"properties": assigned})
    assert "use TLS 1.2" in azure.account(properties={"minimumTlsVersion": "TLS1_0"})["message"]
    content = {"type": TYPE, "name": "boxaccount", "properties": {"minimumTlsVersion": "TLS1_0"}}
    path = f"{GROUP}/{INSIGHTS}/checkPolicyRestrictions?api-version=2023-03-01"
    answer = azure.call("POST", path, json={"resourceDetails": {"resourceContent": content}}).json()
    (found,) = answer["contentEvaluationResult"]["policyEvaluations"]
    assert found["policyInfo"]["policyDefinitionReferenceId"] == "r"


def test_restrictions_of_pending_fields(azure: Azure) -> None:
    """What is required, what a policy sets or removes, and what it does not touch."""
    azure.policy("deny", {"allOf": [IS_ACCOUNT, {"field": "tags.env", "notIn": ["dev", "prod"]}]})
    azure.policy(
        "modify", {"allOf": [IS_ACCOUNT, {"field": "tags.owner", "exists": False}]}, modify("tags.owner", value="me")
    )
    azure.policy("modify", IS_ACCOUNT, modify("tags.temp", "remove"))
    azure.policy("deny", {"allOf": [IS_ACCOUNT, {"field": "tags.cost", "exists": False}]})
    azure.policy("append", IS_ACCOUNT, [{"field": "Microsoft.Web/sites/httpsOnly", "value": True}])
    body = {
        "resourceDetails": {"resourceContent": {"type": TYPE}},
        "pendingFields": [{"field": "tags"}, {"field": "Microsoft.Web/sites/httpsOnly"}],
    }
    path = f"{GROUP}/{INSIGHTS}/checkPolicyRestrictions?api-version=2023-03-01"
    answer = azure.call("POST", path, json=body).json()["fieldRestrictions"]
    found = {one["field"]: one["restrictions"][0] for one in answer}
    assert (found["tags.env"]["result"], found["tags.env"]["values"]) == ("Required", ["dev", "prod"])
    assert found["tags.owner"]["defaultValue"] == "me"
    assert found["tags.temp"]["result"] == "Removed"
    assert (found["tags.cost"]["result"], found["tags.cost"]["values"]) == ("Required", [])
    assert set(found) == {"tags.env", "tags.owner", "tags.temp", "tags.cost"}


def test_a_check_at_a_management_group(azure: Azure) -> None:
    """Its policies answer, although no subscription and no resource group stand around what is checked."""
    top = "/providers/Microsoft.Management/managementGroups/top"
    rule = {"if": IS_ACCOUNT, "then": {"effect": "deny"}}
    definition = azure.put(f"{top}{AUTH}/policyDefinitions/p", {"properties": {"mode": "All", "policyRule": rule}})
    azure.put(f"{top}{AUTH}/policyAssignments/a", {"properties": {"policyDefinitionId": definition["id"]}})
    body = {"resourceDetails": {"resourceContent": {"type": TYPE, "name": "a"}, "scope": top}}
    answer = azure.call("POST", f"{GROUP}/{INSIGHTS}/checkPolicyRestrictions?api-version=2023-03-01", json=body).json()
    (found,) = answer["contentEvaluationResult"]["policyEvaluations"]
    assert found["policyInfo"]["policyDefinitionId"] == definition["id"]


def test_a_parameter_that_came_after_the_assignment_has_no_value(azure: Azure) -> None:
    """An initiative that was written before its policy got a parameter passes nothing on; the rule does not hold then."""
    azure.account()
    place = f"{SUB}{AUTH}/policyDefinitions/p"
    rule = {"if": {"value": "[parameters('late')]", "equals": "x"}, "then": {"effect": "audit"}}
    earlier = {"mode": "All", "policyRule": {"if": IS_ACCOUNT, "then": {"effect": "audit"}}}
    azure.put(place, {"properties": earlier})
    members = {"policyDefinitions": [{"policyDefinitionId": place}]}
    initiative = azure.put(f"{SUB}{AUTH}/policySetDefinitions/s", {"properties": members})["id"]
    azure.put(place, {"properties": {"mode": "All", "policyRule": rule, "parameters": {"late": {"type": "String"}}}})
    assignment = azure.put(f"{SUB}{AUTH}/policyAssignments/s", {"properties": {"policyDefinitionId": initiative}})
    path = f"{assignment['id']}/{INSIGHTS}/policyStates/latest/queryResults?api-version=2019-10-01"
    assert {row["complianceState"] for row in azure.call("POST", path).json()["value"]} == {"Compliant"}


def test_arrays_are_replaced_and_shortened(azure: Azure) -> None:
    """``addOrReplace`` and ``remove`` with ``[*]``; an alias of another type changes nothing."""
    rules = [{"value": "203.0.113.1", "action": "Allow"}]
    replacing = azure.policy("modify", IS_ACCOUNT, modify(f"{TYPE}/networkAcls.ipRules[*]", value=rules))
    azure.policy("modify", IS_ACCOUNT, modify("Microsoft.Web/sites/httpsOnly", value=True))
    sent = {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.9", "action": "Allow"}]}}
    assert azure.account(properties=sent)["properties"]["networkAcls"]["ipRules"] == rules
    azure.call("DELETE", f"{replacing}?api-version=2023-04-01")
    azure.policy("modify", IS_ACCOUNT, modify(f"{TYPE}/networkAcls.ipRules[*]", "remove", value=rules))
    assert azure.account("PATCH", tags={"a": "b"})["properties"]["networkAcls"]["ipRules"] == []


def test_rules_that_fail_late(azure: Azure) -> None:
    """A modification whose condition fails refuses the write."""
    failing = {"value": "[int(field('name'))]", "equals": 1}
    azure.policy("modify", failing, modify("tags.a", value="b"))
    assert azure.account()["code"] == "RequestDisallowedByPolicy"


def test_what_is_looked_for_can_fail_too(azure: Azure) -> None:
    """A related resource whose condition cannot be evaluated does not count; in a state, so is a rule about the name."""
    azure.account()
    condition = {"allOf": [{"value": "[int('x')]", "equals": 1}]}
    details = {"type": f"{TYPE}/blobServices", "existenceCondition": condition}
    related = azure.policy("auditIfNotExists", IS_ACCOUNT, details)
    path = f"{ACCOUNT}/{INSIGHTS}/policyStates/latest/queryResults?api-version=2019-10-01"
    named = azure.policy("audit", {"field": "name", "equals": "[substring('a', 5)]"})
    rows = {row["policyAssignmentId"]: row["complianceState"] for row in azure.call("POST", path).json()["value"]}
    assert (rows[related], rows[named]) == ("NonCompliant", "Error")
    response = azure.call("POST", f"{path}&$filter=timestamp ge 2020-01-01T00:00:00Z")
    assert response.json()["value"]
    assert azure.call("POST", f"{path}&$filter=a eq 'b").status_code == 400


SUBSCRIPTION_DEPLOYMENT = {
    "type": "Microsoft.Security/pricings",
    "name": "CosmosDbs",
    "deploymentScope": "subscription",
    "existenceScope": "subscription",
    "existenceCondition": {"field": "Microsoft.Security/pricings/pricingTier", "equals": "Standard"},
    "roleDefinitionIds": ROLES,
    "evaluationDelay": "PT1H5M",
    "deployment": {
        "location": "westeurope",
        "properties": {
            "mode": "incremental",
            "template": {
                "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
                "contentVersion": "1.0.0.0",
                "resources": [
                    {
                        "type": "Microsoft.Security/pricings",
                        "apiVersion": "2024-01-01",
                        "name": "CosmosDbs",
                        "properties": {"pricingTier": "Standard"},
                    }
                ],
            },
        },
    },
}


@pytest.mark.parametrize("gone", [False, True])
def test_a_deployment_to_the_subscription_after_a_delay(azure: Azure, gone: bool) -> None:
    """As a user-assigned identity; what was deleted meanwhile gets none."""
    assignment = azure.policy("deployIfNotExists", IS_ACCOUNT, SUBSCRIPTION_DEPLOYMENT)
    principal = "44444444-4444-4444-8444-000000000000"
    assigned = {f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i": {"principalId": principal}}
    body = {"location": "westeurope", "identity": {"type": "UserAssigned", "userAssignedIdentities": assigned}}
    assert azure.call("PATCH", f"{assignment}?api-version=2023-04-01", json=body).status_code == 200
    role = {"properties": {"roleDefinitionId": ROLES[0], "principalId": principal}}
    azure.put(f"{SUB}{AUTH}/roleAssignments/11111111-1111-4111-8111-111111111111", role, "2022-04-01")
    azure.account()
    if gone:
        azure.sim.resources.remove(ACCOUNT)
    for _ in range(3):
        azure.sim.clock.advance(3700)
        azure.call.get(SUB, "2022-12-01")
    plan = azure.call.get(f"{SUB}/providers/Microsoft.Security/pricings/CosmosDbs", "2024-01-01")
    assert (plan["properties"]["pricingTier"] == "Standard") is not gone


def test_a_remediation_of_an_initiative_needs_the_policy(azure: Azure) -> None:
    """Azure does not guess which one is meant."""
    path = f"{SUB}/{INSIGHTS}/remediations/task?api-version=2021-10-01"
    body = {"properties": {"policyAssignmentId": f"{SUB}{AUTH}/policyAssignments/SecurityCenterBuiltIn"}}
    response = azure.call("PUT", path, json=body)
    assert "policyDefinitionReferenceId" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("field", "known"),
    [
        ("Microsoft.Storage/storageAccounts/minimumTlsVersion", True),
        ("microsoft.storage/STORAGEACCOUNTS/networkAcls.ipRules[*].value", True),
        ("Microsoft.Storage/storageAccounts/sku.name", True),
        ("Microsoft.Storage/storageAccounts/minimumTslVersion", False),
        ("Microsoft.Sql/publicNetworkAccess", False),
        ("Microsoft.Sql/servers/publicNetworkAccess", True),
        ("Microsoft.Storage/storageAccount/minimumTlsVersion", False),
        ("Microsoft.StoragePool/diskPools/anything", True),
        ("Contoso.Widgets/widgets/anything", True),
        ("tags['a/b']", True),
        ("[concat('tags[', 'a/b', ']')]", True),
        ("location", True),
    ],
)
def test_a_field_is_an_alias_that_azure_has(azure: Azure, field: str, known: bool) -> None:
    """A misspelt alias never matches anything, so Azure does not store it; providers that are not simulated are not judged."""
    rule = {"if": {"anyOf": [{"field": field, "exists": "true"}]}, "then": {"effect": "audit"}}
    body = {"properties": {"mode": "All", "policyRule": rule}}
    response = azure.call("PUT", f"{SUB}{AUTH}/policyDefinitions/one?api-version=2023-04-01", json=body)
    assert response.status_code == 201 if known else response.json()["error"]["code"] == "InvalidPolicyAlias"
