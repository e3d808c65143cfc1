"""The session: patient reads, single writes, and listings that hold one page."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from defender_remediate.arm.cloud import Endpoint
from defender_remediate.arm.session import ArmSession
from defender_remediate.discovery.resource_graph import query_graph
from defender_remediate.errors import (
    ConnectionCutError,
    ConnectionFailedError,
    ForbiddenError,
    InvalidInputError,
    MalformedResponseError,
    NotFoundError,
    PreconditionFailedError,
    RequestError,
    ServiceError,
    ThrottledError,
    UnauthorizedError,
)
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.testing.simulator.state.clock import VirtualClock

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"
PATCH = PlannedRequest(method="PATCH", path=ACCOUNT, api_version="1", body={"properties": {"x": [1]}})
REFUSED = {"error": {"code": "InvalidApiVersionParameter", "message": "The supported versions are '1'."}}


def test_a_read_gives_what_azure_said(session: ArmSession, azure: Any) -> None:
    """The body parsed, the headers in any case, the URL without its secrets."""
    azure.then(200, {"id": ACCOUNT}, {"X-Ms-Request-Id": "r1", "ETag": "e"})
    found = session.get(ACCOUNT, api_version="1", params={"$expand": "x"})
    assert found.body == {"id": ACCOUNT}
    assert (found.status, found.method, found.headers["etag"]) == (200, "GET", "e")
    assert found.url == f"{ACCOUNT}?api-version=1"
    assert azure.paths == [f"GET {ACCOUNT}?api-version=1&$expand=x"]
    assert "ETag" not in repr(found)


def test_an_empty_answer_to_a_read_is_no_resource(session: ArmSession, azure: Any) -> None:
    """It is asked for again, and is an error when it stays so."""
    azure.then(200).then(200, {"id": "x"})
    assert session.get(ACCOUNT, api_version="1").body == {"id": "x"}
    azure.answers.clear()
    azure.then(200)
    with pytest.raises(MalformedResponseError, match="empty"):
        session.get(ACCOUNT, api_version="1")


def test_a_read_may_answer_with_nothing_when_its_status_says_so(session: ArmSession, azure: Any) -> None:
    """204, and whatever a link of Azure's leads to."""
    azure.then(204)
    assert session.get(ACCOUNT, api_version="1").body is None
    azure.answers.clear()
    azure.then(200)
    assert session.get_url(f"{ACCOUNT}?t=1").body is None


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_reads_are_tried_again(session: ArmSession, azure: Any, clock: VirtualClock, status: int) -> None:
    """After a pause that doubles."""
    azure.then(status).then(status).then(200, {"id": "x"})
    assert session.get(ACCOUNT, api_version="1").status == 200
    assert clock.monotonic() == pytest.approx(0.8 + 1.6, abs=0.2)


def test_each_way_a_read_breaks_is_tried_again(session: ArmSession, azure: Any) -> None:
    """No connection, a cut one, and a body that stops half-way."""
    azure.fail(ServiceRequestError("x")).fail(ServiceResponseError("x")).then(200, b'{"id":').then(200, {"id": "x"})
    assert session.get(ACCOUNT, api_version="1").body == {"id": "x"}


def test_retry_after_beyond_two_minutes_is_the_callers_affair(
    session: ArmSession, azure: Any, clock: VirtualClock
) -> None:
    """It is told at once; the next request of the kind is not even sent, and other kinds are not concerned."""
    azure.then(429, {"error": {"code": "SubscriptionRequestsThrottled"}}, {"Retry-After": "600"})
    with pytest.raises(ThrottledError) as caught:
        session.get(ACCOUNT, api_version="1")
    assert caught.value.retry_after == 600
    with pytest.raises(ThrottledError) as caught:
        session.get(ACCOUNT, api_version="1")
    assert (caught.value.code, len(azure.requests), clock.monotonic()) == ("RateLimiterPaused", 1, 0)
    azure.answers.clear()
    azure.then(200, {})
    assert session.send(PATCH).status == 200


