"""Options of a call and of the pipeline: headers, ids, time limits, policies."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.pipeline.policies import SansIOHTTPPolicy

from defender_remediate.arm.pipeline import PipelineOptions, pipeline_options
from defender_remediate.arm.read_retry import RetryOptions
from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import CallTimeoutError, InvalidInputError, ServiceError
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.testing import VirtualClock

PATCH = PlannedRequest(method="PATCH", path="/subscriptions/s/x", api_version="1", body={"a": 1})
Options = dict[str, Any]
NONE: Options = {"timeout": None, "headers": None, "client_request_id": None}


def test_headers_and_a_request_id_go_with_every_request(session: ArmSession, azure: Any) -> None:
    """Also with those of a run that has a correlation id of its own."""
    azure.then(200, {})
    call = session.with_options(**{**NONE, "headers": {"x-team": "blue"}, "client_request_id": "mine"})
    call.get("/x", api_version="1")
    call.correlated("run").send(PATCH)
    assert [request.headers["x-team"] for request in azure.requests] == ["blue", "blue"]
    assert {request.headers["x-ms-client-request-id"] for request in azure.requests} == {"mine"}
    session.get("/x", api_version="1")
    assert "x-team" not in azure.requests[-1].headers


@pytest.mark.parametrize(
    "wrong",
    [
        {"headers": {"Authorization": "Bearer x"}},
        {"headers": {"if-match": "*"}},
        {"headers": {"x": "a\r\nb: c"}},
        {"headers": {"x": 5}},
        {"headers": {"x": " 5"}},
        {"headers": {"": "5"}},
        {"headers": {"x y": "5"}},
        {"headers": {"\u00e4": "5"}},
        {"headers": {"x": "\u202e"}},
        {"headers": "x"},
        {"client_request_id": "a\nb"},
        {"client_request_id": 5},
        {"timeout": 0},
        {"timeout": "5"},
    ],
)
def test_a_wrong_option_is_refused_before_any_request(session: ArmSession, azure: Any, wrong: Options) -> None:
    """A header that this library sets itself decides what a request means."""
    with pytest.raises(InvalidInputError):
        session.with_options(**{**NONE, **wrong})
    assert azure.requests == []


def test_a_timeout_bounds_the_whole_call(session: ArmSession, azure: Any, clock: VirtualClock) -> None:
    """A wait that would end too late is not begun, and no request is sent afterwards."""
    azure.then(503, None, {"Retry-After": "20"})
    call = session.with_options(**{**NONE, "timeout": 50.0})
    with pytest.raises(CallTimeoutError, match="timeout=50 s") as caught:
        call.get("/x", api_version="1")
    assert "nothing was changed" in caught.value.hint
    assert (len(azure.requests), clock.monotonic()) == (3, pytest.approx(40, abs=0.1))
    with pytest.raises(CallTimeoutError):
        call.get("/x", api_version="1")
    assert len(azure.requests) == 3


def test_a_timeout_also_bounds_the_wait_for_the_rate_limiter(session: ArmSession, azure: Any) -> None:
    """And gives the place of the request to another one."""
    azure.then(200, {}, {"x-ms-ratelimit-remaining-tenant-reads": "0"})
    session.get("/x", api_version="1")
    with pytest.raises(CallTimeoutError):
        session.with_options(**{**NONE, "timeout": 0.01}).get("/x", api_version="1")
    azure.answers.clear()
    azure.then(200, {})
    session.get("/x", api_version="1")


def test_what_is_left_of_the_time_bounds_the_connection(session: ArmSession, azure: Any) -> None:
    """As the time-outs that a transport is given."""
    seen: list[Options] = []
    azure.then(200, {})
    send = azure.send
    azure.send = lambda request, **options: (seen.append(options), send(request))[1]
    session.with_options(**{**NONE, "timeout": 7.0}).get("/x", api_version="1")
    assert (seen[0]["connection_timeout"], seen[0]["read_timeout"]) == (7.0, 7.0)


@pytest.fixture
def open_with(
    azure: Any, credential: Any, endpoint: Any, clock: VirtualClock, ids: Callable[[], str]
) -> Callable[..., ArmSession]:
    def make(**options: Any) -> ArmSession:
        return ArmSession.open(
            credential, endpoint, clock=clock, transport=azure, new_id=ids, options=PipelineOptions(**options)
        )

    return make


def test_retries_of_reads_can_be_set(open_with: Callable[..., ArmSession], azure: Any, clock: VirtualClock) -> None:
    """How often, and how long apart; a write is sent once all the same."""
    azure.then(500)
    session = open_with(retry=RetryOptions(total=2, backoff_factor=10, backoff_max=15))
    with pytest.raises(ServiceError):
        session.get("/x", api_version="1")
    assert (len(azure.requests), clock.monotonic()) == (3, pytest.approx(25))
    with pytest.raises(ServiceError):
        session.send(PATCH)
    assert len(azure.requests) == 4


def test_the_user_agent_does_not_claim_to_be_microsofts(open_with: Callable[..., ArmSession], azure: Any) -> None:
    """And takes what the caller adds."""
    azure.then(200, {})
    open_with(user_agent="runbook/1").get("/x", api_version="1")
    agent = azure.requests[0].headers["User-Agent"]
    assert "defender-remediate/" in agent
    assert "runbook/1" in agent
    assert "azsdk" not in agent


def test_policies_of_a_caller_run(open_with: Callable[..., ArmSession], azure: Any) -> None:
    """The first kind before all others, the second right before the token is added."""

    class Mark(SansIOHTTPPolicy[Any, Any]):
        def __init__(self, name: str) -> None:
            self.name = name

        def on_request(self, request: Any) -> None:
            headers = request.http_request.headers
            headers["x-order"] = f"{headers.get('x-order', '')}{self.name}"
            headers[f"x-{self.name}"] = f"{'User-Agent' in headers}, {'Authorization' in headers}"

    azure.then(200, {})
    open_with(per_call_policies=[Mark("call")], per_retry_policies=[Mark("retry")]).get("/x", api_version="1")
    headers = azure.requests[0].headers
    assert (headers["x-order"], headers["x-call"], headers["x-retry"]) == ("callretry", "False, False", "True, False")


def test_logging_can_be_enabled_without_secrets(
    open_with: Callable[..., ArmSession], azure: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """azure-core's own log at INFO, with header and query values redacted."""
    caplog.set_level(logging.INFO, "azure")
    azure.then(200, {})
    open_with(logging_enable=True).get_url("/x?api-version=1&sig=s3cret")
    assert "sig=REDACTED" in caplog.text
    assert "s3cret" not in caplog.text
    assert "Bearer" not in caplog.text


