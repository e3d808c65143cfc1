"""Compliance with policies: states, events and summaries, attestations, and what remediation deploys and changes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.testing.simulator.policy.test_effects import (
    ACCOUNT,
    AUTH,
    BODY,
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
from defender_remediate.testing.simulator.policy.odata import applied, ordered, parse_filter
from defender_remediate.testing.simulator.transport.exchange import ArmError

INSIGHTS = "providers/Microsoft.PolicyInsights"
IDENTITY = {"location": "westeurope", "identity": {"type": "SystemAssigned"}}
BLOB = f"{TYPE}/blobServices"


@pytest.fixture
def azure(call: Any, sim: ArmSimulator) -> Azure:
    sim.resources.add_resource_group(SUB, "box")
    made = Azure(call, sim)
    made.account(properties={"minimumTlsVersion": "TLS1_0"})
    return made


def ask(azure: Azure, scope: str, kind: str = "policyStates/latest/queryResults", **options: str) -> Any:
    """Sends a query; returns the value."""
    params = {"api-version": "2019-10-01", **{f"${name}": value for name, value in options.items()}}
    response = azure.call("POST", f"{scope}/{INSIGHTS}/{kind}", params=params)
    assert response.status_code == 200, response.text()
    return response.json()["value"]


def compliance(azure: Azure, assignment: str, resource: str = ACCOUNT) -> list[str]:
    """The states of a resource under an assignment."""
    return [row["complianceState"] for row in ask(azure, resource, filter=f"policyAssignmentId eq '{assignment}'")]


@pytest.mark.parametrize(
    ("effect", "condition", "details", "state"),
    [
        ("audit", {"allOf": [IS_ACCOUNT, {"field": TLS, "equals": "TLS1_0"}]}, None, ["NonCompliant"]),
        ("deny", {"allOf": [IS_ACCOUNT, {"field": TLS, "equals": "TLS1_2"}]}, None, ["Compliant"]),
        ("audit", {"field": "type", "equals": "Microsoft.Web/sites"}, None, []),
        ("audit", {"anyOf": [{"field": "type", "equals": "Microsoft.Web/sites"}]}, None, []),
        ("audit", {"not": {"field": "name", "like": "box*"}}, None, []),
        ("disabled", IS_ACCOUNT, None, []),
        ("denyAction", IS_ACCOUNT, {"actionNames": ["delete"]}, ["Protected"]),
        ("manual", IS_ACCOUNT, {"defaultState": "Unknown"}, ["Unknown"]),
        ("audit", {"value": "[int(field('name'))]", "equals": 1}, None, ["Error"]),
        ("auditIfNotExists", IS_ACCOUNT, {"type": "Microsoft.Insights/diagnosticSettings"}, ["NonCompliant"]),
        ("auditIfNotExists", IS_ACCOUNT, {"type": BLOB, "name": "default"}, ["Compliant"]),
        (
            "auditIfNotExists",
            IS_ACCOUNT,
            {"type": TYPE, "existenceCondition": {"field": TLS, "equals": "x"}},
            ["NonCompliant"],
        ),
        ("auditIfNotExists", IS_ACCOUNT, {"type": TYPE, "kind": "StorageV2"}, ["Compliant"]),
        (
            "auditIfNotExists",
            IS_ACCOUNT,
            {"type": "Microsoft.Web/sites", "existenceScope": "subscription"},
            ["NonCompliant"],
        ),
        ("auditIfNotExists", IS_ACCOUNT, {"type": "Microsoft.Web/sites", "resourceGroupName": "rg"}, ["NonCompliant"]),
        ("auditIfNotExists", {"field": "name", "equals": "x"}, {"type": BLOB}, []),
        ("auditIfNotExists", {"allOf": [IS_ACCOUNT, {"field": TLS, "equals": "x"}]}, {"type": BLOB}, []),
        (
            "auditIfNotExists",
            IS_ACCOUNT,
            {"type": BLOB, "existenceCondition": {"value": "[field('type')]", "equals": TYPE}},
            ["Compliant"],
        ),
        ("audit", {"value": "[field('Microsoft.Web/sites/httpsOnly')]", "exists": False}, None, ["NonCompliant"]),
        ("audit", {"field": "Microsoft.Web/sites/httpsOnly", "exists": False}, None, ["NonCompliant"]),
    ],
)
def test_each_effect_has_its_states(azure: Azure, effect: str, condition: Any, details: Any, state: list[str]) -> None:
    """Only what a rule is about has a state; related resources are looked for where the policy says."""
    assert compliance(azure, azure.policy(effect, condition, details)) == state


def test_states_are_asked_for_in_many_ways(azure: Azure, call: Any) -> None:
    """By scope, assignment and definition, with details, order, selection, aggregation and pages."""
    assignment = azure.policy("audit", {"allOf": [IS_ACCOUNT, {"field": TLS, "equals": "TLS1_0"}]})
    definition = f"{SUB}{AUTH}/policyDefinitions/p1"
    for scope in (SUB, GROUP, ACCOUNT, assignment, definition):
        assert ACCOUNT in [row["resourceId"] for row in ask(azure, scope, filter="isCompliant eq false")]
    (row,) = ask(azure, ACCOUNT, filter=f"policyAssignmentId eq '{assignment}'", expand="PolicyEvaluationDetails")
    assert row["policyEvaluationDetails"]["evaluatedExpressions"][1]["expressionValue"] == "TLS1_0"
    assert row["policyDefinitionAction"] == "audit"
    only = ask(azure, assignment, select="resourceId,complianceState", orderby="resourceId desc", top="1")
    assert [set(one) - {"@odata.id", "@odata.context"} for one in only] == [{"resourceId", "complianceState"}]
    text = "filter(complianceState eq 'NonCompliant')/groupby((policyAssignmentId),aggregate($count as Number))"
    assert {"policyAssignmentId": assignment, "Number": 1} in ask(azure, GROUP, apply=text)
    (summary,) = ask(azure, assignment, "policyStates/latest/summarize", top="1", filter="resourceGroup eq 'box'")
    assert summary["results"]["nonCompliantResources"] == 1
    assert summary["policyAssignments"][0]["policyDefinitions"][0]["policyDefinitionId"] == definition
    for option in (
        {"$filter": "a b"},
        {"$orderby": "a up"},
        {"$apply": "top(1)"},
        {"$expand": "x"},
        {"$skiptoken": "x"},
    ):
        params = {"api-version": "2019-10-01", **option}
        path = f"{GROUP}/{INSIGHTS}/policyStates/latest/queryResults"
        assert call("POST", path, params=params).status_code == 400
    path = f"{GROUP}/{INSIGHTS}/policyStates/newest/queryResults?api-version=2019-10-01"
    assert call("POST", path).status_code == 400


def test_many_states_come_in_pages(azure: Azure, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link to the next page is one to post to."""
    monkeypatch.setattr("defender_remediate.testing.simulator.policy.insights._MOST_ROWS", 1)
    azure.policy("audit", {"field": "type", "like": "Microsoft.Storage/*"})
    found, link = 0, f"{GROUP}/{INSIGHTS}/policyStates/latest/queryResults?api-version=2019-10-01"
    while link:
        body = call("POST", link).json()
        found += len(body["value"])
        link = body.get("@odata.nextLink")
    assert found > 1


