"""Why reads do not use azure-core's RetryPolicy: what it does, beside what a session does. See ADR 0002."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.pipeline import Pipeline
from azure.core.pipeline.policies import RetryPolicy
from azure.core.rest import HttpRequest

from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import RequestError, ThrottledError
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.testing.simulator.state.clock import VirtualClock

URL = "https://management.azure.com/x?api-version=1"


@pytest.fixture
def theirs(azure: Any, clock: VirtualClock) -> Pipeline[Any, Any]:
    azure.sleep = clock.sleep  # azure-core sleeps through its transport
    return Pipeline(azure, [RetryPolicy()])


def test_it_sleeps_as_long_as_azure_says(
    azure: Any, theirs: Pipeline[Any, Any], session: ArmSession, clock: VirtualClock
) -> None:
    """A day, if Retry-After is a day; a session tells its caller instead."""
    azure.then(429, None, {"Retry-After": "86400"}).then(200, {})
    theirs.run(HttpRequest("GET", URL))
    assert clock.monotonic() == 86400
    azure.answers.clear()
    azure.then(429, None, {"Retry-After": "86400"})
    with pytest.raises(ThrottledError):
        session.get("/x", api_version="1")
    assert clock.monotonic() == 86400


@pytest.mark.parametrize("status", [400, 403, 409])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_it_repeats_any_refusal_that_carries_retry_after(
    azure: Any, theirs: Pipeline[Any, Any], session: ArmSession, status: int, method: str
) -> None:
    """A lock or a missing permission does not go away in a second; a session sends once."""
    azure.then(status, None, {"Retry-After": "1"})
    theirs.run(HttpRequest(method, URL))
    assert len(azure.requests) == 4
    azure.requests.clear()
    write = PlannedRequest(method="PATCH", path="/x", api_version="1", body={"a": 1})
    ours = {"GET": lambda: session.get("/x", api_version="1"), "PATCH": lambda: session.send(write)}
    with pytest.raises(RequestError):
        ours[method]()
    assert len(azure.requests) == 1


def test_it_takes_a_body_that_was_cut_for_an_answer(
    azure: Any, theirs: Pipeline[Any, Any], session: ArmSession
) -> None:
    """It looks at the status only; a session reads again."""
    azure.then(200, b'{"value": [').then(200, {"value": []})
    theirs.run(HttpRequest("GET", URL))
    assert len(azure.requests) == 1
    azure.answers.clear()
    azure.then(200, b'{"value": [').then(200, {"value": []})
    assert session.get("/x", api_version="1").body == {"value": []}
    assert len(azure.requests) == 3


def test_it_lets_every_thread_find_out_for_itself(
    azure: Any, theirs: Pipeline[Any, Any], session: ArmSession, clock: VirtualClock
) -> None:
    """Other threads keep sending, and each request starts the wait again for all."""
    body = {"error": {"code": "SubscriptionRequestsThrottled"}}
    azure.then(429, body, {"Retry-After": "60"})
    theirs_again = Pipeline(azure, [RetryPolicy(retry_total=0)])
    for _ in range(3):
        theirs_again.run(HttpRequest("GET", URL))
    assert (len(azure.requests), clock.monotonic()) == (3, 0)
    azure.requests.clear()
    azure.times.clear()
    azure.then(200, {})
    session.get("/x", api_version="1")
    session.get("/x", api_version="1")
    assert azure.times == [0, pytest.approx(60, abs=0.01), pytest.approx(60, abs=0.01)]
