"""Long-running operations in every form, on virtual time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from defender_remediate.arm.operations import FinalVia, wait_for
from defender_remediate.arm.session import ArmResponse, ArmSession
from defender_remediate.errors import CallTimeoutError, OperationBusyError, OperationFailedError, OperationTimeoutError
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.testing.simulator.state.clock import VirtualClock

PATH = "/subscriptions/s/resourceGroups/g/providers/Microsoft.X/things/t"
RESOURCE = {"id": PATH, "properties": {"provisioningState": "Succeeded"}}
OPERATION = {"Azure-AsyncOperation": "https://management.azure.com/op?t=s3cret&api-version=1", "Retry-After": "5"}
LOCATION = {"Location": "https://management.azure.com/loc1", "Retry-After": "5"}
OP, LOC = "GET /op?t=s3cret&api-version=1", "GET /loc1"
READ = f"GET {PATH}?api-version=9"


def write(session: ArmSession, method: str = "PATCH") -> ArmResponse:
    if method == "DELETE":
        return session.delete(PlannedRequest(method=method, path=PATH, api_version="9", body={}))
    return session.send(PlannedRequest(method=method, path=PATH, api_version="9", body={"a": 1}))


def wait(
    session: ArmSession, first: ArmResponse, *, timeout: float = 3600, final_via: FinalVia = "resource"
) -> ArmResponse:
    return wait_for(session, first, path=PATH, api_version="9", timeout=timeout, final_via=final_via)


@pytest.mark.parametrize("body", [None, {}, {"properties": None}, {"properties": {}}, RESOURCE])
@pytest.mark.parametrize("status", [200, 201])
def test_an_answer_that_began_nothing_is_the_result(session: ArmSession, azure: Any, status: int, body: Any) -> None:
    """No second request is made."""
    azure.then(status, body)
    first = write(session)
    assert wait(session, first) is first
    assert len(azure.requests) == 1


def test_an_operation_url_is_asked_until_its_status_says_so(
    session: ArmSession, azure: Any, clock: VirtualClock
) -> None:
    """Whatever the case of the word; then the resource is read. Retry-After counts at every step."""
    azure.then(202, None, {**OPERATION, "Location": "/never"})
    azure.then(200, {"status": "InProgress"}, {"Retry-After": "7"}).then(200, {"status": "Updating"})
    azure.then(200, {"status": "SUCCEEDED"}).then(200, RESOURCE)
    first = write(session)
    assert wait(session, first).body == RESOURCE
    assert azure.paths[1:] == [OP, OP, OP, READ]
    assert azure.times[1:] == [5.0, 12.0, 16.5, 16.5]
    assert clock.monotonic() == 16.5


def test_an_operation_may_move_to_a_newer_url(session: ArmSession, azure: Any) -> None:
    """The newest header is the one that counts."""
    azure.then(201, {"properties": {"provisioningState": "Creating"}}, OPERATION)
    azure.then(200, {"status": "Running"}, {"Azure-AsyncOperation": "/op2", "Retry-After": "1"})
    azure.then(200, {"status": "Succeeded"}).then(200, RESOURCE)
    wait(session, write(session))
    assert azure.paths[1:] == [OP, "GET /op2", READ]


@pytest.mark.parametrize("state", ["Failed", "canceled", "Cancelled"])
def test_a_failure_under_200_is_a_failure(session: ArmSession, azure: Any, state: str) -> None:
    """With the codes that are inside, and with the request that began it."""
    inner = '{\r\n "error": {"code": "Conflict", "message": "Busy"}}'
    error = {"code": "DeploymentFailed", "message": "m", "details": [{"code": "Conflict", "message": inner}]}
    azure.then(202, None, OPERATION).then(200, {"status": state, "error": error}, {"x-ms-request-id": "r9"})
    with pytest.raises(OperationFailedError, match=f"PATCH {PATH} ended {state}: DeploymentFailed: m") as caught:
        wait(session, write(session))
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (200, "DeploymentFailed", "r9")
    assert caught.value.details == ("Conflict", "Conflict: Busy")


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("headers", [{}, OPERATION, LOCATION])
def test_a_first_answer_that_has_failed_is_a_failure(
    session: ArmSession, azure: Any, status: int, headers: dict[str, str]
) -> None:
    """azure-core gives it back as a success."""
    azure.then(status, {"properties": {"provisioningState": "Failed", "error": {"code": "Bad"}}}, headers)
    with pytest.raises(OperationFailedError, match="Bad"):
        wait(session, write(session))
    assert len(azure.requests) == 1


def test_a_location_is_asked_while_it_says_202(session: ArmSession, azure: Any) -> None:
    """It may move; the resource is read at the end."""
    azure.then(202, None, LOCATION).then(202, None, {"Location": "/loc2", "Retry-After": "3"}).then(202)
    azure.then(200, {"anything": 1}).then(200, RESOURCE)
    first = write(session)
    assert wait(session, first).body == RESOURCE
    assert azure.paths[1:] == [LOC, "GET /loc2", "GET /loc2", READ]
    assert azure.times[1:] == [5.0, 8.0, 12.5, 12.5]


def test_a_location_may_end_without_a_body(session: ArmSession, azure: Any) -> None:
    """204 is an end; for a DELETE there is no resource left to read."""
    azure.then(202, None, LOCATION).then(204)
    assert wait(session, write(session, "DELETE")).status == 204
    assert azure.paths[1:] == [LOC]


def test_a_removal_that_names_no_url_has_ended_when_the_resource_is_gone(session: ArmSession, azure: Any) -> None:
    """While it says that it is being deleted, it is there."""
    going = {"id": PATH, "properties": {"provisioningState": "Deleting"}}
    gone = {"error": {"code": "ResourceNotFound", "message": "m"}}
    azure.then(202).then(200, going).then(404, gone)
    assert wait(session, write(session, "DELETE")).status == 204
    assert azure.paths[1:] == [READ, READ]


def test_a_provider_that_is_not_registered_does_not_say_that_a_resource_is_gone(
    session: ArmSession, azure: Any
) -> None:
    """Nothing is known then."""
    azure.then(202).then(404, {"error": {"code": "Subscription Not Registered", "message": "m"}})
    with pytest.raises(OperationTimeoutError, match="unknown"):
        wait(session, write(session, "DELETE"))


def test_a_location_may_say_its_state_in_words(session: ArmSession, azure: Any) -> None:
    """200 with Running is not an end, and with Failed it is a failure."""
    azure.then(202, None, LOCATION).then(200, {"status": "Running"}).then(
        200, {"status": "Failed", "error": {"code": "Bad"}}
    )
    with pytest.raises(OperationFailedError, match="Bad"):
        wait(session, write(session))
    assert len(azure.requests) == 3


@pytest.mark.parametrize(
    ("status", "code"), [(400, "InvalidTemplate"), (409, "Conflict"), (403, "RequestDisallowedByPolicy")]
)
def test_a_refusal_at_the_location_is_how_it_ended(session: ArmSession, azure: Any, status: int, code: str) -> None:
    """A Location answers what the request itself would have answered."""
    azure.then(202, None, LOCATION).then(status, {"error": {"code": code, "message": "m"}})
    with pytest.raises(OperationFailedError, match=code) as caught:
        wait(session, write(session))
    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_question_that_fails_says_nothing_about_the_operation(session: ArmSession, azure: Any, status: int) -> None:
    """It is asked again; three times in vain, and how it ended is unknown."""
    azure.then(202, None, LOCATION).then(status)
    with pytest.raises(OperationTimeoutError, match="unknown") as caught:
        wait(session, write(session))
    assert f"{status}" in str(caught.value.__cause__)


@pytest.mark.parametrize("status", [400, 404, 409, 500, 503])
def test_an_operation_url_that_answers_with_an_error_is_asked_again(
    session: ArmSession, azure: Any, status: int
) -> None:
    """Even a 4xx there is about the question only; once it is answered all is well."""
    azure.then(202, None, OPERATION)
    for _ in range(6):
        azure.then(status)
    azure.then(200, {"status": "Succeeded"}).then(200, RESOURCE)
    if status < 500:
        del azure.answers[3:7]
    assert wait(session, write(session)).body == RESOURCE


def test_the_wait_after_a_failed_question_is_what_azure_says(
    session: ArmSession, azure: Any, clock: VirtualClock
) -> None:
    """A Retry-After that is too long for a read is not too long for an operation."""
    azure.then(202, None, OPERATION).then(503, None, {"Retry-After": "300"})
    azure.then(200, {"status": "Succeeded"}).then(200, RESOURCE)
    wait(session, write(session))
    assert clock.monotonic() == pytest.approx(305, abs=0.01)


@pytest.mark.parametrize(
    ("status", "page"),
    [
        (200, None),
        (204, None),
        (200, {}),
        (200, {"id": PATH}),
        (200, RESOURCE),
        (200, {"status": "Completed"}),
        (200, {"status": None, "name": "op"}),
    ],
)
def test_a_status_page_without_a_running_status_ends_the_operation(
    session: ArmSession, azure: Any, status: int, page: Any
) -> None:
    """No final status will ever come: the resource is read at once, not after an hour of polling."""
    azure.then(202, None, OPERATION).then(status, page).then(200, RESOURCE)
    assert wait(session, write(session)).body == RESOURCE
    assert azure.paths[1:] == [OP, READ]


def test_a_status_page_may_be_the_resource_while_it_is_updating(session: ArmSession, azure: Any) -> None:
    """Its provisioning state counts as the status, also a bad one."""
    updating = {"id": PATH, "properties": {"provisioningState": "Updating"}}
    azure.then(202, None, OPERATION).then(200, updating).then(200, RESOURCE).then(200, RESOURCE)
    wait(session, write(session))
    assert azure.paths[1:] == [OP, OP, READ]
    azure.answers.clear()
    azure.then(202, None, OPERATION).then(200, {"id": PATH, "properties": {"provisioningState": "Failed"}})
    with pytest.raises(OperationFailedError, match="ended Failed"):
        wait(session, write(session))


@pytest.mark.parametrize("word", ["Archived", "Completing?", "Stage 7", "Active"])
def test_an_unknown_word_is_told_from_a_running_one_by_the_resource(session: ArmSession, azure: Any, word: str) -> None:
    """After a few polls the resource is read; when it is in a final state, so is the operation."""
    azure.then(202, None, OPERATION)
    for _ in range(3):
        azure.then(200, {"status": word}, {"Retry-After": "1"})
    azure.then(200, RESOURCE)
    assert wait(session, write(session)).body == RESOURCE
    assert azure.paths[1:5] == [OP, OP, OP, READ]


def test_an_unknown_word_that_stays_ends_after_a_while(session: ArmSession, azure: Any, clock: VirtualClock) -> None:
    """Also when the resource does not tell; what it is then is for the read-back to judge."""
    azure.then(202, None, OPERATION).then(200, {"status": "Odd"}, {"Retry-After": "10"})
    wait(session, write(session))
    assert clock.monotonic() < 600
    azure.answers.clear()
    azure.then(200, {"properties": {"provisioningState": "Odd"}})
    wait(session, write(session))
    assert clock.monotonic() < 1200


def test_an_operation_that_azure_has_forgotten_is_told_by_the_resource(session: ArmSession, azure: Any) -> None:
    """A 404 at its URL, or a link that cannot be followed, and a resource in a final state: it is over."""
    gone = {"error": {"code": "OperationIdNotFound", "message": "m"}}
    azure.then(202, None, OPERATION).then(404, gone).then(200, RESOURCE)
    assert wait(session, write(session)).body == RESOURCE
    assert azure.paths[1:] == [OP, READ, READ]
    azure.requests.clear()
    azure.answers.clear()
    azure.then(202, None, {"Location": "//elsewhere.example/x"}).then(200, RESOURCE)
    assert wait(session, write(session)).body == RESOURCE
    assert all("elsewhere" not in request.url for request in azure.requests)


@pytest.mark.parametrize(
    "link", ["//management.azure.com/loc1", "/loc1", "loc1", "https://management.azure.com:443/loc1"]
)
def test_a_link_may_be_relative(session: ArmSession, azure: Any, link: str) -> None:
    """In each way that a reference to the same host can be written."""
    azure.then(202, None, {"Location": link, "Retry-After": "5"}).then(200).then(200, RESOURCE)
    wait(session, write(session))
    assert azure.requests[1].url.endswith("/loc1")


@pytest.mark.parametrize("status", [202, 203, 204, 206])
def test_any_other_success_is_followed_by_reading_the_resource(session: ArmSession, azure: Any, status: int) -> None:
    """As for a deployment, which begins with 200 or 201 by contract and with others in practice."""
    running = {"id": PATH, "properties": {"provisioningState": "Running"}}
    azure.then(status).then(200, running).then(200, RESOURCE)
    assert wait(session, write(session, "PUT")).body == RESOURCE
    assert azure.paths[1:] == [READ, READ]


BUSY = {"code": "ServerBusy", "message": "The server is busy. Please retry the operation later."}


@pytest.mark.parametrize(
    "error",
    [
        BUSY,
        {"code": "DeploymentFailed", "message": "m", "details": [BUSY]},
        {"code": "Conflict", "message": "Another operation on this or dependent resource is in progress."},
        {"code": "OperationPreempted", "message": "Operation execution has been preempted by a more recent operation."},
    ],
)
def test_an_operation_that_ended_busy_can_be_sent_again(session: ArmSession, azure: Any, error: Any) -> None:
    """Another operation held the resource; the error says so, by class and hint."""
    azure.then(202, None, OPERATION).then(200, {"status": "Failed", "error": error})
    with pytest.raises(OperationBusyError, match="other operation on this resource"):
        wait(session, write(session))


class RecordedAzure:
    """Answers a write, the polls of its links and the reads of its resource as a recording did."""

    def __init__(self, azure: Any, form: dict[str, Any]) -> None:
        self._azure = azure
        self._left = {kind: [one for one in form["answers"] if one[0] == kind] for kind in "ALR"}
        links = {"A": "Azure-AsyncOperation", "L": "Location"}
        headers = {links[kind]: f"https://management.azure.com/{kind}" for kind in form["links"]}
        self._first = (form["status"], form["body"], headers)

    def send(self, request: Any, **kwargs: Any) -> Any:
        del kwargs
        if request.method != "GET":
            status, body, headers = self._first
        else:
            kind = request.url[-1] if request.url[-2] == "/" else "R"
            left = self._left[kind]
            ended = {"status": "Succeeded"} if kind == "A" else RESOURCE
            _, status, body = left.pop(0) if left else (kind, 200, ended)
            headers = {}
        self._azure.answers[:] = []
        self._azure.then(status, body, headers)
        return type(self._azure).send(self._azure, request)


FORMS = json.loads((Path(__file__).parent / "operation_forms.json").read_text(encoding="utf-8"))


def test_every_recorded_form_ends(azure: Any, credential: Any, endpoint: Any) -> None:
    """With the outcome that was recorded, and without polling what is over."""
    wrong = []
    for form in FORMS:
        clock = VirtualClock()
        scripted = type(azure)(clock)
        scripted.send = RecordedAzure(scripted, form).send
        session = ArmSession.open(credential, endpoint, clock=clock, transport=scripted, new_id=lambda: "id")
        words = [
            str(body.get("status") or (body.get("properties") or {}).get("provisioningState"))
            for kind, _, body in form["answers"]
            if body
        ]
        has_failed = bool({"Failed", "Canceled"} & set(words))
        try:
            wait(session, write(session, form["method"]))
            outcome = False
        except OperationFailedError:
            outcome = True
        most = len(form["answers"]) + 3
        if outcome != has_failed or len(scripted.requests) > most or clock.monotonic() > 30 * most + 60:
            wrong.append((form, outcome, scripted.paths, clock.monotonic()))
    assert not wrong


@pytest.mark.parametrize(
    ("status", "headers"), [(200, {}), (201, {}), (201, {"Location": PATH}), (200, {"Retry-After": "2"})]
)
def test_a_resource_that_is_updating_is_read_until_it_settles(
    session: ArmSession, azure: Any, status: int, headers: dict[str, str]
) -> None:
    """On 200 and 201 a Location is where the resource is, not an operation."""
    azure.then(status, {"properties": {"provisioningState": "Updating"}}, headers)
    azure.then(200, {"properties": {"provisioningState": "Accepted"}}, {"Retry-After": "4"}).then(200, RESOURCE)
    first = write(session)
    assert wait(session, first).body == RESOURCE
    assert azure.paths[1:] == [READ, READ]
    assert azure.times[2] - azure.times[1] == 4.0
    assert azure.times[1] == float(headers.get("Retry-After", 2))


def test_a_resource_that_ends_failed_is_a_failure(session: ArmSession, azure: Any) -> None:
    """Also when the operation itself said that it succeeded."""
    failed = {"properties": {"provisioningState": "Failed"}}
    azure.then(202, None, OPERATION).then(200, {"status": "Succeeded"}).then(200, failed)
    with pytest.raises(OperationFailedError, match="ended Failed"):
        wait(session, write(session))


def test_202_without_any_link_is_about_the_resource(session: ArmSession, azure: Any) -> None:
    """It is read after a short wait; without a state it is done."""
    azure.then(202).then(200, {"id": PATH})
    assert wait(session, write(session)).body == {"id": PATH}
    assert azure.paths[1:] == [READ]
    assert azure.times[1] == 2.0


def test_azure_may_say_at_once_but_not_without_a_pause(session: ArmSession, azure: Any) -> None:
    """Retry-After: 0 would otherwise only use up the allowance for reads."""
    azure.then(202, None, {**OPERATION, "Retry-After": "0"}).then(200, {"status": "Running"}, {"Retry-After": "0"})
    azure.then(200, {"status": "Succeeded"}).then(200, RESOURCE)
    wait(session, write(session))
    assert azure.times[1:] == [0.5, 1.0, 1.0]


def test_what_takes_too_long_goes_on_in_azure(session: ArmSession, azure: Any, clock: VirtualClock) -> None:
    """It is asked at growing intervals up to what Azure asks for, and not after the end of its time."""
    azure.then(202, None, OPERATION).then(200, {"status": "Running"}, {"Retry-After": "60"})
    with pytest.raises(OperationTimeoutError, match="did not end in time") as caught:
        wait(session, write(session), timeout=100)
    assert "still be running" in caught.value.hint
    assert azure.times[1:] == [5.0, 12.5, 23.75, 40.625, 65.9375]
    assert clock.monotonic() < 100


def test_the_result_may_be_at_the_location(session: ArmSession, azure: Any) -> None:
    """As a what-if has it: the operation's URL for the state, the Location for the answer."""
    azure.then(202, None, {**OPERATION, "Location": "/loc1"}).then(200, {"status": "Succeeded"}).then(200, {"found": 1})
    assert wait(session, write(session), final_via="location").body == {"found": 1}
    assert azure.paths[1:] == [OP, LOC]


