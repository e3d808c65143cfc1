"""Builds the pipeline of requests to Azure Resource Manager from an explicit list of policies.

In contrast to azure-core's defaults it has no retries (see ``reads``; a write is never sent twice), no redirects (a token
is never sent to another host), and no registration of resource providers (a write that the caller did not request).
"""

from __future__ import annotations

import logging
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import attrs
from azure.core.pipeline import Pipeline, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    CustomHookPolicy,
    HeadersPolicy,
    HttpLoggingPolicy,
    HTTPPolicy,
    RequestIdPolicy,
    SansIOHTTPPolicy,
    UserAgentPolicy,
)

from defender_remediate._version import __version__
from defender_remediate.arm.bodies import error_details, json_body, retry_after
from defender_remediate.arm.busy import is_busy
from defender_remediate.arm.clock import Clock
from defender_remediate.arm.cloud import Endpoint
from defender_remediate.arm.credential import SharedCredential
from defender_remediate.arm.deadline import Deadline
from defender_remediate.arm.errors import body_of
from defender_remediate.arm.operation_pace import OperationPace
from defender_remediate.arm.rate_limiter import RateLimiter, bucket_of, duration
from defender_remediate.arm.read_retry import RetryOptions
from defender_remediate.arm.tracing import SpanPolicy, record_wait
from defender_remediate.arm.urls import redact_url, resolve_link
from defender_remediate.arm.write_permit import ticket_for
from defender_remediate.casing import fold
from defender_remediate.display import one_line, quoted
from defender_remediate.errors import DefenderRemediateError, InvalidInputError, MalformedResponseError
from defender_remediate.redaction import redact_text
from defender_remediate.validation import positive_number

if TYPE_CHECKING:
    from azure.core.credentials import SupportsTokenInfo
    from azure.core.pipeline.transport import HttpTransport
    from azure.core.rest import HttpRequest, HttpResponse

_LOGGER = logging.getLogger("defender_remediate.arm")
USER_AGENT = f"defender-remediate/{__version__} Python/{platform.python_version()}"
# What a transport lets through when an answer is broken in a way that it does not expect.
_WIRE_ERRORS = (ValueError, OverflowError, RecursionError, OSError, EOFError)
_OWN_HEADERS = frozenset(
    {"accept", "authorization", "content-length", "content-type", "host", "if-match", "if-none-match", "user-agent"}
    | {"x-ms-client-request-id", "x-ms-correlation-request-id"}
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]|[^\x00-\xff]")
# RFC 9110, section 5.6.2: a token.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_WIRE_MODULES = frozenset({"http", "urllib3", "requests", "zlib"})


@attrs.frozen(kw_only=True)
class PipelineOptions:
    """The options of the pipeline; names and meanings are those of azure-core.

    Attributes:
        logging_enable: Log each request and answer at INFO with azure-core's ``HttpLoggingPolicy``; header and query
            values that may be secret are written as ``REDACTED``.
        user_agent: Text to add to the ``User-Agent``.
        per_call_policies: Policies that run first; ``per_retry_policies`` run right before authentication.
        request_options: Options of every request, such as ``proxies``, ``connection_verify`` and ``read_timeout``.
        retry: How reads are retried.
    """

    logging_enable: bool = False
    user_agent: str | None = None
    per_call_policies: Sequence[Any] = ()
    per_retry_policies: Sequence[Any] = ()
    request_options: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    retry: RetryOptions = attrs.field(factory=RetryOptions)


