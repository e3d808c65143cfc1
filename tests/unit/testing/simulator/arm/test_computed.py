"""What a provider adds to the answers of a type, by api-version."""

from __future__ import annotations

from typing import Any

from tests.unit.testing.conftest import SUB, Caller

from defender_remediate.testing import ArmSimulator

GROUP = f"{SUB}/resourceGroups/rg"


def test_older_versions_show_neither_etag_nor_state(sim: ArmSimulator, call: Caller) -> None:
    """Only the version that introduced them does, and later ones."""
    machine = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm"
    instance = f"{GROUP}/providers/Microsoft.Sql/managedInstances/mi"
    for resource in (machine, instance):
        sim.resources.add({"id": resource, "location": "westeurope", "properties": {}})

    def body_of(resource: str, version: str) -> Any:
        return call("GET", f"{resource}?api-version={version}").json()

    assert "etag" not in body_of(machine, "2023-03-01")
    assert "etag" in body_of(machine, "2024-07-01")
    assert "provisioningState" not in body_of(instance, "2015-05-01-preview")["properties"]
    assert body_of(instance, "2023-08-01")["properties"]["provisioningState"] == "Succeeded"


def test_some_members_are_only_in_the_answer_to_an_update(sim: ArmSimulator, call: Caller) -> None:
    """A hub answers an update with settings that a GET does not show."""
    hub = f"{GROUP}/providers/Microsoft.Devices/IotHubs/hub"
    sim.resources.add({"id": hub, "location": "westeurope", "sku": {"name": "S1", "capacity": 1}, "properties": {}})
    path = f"{hub}?api-version=2023-06-30"
    body = call("GET", path).json()
    assert "operationsMonitoringProperties" not in body["properties"]
    answer = call("PUT", path, json={**body, "properties": {**body["properties"], "eventHubEndpoints": {}}})
    assert "operationsMonitoringProperties" in answer.json()["properties"]


def test_a_null_of_an_update_is_shown_where_the_provider_shows_it(sim: ArmSimulator, call: Caller) -> None:
    """A container app shows no ingress after a null, keeps one that an update leaves out, and hides nulls in containers."""
    app = f"{GROUP}/providers/Microsoft.App/containerApps/app"
    ingress = {"external": True, "targetPort": 80}
    containers = [{"name": "one", "image": "one:1"}]
    sim.resources.add(
        {
            "id": app,
            "location": "westeurope",
            "properties": {"configuration": {"ingress": ingress}, "template": {"containers": containers}},
        }
    )

    def put(configuration: dict[str, Any], more: dict[str, Any]) -> Any:
        template = {"containers": [{**containers[0], **more}]}
        body = {"location": "westeurope", "properties": {"configuration": configuration, "template": template}}
        answer = call("PUT", f"{app}?api-version=2024-03-01", json=body).json()["properties"]
        sim.clock.advance(600)
        return answer["configuration"], answer["template"]["containers"][0]

    kept, _ = put({}, {})
    assert kept["ingress"]["targetPort"] == 80
    removed, container = put({"ingress": None}, {"args": None})
    assert removed["ingress"] is None
    assert "args" not in container


def test_what_is_added_depends_on_other_members_and_on_the_version(sim: ArmSimulator, call: Caller) -> None:
    """A restored database account has a continuous backup and its endpoints at once; previews show more, MongoDB less."""

    def made(name: str, version: str, kind: str = "GlobalDocumentDB", **more: Any) -> Any:
        properties = {
            "databaseAccountOfferType": "Standard",
            "locations": [{"locationName": "westeurope", "failoverPriority": 0}],
            **more,
        }
        body = {"location": "westeurope", "kind": kind, "properties": properties}
        path = f"{GROUP}/providers/Microsoft.DocumentDB/databaseAccounts/{name}?api-version={version}"
        return call("PUT", path, json=body).json()["properties"]

    sim.resources.add_resource_group(SUB, "rg")
    usual, restored = made("one", "2024-11-15"), made("two", "2024-11-15", createMode="Restore")
    assert [usual["backupPolicy"]["type"], restored["backupPolicy"]["type"]] == ["Periodic", "Continuous"]
    assert "documentEndpoint" in restored["locations"][0]
    assert "documentEndpoint" not in usual["locations"][0]
    mongo = made("three", "2024-11-15", kind="MongoDB")
    assert mongo["capabilities"] == [{"name": "EnableMongo"}]
    assert "enableMaterializedViews" in made("four", "2025-05-01-preview")
    assert "enableMaterializedViews" not in usual


