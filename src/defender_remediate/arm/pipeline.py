"""The way of one request to Azure Resource Manager: an explicit list of policies, and nothing else.

What azure-core's defaults would add and this leaves out: retries (see ``reads``; a write is never sent twice), redirects
(a token never goes to another host), and the registration of resource providers, which is a write nobody asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import attrs
from azure.core.pipeline import Pipeline, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    HTTPPolicy,
    SansIOHTTPPolicy,
    UserAgentPolicy,
)

from defender_remediate._version import __version__
from defender_remediate.arm.bodies import faults, json_of, retry_after
from defender_remediate.arm.clock import Clock
from defender_remediate.arm.cloud import Endpoint
from defender_remediate.arm.credential import SharedCredential
from defender_remediate.arm.errors import body_of
from defender_remediate.arm.throttle import Gate, lane_of, permitted, seconds_of
from defender_remediate.arm.urls import absolute, shown
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError

if TYPE_CHECKING:
    from azure.core.credentials import SupportsTokenInfo
    from azure.core.pipeline.transport import HttpTransport
    from azure.core.rest import HttpRequest, HttpResponse

_LOGGER = logging.getLogger("defender_remediate.arm")


@attrs.frozen(kw_only=True)
class Connection:
    """What all sessions of a client share."""

    endpoint: Endpoint
    clock: Clock
    credential: SharedCredential
    transport: HttpTransport[Any, Any] = attrs.field(repr=False)
    gate: Gate = attrs.field(repr=False)
    new_id: Callable[[], str] = attrs.field(repr=False)
    random: Callable[[], float] = attrs.field(repr=False)
    versions: dict[tuple[str, ...], str] = attrs.field(factory=dict, repr=False)


def build_pipeline(connection: Connection, correlation_id: str) -> Pipeline[HttpRequest, HttpResponse]:
    """A pipeline whose every request carries this correlation id. Cheap: connections and tokens are shared."""
    policies: list[Any] = [
        UserAgentPolicy(sdk_moniker=f"defender-remediate/{__version__}"),
        IdentityPolicy(correlation_id, connection.new_id),
        AuthenticationPolicy(connection),
        ThrottlePolicy(connection.gate, connection.clock),
        LoggingPolicy(connection.clock),
    ]
    return Pipeline(connection.transport, policies)


class IdentityPolicy(SansIOHTTPPolicy[Any, Any]):
    """Names each request: its own id for a support case, and the run's id for the activity log."""

    def __init__(self, correlation_id: str, new_id: Callable[[], str]) -> None:
        self._correlation_id = correlation_id
        self._new_id = new_id

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Set the two headers."""
        headers = request.http_request.headers
        headers["x-ms-client-request-id"] = self._new_id()
        headers["x-ms-correlation-request-id"] = self._correlation_id


class AuthenticationPolicy(BearerTokenCredentialPolicy[Any, Any]):
    """azure-core's bearer policy, which answers claims challenges, with three additions.

    The token goes to the endpoint's own host only, plain http is let through for a loopback endpoint, and a refused
    token is not used again.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(cast("SupportsTokenInfo", connection.credential), connection.endpoint.token_scope)
        self._endpoint = connection.endpoint
        self._shared = connection.credential

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Add the token, unless the request would take it elsewhere."""
        absolute(self._endpoint, request.http_request.url)
        if self._endpoint.is_loopback_http:
            request.context.options["enforce_https"] = False
        super().on_request(request)

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Forget a token that was refused."""
        del request
        if response.http_response.status_code == 401:
            self._shared.forget()


class ThrottlePolicy(HTTPPolicy[Any, Any]):
    """Lets each request wait at the gate, and tells the gate what the answer says about the limits."""

    def __init__(self, gate: Gate, clock: Clock) -> None:
        super().__init__()
        self._gate = gate
        self._clock = clock

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Wait, send, learn."""
        lane = lane_of(request.http_request.method, request.http_request.url)
        ticket = permitted(self._gate, lane, request.http_request.method)
        response: PipelineResponse[Any, Any] = self.next.send(request)
        answer = response.http_response
        headers = {fold(name): value for name, value in answer.headers.items()}
        self._gate.learn(lane, ticket, headers)
        if answer.status_code == 429:
            code = _code_of(answer)
            seconds = retry_after(headers, self._clock.now()) or seconds_of(headers.get("x-ms-user-quota-resets-after"))
            # This code is about a lock on one resource, not about a limit: nobody else has to wait.
            if code != "retryableerrorduetoanotheroperation":
                self._gate.close(lane, seconds or 0.0, provider=lane.provider if code == "toomanyrequests" else "")
        return response


class LoggingPolicy(HTTPPolicy[Any, Any]):
    """One line per request at DEBUG: method, path, status, Azure's request id. Never a header, a query or a body."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send, then log."""
        started = self._clock.monotonic()
        method, url = request.http_request.method, shown(request.http_request.url)
        try:
            response: PipelineResponse[Any, Any] = self.next.send(request)
        except Exception as error:
            _LOGGER.debug("%s %s: %s", method, url, type(error).__name__)
            raise
        answer = response.http_response
        elapsed = 1000 * (self._clock.monotonic() - started)
        request_id = answer.headers.get("x-ms-request-id", "-")
        _LOGGER.debug("%s %s: %s, request id %s, %.0f ms", method, url, answer.status_code, request_id, elapsed)
        return response


def _code_of(answer: Any) -> str:
    try:
        found = faults(json_of(body_of(answer), ""))
    except MalformedResponseError:
        return ""
    return fold(found[0].code) if found else ""