def pipeline_options(
    *,
    proxies: Mapping[str, str] | None = None,
    connection_verify: bool | str | None = None,
    connection_timeout: float | None = None,
    read_timeout: float | None = None,
    retry_total: int = 4,
    retry_backoff_factor: float = 0.8,
    retry_backoff_max: float = 30.0,
    logging_enable: bool = False,
    user_agent: str | None = None,
    per_call_policies: Sequence[Any] = (),
    per_retry_policies: Sequence[Any] = (),
) -> PipelineOptions:
    """The options for the arguments of ``RemediationClient``.

    Raises:
        InvalidInputError: An argument is of the wrong type, or a number is negative.
    """
    if isinstance(retry_total, bool) or not isinstance(retry_total, int) or retry_total < 0:
        raise InvalidInputError(f"retry_total must be an integer from 0 up, got {quoted(retry_total)}")
    if not isinstance(proxies, Mapping | None) or not all(
        isinstance(one, str) for pair in (proxies or {}).items() for one in pair
    ):
        raise InvalidInputError(f"proxies must be a mapping of URLs by scheme, got {quoted(proxies)}")
    if not isinstance(connection_verify, bool | str | None):
        raise InvalidInputError(f"connection_verify must be True, False or a path, got {quoted(connection_verify)}")
    for name, policies in (("per_call_policies", per_call_policies), ("per_retry_policies", per_retry_policies)):
        if not isinstance(policies, Sequence) or not all(
            isinstance(one, (HTTPPolicy, SansIOHTTPPolicy)) for one in policies
        ):
            raise InvalidInputError(f"{name} must be a list of azure-core policies, got {quoted(policies)}")
    if user_agent is not None:
        check_headers({"user_agent": user_agent})
    timeouts = {"connection_timeout": connection_timeout, "read_timeout": read_timeout}
    given = {"proxies": proxies, "connection_verify": connection_verify}
    return PipelineOptions(
        logging_enable=bool(logging_enable),
        user_agent=user_agent,
        per_call_policies=tuple(per_call_policies),
        per_retry_policies=tuple(per_retry_policies),
        request_options={
            **{name: option for name, option in given.items() if option is not None},
            **{name: positive_number(name, seconds) for name, seconds in timeouts.items() if seconds is not None},
        },
        retry=RetryOptions(
            total=retry_total,
            backoff_factor=positive_number("retry_backoff_factor", retry_backoff_factor),
            backoff_max=positive_number("retry_backoff_max", retry_backoff_max),
        ),
    )


@attrs.frozen(kw_only=True)
class Connection:
    """The parts that all sessions of a client share."""

    endpoint: Endpoint
    clock: Clock
    credential: SharedCredential
    transport: HttpTransport[Any, Any] = attrs.field(repr=False)
    limiter: RateLimiter = attrs.field(repr=False)
    new_id: Callable[[], str] = attrs.field(repr=False)
    random: Callable[[], float] = attrs.field(repr=False)
    options: PipelineOptions = attrs.field(factory=PipelineOptions)
    versions: dict[tuple[str, ...], str] = attrs.field(factory=dict, repr=False)
    operation_pace: OperationPace = attrs.field(factory=OperationPace, repr=False)


def check_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Check the headers that a caller passes for one call.

    Raises:
        InvalidInputError: They are not strings by name, contain a character that HTTP does not allow there, or this library sets
            them itself.
    """
    if not isinstance(headers, Mapping):
        raise InvalidInputError(f"headers must be a mapping, got {quoted(headers)}")
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str) or _CONTROL.search(name + value):
            raise InvalidInputError(f"headers must be printable strings by name; {quoted(name)} is not")
        if not _HEADER_NAME.fullmatch(name) or value != value.strip():
            raise InvalidInputError(
                f"the header {quoted(name)} has an invalid name, or a value that begins or ends with a space"
            )
        if fold(name) in _OWN_HEADERS:
            raise InvalidInputError(f"the header {quoted(name)} is set by this library", hint="leave it out")
    return dict(headers)


def build_pipeline(
    connection: Connection, correlation_id: str, headers: Mapping[str, str], deadline: Deadline
) -> Pipeline[HttpRequest, HttpResponse]:
    """Build a pipeline that sends these headers with every request. Connections and tokens are shared."""
    options = connection.options
    agent = UserAgentPolicy(base_user_agent=USER_AGENT, user_agent=options.user_agent)
    policies: list[Any] = [
        *options.per_call_policies,
        agent,
        HeadersPolicy({**headers, "x-ms-correlation-request-id": correlation_id}),
        RequestIdPolicy(),
        CustomHookPolicy(),
        *options.per_retry_policies,
        AuthenticationPolicy(connection),
        RateLimitPolicy(connection, deadline),
        *([HttpLoggingPolicy()] if options.logging_enable else []),
        LoggingPolicy(connection.clock),
        SpanPolicy(),
        BrokenAnswerPolicy(),
    ]
    return Pipeline(connection.transport, policies)


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
        """Add the token, unless the request is to another host."""
        resolve_link(self._endpoint, request.http_request.url)
        if self._endpoint.is_loopback_http:
            request.context.options["enforce_https"] = False
        super().on_request(request)

    def on_challenge(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> bool:
        """Acquire a token with the claims that Azure asks for; a malformed challenge is treated as a plain 401."""
        try:
            return bool(super().on_challenge(request, response))
        except DefenderRemediateError:
            raise
        except (ValueError, LookupError):
            return False

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Forget a token that was refused."""
        del request
        if response.http_response.status_code == 401:
            self._shared.forget()