def test_older_versions_answer_an_update_with_more(sim: ArmSimulator, call: Caller) -> None:
    """A container app shows its latest revision in the answer to an update up to the version that stopped it."""
    app = f"{GROUP}/providers/Microsoft.App/containerApps/app"
    sim.resources.add({"id": app, "location": "westeurope", "properties": {"latestRevisionName": "app--1"}})
    body = {"location": "westeurope", "properties": {}}
    for version, is_shown in (("2023-05-01", True), ("2024-03-01", False)):
        answer = call("PUT", f"{app}?api-version={version}", json=body).json()
        assert ("latestRevisionName" in answer["properties"]) is is_shown
        sim.clock.advance(600)


def test_members_follow_what_they_depend_on(sim: ArmSimulator, call: Caller) -> None:
    """A PATCH of the SKU of a storage account brings and removes what the account shows with it."""
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/accountone"
    sim.resources.add(
        {
            "id": account,
            "location": "westeurope",
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "properties": {},
        }
    )

    def patched(sku: str) -> Any:
        return call("PATCH", f"{account}?api-version=2023-05-01", json={"sku": {"name": sku}}).json()["properties"]

    properties = patched("Standard_RAGRS")
    assert properties["statusOfSecondary"] == "available"
    assert "blob" in properties["secondaryEndpoints"]
    assert not {"statusOfSecondary", "secondaryEndpoints"} & set(patched("Standard_LRS"))


def test_what_is_there_already_stays_when_its_words_come(sim: ArmSimulator, call: Caller) -> None:
    """The rules that a registry has are not replaced by the default rules of its new SKU."""
    registry = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/registryone"
    rules = {"defaultAction": "Deny", "ipRules": []}
    body = {"location": "westeurope", "sku": {"name": "Basic"}, "properties": {"networkRuleSet": rules}}
    sim.resources.add({"id": registry, **body})
    call("PATCH", f"{registry}?api-version=2023-07-01", json={"sku": {"name": "Premium"}})
    sim.clock.advance(600)
    assert sim.resources.get(registry)["properties"]["networkRuleSet"] == rules


def test_an_object_without_a_value_is_not_completed(sim: ArmSimulator, call: Caller) -> None:
    """The answer to an update adds to objects that are there, not to a null."""
    hub = f"{GROUP}/providers/Microsoft.Devices/IotHubs/hub"
    properties = {"eventHubEndpoints": None}
    sim.resources.add({"id": hub, "location": "westeurope", "sku": {"name": "S1"}, "properties": properties})
    answer = call("PATCH", f"{hub}?api-version=2023-06-30", json={"tags": {"a": "b"}})
    assert answer.json()["properties"]["eventHubEndpoints"] is None


def test_a_member_may_have_the_value_of_another(sim: ArmSimulator, call: Caller) -> None:
    """A workflow shows the recurrence of a trigger a second time, as evaluated."""
    sim.resources.add_resource_group(SUB, "rg")
    recurrence = {"frequency": "Hour", "interval": 3}
    triggers = {"often": {"type": "Recurrence", "recurrence": recurrence}, "asked": {"type": "Request", "kind": "Http"}}
    body = {"location": "westeurope", "properties": {"definition": {"triggers": triggers}}}
    path = f"{GROUP}/providers/Microsoft.Logic/workflows/one?api-version=2019-05-01"
    shown = call("PUT", path, json=body).json()["properties"]["definition"]["triggers"]
    assert shown["often"]["evaluatedRecurrence"] == recurrence
    assert "evaluatedRecurrence" not in shown["asked"]


def test_an_identity_may_be_shown_when_its_update_has_ended(sim: ArmSimulator, call: Caller) -> None:
    """A database account answers a PATCH with the identity that it had before."""
    account = f"{GROUP}/providers/Microsoft.DocumentDB/databaseAccounts/one"
    sim.resources.add({"id": account, "location": "westeurope", "identity": {"type": "None"}, "properties": {}})
    path = f"{account}?api-version=2024-11-15"
    answer = call("PATCH", path, json={"identity": {"type": "SystemAssigned"}}).json()
    assert answer["identity"] == {"type": "None"}
    sim.clock.advance(600)
    assert call("GET", path).json()["identity"]["type"] == "SystemAssigned"


def test_an_added_identity_is_a_change(sim: ArmSimulator, call: Caller) -> None:
    """A registry answers 201 to a PATCH that assigns another identity, and 200 to one that changes nothing."""
    registry = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/registryone"
    identity = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id"
    held = {"type": "UserAssigned", "userAssignedIdentities": {f"{identity}1": {"clientId": "c", "principalId": "p"}}}
    sim.resources.add(
        {"id": registry, "location": "westeurope", "sku": {"name": "Premium"}, "identity": held, "properties": {}}
    )
    path = f"{registry}?api-version=2022-02-01-preview"
    assert (
        call("PATCH", path, json={"identity": {**held, "userAssignedIdentities": {f"{identity}1": {}}}}).status_code
        == 200
    )
    sim.clock.advance(600)
    added = {"type": "UserAssigned", "userAssignedIdentities": {f"{identity}2": {}}}
    assert call("PATCH", path, json={"identity": added}).status_code == 201
