"""What assigned policies do to requests: they change bodies, refuse them, and refuse deletions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
AUTH = "/providers/Microsoft.Authorization"
TYPE = "Microsoft.Storage/storageAccounts"
GROUP = f"{SUB}/resourceGroups/box"
ACCOUNT = f"{GROUP}/providers/{TYPE}/boxaccount"
IS_ACCOUNT = {"field": "type", "equals": TYPE}
ROLES = ["/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c"]
BODY = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}


class Azure:
    """Writes policies and an account."""

    def __init__(self, call: Any, sim: ArmSimulator) -> None:
        self.call, self.sim = call, sim
        self.written = 0

    def policy(
        self, effect: str, condition: Any, details: Any = None, *, mode: str = "All", scope: str = SUB, **assigned: Any
    ) -> str:
        """Defines and assigns a policy; returns the id of the assignment."""
        self.written += 1
        then = {"effect": effect} if details is None else {"effect": effect, "details": details}
        properties = {"mode": mode, "policyRule": {"if": condition, "then": then}}
        definition = self.put(f"{SUB}{AUTH}/policyDefinitions/p{self.written}", {"properties": properties})["id"]
        body = {"properties": {"policyDefinitionId": definition, **assigned}}
        # Azure wants an identity for the effects that change or deploy resources.
        body = {"identity": {"type": "SystemAssigned"}, "location": "westeurope", **body}
        return str(self.put(f"{scope}{AUTH}/policyAssignments/a{self.written}", body)["id"])

    def put(self, path: str, body: Any, version: str = "2023-04-01") -> Any:
        """Puts something that Azure takes; returns the answer."""
        response = self.call("PUT", f"{path}?api-version={version}", json=body)
        assert response.status_code < 300, response.text()
        return response.json()

    def account(self, method: str = "PUT", **members: Any) -> Any:
        """Writes the account; returns its body, or the error."""
        body = {**BODY, **members} if method == "PUT" else members
        response = self.call(method, f"{ACCOUNT}?api-version=2023-05-01", json=body)
        if response.status_code >= 400:
            return response.json()["error"]
        self.sim.clock.advance(60)
        return self.call.get(ACCOUNT, "2023-05-01")


@pytest.fixture
def azure(call: Any, sim: ArmSimulator) -> Azure:
    sim.resources.add_resource_group(SUB, "box")
    return Azure(call, sim)


def modify(field: str, operation: str = "addOrReplace", *, conflict: str = "audit", **more: Any) -> dict[str, Any]:
    """The details of a modification of one field."""
    change = {"operation": operation, "field": field, **more}
    return {"roleDefinitionIds": ROLES, "conflictEffect": conflict, "operations": [change]}


TLS = f"{TYPE}/minimumTlsVersion"


@pytest.mark.parametrize(
    ("details", "sent", "stored"),
    [
        (modify(TLS, value="TLS1_2"), {"properties": {}}, {"properties": {"minimumTlsVersion": "TLS1_2"}}),
        (modify("tags['Cost center']", value="[field('name')]"), {}, {"tags": {"Cost center": "boxaccount"}}),
        (modify("tags.a", "add", value="2"), {"tags": {"a": "1"}}, {"tags": {"a": "1"}}),
        (modify("tags.A", value="2"), {"tags": {"a": "1"}}, {"tags": {"a": "2"}}),
        (modify("tags.a", "remove"), {"tags": {"a": "1", "b": "2"}}, {"tags": {"b": "2"}}),
        (modify("tags.a", value="2", condition="[contains(resourceGroup().name, 'other')]"), {}, {"tags": {}}),
        (
            modify(f"{TYPE}/networkAcls.ipRules[*]", "add", value={"value": "203.0.113.1", "action": "Allow"}),
            {
                "properties": {
                    "networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.2", "action": "Allow"}]}
                }
            },
            {
                "properties": {
                    "networkAcls": {
                        "ipRules": [
                            {"value": "203.0.113.2", "action": "Allow"},
                            {"value": "203.0.113.1", "action": "Allow"},
                        ]
                    }
                }
            },
        ),
        (
            modify(f"{TYPE}/networkAcls.ipRules[*].action", value="Allow"),
            {"properties": {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.2"}]}}},
            {"properties": {"networkAcls": {"ipRules": [{"value": "203.0.113.2", "action": "Allow"}]}}},
        ),
    ],
)
def test_a_modification_changes_what_is_stored(azure: Azure, details: Any, sent: Any, stored: Any) -> None:
    """The operations on tags, properties and arrays, with values that are worked out and conditions."""
    azure.policy("modify", IS_ACCOUNT, details)
    written = azure.account(**sent)
    assert contains(written, stored), written


def contains(body: Any, wanted: Any) -> bool:
    """Whether a body has the wanted members, at any depth; None stands for an absent one."""
    if isinstance(wanted, Mapping):
        return all(contains((body or {}).get(name), value) for name, value in wanted.items())
    return bool(body == wanted)


@pytest.mark.parametrize(
    ("conflicts", "outcome"),
    [(("audit", "audit"), "TLS1_0"), (("audit", "deny"), "TLS1_3"), (("deny", "deny"), "RequestDisallowedByPolicy")],
)
def test_policies_that_want_other_values_conflict(azure: Azure, conflicts: Any, outcome: str) -> None:
    """The one that insists wins; two that insist refuse the request; without one nothing is changed."""
    for conflict, value in zip(conflicts, ("TLS1_2", "TLS1_3"), strict=True):
        azure.policy("modify", IS_ACCOUNT, modify(TLS, conflict=conflict, value=value))
    answer = azure.account(properties={"minimumTlsVersion": "TLS1_0"})
    assert answer.get("code", answer.get("properties", {}).get("minimumTlsVersion")) == outcome


def test_append_adds_and_refuses_another_value(azure: Azure) -> None:
    """It never replaces a value; to an array it adds elements."""
    rule = {"value": "203.0.113.9", "action": "Allow"}
    details = [{"field": "tags.owner", "value": "me"}, {"field": f"{TYPE}/networkAcls.ipRules[*]", "value": rule}]
    azure.policy("append", IS_ACCOUNT, details)
    written = azure.account(properties={"networkAcls": {"defaultAction": "Deny"}})
    assert (written["tags"], written["properties"]["networkAcls"]["ipRules"]) == ({"owner": "me"}, [rule])
    assert azure.account(tags={"owner": "you"})["code"] == "RequestDisallowedByPolicy"


def test_modifications_come_before_denials(azure: Azure) -> None:
    """A deny policy judges the body as other policies changed it, on a PATCH and on tags, too."""
    azure.policy("deny", {"allOf": [IS_ACCOUNT, {"field": TLS, "notEquals": "TLS1_2"}]})
    assert azure.account()["code"] == "RequestDisallowedByPolicy"
    azure.policy("modify", IS_ACCOUNT, modify(TLS, value="TLS1_2"))
    assert azure.account()["properties"]["minimumTlsVersion"] == "TLS1_2"
    patched = azure.account("PATCH", properties={"minimumTlsVersion": "TLS1_0"})
    assert patched["properties"]["minimumTlsVersion"] == "TLS1_2"


def test_a_denial_says_which_policies_and_why(azure: Azure) -> None:
    """Azure's error: the identifiers in the message or the reasons, and one entry for each policy."""
    azure.policy("deny", {"allOf": [IS_ACCOUNT, {"field": TLS, "exists": False}]}, displayName="no old TLS")
    azure.policy("deny", {"field": TLS, "equals": "TLS1_0"})
    error = azure.account(properties={"minimumTlsVersion": "TLS1_0"})
    assert (error["code"], error["target"]) == ("RequestDisallowedByPolicy", "boxaccount")
    assert 'Policy identifiers: \'[{"policyAssignment":{"name":"a2"' in error["message"]
    (entry,) = error["additionalInfo"]
    assert entry["type"] == "PolicyViolation"
    assert entry["info"]["policyDefinitionEffect"] == "deny"
    assert entry["info"]["evaluationDetails"]["evaluatedExpressions"] == [
        {
            "result": "True",
            "expressionKind": "Field",
            "expression": TLS,
            "path": "properties.minimumTlsVersion",
            "expressionValue": "TLS1_0",
            "targetValue": "TLS1_0",
            "operator": "Equals",
        }
    ]
    messages = [{"message": "use TLS 1.2"}, {"message": "of one", "policyDefinitionReferenceId": "tls"}]
    azure.policy("deny", IS_ACCOUNT, nonComplianceMessages=messages)
    error = azure.account()
    assert "Reasons: 'use TLS 1.2'" in error["message"]
    assert error["additionalInfo"][-1]["info"]["nonComplianceMessage"] == "use TLS 1.2"