def test_a_429_holds_everybody_of_its_kind(session: ArmSession, azure: Any, clock: VirtualClock) -> None:
    """A session that shares the connection waits for the same moment."""
    azure.then(429, {"error": {"code": "SubscriptionRequestsThrottled"}}, {"Retry-After": "7"}).then(200, {})
    with pytest.raises(ThrottledError):
        session.send(PATCH)
    session.correlated("other").send(PATCH)
    assert azure.times == [0.0, pytest.approx(7.0, abs=0.01)]


@pytest.mark.parametrize(
    ("code", "other_path", "waits"),
    [
        ("TooManyRequests", ACCOUNT, True),
        ("TooManyRequests", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/w", False),
        ("RetryableErrorDueToAnotherOperation", ACCOUNT, False),
    ],
)
def test_a_429_of_a_provider_or_of_a_lock_holds_fewer(
    session: ArmSession, azure: Any, code: str, other_path: str, waits: bool
) -> None:
    """A provider's limit concerns that provider; a lock on one resource concerns that resource."""
    azure.then(429, {"error": {"code": code}}, {"Retry-After": "7"}).then(200, {})
    with pytest.raises(RequestError):
        session.send(PATCH)
    session.send(PlannedRequest(method="PATCH", path=other_path, api_version="1", body={"a": 1}))
    assert (azure.times[1] > 6.9) is waits


@pytest.mark.parametrize("body", [None, b"<html>", {"message": "no code"}])
def test_a_429_that_says_nothing_holds_nobody_for_long(session: ArmSession, azure: Any, body: Any) -> None:
    """Without a time and a code there is nothing to hold on to."""
    azure.then(429, body).then(200, {})
    with pytest.raises(ThrottledError):
        session.send(PATCH)
    session.send(PATCH)
    assert azure.times[1] < 1


def test_resource_graph_says_when_its_window_ends(session: ArmSession, azure: Any) -> None:
    """In a header of its own, when there is no Retry-After."""
    body = {"error": {"code": "RateLimiting"}}
    azure.then(429, body, {"x-ms-user-quota-resets-after": "00:00:04"}).then(200, {"data": []})
    assert list(query_graph(session, "Q", subscriptions=["s"])) == []
    assert azure.times[1] >= 4


def test_a_refused_token_is_renewed_once(session: ArmSession, azure: Any, credential: Any) -> None:
    """The second request carries another token; a second 401 is final."""
    azure.then(401, {"error": {"code": "ExpiredAuthenticationToken"}}).then(200, {"id": "x"})
    session.get(ACCOUNT, api_version="1")
    assert [request.headers["Authorization"] for request in azure.requests] == ["Bearer t1", "Bearer t2"]
    azure.answers.clear()
    azure.then(401)
    with pytest.raises(UnauthorizedError):
        session.get(ACCOUNT, api_version="1")
    assert len(azure.requests) == 4
    assert credential.calls[0]["scopes"] == ("https://management.azure.com/.default",)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412])
def test_a_refusal_is_not_tried_again(session: ArmSession, azure: Any, clock: VirtualClock, status: int) -> None:
    """Not even with Retry-After, on which azure-core would send any of them again."""
    azure.then(status, headers={"Retry-After": "1"})
    with pytest.raises(RequestError):
        session.get(ACCOUNT, api_version="1")
    assert (len(azure.requests), clock.monotonic()) == (1, 0)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (412, PreconditionFailedError),
        (429, ThrottledError),
        (500, ServiceError),
        (503, ServiceError),
        (504, ServiceError),
    ],
)
def test_a_write_is_sent_once(session: ArmSession, azure: Any, status: int, expected: type[RequestError]) -> None:
    """azure-core would send a PATCH again after 500, 503 and 504, when it may have taken effect."""
    azure.then(status, headers={"Retry-After": "1"})
    with pytest.raises(expected):
        session.send(PATCH)
    assert len(azure.requests) == 1


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(ServiceRequestError("x"), ConnectionFailedError), (ServiceResponseError("x"), ConnectionCutError)],
)
def test_a_write_that_breaks_says_whether_it_left(
    session: ArmSession, azure: Any, failure: Exception, expected: type[Exception]
) -> None:
    """Which decides whether it may be sent again."""
    azure.fail(failure)
    with pytest.raises(expected) as caught:
        session.send(PATCH)
    assert type(caught.value) is expected
    assert len(azure.requests) == 1