def test_defender_and_policy_show_the_same(azure: Azure, sim: ArmSimulator) -> None:
    """The benchmark's policies are as healthy as the assessments, and exempt where these are."""
    sim.clock.advance(3600)
    rows = ask(azure, SUB, filter="policyAssignmentName eq 'SecurityCenterBuiltIn'")
    assert {"Compliant", "NonCompliant"} <= {row["complianceState"] for row in rows}
    resource = next(row["resourceId"] for row in rows if row["resourceId"].startswith(f"{SUB}/resourceGroups"))
    sim.policies.exempt(resource, already_assessed=True)
    rows = ask(azure, resource, filter="policyAssignmentName eq 'SecurityCenterBuiltIn'")
    assert {row["complianceState"] for row in rows} == {"Exempt"}


def test_groups_of_an_initiative_are_summarized(azure: Azure) -> None:
    """With the policies that are in them; an exempted policy counts as exempt."""
    azure.policy("audit", IS_ACCOUNT, enforcementMode="DoNotEnforce")
    member = {
        "policyDefinitionId": f"{SUB}{AUTH}/policyDefinitions/p1",
        "groupNames": ["g"],
        "policyDefinitionReferenceId": "r",
    }
    body = {"properties": {"policyDefinitions": [member], "policyDefinitionGroups": [{"name": "g"}]}}
    initiative = azure.put(f"{SUB}{AUTH}/policySetDefinitions/s", body)["id"]
    assigned = azure.put(f"{GROUP}{AUTH}/policyAssignments/s", {"properties": {"policyDefinitionId": initiative}})["id"]
    (summary,) = ask(azure, initiative, "policyStates/latest/summarize")
    groups = summary["policyAssignments"][0]["policyGroups"]
    assert [(one["policyGroupName"], one["results"]["nonCompliantResources"]) for one in groups] == [("g", 1)]
    selectors = [{"selectors": [{"kind": "resourceType", "in": [TYPE]}]}]
    exemption = {"policyAssignmentId": assigned, "exemptionCategory": "Mitigated", "resourceSelectors": selectors}
    azure.put(f"{GROUP}{AUTH}/policyExemptions/e", {"properties": exemption}, "2022-07-01-preview")
    assert compliance(azure, assigned) == ["Exempt"]