def test_the_location_may_need_longer_than_the_operation(session: ArmSession, azure: Any) -> None:
    """Then it is waited for as well."""
    azure.then(202, None, {**OPERATION, "Location": "/loc1"}).then(200, {"status": "Succeeded"}).then(202)
    azure.then(200, {"found": 1})
    assert wait(session, write(session), final_via="location").body == {"found": 1}


def test_a_failed_answer_at_the_location_is_a_failure(session: ArmSession, azure: Any) -> None:
    """A what-if says so under 200, and azure-core does not mind."""
    azure.then(202, None, LOCATION).then(
        200, {"status": "Failed", "error": {"code": "InvalidTemplate", "message": "m"}}
    )
    with pytest.raises(OperationFailedError, match="InvalidTemplate"):
        wait(session, write(session), final_via="location")


def test_the_last_answer_may_be_the_result(session: ArmSession, azure: Any) -> None:
    """When there is no Location to go to."""
    last = {"status": "Succeeded", "properties": {"found": 1}}
    azure.then(202, None, OPERATION).then(200, last)
    assert wait(session, write(session), final_via="location").body == last
    assert azure.paths[1:] == [OP]


def test_a_location_that_was_asked_already_is_not_asked_again(session: ArmSession, azure: Any) -> None:
    """Its last answer is the result."""
    azure.then(202, None, LOCATION).then(200, {"found": 1})
    assert wait(session, write(session), final_via="location").body == {"found": 1}
    assert azure.paths[1:] == [LOC]


