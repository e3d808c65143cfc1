"""The simulator as a transport of azure-core, old requests and new, and over HTTP."""

from __future__ import annotations

import json
import pickle
import threading
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.core.pipeline import Pipeline
from azure.core.pipeline.policies import RetryPolicy
from azure.core.pipeline.transport import HttpRequest as OldRequest
from azure.core.rest import HttpRequest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.simulator import content_of
from defender_remediate.testing.simulator.transport.credential import TOKEN

AUTH = {"Authorization": f"Bearer {TOKEN}"}
URL = "https://management.azure.com/subscriptions?api-version=2022-12-01"


def test_it_takes_both_kinds_of_request(sim: ArmSimulator) -> None:
    """And answers both with the same response."""
    with sim:
        sim.open()
        answers = [sim.send(kind("GET", URL, headers=AUTH), stream=True) for kind in (HttpRequest, OldRequest)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    ("request_", "content"),
    [
        (HttpRequest("PUT", URL), b""),
        (HttpRequest("PUT", URL, json={"a": 1}), b'{"a": 1}'),
        (HttpRequest("PUT", URL, content="text"), b"text"),
        (HttpRequest("PUT", URL, content=b"bytes"), b"bytes"),
        (HttpRequest("PUT", URL, content=iter([b"a", b"b"])), b"ab"),
        (OldRequest("PUT", URL, data="old"), b"old"),
    ],
)
def test_bodies_of_any_kind_arrive(request_: Any, content: bytes) -> None:
    """As bytes."""
    assert content_of(request_) == content


def test_a_response_is_what_azure_core_expects(sim: ArmSimulator) -> None:
    """Every member of its interface."""
    request = HttpRequest("GET", URL, headers=AUTH)
    response = sim.send(request)
    assert (response.request, response.url, response.reason) == (request, URL, "OK")
    assert response.content_type == response.headers["content-TYPE"] == "application/json; charset=utf-8"
    assert response.read() == response.content == response.body() == b"".join(response.iter_bytes())
    assert b"".join(response.iter_raw()) == response.content
    assert b"".join(response.stream_download(None)) == response.content
    assert response.is_stream_consumed
    assert response.encoding is None
    response.encoding = "latin-1"
    assert response.encoding == "latin-1"
    assert json.loads(response.text()) == response.json()
    response.raise_for_status()
    with response as same:
        assert not same.is_closed
    assert response.is_closed
    assert repr(response) == "<SimulatedResponse: 200 OK>"
    sim.faults.fail(status=799, body="odd")
    odd = sim.send(request)
    assert odd.reason == ""
    with pytest.raises(HttpResponseError):
        odd.raise_for_status()


def test_another_host_cannot_be_reached(sim: ArmSimulator) -> None:
    """As without a network."""
    for host in ("https://example.org", "https://management.azure.com.example.org"):
        with pytest.raises(ServiceRequestError):
            sim.send(HttpRequest("GET", f"{host}/subscriptions", headers=AUTH))
    elsewhere = ArmSimulator(endpoint="https://arm.example.org/")
    assert elsewhere.send(HttpRequest("GET", "https://ARM.example.org?x=1", headers=AUTH)).status_code == 404
    assert "arm.example.org" in repr(elsewhere)


def test_azure_core_retries_in_virtual_time(sim: ArmSimulator) -> None:
    """A Retry-After of an hour costs nothing."""
    sim.faults.fail(status=503, headers={"Retry-After": "3600"})
    with Pipeline(sim, policies=[RetryPolicy()]) as pipeline:
        response = pipeline.run(HttpRequest("GET", URL, headers=AUTH)).http_response
    assert response.status_code == 200
    assert sim.clock.monotonic() == 3600


def test_two_simulators_do_the_same(demo: ArmSimulator) -> None:
    """Ids, times and order are the same in every run."""
    other = ArmSimulator.demo()
    url = (
        f"https://management.azure.com{demo.scopes[0]}/providers/Microsoft.Security/assessments?api-version=2025-05-04"
    )
    first, second = (sim.send(HttpRequest("GET", url, headers=AUTH)) for sim in (demo, other))
    assert first.content == second.content
    assert dict(first.headers) == dict(second.headers)


def test_it_is_shared_between_threads(sim: ArmSimulator, account: str) -> None:
    """No write is lost."""
    sim.faults.throttle(enabled=False)
    url = f"https://management.azure.com{account}?api-version=2025-08-01"

    def write() -> None:
        for _ in range(20):
            sim.send(HttpRequest("PATCH", url, headers=AUTH, json={"tags": {}}))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sim.writes) == 80


def test_a_recorded_request_pickles(sim: ArmSimulator) -> None:
    """Assertions may run in another process."""
    sim.send(HttpRequest("GET", URL, headers=AUTH))
    assert pickle.loads(pickle.dumps(sim.requests)) == sim.requests


def test_the_same_tenant_over_http(account: str, sim: ArmSimulator) -> None:
    """Links carry the server's own address; broken connections break."""
    body, sim = sim.resources.get(account), ArmSimulator(page_size=1)
    sim.resources.add(body)
    with sim.serve() as server:
        session = requests.Session()
        session.headers.update(AUTH)
        path = f"{server.endpoint}{account}?api-version=2025-08-01"
        page = session.get(
            f"{server.endpoint}{sim.scopes[0]}/providers/Microsoft.Security/assessments?api-version=2025-05-04"
        ).json()
        assert page["nextLink"].startswith(server.endpoint + "/")
        assert session.get(page["nextLink"]).status_code == 200
        assert session.patch(path, json={"tags": {"a": "b"}}).json()["tags"] == {"a": "b"}
        assert session.head(path).status_code == 204
        sim.faults.fail("GET", when="after")
        with pytest.raises(requests.ConnectionError):
            session.get(path)
    assert sim.resources.get(account)["tags"] == {"a": "b"}