def test_what_policies_did_is_an_event(azure: Azure) -> None:
    """Denials, audits and modifications of requests."""
    azure.policy("audit", IS_ACCOUNT)
    azure.policy("modify", IS_ACCOUNT, modify("tags.owner", value="me"))
    azure.policy("deny", {"field": TLS, "equals": "TLS1_1"})
    azure.account("PATCH", tags={})
    azure.account("PATCH", properties={"minimumTlsVersion": "TLS1_1"})
    events = ask(azure, SUB, "policyEvents/default/queryResults", orderby="timestamp")
    assert {event["policyDefinitionAction"] for event in events} == {"audit", "modify", "deny"}


def test_an_evaluation_on_demand_is_a_long_operation(azure: Azure, call: Any) -> None:
    """It is polled by its Location."""
    response = call("POST", f"{SUB}/{INSIGHTS}/policyStates/latest/triggerEvaluation?api-version=2019-10-01")
    assert response.status_code == 202
    location = response.headers["Location"]
    assert call("GET", location).status_code == 202
    azure.sim.clock.advance(200)
    newest = call("GET", location)
    assert (newest if newest.status_code == 200 else call("GET", newest.headers["Location"])).status_code == 200


def test_attestations_decide_manual_policies(azure: Azure, call: Any) -> None:
    """Azure takes three states, of an assignment at the scope; another assignment keeps its default."""
    assignment = azure.policy("manual", IS_ACCOUNT, {})
    path = f"{ACCOUNT}/{INSIGHTS}/attestations/a"
    properties = {"policyAssignmentId": assignment, "complianceState": "Compliant"}
    assert azure.put(path, {"properties": properties}, "2022-09-01")["properties"]["provisioningState"] == "Succeeded"
    assert compliance(azure, assignment) == ["Compliant"]
    for wrong in ({**properties, "complianceState": "Good"}, {**properties, "policyAssignmentId": "x"}):
        assert call("PUT", f"{path}?api-version=2022-09-01", json={"properties": wrong}).status_code == 400
    assert call.get(path, "2022-09-01")["properties"]["complianceState"] == "Compliant"
    listed = call.get(f"{SUB}/{INSIGHTS}/attestations", "2022-09-01", filter=f"policyAssignmentId eq '{assignment}'")
    assert [one["name"] for one in listed["value"]] == ["a"]
    other = azure.policy("manual", IS_ACCOUNT, {"defaultState": "NonCompliant"})
    assert compliance(azure, other) == ["NonCompliant"]
    assert call.get(f"{SUB}/{INSIGHTS}/attestations", "2022-09-01")["value"] == listed["value"]
    for status in (200, 204):
        assert call("DELETE", f"{path}?api-version=2022-09-01").status_code == status
    assert call("GET", f"{path}?api-version=2022-09-01").status_code == 404


def test_metadata_and_operations_are_listed(call: Any) -> None:
    """A few stand for all."""
    listed = call.get("/providers/Microsoft.PolicyInsights/policyMetadata", "2019-10-01")["value"]
    assert call.get(listed[0]["id"], "2019-10-01")["properties"]["description"]
    assert call("GET", f"{listed[0]['id']}x?api-version=2019-10-01").status_code == 404
    assert call.get("/providers/Microsoft.PolicyInsights/operations", "2019-10-01")["value"]


def granted(azure: Azure, assignment: str, role: str = ROLES[0]) -> None:
    """Gives the identity of an assignment a role in the subscription."""
    principal = azure.call.get(assignment, "2023-04-01")["identity"]["principalId"]
    body = {"properties": {"roleDefinitionId": role, "principalId": principal, "principalType": "ServicePrincipal"}}
    azure.put(f"{SUB}{AUTH}/roleAssignments/11111111-1111-4111-8111-111111111111", body, "2022-04-01")


def identified(azure: Azure, effect: str, condition: Any, details: Any, **assigned: Any) -> str:
    """Assigns a policy with an identity; returns the id of the assignment."""
    assignment = azure.policy(effect, condition, details, **assigned)
    response = azure.call("PATCH", f"{assignment}?api-version=2023-04-01", json=IDENTITY)
    assert response.status_code == 200
    return assignment


