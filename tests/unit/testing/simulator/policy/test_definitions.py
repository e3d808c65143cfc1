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
        (policy("[parameters('effect')]", parameters={"effect": {"defaultValue": "Deny"}}), {}),
        (policy("[parameters('effect')]", parameters={"effect": {}}), {"effect": {"value": "deny"}}),
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
    "definition",
    [
        policy("modify"),
        policy("deny", {"not": ACCOUNTS}),
        policy("deny", OLD_TLS),
        policy("deny", ACCOUNTS, OLD_TLS, {"field": "kind", "equals": "StorageV2"}),
        policy("deny", ACCOUNTS, {"field": "kind", "equals": "[parameters('kind')]"}),
        policy("[parameters('none')]"),
    ],
)
def test_a_policy_that_cannot_be_evaluated_is_not_ignored(send: Any, definition: Any) -> None:
    """Neither it nor an initiative with it can be assigned: a test would pass that Azure makes fail."""
    send("PUT", POLICY, definition)
    send("PUT", SET, {"properties": {"policyDefinitions": [{"policyDefinitionId": POLICY}]}})
    assert send("PUT", ASSIGNED, assign()) == (501, "NotSimulated")
    assert send("PUT", ASSIGNED, assign(SET)) == (501, "NotSimulated")
    assert send("GET", ASSIGNED)[0] == 404


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
        ("PUT", ASSIGNED, assign(BENCHMARK, resourceSelectors=[{}]), "NotSimulated"),
        ("PATCH", ASSIGNED, {}, "PolicyAssignmentNotFound"),
        ("GET", f"{SUB}{AUTH}/policyDefinitions?$filter=name eq 'x'", None, "InvalidFilterInQueryString"),
    ],
)
def test_invalid_policies_are_refused(send: Any, method: str, path: str, body: Any, code: str) -> None:
    """Each refusal says what is wrong."""
    place, _, text = path.partition("?$filter=")
    assert send(method, place, body, text or None)[1] == code


def test_an_initiative_that_denies_cannot_be_assigned(send: Any) -> None:
    """The simulator refuses what it would not enforce; the benchmark, which audits, can be assigned again."""
    send("PUT", POLICY, policy("deny"))
    send("PUT", SET, {"properties": {"policyDefinitions": [{"policyDefinitionId": POLICY}]}})
    assert send("PUT", ASSIGNED, assign(SET)) == (501, "NotSimulated")
    assert send("PUT", ASSIGNED, assign(BENCHMARK))[0] == 201