def test_a_rule_that_fails_refuses(azure: Azure) -> None:
    """Azure counts an evaluation that fails as a denial."""
    azure.policy("deny", {"value": "[substring(field('name'), 0, 99)]", "equals": "x"})
    error = azure.account()
    assert error["code"] == "RequestDisallowedByPolicy"
    assert "substring" in error["additionalInfo"][0]["info"]["evaluationDetails"]["reason"]


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"enforcementMode": "DoNotEnforce"}, False),
        ({"notScopes": [GROUP]}, False),
        ({"mode": "Microsoft.KeyVault.Data"}, False),
        ({"mode": "Indexed"}, True),
        ({"resourceSelectors": [{"selectors": [{"kind": "resourceLocation", "in": ["eastus"]}]}]}, False),
        ({"resourceSelectors": [{"selectors": [{"kind": "resourceType", "notIn": [TYPE]}]}]}, False),
        ({"resourceSelectors": [{"selectors": [{"kind": "resourceType", "in": [TYPE]}]}]}, True),
        ({"overrides": [{"kind": "policyEffect", "value": "audit"}]}, False),
        (
            {
                "overrides": [
                    {
                        "kind": "policyEffect",
                        "value": "audit",
                        "selectors": [{"kind": "resourceLocation", "in": ["eastus"]}],
                    }
                ]
            },
            True,
        ),
    ],
)
def test_what_an_assignment_says_decides_where_a_policy_applies(azure: Azure, options: Any, refused: bool) -> None:
    """Modes, scopes, selectors and overrides."""
    azure.policy("deny", IS_ACCOUNT, **options)
    assert (azure.account().get("code") == "RequestDisallowedByPolicy") is refused


