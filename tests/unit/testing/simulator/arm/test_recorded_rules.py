"""What the answers to writes depend on: the api-version, what a write changes, and what a provider shows."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
PROVIDERS = f"{SUB}/resourceGroups/rg/providers"
IDENTITY = f"{PROVIDERS}/Microsoft.ManagedIdentity/userAssignedIdentities/one"


@pytest.fixture
def send(sim: ArmSimulator, call: Any) -> Any:
    """Sends a request below the providers of a resource group, and lets what it starts end."""
    sim.resources.add_resource_group(SUB, "rg")

    def sent(method: str, path: str, version: str, body: Any = None) -> Any:
        response = call(method, f"{PROVIDERS}/{path}?api-version={version}", json=body)
        sim.clock.advance(1000)
        return response

    return sent


@pytest.mark.parametrize(("version", "status"), [("2017-04-01", 200), ("2024-05-01-preview", 201)])
def test_the_status_of_a_creation_depends_on_the_api_version(send: Any, version: str, status: int) -> None:
    """Providers changed their answers with api-versions."""
    body = {"location": "westeurope", "sku": {"name": "Standard", "tier": "Standard"}, "properties": {}}
    assert send("PUT", "Microsoft.EventHub/namespaces/namespace", version, body).status_code == status


def test_an_update_that_changes_nothing_or_only_tags_may_end_at_once(send: Any) -> None:
    """A vault answers 202 only where it has something to do."""
    vault, version = "Microsoft.RecoveryServices/vaults/vault", "2024-04-01"
    body = {
        "location": "West Europe",
        "sku": {"name": "RS0"},
        "tags": {},
        "properties": {"publicNetworkAccess": "Enabled"},
    }
    assert send("PUT", vault, version, body).status_code == 201
    assert send("PUT", vault, version, {**body, "location": "westeurope"}).status_code == 200
    assert send("PATCH", vault, version, {"tags": {"a": "b"}}).status_code == 200
    assert send("PATCH", vault, version, {"properties": {"publicNetworkAccess": "Disabled"}}).status_code == 202


def test_only_some_changes_start_an_operation(send: Any) -> None:
    """A registry encrypts for a while; what else changes is there at once."""
    registry, version = "Microsoft.ContainerRegistry/registries/registry", "2022-12-01"
    body = {"location": "westeurope", "sku": {"name": "Premium"}, "properties": {"adminUserEnabled": False}}
    send("PUT", registry, version, body)
    assert send("PATCH", registry, version, {"properties": {"adminUserEnabled": True}}).status_code == 200
    encryption = {"status": "enabled", "keyVaultProperties": {"keyIdentifier": "https://v.vault.azure.net/keys/k"}}
    assert send("PATCH", registry, version, {"properties": {"encryption": encryption}}).status_code == 201


def test_a_list_changes_by_its_elements(send: Any) -> None:
    """The same elements are no change; another one is."""
    service, version = "Microsoft.SignalRService/SignalR/signals", "2024-03-01"
    origins = {"cors": {"allowedOrigins": ["https://a.example"]}}
    send("PUT", service, version, {"location": "westeurope", "sku": {"name": "Standard_S1"}, "properties": origins})
    assert send("PATCH", service, version, {"properties": origins}).status_code == 200
    changed = {"cors": {"allowedOrigins": ["https://b.example"]}}
    assert send("PATCH", service, version, {"properties": changed}).status_code == 202


def test_an_api_version_shows_what_it_knows(sim: ArmSimulator, call: Any) -> None:
    """The members that came later are there and not shown."""
    sim.resources.add({"id": f"{SUB}/resourceGroups/old", "location": "westeurope", "tags": {"a": "b"}})
    group = f"{SUB}/resourceGroups/old?api-version="
    assert "type" not in call("GET", f"{group}2018-05-01").json()
    assert call("GET", f"{group}2022-09-01").json()["type"] == "Microsoft.Resources/resourceGroups"
    assert call("GET", f"{group}2018-05-01").json()["tags"] == {"a": "b"}
    sim.resources.add({"id": SUB.replace("4444-4444", "5555-4444", 1), "displayName": "Old", "tags": {"c": "d"}})
    found = call("GET", f"{SUB.replace('4444-4444', '5555-4444', 1)}?api-version=2016-06-01").json()
    assert ("tenantId" in found, found["tags"]) == (False, {"c": "d"})


def test_what_says_nothing_but_defaults_is_not_shown(send: Any) -> None:
    """A vault with the network rules that it has anyway does not show them."""
    vault, version = "Microsoft.KeyVault/vaults/vault", "2023-02-01"
    usual = {"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": []}
    properties = {"tenantId": SUB[15:], "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}
    body = {"location": "westeurope", "properties": {**properties, "networkAcls": usual}}
    assert "networkAcls" not in send("PUT", vault, version, body).json()["properties"]
    body["properties"]["networkAcls"] = {**usual, "defaultAction": "Deny"}
    assert send("PUT", vault, version, body).json()["properties"]["networkAcls"]["defaultAction"] == "Deny"


def test_the_objects_that_a_patch_makes_are_completed(send: Any) -> None:
    """A new rule has what the provider adds to it; what the resource had stays as it was."""
    account, version = "Microsoft.Storage/storageAccounts/stfive", "2023-05-01"
    send("PUT", account, version, {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"})
    subnet = f"{PROVIDERS}/Microsoft.Network/virtualNetworks/v/subnets/s"
    change = {"properties": {"networkAcls": {"defaultAction": "Deny", "virtualNetworkRules": [{"id": subnet}]}}}
    shown = send("PATCH", account, version, change).json()["properties"]["networkAcls"]
    assert shown["virtualNetworkRules"][0]["state"]
    again = {"properties": {"networkAcls": {"virtualNetworkRules": [{"id": subnet}, {"id": f"{subnet}2"}]}}}
    shown = send("PATCH", account, version, again).json()["properties"]["networkAcls"]
    assert [bool(rule["state"]) for rule in shown["virtualNetworkRules"]] == [True, True]


@pytest.mark.parametrize("exists", [True, False])
def test_a_user_assigned_identity_shows_its_ids(send: Any, *, exists: bool) -> None:
    """They are those of its resource, or made-up ones."""
    if exists:
        send("PUT", "Microsoft.ManagedIdentity/userAssignedIdentities/one", "2023-01-31", {"location": "westeurope"})
    identity = {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}
    body = {"location": "westeurope", "sku": {"name": "standard"}, "properties": {}, "identity": identity}
    shown = send("PUT", "Microsoft.AppConfiguration/configurationStores/store", "2023-03-01", body).json()["identity"]
    assert {"principalId", "clientId"} <= set(shown["userAssignedIdentities"][IDENTITY])


def test_what_is_kept_apart_can_be_added_as_it_is_shown(sim: ArmSimulator, call: Any) -> None:
    """Policy assignments, metadata of recommendations and deployments of a real subscription can be loaded."""
    authorization = f"{SUB}/providers/Microsoft.Authorization"
    deployment = f"{SUB}/resourceGroups/rg/providers/Microsoft.Resources/deployments/one"
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        (
            f"{authorization}/policyAssignments/mine",
            "2021-06-01",
            {"policyDefinitionId": f"{authorization}/policyDefinitions/gone", "metadata": {"createdBy": "a"}},
        ),
        (
            "/providers/Microsoft.Security/assessmentMetadata/12345678-0000-4000-8000-000000000000",
            "2020-01-01",
            {"displayName": "Mine", "severity": "Low"},
        ),
        (deployment, "2022-09-01", {"mode": "Incremental", "provisioningState": "Failed", "outputs": {}}),
    ]
    for resource_id, version, properties in bodies:
        sim.resources.add({"id": resource_id, "properties": properties})
        shown = call("GET", f"{resource_id}?api-version={version}").json()["properties"]
        assert {name: shown.get(name) for name in properties if name != "outputs"} == {
            name: value for name, value in properties.items() if name != "outputs"
        }


def test_other_types_that_are_kept_apart_are_refused(sim: ArmSimulator) -> None:
    """A role assignment as a resource would grant nothing."""
    body = {"id": f"{SUB}/providers/Microsoft.Authorization/roleAssignments/one", "properties": {}}
    with pytest.raises(InvalidInputError, match="roleAssignments apart"):
        sim.resources.add(body)


def test_a_template_asks_for_api_versions(sim: ArmSimulator, call: Any) -> None:
    """Templates of older clients take the newest api-version from the resource provider."""
    sim.resources.add_resource_group(SUB, "rg")

    def deployed(expression: str, **declared: Any) -> Any:
        template = {
            "$schema": "s",
            "contentVersion": "1.0.0.0",
            "parameters": declared,
            "resources": [],
            "outputs": {"o": {"type": "string", "value": expression}},
        }
        path = f"{SUB}/resourceGroups/rg/providers/Microsoft.Resources/deployments/ask?api-version=2022-09-01"
        created = call("PUT", path, json={"properties": {"mode": "Incremental", "template": template}})
        sim.clock.advance(100)
        return created.json() if created.status_code >= 400 else call("GET", path).json()["properties"]

    found = deployed(
        "[providers('Microsoft.Storage', 'storageAccounts').apiVersions[0]]",
        p={"type": "securestring", "defaultValue": "s"},
        q={"type": "int", "defaultValue": 1},
    )
    assert found["outputs"]["o"]["value"] >= "2025"
    assert found["parameters"] == {"p": {"type": "SecureString"}, "q": {"type": "Int", "value": 1}}
    assert deployed("[providers('Microsoft.Storage').namespace]")["outputs"]["o"]["value"] == "Microsoft.Storage"
    assert deployed("[providers('Microsoft.Storage', 'nothing')]")["error"]["code"] == "InvalidTemplate"