def test_a_write_is_what_was_planned(session: ArmSession, azure: Any) -> None:
    """The body to the byte, and the etag when there is one."""
    azure.then(200, {})
    session.send(PATCH)
    session.send(PlannedRequest(method="PUT", path=ACCOUNT, api_version="1", body={"n": "ü"}, if_match='"e"'))
    session.delete(PlannedRequest(method="DELETE", path=ACCOUNT, api_version="1", body={}))
    session.send(PlannedRequest(method="PUT", path=ACCOUNT, api_version="1", body={}))
    session.delete(PlannedRequest(method="DELETE", path=ACCOUNT, api_version="1", body={}, if_match='"e"'))
    first, second, third, fourth, fifth = azure.requests
    assert json.loads(first.content) == {"properties": {"x": [1]}}
    assert first.headers["Content-Type"] == "application/json"
    assert "If-Match" not in first.headers
    assert (json.loads(second.content), second.headers["If-Match"]) == ({"n": "ü"}, '"e"')
    assert third.content is None
    assert fourth.content == b"{}"
    assert (third.method, fifth.method, fifth.headers["If-Match"]) == ("DELETE", "DELETE", '"e"')
    assert "If-Match" not in third.headers


def test_a_removal_and_a_write_are_not_mistaken_for_each_other(session: ArmSession, azure: Any) -> None:
    """Each has its own verb here as well."""
    with pytest.raises(InvalidInputError, match="'DELETE' is not a write"):
        session.send(PlannedRequest(method="DELETE", path=ACCOUNT, api_version="1", body={}))
    with pytest.raises(InvalidInputError, match="'PUT' does not remove"):
        session.delete(PlannedRequest(method="PUT", path=ACCOUNT, api_version="1", body={}))
    assert azure.requests == []


def test_a_body_goes_back_as_it_came(session: ArmSession, azure: Any) -> None:
    """Half a surrogate pair is no UTF-8, but it is legal in JSON: a PUT sends what was read."""
    azure.then(200, b'{"description": "\\ud83d"}').then(200, {})
    body = session.get(ACCOUNT, api_version="1").body
    session.send(PlannedRequest(method="PUT", path=ACCOUNT, api_version="1", body=body))
    assert azure.requests[-1].content == b'{"description": "\\ud83d"}'


def test_a_read_is_not_sent_as_a_write(session: ArmSession) -> None:
    """A planned request with another method is a mistake."""
    with pytest.raises(InvalidInputError, match="GET"):
        session.send(PlannedRequest(method="GET", path=ACCOUNT, api_version="1", body={}))


@pytest.mark.parametrize(
    "path",
    [
        "/providers/Microsoft.ResourceGraph/resources",
        "providers/microsoft.management/getentities",
        "/subscriptions/s/providers/Microsoft.Resources/deployments/d/whatIf",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Resources/deployments/d/validate",
        "/subscriptions/s/providers/Microsoft.PolicyInsights/checkPolicyRestrictions",
        "/subscriptions/s/providers/Microsoft.Authorization/checkAccess/",
    ],
)
def test_a_query_is_a_post_that_changes_nothing(session: ArmSession, azure: Any, path: str) -> None:
    """It is tried again as a read is."""
    azure.then(503).then(200, [1])
    assert session.post_query(path, api_version="1", body={"a": 1}).body == [1]
    assert azure.paths[0].startswith(f"POST /{path.strip('/')}?")
    assert azure.requests[1].content == b'{"a": 1}'


@pytest.mark.parametrize(
    "path",
    [
        f"{ACCOUNT}/listKeys",
        f"{ACCOUNT}/regenerateKey",
        "/subscriptions/s/providers/Microsoft.Storage/register",
        "/subscriptions/s/providers/Microsoft.Resources/deployments/d/cancel",
        "/x/providers/Microsoft.ResourceGraph/resources",
        "/providers/Microsoft.ResourceGraph/resources/x",
    ],
)
def test_any_other_post_is_refused(session: ArmSession, azure: Any, path: str) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidInputError, match="query"):
        session.post_query(path, api_version="1", body={})
    assert azure.requests == []