def test_an_initiative_passes_its_parameters_on(azure: Azure) -> None:
    """One policy of it can be overridden or exempted, by its reference id."""
    rule = {"if": {"allOf": [IS_ACCOUNT, {"field": TLS, "in": "[parameters('bad')]"}]}, "then": {"effect": "deny"}}
    declared = {"bad": {"type": "Array"}}
    definition = {"properties": {"mode": "All", "parameters": declared, "policyRule": rule}}
    policy_id = azure.put(f"{SUB}{AUTH}/policyDefinitions/tls", definition)["id"]
    member = {
        "policyDefinitionId": policy_id,
        "policyDefinitionReferenceId": "tls",
        "parameters": {"bad": {"value": "[parameters('versions')]"}},
        "groupNames": ["crypto"],
    }
    properties = {
        "parameters": {"versions": {"type": "Array", "defaultValue": ["TLS1_0"]}},
        "policyDefinitions": [member, {"policyDefinitionId": policy_id, "parameters": {"bad": {"value": ["none"]}}}],
        "policyDefinitionGroups": [{"name": "crypto"}],
    }
    set_id = azure.put(f"{SUB}{AUTH}/policySetDefinitions/own", {"properties": properties})["id"]
    assigned = {"policyDefinitionId": set_id, "parameters": {"versions": {"value": ["TLS1_1"]}}}
    place = f"{SUB}{AUTH}/policyAssignments/own"
    azure.put(place, {"properties": assigned})
    assert "code" not in azure.account(properties={"minimumTlsVersion": "TLS1_0"})
    info = azure.account(properties={"minimumTlsVersion": "TLS1_1"})["additionalInfo"][0]["info"]
    assert (info["policyDefinitionReferenceId"], info["policyDefinitionGroupNames"]) == ("tls", ["crypto"])
    selectors = [{"kind": "policyDefinitionReferenceId", "in": ["tls"]}]
    override = {"kind": "policyEffect", "value": "disabled", "selectors": selectors}
    azure.put(place, {"properties": {**assigned, "overrides": [override]}})
    assert "code" not in azure.account(properties={"minimumTlsVersion": "TLS1_1"})
    azure.put(place, {"properties": assigned})
    exemption = {"policyAssignmentId": place, "exemptionCategory": "Waiver", "policyDefinitionReferenceIds": ["tls"]}
    azure.put(f"{GROUP}{AUTH}/policyExemptions/e", {"properties": exemption}, "2022-07-01-preview")
    assert "code" not in azure.account(properties={"minimumTlsVersion": "TLS1_1"})