def remediate(azure: Azure, assignment: str, scope: str = SUB, **properties: Any) -> Any:
    """Starts a remediation and waits for its end; returns the properties of the task."""
    path = f"{scope}/{INSIGHTS}/remediations/task"
    azure.put(path, {"properties": {"policyAssignmentId": assignment, **properties}}, "2021-10-01")
    assert azure.call.get(path, "2021-10-01")["properties"]["provisioningState"] == "Accepted"
    azure.sim.clock.advance(100)
    azure.call.get(path, "2021-10-01")
    azure.sim.clock.advance(100)
    return azure.call.get(path, "2021-10-01")["properties"]


def test_a_remediation_modifies_what_is_there(azure: Azure) -> None:
    """With the roles of the assignment's identity only, and where the filters say."""
    condition = {"allOf": [IS_ACCOUNT, {"field": "tags.owner", "exists": False}]}
    assignment = identified(azure, "modify", condition, modify("tags.owner", value="me"))
    failed = remediate(azure, assignment, GROUP)
    assert (failed["provisioningState"], failed["deploymentStatus"]["failedDeployments"]) == ("Failed", 1)
    granted(azure, assignment)
    elsewhere = remediate(azure, assignment, GROUP, filters={"locations": ["eastus"]})
    assert (elsewhere["provisioningState"], elsewhere["deploymentStatus"]["totalDeployments"]) == ("Succeeded", 0)
    done = remediate(azure, assignment, GROUP, filters={"resourceIds": [ACCOUNT]}, resourceCount=5)
    assert done["deploymentStatus"]["successfulDeployments"] == 1
    assert azure.call.get(ACCOUNT, "2023-05-01")["tags"] == {"owner": "me"}
    listed = azure.call("POST", f"{GROUP}/{INSIGHTS}/remediations/task/listDeployments?api-version=2021-10-01")
    assert [(one["remediatedResourceId"], one["status"]) for one in listed.json()["value"]] == [(ACCOUNT, "Succeeded")]


@pytest.mark.parametrize("kind", ["resourceGroups", "subscriptions"])
def test_groups_and_subscriptions_are_remediated(azure: Azure, kind: str) -> None:
    """Their tags, as those of resources."""
    name = "Microsoft.Resources/subscriptions" + ("/resourceGroups" if kind == "resourceGroups" else "")
    condition = {"allOf": [{"field": "type", "equals": name}, {"field": "tags.owner", "exists": False}]}
    assignment = identified(azure, "modify", condition, modify("tags.owner", value="me"))
    granted(azure, assignment)
    assert remediate(azure, assignment)["provisioningState"] == "Succeeded"
    place = GROUP if kind == "resourceGroups" else SUB
    assert azure.call.get(place, "2021-04-01")["tags"] == {"owner": "me"}


def test_a_remediation_stops_at_its_number_of_resources(azure: Azure) -> None:
    """Azure remediates as many resources as the task says, and leaves the others."""
    assert azure.call("PUT", f"{ACCOUNT}2?api-version=2023-05-01", json=BODY).status_code == 202
    azure.sim.clock.advance(60)
    assignment = identified(azure, "modify", IS_ACCOUNT, modify("tags.owner", value="me"))
    granted(azure, assignment)
    assert remediate(azure, assignment, resourceCount=1)["deploymentStatus"]["totalDeployments"] == 1


DIAGNOSTICS = {
    "type": BLOB,
    "name": "default",
    "evaluationDelay": "AfterProvisioning",
    "existenceCondition": {"field": f"{BLOB}/isVersioningEnabled", "equals": True},
    "roleDefinitionIds": ROLES,
    "deployment": {
        "properties": {
            "mode": "incremental",
            "parameters": {"account": {"value": "[field('name')]"}},
            "template": {
                "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
                "contentVersion": "1.0.0.0",
                "parameters": {"account": {"type": "string"}},
                "resources": [
                    {
                        "type": BLOB,
                        "apiVersion": "2023-05-01",
                        "name": "[concat(parameters('account'), '/default')]",
                        "properties": {"isVersioningEnabled": True},
                    }
                ],
            },
        }
    },
}


