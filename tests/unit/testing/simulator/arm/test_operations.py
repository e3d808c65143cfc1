"""Writes that take time, in every form that Azure has for them."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.resource.resources import ResourceManagementClient

from defender_remediate.testing import ArmSimulator

STORAGE = "2025-08-01"
BODY = {"properties": {"supportsHttpsTrafficOnly": True}}


def patch(call: Any, resource_id: str, method: str = "PATCH", **body: Any) -> Any:
    """A write to a storage account."""
    return call(method, f"{resource_id}?api-version={STORAGE}", json=body or BODY)


def test_azure_async_operation_wins_and_always_answers_200(sim: ArmSimulator, call: Any, account: str) -> None:
    """A PATCH answers 202 with both headers; the status page runs, then has succeeded."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", seconds=25, retry_after=7)
    response = patch(call, account)
    assert response.status_code == 202
    assert response.content == b""
    assert response.headers["Retry-After"] == "7"
    assert response.headers["Location"].startswith(sim.endpoint)
    status = response.headers["Azure-AsyncOperation"]
    assert call("GET", status).json()["status"] == "InProgress"
    assert sim.resources.get(account)["properties"]["provisioningState"] == "Updating"
    assert sim.resources.get(account)["properties"]["supportsHttpsTrafficOnly"] is False
    sim.clock.advance(25)
    done = call("GET", status)
    assert done.status_code == 200
    assert done.json()["status"] == "Succeeded"
    assert done.json()["endTime"]
    assert "Retry-After" not in done.headers
    assert sim.resources.get(account)["properties"]["provisioningState"] == "Succeeded"
    assert sim.resources.get(account)["properties"]["supportsHttpsTrafficOnly"] is True


def test_the_newest_location_leads_to_the_result(sim: ArmSimulator, call: Any, account: str) -> None:
    """Each 202 names the next page; an older one never ends."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", form="location", seconds=10, retry_after=None)
    first = patch(call, account)
    assert first.status_code == 202
    assert "Azure-AsyncOperation" not in first.headers
    assert "Retry-After" not in first.headers
    second = call("GET", first.headers["Location"])
    sim.clock.advance(10)
    stale = call("GET", first.headers["Location"])
    assert (second.status_code, stale.status_code) == (202, 202)
    result = call("GET", stale.headers["Location"])
    assert result.status_code == 200
    assert result.json() == sim.resources.get(account)


@pytest.mark.parametrize(("form", "status"), [("body", 200), ("bare", 202)])
def test_the_resource_itself_may_be_what_is_polled(
    sim: ArmSimulator, call: Any, account: str, form: str, status: int
) -> None:
    """Either the answer says Updating, or it says nothing at all."""
    sim.faults.slow("stfour", form=form, seconds=10)
    response = patch(call, account)
    assert response.status_code == status
    assert {"Location", "Azure-AsyncOperation"}.isdisjoint(response.headers)
    assert call.get(account, STORAGE)["properties"]["provisioningState"] == "Updating"
    sim.clock.advance(10)
    assert call.get(account, STORAGE)["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize("ends", ["Failed", "Canceled"])
def test_a_failure_is_told_on_http_200_and_nothing_has_changed(
    sim: ArmSimulator, call: Any, account: str, ends: str
) -> None:
    """Only the body knows."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", ends=ends, code="Quota", message="No more.")
    response = patch(call, account)
    sim.clock.advance(30)
    status = call("GET", response.headers["Azure-AsyncOperation"])
    assert status.status_code == 200
    assert status.json()["status"] == ends
    assert status.json()["error"] == {"code": "Quota", "message": "No more."}
    assert call("GET", response.headers["Location"]).status_code == 409
    assert sim.resources.get(account)["properties"]["supportsHttpsTrafficOnly"] is False
    assert sim.resources.get(account)["properties"]["provisioningState"] == ends