def test_the_time_limit_of_a_call_ends_a_wait(session: ArmSession, azure: Any) -> None:
    """As a what-if has it: it is not taken for a poll that failed."""
    call = session.with_options(timeout=40, headers=None, client_request_id=None)
    azure.then(202, None, OPERATION).then(503, None, {"Retry-After": "30"})
    with pytest.raises(CallTimeoutError):
        wait(call, write(call))
    azure.answers.clear()
    azure.then(202).then(503, None, {"Retry-After": "30"})
    call = session.with_options(timeout=40, headers=None, client_request_id=None)
    with pytest.raises(CallTimeoutError):
        wait(call, write(call))


def test_a_question_that_is_lost_has_no_resource(session: ArmSession, azure: Any) -> None:
    """A POST has nothing to read in its place, so how it ended is unknown."""
    first = ArmResponse(
        status=202, headers={"location": LOCATION["Location"]}, body=None, request_id="", url="/x", method="POST"
    )
    azure.then(404)
    with pytest.raises(OperationTimeoutError, match="unknown"):
        wait(session, first, final_via="location")
    assert set(azure.paths) == {LOC}


def test_operations_behind_the_first_ones_of_their_kind_wait_for_what_those_show(
    session: ArmSession, azure: Any, clock: VirtualClock
) -> None:
    """They are not asked early, and no longer than their time."""
    for _ in range(4):
        session.operation_pace.begin("PATCH microsoft.x/things", 0.0)
    operation = {"Azure-AsyncOperation": "/op"}
    azure.then(202, None, operation).then(200, {"status": "Succeeded"}).then(200, RESOURCE)
    wait(session, write(session))
    assert azure.times[1:] == [10.0, 10.0]
    azure.answers[:] = []
    azure.then(202, None, operation)
    with pytest.raises(OperationTimeoutError):
        wait(session, write(session), timeout=4)
    assert clock.monotonic() == 14.0


def test_a_deployment_that_has_succeeded_is_not_read_again(session: ArmSession, azure: Any) -> None:
    """Its status is the result; without a status the resource says how it ended."""
    azure.then(202, None, OPERATION).then(200, {"status": "Succeeded"})
    assert wait(session, write(session), final_via="status").body == {"status": "Succeeded"}
    assert len(azure.requests) == 2
    azure.answers[:] = []
    azure.then(202, None, OPERATION).then(200, {}).then(200, RESOURCE)
    assert wait(session, write(session), final_via="status").body == RESOURCE