def test_pages_follow_the_links_to_the_letter(session: ArmSession, azure: Any) -> None:
    """Empty pages go on, and a link that is null, empty or absent is the end."""
    link = "https://management.azure.com/next?$skiptoken=a%2Fb+c&api-version=9"
    azure.then(200, {"value": [{"n": 1}], "nextLink": link})
    azure.then(200, {"value": [], "nextLink": "https://west.management.azure.com/n3"})
    azure.then(200, {"value": [{"n": 2}], "nextLink": None})
    assert [item["n"] for item in session.list("/x", api_version="1")] == [1, 2]
    assert [request.url for request in azure.requests[1:]] == [link, "https://west.management.azure.com/n3"]


def test_a_listing_holds_one_page(session: ArmSession, azure: Any) -> None:
    """The next one is asked for when it is needed."""
    azure.then(200, {"value": [{"n": 1}, {"n": 2}], "nextLink": "/n2"}).then(200, {"value": [{"n": 3}], "nextLink": ""})
    found = session.list("/x", api_version="1")
    assert [next(found)["n"], next(found)["n"], len(azure.requests)] == [1, 2, 1]
    assert [item["n"] for item in found] == [3]


def test_links_in_a_circle_are_an_error(session: ArmSession, azure: Any) -> None:
    """Also when the circle is longer than one page."""
    azure.then(200, {"value": [], "nextLink": "/a"}).then(200, {"value": [], "nextLink": "/b"})
    azure.then(200, {"value": [], "nextLink": "/a"})
    with pytest.raises(MalformedResponseError, match="no end"):
        list(session.list("/x", api_version="1"))


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": {}}, {"value": [1]}, [], {"error": {}}])
def test_a_page_without_items_is_not_an_empty_page(session: ArmSession, azure: Any, body: Any) -> None:
    """Nothing was found is something that Azure has to say."""
    azure.then(200, body)
    with pytest.raises(MalformedResponseError, match=r"'value'|not an object"):
        list(session.list("/x", api_version="1"))


@pytest.mark.parametrize("body", [[], 5, "x", b"", b"null"])
def test_what_is_at_an_id_is_an_object(session: ArmSession, azure: Any, body: Any) -> None:
    """Anything else is asked for again, and never taken for a resource."""
    azure.then(200, body)
    with pytest.raises(MalformedResponseError, match=r"the response is (empty|.*not an object)"):
        session.get("/x", api_version="1")
    assert len(azure.requests) == 5


@pytest.mark.parametrize("link", ["https://evil.example/x", "http://management.azure.com/x", "/x\udfff"])
def test_a_link_to_somewhere_else_is_not_followed(session: ArmSession, azure: Any, link: str) -> None:
    """The token would go there too."""
    azure.then(200, {"value": [], "nextLink": link})
    with pytest.raises(MalformedResponseError, match="link"):
        list(session.list("/x", api_version="1"))
    assert len(azure.requests) == 1


def test_the_newest_version_that_a_cloud_serves_is_found_once(session: ArmSession, azure: Any) -> None:
    """A version that is refused is not tried again in this or any session that shares the connection."""
    azure.then(400, REFUSED).then(404, {"error": {"code": "InvalidResourceType"}}).then(200, {"value": [{"n": 1}]})
    path = "/subscriptions/s/providers/Microsoft.Security/assessments"
    assert len(list(session.list(path, api_versions=("3", "2", "1")))) == 1
    other = "/subscriptions/t/providers/microsoft.security/Assessments"
    assert len(list(session.correlated("c").list(other, api_versions=("3", "2", "1")))) == 1
    assert [url.rpartition("=")[2] for url in azure.paths] == ["3", "2", "1", "1"]


def test_another_type_is_asked_on_its_own(session: ArmSession, azure: Any) -> None:
    """One provider's type may lag behind another's; a type with names between counts as the same."""
    azure.then(400, REFUSED).then(200, {})
    for path in (
        "/subscriptions/s/providers/Microsoft.Security/secureScores/a/secureScoreControls",
        "/subscriptions/s/providers/Microsoft.Security/secureScores/b/secureScoreControls",
        "/subscriptions/s/providers/Microsoft.Security/assessments",
        "/subscriptions/s",
    ):
        session.get(path, api_versions=("2", "1"))
    assert [url.rpartition("=")[2] for url in azure.paths] == ["2", "1", "1", "2", "2"]