class RateLimitPolicy(HTTPPolicy[Any, Any]):
    """Makes each request wait for the rate limiter, and updates the limiter from the response."""

    def __init__(self, connection: Connection, deadline: Deadline) -> None:
        super().__init__()
        self._limiter = connection.limiter
        self._clock = connection.clock
        self._deadline = deadline

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Wait, send, update."""
        method = request.http_request.method
        key = bucket_of(method, request.http_request.url)
        started = self._clock.monotonic()
        ticket = ticket_for(self._limiter, key, method, sleep=self._deadline.sleep)
        record_wait(self._clock.monotonic() - started)
        try:
            self._deadline.check()
            response: PipelineResponse[Any, Any] = self.next.send(request)
        except BaseException:
            self._limiter.update(key, ticket, None)
            raise
        answer = response.http_response
        headers = {fold(name): value for name, value in answer.headers.items()}
        is_limited = False
        if answer.status_code == 429:
            try:
                details = error_details(json_body(body_of(answer), ""))
            except MalformedResponseError:
                details = ()
            # A lock on one resource is not a limit: no other request has to wait.
            is_limited = not is_busy(429, details)
            if is_limited:
                is_of_provider = bool(details) and fold(details[0].code) == "toomanyrequests"
                seconds = retry_after(headers, self._clock.now()) or duration(
                    headers.get("x-ms-user-quota-resets-after")
                )
                self._limiter.pause(key, seconds or 0.0, provider=key.provider if is_of_provider else None)
        # A server in trouble says nothing about limits.
        self._limiter.update(key, ticket, headers if answer.status_code < 500 else None, is_refused=is_limited)
        return response


class LoggingPolicy(HTTPPolicy[Any, Any]):
    """One line per request at DEBUG: method, path, status, Azure's request id. Never a header, a query or a body."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send, then log."""
        if not _LOGGER.isEnabledFor(logging.DEBUG):
            return self.next.send(request)
        started = self._clock.monotonic()
        method, url = request.http_request.method, redact_url(request.http_request.url)
        try:
            response: PipelineResponse[Any, Any] = self.next.send(request)
        except Exception as error:
            _LOGGER.debug("%s %s: %s", method, url, type(error).__name__)
            raise
        answer = response.http_response
        elapsed = 1000 * (self._clock.monotonic() - started)
        request_id = one_line(redact_text(answer.headers.get("x-ms-request-id", "-")))
        _LOGGER.debug("%s %s: %s, request id %s, %.0f ms", method, url, answer.status_code, request_id, elapsed)
        return response


class BrokenAnswerPolicy(HTTPPolicy[Any, Any]):
    """Translates exceptions of a transport about malformed responses into typed errors.

    Examples are a redirect to something that is not a URL and a chunk of negative size.
    """

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send.

        Raises:
            MalformedResponseError: The transport could not parse the response.
        """
        try:
            return self.next.send(request)
        except DefenderRemediateError:
            raise
        except Exception as error:
            is_of_wire = type(error).__module__.partition(".")[0] in _WIRE_MODULES
            if not isinstance(error, _WIRE_ERRORS) and not is_of_wire:
                raise
            where = f"{request.http_request.method} {redact_url(request.http_request.url)}"
            # Not chained: its text may hold anything that the server sent.
            raise MalformedResponseError(f"{where}: the response is malformed: {type(error).__name__}") from None
