"""Policies that a client writes: definitions, initiatives and assignments, and what an assigned one refuses."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
AUTH = "/providers/Microsoft.Authorization"
POLICY, SET, ASSIGNED = (
    f"{SUB}{AUTH}/policyDefinitions/own",
    f"{SUB}{AUTH}/policySetDefinitions/own",
    f"{SUB}{AUTH}/policyAssignments/own",
)
BENCHMARK = f"{AUTH}/policySetDefinitions/1f3afdf9-d0c9-4c3d-847f-89da613e70a8"
ACCOUNT = f"{SUB}/resourceGroups/box/providers/Microsoft.Storage/storageAccounts/boxaccount"
ACCOUNTS = {"field": "type", "equals": "Microsoft.Storage/storageAccounts"}
OLD_TLS = {"field": "Microsoft.Storage/storageAccounts/minimumTlsVersion", "equals": "TLS1_0"}


@pytest.fixture
def send(call: Any) -> Any:
    """Sends a request; returns the status and the body, or the code of the error."""

    def sent(method: str, path: str, body: Any = None, text: str | None = None) -> tuple[int, Any]:
        version = "2023-05-01" if path.endswith("boxaccount") else "2023-04-01"
        params = {"api-version": version} | ({} if text is None else {"$filter": text})
        options = {} if body is None else {"json": body}
        response = call(method, path, params=params, **options)
        answer = response.json() if response.content else None
        return response.status_code, answer["error"]["code"] if response.status_code >= 400 else answer

    return sent


def policy(effect: str, *clauses: Any, **properties: Any) -> dict[str, Any]:
    """The body of a definition with an effect under some conditions."""
    rule = {"if": {"allOf": list(clauses or [ACCOUNTS])}, "then": {"effect": effect}}
    return {"properties": {"displayName": "Own", "mode": "All", "policyRule": rule, **properties}}


def assign(definition: str = POLICY, **properties: Any) -> dict[str, Any]:
    """The body of an assignment."""
    return {"properties": {"policyDefinitionId": definition, **properties}}


def test_definitions_are_written_listed_and_deleted_once_unused(send: Any) -> None:
    """Built-in and custom definitions and initiatives are in one list, which is filtered; one in use stays."""
    assert send("PUT", POLICY, policy("audit", metadata={"category": "Test"}))[0] == 201
    assert send("PUT", SET, {"properties": {"policyDefinitions": [{"policyDefinitionId": POLICY}]}})[0] == 201
    for kind, own in (("policyDefinitions", POLICY), ("policySetDefinitions", SET)):
        listed = send("GET", f"{SUB}{AUTH}/{kind}", text="policyType eq 'Custom'")[1]["value"]
        assert [one["id"] for one in listed] == [own]
        assert own not in [one["id"] for one in send("GET", f"{AUTH}/{kind}")[1]["value"]]
        assert [one["id"] for one in send("GET", f"{SUB}{AUTH}/{kind}", text="atExactScope()")[1]["value"]] == [own]
        assert send("GET", own)[1]["properties"]["policyType"] == "Custom"
    assert [
        one["id"] for one in send("GET", f"{SUB}{AUTH}/policyDefinitions", text="category eq 'test'")[1]["value"]
    ] == [POLICY]
    assert send("PUT", ASSIGNED, assign(SET, description="why"))[1]["properties"]["description"] == "why"
    assert [send("DELETE", one)[1] for one in (POLICY, SET)] == ["PolicyDefinitionInUse", "PolicyDefinitionInUse"]
    patched = send("PATCH", ASSIGNED, {"location": "westeurope", "identity": {"type": "SystemAssigned"}})[1]
    assert (patched["location"], patched["properties"]["description"]) == ("westeurope", "why")
    assert [send("DELETE", one)[0] for one in (ASSIGNED, ASSIGNED, SET, SET, POLICY, POLICY)] == [200, 204] * 3


@pytest.mark.parametrize(
    ("definition", "parameters"),
    [
        (policy("Deny", ACCOUNTS, OLD_TLS), {}),
        (policy("deny"), {}),
        (policy("deny", ACCOUNTS, {"field": "kind", "equals": "StorageV2"}), {}),
        (policy("[parameters('effect')]", parameters={"effect": {"type": "String", "defaultValue": "Deny"}}), {}),
        (policy("[parameters('effect')]", parameters={"effect": {"type": "String"}}), {"effect": {"value": "deny"}}),
    ],
)
def test_an_assigned_policy_refuses_writes_until_it_is_deleted(
    send: Any, sim: ArmSimulator, definition: Any, parameters: Any
) -> None:
    """A policy that a client assigns denies as one of Azure: also by a parameter, and no more once it is replaced."""
    sim.resources.add_resource_group(SUB, "box")
    body = {
        "location": "westeurope",
        "sku": {"name": "Standard_LRS"},
        "kind": "StorageV2",
        "properties": {"minimumTlsVersion": "TLS1_0"},
    }
    send("PUT", POLICY, definition)
    assert send("PUT", ASSIGNED, assign(parameters=parameters))[0] == 201
    assert send("PUT", ACCOUNT, body) == (403, "RequestDisallowedByPolicy")
    send("PUT", ASSIGNED, assign(parameters=parameters, enforcementMode="DoNotEnforce"))
    assert send("PUT", ACCOUNT, body)[0] < 300
    sim.clock.advance(60)
    send("PUT", ASSIGNED, assign(parameters=parameters))
    assert send("PUT", ACCOUNT, body)[0] == 403
    send("DELETE", ASSIGNED)
    assert send("PUT", ACCOUNT, body)[0] < 300


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("PUT", POLICY, {}, "InvalidRequestContent"),
        ("PUT", POLICY, policy("audit", policyType="BuiltIn"), "InvalidRequestContent"),
        ("PUT", POLICY, policy("audit", policyRule={"then": {}}), "InvalidPolicyRule"),
        ("PUT", POLICY, policy("audit", policyRule={"if": {}, "then": {}}), "InvalidPolicyRule"),
        ("PUT", SET, {"properties": {"policyDefinitions": []}}, "InvalidRequestContent"),
        ("PUT", SET, {"properties": {"policyDefinitions": [{}]}}, "PolicyDefinitionNotFound"),
        ("PUT", ASSIGNED, assign("none"), "PolicyDefinitionNotFound"),
        ("PUT", ASSIGNED, assign(f"{BENCHMARK}x"), "PolicySetDefinitionNotFound"),
        ("PUT", ASSIGNED, assign(BENCHMARK, enforcementMode="Perhaps"), "InvalidRequestContent"),
        ("PUT", ASSIGNED, assign(BENCHMARK, more=1), "InvalidRequestContent"),
        (
            "PUT",
            ASSIGNED,
            assign(BENCHMARK, resourceSelectors=[{"selectors": [{"kind": "sku", "in": ["x"]}]}]),
            "InvalidRequestContent",
        ),
        ("PATCH", ASSIGNED, {}, "PolicyAssignmentNotFound"),
        ("GET", f"{SUB}{AUTH}/policyDefinitions?$filter=name eq 'x'", None, "InvalidFilterInQueryString"),
    ],
)
def test_invalid_policies_are_refused(send: Any, method: str, path: str, body: Any, code: str) -> None:
    """Each refusal says what is wrong."""
    place, _, text = path.partition("?$filter=")
    assert send(method, place, body, text or None)[1] == code


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"if": ACCOUNTS, "then": {"effect": "refuse"}}, "the effect is 'refuse'"),
        ({"if": {**ACCOUNTS, "like": "x"}, "then": {"effect": "deny"}}, "one operator"),
        ({"if": {**ACCOUNTS, "unlike": "x"}, "then": {"effect": "deny"}}, "unknown member 'unlike'"),
        ({"if": {"allOf": {}}, "then": {"effect": "deny"}}, "a list of conditions"),
        ({"if": {"not": ACCOUNTS, "field": "x"}, "then": {"effect": "deny"}}, "other members than 'not'"),
        ({"if": {"count": {"field": "tags"}, "equals": 1}, "then": {"effect": "deny"}}, "has no"),
        ({"if": {"count": {}, "equals": 1}, "then": {"effect": "deny"}}, "either a field or a value"),
        ({"if": {"count": {"value": [], "name": 1}, "equals": 1}, "then": {"effect": "deny"}}, "cannot have this name"),
        ({"if": {"value": "[concat('a']", "equals": 1}, "then": {"effect": "deny"}}, "ends too early"),
        ({"if": {"value": "[variables('a')]", "equals": 1}, "then": {"effect": "deny"}}, "do not have"),
        ({"if": {"value": "[split('a')]", "equals": 1}, "then": {"effect": "deny"}}, "1 arguments"),
        ({"if": {"value": "[true() 1]", "equals": 1}, "then": {"effect": "deny"}}, "goes on"),
        ({"if": {"value": "[true().1]", "equals": 1}, "then": {"effect": "deny"}}, "unexpected"),
        ({"if": {"value": "[#]", "equals": 1}, "then": {"effect": "deny"}}, "not valid at position"),
        ({"if": {"value": "[)]", "equals": 1}, "then": {"effect": "deny"}}, "unexpected"),
        ({"if": {"value": "[parameters('a')]", "equals": 1}, "then": {"effect": "deny"}}, "not declared"),
        ({"if": ACCOUNTS, "then": {"effect": "modify", "details": {"operations": []}}}, "need 'roleDefinitionIds'"),
        ({"if": ACCOUNTS, "then": {"effect": "append", "details": [{"field": "x"}]}}, "fields with values"),
        ({"if": ACCOUNTS, "then": {"effect": "auditIfNotExists"}}, "need 'type'"),
        *(
            (
                {
                    "if": ACCOUNTS,
                    "then": {"effect": "modify", "details": {"roleDefinitionIds": [], "operations": [one]}},
                },
                problem,
            )
            for one, problem in (
                ({"operation": "swap", "field": "x"}, "needs an operation"),
                ({"operation": "add", "field": "x"}, "needs a value"),
                ({"operation": "remove", "field": "x", "value": 1}, "cannot have a value"),
            )
        ),
    ],
)
def test_a_rule_that_azure_would_not_store_is_refused(call: Any, rule: Any, problem: str) -> None:
    """The refusal says where the mistake is."""
    body = {"properties": {"mode": "All", "policyRule": rule}}
    response = call("PUT", f"{POLICY}?api-version=2023-04-01", json=body)
    assert response.status_code == 400
    assert problem in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "MissingPolicyParameter"),
        ({"kind": {"value": "BlobStorage"}, "other": {"value": 1}}, "UndefinedPolicyParameter"),
        ({"kind": {"value": 1}}, "InvalidPolicyParameterType"),
        ({"kind": {"value": "FileStorage"}}, "PolicyParameterValueNotAllowed"),
    ],
)
def test_parameters_are_checked_against_the_definition(send: Any, given: Any, code: str) -> None:
    """In an assignment as in an initiative."""
    declared = {"kind": {"type": "String", "allowedValues": ["Storage", "BlobStorage"]}}
    send("PUT", POLICY, policy("deny", {"field": "kind", "equals": "[parameters('kind')]"}, parameters=declared))
    assert send("PUT", ASSIGNED, assign(parameters=given)) == (400, code)
    member = {"policyDefinitionId": POLICY, "parameters": given}
    assert send("PUT", SET, {"properties": {"policyDefinitions": [member]}}) == (400, code)


def test_versions_of_a_definition_are_kept(send: Any) -> None:
    """The newest one is what is assigned; the last one that is deleted takes the definition with it."""
    body = policy("audit")
    for version in ("1.0.0", "1.2.0", "1.1.0"):
        assert send("PUT", f"{POLICY}/versions/{version}", body)[0] == 201
    assert send("GET", POLICY)[1]["properties"]["version"] == "1.2.0"
    assert send("GET", f"{POLICY}/versions/1.1.0")[1]["name"] == "1.1.0"
    assert send("GET", f"{POLICY}/versions/9.0.0") == (404, "PolicyDefinitionVersionNotFound")
    assert [one["name"] for one in send("GET", f"{POLICY}/versions")[1]["value"]] == ["1.2.0"]
    assert len(send("POST", f"{SUB}{AUTH}/listPolicyDefinitionVersions")[1]["value"]) == 1
    assert send("POST", f"{AUTH}/listPolicySetDefinitionVersions")[1]["value"][0]["name"] == "57.0.0"
    assert [send("DELETE", f"{POLICY}/versions/{one}")[0] for one in ("1.2.0", "1.0.0", "1.0.0", "1.1.0")] == [
        200,
        200,
        204,
        200,
    ]
    assert send("GET", POLICY)[0] == 404
    assert send("PUT", POLICY, policy("audit", version="new"))[0] == 400