def test_the_refusal_of_all_versions_is_raised(session: ArmSession, azure: Any) -> None:
    """The last of them; and any other error at once."""
    azure.then(400, REFUSED)
    with pytest.raises(RequestError, match="InvalidApiVersionParameter"):
        session.get("/x", api_versions=("2", "1"))
    azure.answers.clear()
    azure.then(404, {"error": {"code": "ResourceNotFound"}})
    with pytest.raises(NotFoundError):
        session.get("/x", api_versions=("2", "1"))
    assert len(azure.requests) == 3
    with pytest.raises(InvalidInputError, match="api-version"):
        session.get("/y", api_versions=())


def test_resource_graph_falls_back_too(session: ArmSession, azure: Any) -> None:
    """Its oldest version has the same shape."""
    azure.then(400, REFUSED).then(200, {"data": [{"id": "a"}], "totalRecords": 1})
    assert list(query_graph(session, "Q", management_groups=["g"])) == [{"id": "a"}]
    assert [url.rpartition("=")[2] for url in azure.paths] == ["2024-04-01", "2022-10-01"]


def test_every_request_names_itself_and_its_run(session: ArmSession, azure: Any) -> None:
    """An id of its own, and one for the activity log; a derived session has another."""
    azure.then(200, {})
    session.get("/x", api_version="1")
    session.get("/x", api_version="1")
    derived = session.correlated("run-7")
    derived.send(PATCH)
    headers = [request.headers for request in azure.requests]
    assert [item["x-ms-correlation-request-id"] for item in headers] == ["id-1", "id-1", "run-7"]
    assert len({item["x-ms-client-request-id"] for item in headers}) == 3
    assert (session.correlation_id, derived.correlation_id) == ("id-1", "run-7")
    assert all("defender-remediate/" in item["User-Agent"] for item in headers)
    assert all(item["Accept"] == "application/json" for item in headers)


def test_derived_sessions_share_one_token(session: ArmSession, azure: Any, credential: Any) -> None:
    """However many runs there are."""
    azure.then(200, {})
    for number in range(5):
        session.correlated(str(number)).get("/x", api_version="1")
    assert len(credential.calls) == 1


def test_the_log_has_no_secrets(session: ArmSession, azure: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Method, path, status and request id, at DEBUG; no token, no query, no body."""
    caplog.set_level(logging.DEBUG, "defender_remediate")
    azure.then(200, {"key": "s3cret"}, {"x-ms-request-id": "r1", "Set-Cookie": "s3cret"}).fail(
        ServiceResponseError("x")
    )
    session.get_url("/x?api-version=1&sig=s3cret")
    with pytest.raises(ConnectionCutError):
        session.send(PATCH)
    assert "GET /x?api-version=1: 200, request id r1, 0 ms" in caplog.text
    assert f"PATCH {ACCOUNT}?api-version=1: ServiceResponseError" in caplog.text
    assert "s3cret" not in caplog.text
    assert "Bearer" not in caplog.text
    assert "t1" not in caplog.text


def test_a_closed_session_closes_its_transport(session: ArmSession, azure: Any) -> None:
    """The one that the caller gave, too."""
    session.close()
    assert azure.closed


def test_the_transport_is_our_own_unless_one_is_given(
    credential: Any, endpoint: Endpoint, clock: VirtualClock, ids: Callable[[], str]
) -> None:
    """It is not opened before it is needed, so closing it is enough to see."""
    session = ArmSession.open(credential, endpoint, clock=clock, new_id=ids)
    session.close()
    with pytest.raises(InvalidInputError, match="closed"):
        session.send(PATCH)


def test_a_generated_client_cannot_carry_the_token_away(session: ArmSession, azure: Any) -> None:
    """The pipeline itself refuses another host for every user of it."""
    from azure.core.rest import HttpRequest

    with pytest.raises(MalformedResponseError):
        session.pipeline.run(HttpRequest("GET", "https://evil.example/"))
    assert azure.requests == []