@pytest.mark.parametrize("way", ["write", "remediation"])
def test_what_is_missing_is_deployed(azure: Azure, way: str) -> None:
    """After a write, or by a remediation task; not without the role."""
    assignment = identified(azure, "deployIfNotExists", IS_ACCOUNT, DIAGNOSTICS)
    assert compliance(azure, assignment) == ["NonCompliant"]

    def deployed() -> str:
        if way == "remediation":
            found: str = remediate(azure, assignment)["provisioningState"]
            return found
        azure.account("PATCH", tags={"a": "b"})
        azure.sim.clock.advance(100)
        azure.call.get(ACCOUNT, "2023-05-01")
        return "Succeeded" if compliance(azure, assignment) == ["Compliant"] else "Failed"

    assert deployed() == "Failed"
    granted(azure, assignment)
    assert deployed() == "Succeeded"
    assert compliance(azure, assignment) == ["Compliant"]
    tracked = ask(azure, SUB, "policyTrackedResources/default/queryResults", top="1")
    assert tracked[0]["trackedResourceId"] == ACCOUNT


def test_remediations_are_managed(azure: Azure, call: Any) -> None:
    """A task is listed, canceled and deleted; one that is over cannot be canceled, one under way not be deleted."""
    assignment = identified(azure, "modify", IS_ACCOUNT, modify("tags.owner", value="me"))
    path = f"{SUB}/{INSIGHTS}/remediations/task"
    body = {"properties": {"policyAssignmentId": assignment}}
    azure.put(path, body, "2021-10-01")
    assert call("PUT", f"{path}?api-version=2021-10-01", json=body).status_code == 400
    assert call("DELETE", f"{path}?api-version=2021-10-01").status_code == 400
    canceled = call("POST", f"{path}/cancel?api-version=2021-10-01").json()
    assert canceled["properties"]["provisioningState"] == "Canceled"
    again = call("POST", f"{path}/cancel?api-version=2021-10-01")
    assert (again.status_code, again.json()["error"]["code"]) == (400, "InvalidCancelRemediationRequest")
    azure.sim.clock.advance(100)
    text = f"policyAssignmentId eq '{assignment}'"
    for options in ({"filter": text}, {}):
        assert len(call.get(f"{SUB}/{INSIGHTS}/remediations", "2021-10-01", **options)["value"]) == 1
    for status in (200, 204):
        assert call("DELETE", f"{path}?api-version=2021-10-01").status_code == status
    assert call("GET", f"{path}?api-version=2021-10-01").status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"policyAssignmentId": "x"},
        {"resourceCount": 0},
        {"parallelDeployments": 31},
        {"failureThreshold": {"percentage": 2}},
        {"resourceDiscoveryMode": "All"},
        {"policyDefinitionReferenceId": "x"},
        {"more": 1},
    ],
)
def test_remediations_that_azure_refuses(azure: Azure, call: Any, wrong: Any) -> None:
    """Numbers out of range, unknown members and what cannot be remediated."""
    assignment = azure.policy("modify", IS_ACCOUNT, modify("tags.owner", value="me"))
    body = {"properties": {"policyAssignmentId": assignment, **wrong}}
    assert call("PUT", f"{SUB}/{INSIGHTS}/remediations/task?api-version=2021-10-01", json=body).status_code == 400


def test_the_filter_language() -> None:
    """Comparisons, functions, lists, negation and parentheses; what is malformed is refused."""
    row = {"name": "Box's", "count": 3, "none": None, "ok": True}
    for text, wanted in (
        ("name eq 'box''s' and count gt 2", True),
        ("not (count le 2 or ok eq false)", True),
        ("none eq null and NAME ne 'x'", True),
        ("count in (1, 3) and startswith(name, 'bo')", True),
        ("endswith(name,'x') or contains(name,'ox')", True),
        ("count ge 3.5 or count lt 2", False),
    ):
        assert parse_filter(text)(row) is wanted, text
    for text in (
        "name",
        "name eq",
        "name eq 'x' 'y'",
        "name is 'x'",
        "(name eq 'x'",
        "#",
        "'x' eq 'x'",
        "name eq name",
        "startswith(name 'x')",
    ):
        with pytest.raises(ArmError):
            parse_filter(text)
    rows = [{"a": 2, "b": "x"}, {"a": None, "b": "Y"}, {"a": 1, "b": "x"}]
    assert [one["a"] for one in ordered(rows, "b desc, a")] == [None, 1, 2]
    text = "groupby((b),aggregate(a with sum as total,a with max as most,a with min as least,b with countdistinct as kinds))"
    assert applied(rows, text)[0] == {"b": "x", "total": 3, "most": 2, "least": 1, "kinds": 1}
    assert applied(rows, "aggregate($count as n)") == [{"n": 3}]
    for text in ("groupby((b),top(1))", "aggregate(a with median as m)", "aggregate(a)", "x"):
        with pytest.raises(ArmError):
            applied(rows, text)