def test_groups_and_tags_are_judged_too(azure: Azure, call: Any) -> None:
    """By policies of the mode All."""
    is_group = {"field": "type", "equals": "Microsoft.Resources/subscriptions/resourceGroups"}
    azure.policy("deny", {"allOf": [is_group, {"field": "tags.owner", "exists": False}]})
    azure.policy("modify", {"field": "tags.owner", "equals": "x"}, modify("tags.owner", value="y"))
    path = f"{SUB}/resourceGroups/another?api-version=2021-04-01"
    assert call("PUT", path, json={"location": "westeurope"}).status_code == 403
    assert call("PUT", path, json={"location": "westeurope", "tags": {"owner": "x"}}).json()["tags"] == {"owner": "y"}
    assert call("PATCH", path, json={"tags": {}}).status_code == 403
    tags = f"{SUB}/resourceGroups/another/providers/Microsoft.Resources/tags/default"
    sent = {"operation": "Merge", "properties": {"tags": {"owner": "x"}}}
    response = call("PATCH", f"{tags}?api-version=2021-04-01", json=sent)
    assert response.json()["properties"]["tags"] == {"owner": "y"}


def test_deletions_are_refused(azure: Azure, call: Any) -> None:
    """By denyAction; with the group only where the policy says so."""
    azure.account()
    details = {"actionNames": ["delete"], "cascadeBehaviors": {"resourceGroup": "deny"}}
    assigned = azure.policy("denyAction", IS_ACCOUNT, details)
    assert call("DELETE", f"{ACCOUNT}?api-version=2023-05-01").status_code == 403
    assert call("DELETE", f"{GROUP}?api-version=2021-04-01").status_code == 403
    call("DELETE", f"{assigned}?api-version=2023-04-01")
    azure.policy("denyAction", IS_ACCOUNT, {"actionNames": ["delete"]})
    assert call("DELETE", f"{GROUP}?api-version=2021-04-01").status_code == 202


@pytest.mark.parametrize("region", ["West Europe", "westeurope"])
@pytest.mark.parametrize("allowed", ["West Europe", "westeurope"])
def test_regions_are_compared_as_azure_compares_them(azure: Azure, region: str, allowed: str) -> None:
    """The display name of a region is the same region, in a resource and in a policy."""
    azure.policy("deny", {"allOf": [IS_ACCOUNT, {"field": "location", "notIn": [allowed]}]})
    assert "code" not in azure.account(location=region)


def test_policies_see_what_is_sent_before_the_provider_adds_its_defaults(azure: Azure) -> None:
    """So a policy refuses an account that leaves out what it wants to be stated."""
    azure.policy("deny", {"allOf": [IS_ACCOUNT, {"field": f"{TYPE}/allowBlobPublicAccess", "notEquals": False}]})
    assert azure.account()["code"] == "RequestDisallowedByPolicy"
    assert "code" not in azure.account(properties={"allowBlobPublicAccess": False})


@pytest.mark.parametrize("effect", ["Modify", "[parameters('e')]"])
def test_a_policy_that_changes_resources_is_assigned_with_an_identity(azure: Azure, effect: str) -> None:
    """Azure asks for it also where the effect is a parameter; an assignment without one would never act."""
    rule = {"if": IS_ACCOUNT, "then": {"effect": effect, "details": modify("tags.a", value="2")}}
    parameters = {"e": {"type": "String", "defaultValue": "modify"}}
    properties = {"mode": "All", "policyRule": rule, "parameters": parameters}
    definition = azure.put(f"{SUB}{AUTH}/policyDefinitions/p", {"properties": properties})["id"]
    body = {"properties": {"policyDefinitionId": definition}}
    answer = azure.call("PUT", f"{SUB}{AUTH}/policyAssignments/a?api-version=2023-04-01", json=body)
    assert answer.json()["error"]["code"] == "ResourceIdentityRequired"
    body["properties"]["parameters"] = {"E": {"value": "Disabled"}}
    answer = azure.call("PUT", f"{SUB}{AUTH}/policyAssignments/a?api-version=2023-04-01", json=body)
    assert answer.status_code == (201 if effect != "Modify" else 400)
