"""Template deployments, by the generated client and by hand."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.resource.deployments import DeploymentsMgmtClient

from defender_remediate.testing import ArmSimulator

VERSION = "2024-07-01"
DIAGNOSTICS = {
    "type": "Microsoft.Insights/diagnosticSettings",
    "apiVersion": "2021-05-01-preview",
    "name": "audit",
    "scope": "[format('Microsoft.KeyVault/vaults/{0}', parameters('vault'))]",
    "properties": {"workspaceId": "/w", "logs": [{"categoryGroup": "audit", "enabled": True}]},
}


def template(*resources: Any, **more: Any) -> dict[str, Any]:
    """A template with the usual frame."""
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": list(resources),
        **more,
    }


def body(*resources: Any, mode: str = "Incremental", parameters: Any = None, **more: Any) -> dict[str, Any]:
    """A deployment request."""
    return {"properties": {"mode": mode, "template": template(*resources, **more), "parameters": parameters or {}}}


@pytest.fixture
def audit(vault: str) -> dict[str, Any]:
    """A request that switches the audit log of the vault on."""
    request = body(deepcopy(DIAGNOSTICS), parameters={"vault": {"value": vault.rpartition("/")[2]}})
    request["properties"]["template"]["parameters"] = {"vault": {"type": "string"}}
    request["properties"]["template"]["outputs"] = {"v": {"type": "string", "value": "[parameters('vault')]"}}
    return request


@pytest.fixture
def client(sim: ArmSimulator, scope: str) -> DeploymentsMgmtClient:
    """The generated client, with its whole pipeline."""
    return DeploymentsMgmtClient(sim.credential, scope.rpartition("/")[2], transport=sim)  # type: ignore[arg-type]


@pytest.fixture
def deploy(call: Any, scope: str) -> Any:
    """Talks to one deployment of the group, or of the subscription."""

    def send(method: str, request: Any = None, *, name: str = "fix", tail: str = "", group: str = "rg") -> Any:
        base = f"{scope}/resourceGroups/{group}" if group else scope
        path = f"{base}/providers/Microsoft.Resources/deployments/{name}{tail}?api-version={VERSION}"
        return call(method, path, json=request)

    return send


def test_the_generated_client_deploys(
    sim: ArmSimulator, client: DeploymentsMgmtClient, audit: dict[str, Any], vault: str
) -> None:
    """The resource is there in the end, and so are outputs and operations."""
    result = client.deployments.begin_create_or_update("rg", "fix", audit).result()  # type: ignore[call-overload]
    assert result.properties.provisioning_state == "Succeeded"
    assert result.properties.outputs == {"v": {"type": "String", "value": "kv-four"}}
    made = f"{vault}/providers/Microsoft.Insights/diagnosticSettings/audit"
    assert [found["id"] for found in result.properties.output_resources] == [made]
    assert sim.resources.get(made)["properties"]["workspaceId"] == "/w"
    steps = list(client.deployment_operations.list("rg", "fix"))
    assert [step.properties.provisioning_operation for step in steps] == ["Create", "EvaluateDeploymentOutput"]
    assert sim.clock.monotonic() >= 20
    assert [found.name for found in client.deployments.list_by_resource_group("rg")] == ["fix"]


def test_a_failure_is_nested_text_on_http_200(
    sim: ArmSimulator, client: DeploymentsMgmtClient, audit: dict[str, Any]
) -> None:
    """The inner error is JSON with line breaks, inside a message; the operations list has it plain."""
    sim.faults.slow("Microsoft.Insights/diagnosticSettings", ends="Failed", code="Conflict", message="Busy.")
    with pytest.raises(HttpResponseError) as error:
        client.deployments.begin_create_or_update("rg", "fix", audit).result()  # type: ignore[call-overload]
    assert error.value.status_code == 200
    found: Any = error.value.error
    assert (found.code, found.details[0].code) == ("DeploymentFailed", "Conflict")
    assert "\r\n" in found.details[0].message
    assert json.loads(found.details[0].message)["error"]["message"] == "Busy."
    step = next(iter(client.deployment_operations.list("rg", "fix")))
    assert step.properties.status_code == "Conflict"
    assert client.deployments.get("rg", "fix").properties.provisioning_state == "Failed"


def test_what_if_compares_with_what_is_there(
    sim: ArmSimulator, client: DeploymentsMgmtClient, audit: dict[str, Any], account: str
) -> None:
    """Create, then NoChange, then Modify; what the template does not have is ignored; nothing is written."""

    def preview(request: Any) -> dict[str, Any]:
        result = client.deployments.begin_what_if("rg", "look", request).result()
        assert result.status == "Succeeded"
        return {change.resource_id.rpartition("/")[2]: change for change in result.changes}

    first = preview(json.loads(json.dumps(audit)))
    assert first["audit"].change_type == "Create"
    assert first["stfour"].change_type == "Ignore"
    assert sim.writes == []
    client.deployments.begin_create_or_update("rg", "fix", audit).result()  # type: ignore[call-overload]
    assert preview(json.loads(json.dumps(audit)))["audit"].change_type == "NoChange"
    properties = audit["properties"]["template"]["resources"][0]["properties"]
    properties.pop("workspaceId")
    properties.update(
        storageAccountId="/s",
        logs=[{"categoryGroup": "audit", "enabled": False}, {"categoryGroup": "all", "enabled": True}],
    )
    change = preview(audit)["audit"]
    assert change.change_type == "Modify"
    assert {part.path: part.property_change_type for part in change.delta} == {
        "properties.logs": "Array",
        "properties.storageAccountId": "Create",
        "properties.workspaceId": "Delete",
    }
    children = next(part for part in change.delta if part.path == "properties.logs").children
    assert [(part.path, part.property_change_type) for part in children] == [("0", "Modify"), ("1", "Create")]
    audit["properties"]["whatIfSettings"] = {"resultFormat": "ResourceIdOnly"}
    assert preview(audit)["audit"].change_type == "Deploy"


def test_what_if_at_a_subscription(deploy: Any, call: Any, scope: str) -> None:
    """Settings of the subscription; a shorter array has a deleted item."""
    contact = {
        "type": "Microsoft.Security/pricings",
        "apiVersion": "2024-01-01",
        "name": "Arm",
        "properties": {"pricingTier": "Standard", "extensions": []},
    }
    request = {"location": "westeurope", **body(contact)}
    response = deploy("POST", request, tail="/whatIf", group="")
    assert response.status_code == 202
    assert "Retry-After" in response.headers
    assert deploy("PUT", request, group="").status_code == 201


def test_a_what_if_that_fails_is_http_200(
    sim: ArmSimulator, client: DeploymentsMgmtClient, audit: dict[str, Any], scope: str
) -> None:
    """The status is inside: no permission, a bad template, a bad body."""
    sim.access.deny("Microsoft.Insights/diagnosticSettings/write", scope)
    denied = client.deployments.begin_what_if("rg", "look", json.loads(json.dumps(audit))).result()
    assert (denied.status, denied.error.code) == ("Failed", "AuthorizationFailed")
    audit["properties"]["template"]["resources"][0]["name"] = "[nonsense()]"
    broken = client.deployments.begin_what_if("rg", "look", audit).result()
    assert (broken.status, broken.error.code) == ("Failed", "InvalidTemplate")


def test_a_deployment_runs_and_can_be_canceled(
    sim: ArmSimulator, deploy: Any, word: Any, call: Any, audit: dict[str, Any], vault: str
) -> None:
    """204 while it runs; nothing was made; afterwards there is nothing to cancel."""
    created = deploy("PUT", audit)
    assert created.status_code == 201
    assert created.json()["properties"]["provisioningState"] == "Accepted"
    assert word(deploy("PUT", audit)) == "DeploymentActive"
    assert word(deploy("DELETE")) == "DeploymentActive"
    assert deploy("POST", tail="/cancel").status_code == 204
    assert deploy("GET").json()["properties"]["provisioningState"] == "Canceled"
    status = call("GET", created.headers["Azure-AsyncOperation"]).json()
    assert (status["status"], status["error"]["code"]) == ("Canceled", "OperationCanceled")
    refused = deploy("POST", tail="/cancel")
    assert (refused.status_code, word(refused)) == (409, "DeploymentCannotBeCancelled")
    assert all("diagnosticSettings" not in found for found in sim.resources.list_ids())
    assert deploy("PUT", audit).status_code == 200
    sim.clock.advance(20)
    assert deploy("GET").json()["properties"]["provisioningState"] == "Succeeded"


def test_the_history(sim: ArmSimulator, deploy: Any, word: Any, call: Any, audit: dict[str, Any], scope: str) -> None:
    """Read, exported, listed, filtered, deleted."""
    deploy("PUT", {**audit, "tags": {"a": "b"}})
    assert deploy("HEAD").status_code == 204
    assert deploy("HEAD", name="none").status_code == 404
    assert word(deploy("GET", name="none")) == "DeploymentNotFound"
    sim.clock.advance(20)
    assert deploy("GET").json()["tags"] == {"a": "b"}
    assert deploy("POST", tail="/exportTemplate").json()["template"] == audit["properties"]["template"]
    path = f"{scope}/resourceGroups/rg/providers/Microsoft.Resources/deployments"
    assert len(call.get(path, VERSION, filter="provisioningState eq 'Succeeded'")["value"]) == 1
    assert call.get(path, VERSION, filter="provisioningState eq 'Failed'", top="5")["value"] == []
    assert call.get(f"{scope}/providers/Microsoft.Resources/deployments", VERSION)["value"] == []
    assert word(call("GET", f"{path}?api-version={VERSION}&$filter=x")) == "InvalidFilterInQueryString"
    assert deploy("DELETE").status_code == 204
    assert deploy("DELETE").status_code == 204
    assert word(deploy("GET")) == "DeploymentNotFound"


def test_the_operations_of_a_group_have_a_path_of_their_own(
    sim: ArmSimulator, deploy: Any, call: Any, audit: dict[str, Any], scope: str
) -> None:
    """Without the provider; the path of any scope, with it, leads to the same."""
    deploy("PUT", audit)
    sim.clock.advance(20)
    path = f"{scope}/resourcegroups/rg/deployments/fix/operations"
    steps = call.get(path, VERSION)["value"]
    assert len(steps) == 2
    assert call.get(f"{path}/{steps[1]['operationId']}", VERSION) == steps[1]
    assert call("GET", f"{path}/none", params={"api-version": VERSION}).status_code == 404
    assert deploy("GET", tail="/operations").json()["value"] == steps


def test_eight_hundred_entries_at_most(sim: ArmSimulator, deploy: Any, word: Any, scope: str) -> None:
    """The oldest goes by itself, unless a lock keeps it."""
    sim.faults.throttle(enabled=False)
    sim.resources.add_resource_group(scope, "rg")
    request = body()
    for number in range(801):
        assert deploy("PUT", request, name=f"d{number}").status_code == 201
    assert deploy("HEAD", name="d0").status_code == 404
    assert deploy("HEAD", name="d1").status_code == 204
    sim.access.lock(scope, "CanNotDelete")
    assert word(deploy("PUT", request, name="one-more")) == "DeploymentQuotaExceeded"


def test_a_deployment_at_a_subscription_has_a_location_that_stays(
    sim: ArmSimulator, deploy: Any, word: Any, call: Any, scope: str
) -> None:
    """One at a group has none."""
    sim.resources.add_resource_group(scope, "rg")
    assert word(deploy("PUT", body(), group="")) == "LocationRequired"
    assert deploy("PUT", {"location": "westeurope", **body()}, group="").json()["location"] == "westeurope"
    sim.clock.advance(20)
    moved = deploy("PUT", {"location": "eastus", **body()}, group="")
    assert (moved.status_code, word(moved)) == (400, "InvalidDeploymentLocation")
    assert word(deploy("PUT", {"location": "westeurope", **body()})) == "InvalidDeployment"
    assert call.get(f"{scope}/providers/Microsoft.Resources/deployments/fix/operations", VERSION)["value"] == []


@pytest.mark.parametrize(
    ("request_", "name", "code"),
    [
        ({"properties": {"mode": "Sideways"}}, "fix", "InvalidDeployment"),
        (
            {"properties": {"mode": "Incremental", "templateLink": {"uri": "https://example.com/t"}}},
            "fix",
            "InvalidContentLink",
        ),
        ({"Properties": {}}, "fix", "InvalidRequestContent"),
        ({"properties": {"mode": "Incremental"}}, "fix", "InvalidTemplate"),
        (body(), "no spaces", "InvalidDeployment"),
        (
            body({"type": "Microsoft.Storage/storageAccounts", "apiVersion": "1999-01-01", "name": "x"}),
            "fix",
            "NoRegisteredProviderFound",
        ),
    ],
)
def test_a_request_that_cannot_be_is_refused_at_once(
    sim: ArmSimulator, deploy: Any, word: Any, scope: str, request_: Any, name: str, code: str
) -> None:
    """Nothing enters the history."""
    sim.resources.add_resource_group(scope, "rg")
    response = deploy("PUT", request_, name=name)
    assert (response.status_code, word(response)) == (400, code)


def test_validation_answers_with_resources_or_an_error(
    sim: ArmSimulator, deploy: Any, audit: dict[str, Any], scope: str
) -> None:
    """200 with what it would do, 400 with the error beside name and id; a policy refuses here already."""
    good = deploy("POST", audit, tail="/validate")
    assert good.status_code == 200
    assert good.json()["properties"]["validatedResources"]
    bad = deploy("POST", body({"type": "x"}), tail="/validate")
    assert bad.status_code == 400
    assert bad.json()["error"]["code"] == "InvalidTemplate"
    assert set(bad.json()) == {"error"}
    sim.access.assign_policy(scope, resource_type="Microsoft.Insights/diagnosticSettings")
    refused = deploy("POST", audit, tail="/validate").json()["error"]
    assert (refused["code"], refused["details"][0]["code"]) == (
        "InvalidTemplateDeployment",
        "RequestDisallowedByPolicy",
    )


def test_what_fails_inside_does_not_stop_the_rest(
    sim: ArmSimulator, deploy: Any, call: Any, audit: dict[str, Any], account: str, cluster: str, scope: str
) -> None:
    """A locked resource, a busy one and a missing parent fail; the others are made; the log has them all."""
    resources = audit["properties"]["template"]["resources"]
    storage = {
        "type": "Microsoft.Storage/storageAccounts",
        "apiVersion": "2025-08-01",
        "name": "stfour",
        "location": "westeurope",
    }
    aks = {
        "type": "Microsoft.ContainerService/managedClusters",
        "apiVersion": "2025-10-01",
        "name": "aks-four",
        "location": "westeurope",
    }
    child = {
        "type": "Microsoft.Storage/storageAccounts/blobServices",
        "apiVersion": "2025-08-01",
        "name": "gone/default",
    }
    resources += [storage, aks, child]
    sim.access.lock(account)
    call("PUT", f"{cluster}?api-version=2025-10-01", json={"location": "westeurope"})
    deploy("PUT", audit)
    sim.clock.advance(20)
    error = deploy("GET").json()["properties"]["error"]
    codes = [detail["code"] for detail in error["details"]]
    assert codes == ["ScopeLocked", "AnotherOperationInProgress", "ParentResourceNotFound"]
    assert any("diagnosticSettings" in found for found in sim.resources.list_ids())
    sim.clock.advance(60)
    log = call.get(
        f"{scope}/providers/Microsoft.Insights/eventtypes/management/values",
        "2015-04-01",
        filter="eventTimestamp ge '2026-03-01T00:00:00Z' and eventTimestamp le '2026-03-03T00:00:00Z'",
    )["value"]
    deployment = next(
        event for event in log if event["operationName"]["value"] == "Microsoft.Resources/deployments/write"
    )
    inner = [event for event in log if event["operationName"]["value"].startswith("Microsoft.Insights")]
    assert {event["correlationId"] for event in inner} == {deployment["correlationId"]}


def test_complete_mode_removes_the_rest(sim: ArmSimulator, deploy: Any, account: str, vault: str) -> None:
    """Complete mode deletes resources that the template does not name."""
    keep = {
        "type": "Microsoft.KeyVault/vaults",
        "apiVersion": "2025-05-01",
        "name": "kv-four",
        "location": "westeurope",
    }
    deploy("PUT", body(keep, mode="Complete"))
    sim.clock.advance(20)
    assert vault in sim.resources.list_ids()
    assert account not in sim.resources.list_ids()


def test_a_deployment_can_be_made_to_fail_or_to_dawdle(
    sim: ArmSimulator, deploy: Any, call: Any, audit: dict[str, Any]
) -> None:
    """Like any other long write."""
    sim.faults.slow("Microsoft.Resources/deployments", seconds=300, retry_after=None, ends="Failed", code="Boom")
    response = deploy("PUT", audit)
    assert "Retry-After" not in response.headers
    sim.clock.advance(299)
    assert call("GET", response.headers["Azure-AsyncOperation"]).json()["status"] == "InProgress"
    sim.clock.advance(1)
    assert deploy("GET").json()["properties"]["error"]["code"] == "Boom"
    sim.faults.slow("Microsoft.Resources/deployments", methods=("POST",), seconds=9)
    assert deploy("POST", audit, tail="/whatIf").headers["Retry-After"] == "10"


WORKSPACE = "Microsoft.OperationalInsights/workspaces"


def referring(workspace: str) -> dict[str, Any]:
    """A request for a diagnostic setting that is called after the customer id of a workspace."""
    setting = deepcopy(DIAGNOSTICS)
    setting["scope"] = "Microsoft.KeyVault/vaults/kv-four"
    setting["properties"]["logAnalyticsDestinationType"] = "[reference(parameters('w'), '2022-10-01').customerId]"
    setting["properties"]["marketplacePartnerId"] = "[listKeys(parameters('w'), '2020-08-01').primarySharedKey]"
    request = body(setting, parameters={"w": {"value": workspace}})
    request["properties"]["template"]["parameters"] = {"w": {"type": "string"}}
    name = {"type": "string", "value": "[reference(parameters('w'), '2022-10-01', 'Full').name]"}
    request["properties"]["template"]["outputs"] = {"name": name}
    return request


@pytest.fixture
def workspace(sim: ArmSimulator, scope: str, vault: str) -> str:
    """A workspace with the id that its agents use."""
    assert vault
    made = f"{scope}/resourceGroups/rg/providers/{WORKSPACE}/central"
    return sim.resources.add({"id": made, "location": "westeurope", "properties": {"customerId": "customer"}})


def test_a_template_refers_to_resources_when_it_is_deployed(
    sim: ArmSimulator, client: DeploymentsMgmtClient, workspace: str, vault: str
) -> None:
    """Their properties, the whole of them, and their keys; a what-if leaves such an expression as it is written."""
    request = referring(workspace)
    preview = {"properties": {**request["properties"]}}
    changes = client.deployments.begin_what_if("rg", "fix", preview).result().changes  # type: ignore[call-overload]
    shown = next(change.after for change in changes if change.change_type == "Create")
    assert shown["properties"]["logAnalyticsDestinationType"].startswith("[reference(")
    assert shown["properties"]["marketplacePartnerId"].startswith("[listKeys(")
    result = client.deployments.begin_create_or_update("rg", "fix", request).result()  # type: ignore[call-overload]
    assert result.properties.outputs == {"name": {"type": "String", "value": "central"}}
    made = sim.resources.get(f"{vault}/providers/Microsoft.Insights/diagnosticSettings/audit")["properties"]
    assert made["logAnalyticsDestinationType"] == "customer"
    assert len(made["marketplacePartnerId"]) == 44


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("[reference(concat(parameters('w'), 'x'), '2022-10-01').a]", "does not exist"),
        ("[reference(parameters('w'), '2022-10-01').a]", "'a' doesn't exist"),
        ("[reference()]", "does not exist"),
    ],
)
@pytest.mark.parametrize("place", ["resource", "output"])
def test_a_reference_to_nothing_fails_the_deployment(
    client: DeploymentsMgmtClient, workspace: str, value: str, word: str, place: str
) -> None:
    """Azure finds out while it deploys."""
    request = referring(workspace)
    if place == "resource":
        request["properties"]["template"]["resources"][0]["properties"]["logAnalyticsDestinationType"] = value
    else:
        request["properties"]["template"]["outputs"]["name"]["value"] = value
    with pytest.raises(HttpResponseError) as error:
        client.deployments.begin_create_or_update("rg", "fix", request).result()  # type: ignore[call-overload]
    assert word in str(error.value)


def test_keys_that_the_caller_may_not_list_fail_the_deployment(
    sim: ArmSimulator, client: DeploymentsMgmtClient, workspace: str
) -> None:
    """A deployment has no more rights than who starts it."""
    sim.access.deny(f"{WORKSPACE}/listKeys/action", workspace)
    with pytest.raises(HttpResponseError) as error:
        client.deployments.begin_create_or_update("rg", "fix", referring(workspace)).result()  # type: ignore[call-overload]
    assert "AuthorizationFailed" in str(error.value)


def test_most_types_list_two_named_keys(sim: ArmSimulator, client: DeploymentsMgmtClient, workspace: str) -> None:
    """A storage account does; the keys are the same each time."""
    account = workspace.replace(f"{WORKSPACE}/central", "Microsoft.Storage/storageAccounts/fourdata")
    sim.resources.add({"id": account, "location": "westeurope", "properties": {}})
    request = referring(account)
    request["properties"]["template"]["resources"] = []
    request["properties"]["template"]["outputs"]["name"]["value"] = (
        "[listKeys(parameters('w'), '2023-05-01').keys[1].keyName]"
    )
    result = client.deployments.begin_create_or_update("rg", "fix", request).result()  # type: ignore[call-overload]
    assert result.properties.outputs["name"]["value"] == "key2"
