"""A template deployment as it goes out, and every way in which Azure answers it."""

from __future__ import annotations

import pytest
import responses
from responses import matchers

from defender_remediate.arm.deployments import deploy, what_if
from defender_remediate.arm.operations import wait_for
from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import BusyError, MalformedResponseError, OperationFailedError, RequestError
from defender_remediate.models.plan import PlannedRequest

PATH = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Resources/deployments/d"
URL = f"https://management.azure.com{PATH}"
BODY = {"properties": {"mode": "Incremental", "template": {"resources": []}, "parameters": {}}}
REQUEST = PlannedRequest(method="PUT", path=PATH, api_version="2021-04-01", body=BODY)
SUCCEEDED = {"id": PATH, "properties": {"provisioningState": "Succeeded"}}


@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 206])
def test_every_success_has_begun_the_deployment(session: ArmSession, wire: responses.RequestsMock, status: int) -> None:
    """Azure's own client takes 200 and 201 only; a deployment that it calls failed would go on unseen."""
    running = {"id": PATH, "properties": {"provisioningState": "Running"}}
    answer = {"json": running} if status not in (202, 204) else {"body": b""}
    wire.put(URL, status=status, match=[matchers.json_params_matcher(BODY)], **answer)  # type: ignore[arg-type]
    wire.get(URL, json=running)
    wire.get(URL, json=SUCCEEDED)
    first = deploy(session.correlated("run-1"), REQUEST)
    assert first.status == status
    assert wire.calls[0].request.headers["x-ms-correlation-request-id"] == "run-1"
    assert wait_for(session, first, path=PATH, api_version="2021-04-01", timeout=600).body == SUCCEEDED
    assert len([call for call in wire.calls if call.request.method == "PUT"]) == 1


def test_a_refusal_is_one_of_ours(session: ArmSession, wire: responses.RequestsMock) -> None:
    """Sent once, and by its code."""
    wire.put(URL, status=409, json={"error": {"code": "DeploymentActive", "message": "m"}})
    with pytest.raises(BusyError):
        deploy(session, REQUEST)
    wire.replace(responses.PUT, URL, status=307, headers={"Location": "https://management.azure.com/y"})
    with pytest.raises(RequestError, match="307"):
        deploy(session, REQUEST)
    assert len(wire.calls) == 2


def test_an_answer_that_is_cut_leaves_the_deployment_in_doubt(
    session: ArmSession, wire: responses.RequestsMock
) -> None:
    """It may have begun."""
    wire.put(URL, status=201, body=b'{"id":', content_type="application/json")
    with pytest.raises(MalformedResponseError, match="truncated"):
        deploy(session, REQUEST)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "Failed", "error": {"code": "InvalidTemplate", "message": "m"}}, OperationFailedError),
        ({"status": "Succeeded", "properties": {}}, MalformedResponseError),
        ({"status": "Succeeded", "properties": {"changes": [1]}}, MalformedResponseError),
        ({}, OperationFailedError),
    ],
)
def test_a_what_if_that_tells_nothing_is_an_error(
    session: ArmSession, wire: responses.RequestsMock, body: object, expected: type[Exception]
) -> None:
    """Azure says so under 200, and no changes is something that it has to say."""
    wire.post(f"{URL}/whatIf", json=body)
    with pytest.raises(expected):
        what_if(session, REQUEST)


def test_a_what_if_is_waited_for(session: ArmSession, wire: responses.RequestsMock) -> None:
    """At the location of its answer."""
    changes = [{"resourceId": "/x", "changeType": "Create"}]
    wire.post(f"{URL}/whatIf", status=202, headers={"Location": "/loc", "Retry-After": "1"})
    wire.get("https://management.azure.com/loc", status=202)
    wire.get("https://management.azure.com/loc", json={"status": "Succeeded", "properties": {"changes": changes}})
    assert what_if(session, REQUEST) == tuple(changes)