def test_the_first_answer_may_be_the_failure(sim: ArmSimulator, call: Any, account: str) -> None:
    """HTTP 200 with provisioningState Failed, and nothing to poll."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", at_once=True)
    response = patch(call, account)
    assert response.status_code == 200
    assert response.json()["properties"]["provisioningState"] == "Failed"
    created = patch(call, account + "new", "PUT", location="westeurope", kind="StorageV2", sku={"name": "Standard_LRS"})
    assert created.status_code == 201
    assert created.json()["properties"]["provisioningState"] == "Failed"


def test_one_write_at_a_time(sim: ArmSimulator, call: Any, word: Any, account: str, cluster: str) -> None:
    """While it runs, the provider refuses another in its own words."""
    sim.faults.slow("Microsoft.Storage/storageAccounts")
    patch(call, account)
    assert word(patch(call, account)) == "StorageAccountOperationInProgress"
    assert word(call("DELETE", f"{account}?api-version={STORAGE}")) == "StorageAccountOperationInProgress"
    path = f"{cluster}?api-version=2025-10-01"
    started = call("PUT", path, json={"location": "westeurope", "properties": {}})
    assert started.status_code == 200
    assert started.headers["Azure-AsyncOperation"]
    assert word(call("PATCH", path, json={"tags": {}})) == "AnotherOperationInProgress"


def test_what_is_slow_by_nature_can_be_made_quick(sim: ArmSimulator, call: Any, cluster: str) -> None:
    """Zero seconds means at once; other verbs are not concerned."""
    sim.faults.slow("Microsoft.ContainerService/managedClusters", seconds=0)
    response = call("PUT", f"{cluster}?api-version=2025-10-01", json={"location": "westeurope"})
    assert response.json()["properties"]["provisioningState"] == "Succeeded"
    sim.faults.slow("Microsoft.ContainerService/.*", methods=("DELETE",))
    assert (
        "Azure-AsyncOperation"
        not in call("PUT", f"{cluster}?api-version=2025-10-01", json={"location": "westeurope"}).headers
    )


def test_a_slow_creation_is_creating_until_it_is_there(sim: ArmSimulator, call: Any, account: str) -> None:
    """201, then Succeeded."""
    sim.faults.slow("Microsoft.Storage/storageAccounts")
    new = account + "new"
    response = patch(call, new, "PUT", location="westeurope", kind="StorageV2", sku={"name": "Standard_LRS"})
    assert response.status_code == 201
    assert response.json()["properties"]["provisioningState"] == "Creating"
    sim.clock.advance(30)
    assert sim.resources.get(new)["properties"]["provisioningState"] == "Succeeded"


def test_an_operation_nobody_started_is_not_there(call: Any, word: Any, scope: str) -> None:
    """404."""
    response = call("GET", f"{scope}/providers/Microsoft.Storage/locations/global/operationStatuses/none?api-version=x")
    assert word(response) == "OperationNotFound"


@pytest.mark.parametrize("form", ["azure-async", "location", "bare"])
def test_a_generated_client_waits_to_the_end_in_virtual_time(sim: ArmSimulator, account: str, form: str) -> None:
    """The real poller of azure-mgmt-resource, with its sleeps on the simulator's clock."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", form=form, seconds=40)
    client = ResourceManagementClient(sim.credential, account.split("/")[2], transport=sim)  # type: ignore[arg-type]
    result = client.resources.begin_update_by_id(account, api_version=STORAGE, parameters=BODY).result()  # type: ignore[call-overload]
    assert sim.clock.monotonic() >= 40
    assert result["properties"]["supportsHttpsTrafficOnly"] is True
    assert isinstance(client._client, ARMPipelineClient)


def test_a_generated_client_raises_for_a_failed_operation(sim: ArmSimulator, account: str) -> None:
    """With status 200, as the real one does."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", ends="Failed", code="Quota")
    client = ResourceManagementClient(sim.credential, account.split("/")[2], transport=sim)  # type: ignore[arg-type]
    with pytest.raises(HttpResponseError) as error:
        client.resources.begin_update_by_id(account, api_version=STORAGE, parameters=BODY).result()  # type: ignore[call-overload]
    assert (error.value.status_code, error.value.error.code) == (200, "Quota")  # type: ignore[union-attr]