def test_the_options_of_a_connection_reach_the_transport(open_with: Callable[..., ArmSession], azure: Any) -> None:
    """With each request, as azure-core's own transports take them."""
    seen: list[Options] = []
    azure.then(200, {})
    send = azure.send
    azure.send = lambda request, **options: (seen.append(options), send(request))[1]
    given = {"proxies": {"https": "http://proxy:8080"}, "connection_verify": False, "read_timeout": 5.0}
    options = pipeline_options(**given)  # type: ignore[arg-type]
    open_with(request_options=options.request_options).get("/x", api_version="1")
    assert {name: seen[0][name] for name in given} == given
    assert options.retry == RetryOptions()


@pytest.mark.parametrize(
    "wrong",
    [
        {"retry_total": -1},
        {"retry_total": "3"},
        {"retry_total": True},
        {"retry_backoff_factor": 0},
        {"retry_backoff_max": None},
        {"read_timeout": -1},
        {"connection_timeout": "1"},
        {"proxies": "http://proxy"},
        {"connection_verify": 5},
        {"user_agent": "a\nb"},
    ],
)
def test_a_wrong_pipeline_option_is_a_typed_error(wrong: Options) -> None:
    """That names the option."""
    with pytest.raises(InvalidInputError, match=next(iter(wrong)).replace("user_agent", "headers")):
        pipeline_options(**wrong)
