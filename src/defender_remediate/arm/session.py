"""Sends requests to Azure Resource Manager: reads with retries, writes exactly once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from azure.core.rest import HttpRequest

from defender_remediate.arm.clock import Clock
from defender_remediate.arm.cloud import Endpoint
from defender_remediate.arm.credential import SharedCredential
from defender_remediate.arm.deadline import Deadline
from defender_remediate.arm.errors import body_of, error_from_response, refuses_version, translate
from defender_remediate.arm.paging import Page, pages_from
from defender_remediate.arm.pipeline import Connection, PipelineOptions, build_pipeline, check_headers
from defender_remediate.arm.rate_limiter import RateLimiter
from defender_remediate.arm.read_retry import retry_read
from defender_remediate.arm.response import ArmResponse, check_object
from defender_remediate.arm.tracing import record_wait
from defender_remediate.arm.transport import PooledTransport
from defender_remediate.arm.urls import resolve_link, url_of
from defender_remediate.arm.write_permit import permitted
from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError, MalformedResponseError, RequestError
from defender_remediate.json_values import thaw
from defender_remediate.models.step import PlannedRequest
from defender_remediate.pauses import Waits, wait_out
from defender_remediate.validation import positive_number

if TYPE_CHECKING:
    from azure.core.pipeline import Pipeline
    from azure.core.pipeline.transport import HttpTransport

_T = TypeVar("_T")
READ_LIKE_POSTS = (
    r"/providers/Microsoft\.ResourceGraph/resources",
    r"/providers/Microsoft\.Management/getEntities",
    r".*/providers/Microsoft\.Resources/deployments/[^/]+/(whatIf|validate)",
    r".*/providers/Microsoft\.PolicyInsights/checkPolicyRestrictions",
    r".*/providers/Microsoft\.PolicyInsights/policyStates/latest/queryResults",
    r".*/providers/Microsoft\.PolicyInsights/remediations/[^/]+/listDeployments",
    r".*/providers/Microsoft\.Authorization/checkAccess",
)
"""The POSTs that change nothing; ``ArmSession.post_query`` sends no other."""

_READ_LIKE = re.compile("|".join(f"(?:{pattern})" for pattern in READ_LIKE_POSTS), re.IGNORECASE)
_WRITES = frozenset({"PUT", "PATCH", "POST"})
_NO_HEADERS: Mapping[str, str] = {}


class ArmSession:
    """Sends the HTTP requests of the library. Safe to share between threads.

    All sessions that ``correlated`` and ``with_options`` derive share connections, token and rate limiter.

    Attributes:
        endpoint: The endpoint that requests go to.
        clock: How it waits.
        credential: The caller's, wrapped, for the generated clients.
        operation_pace: What is known of how long operations take.
        pipeline: azure-core's pipeline behind it, for the generated clients: it retries nothing.
        correlation_id: The correlation id of its requests in the activity log.
        deadline: The end of the time that the current call may take.
    """

    def __init__(
        self,
        connection: Connection,
        correlation_id: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        client_request_id: str | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self._connection = connection
        self._headers = headers
        self._client_request_id = client_request_id
        self.endpoint: Endpoint = connection.endpoint
        self.clock: Clock = connection.clock
        self.credential = connection.credential
        self.operation_pace = connection.operation_pace
        self.correlation_id = correlation_id
        self.deadline = deadline or Deadline(connection.clock)
        self.pipeline: Pipeline[Any, Any] = build_pipeline(connection, correlation_id, headers, self.deadline)

    @classmethod
    def open(
        cls,
        credential: Any,
        endpoint: Endpoint,
        *,
        clock: Clock,
        transport: HttpTransport[Any, Any] | None = None,
        new_id: Callable[[], str],
        random: Callable[[], float] = lambda: 1.0,
        options: PipelineOptions | None = None,
    ) -> ArmSession:
        """A session over its own connections. No request is made.

        Args:
            credential: An object with azure-core's ``get_token``.
            endpoint: The endpoint of Azure Resource Manager.
            clock: How to wait.
            transport: Any azure-core transport; used as it is, and closed by ``close``.
            new_id: Gives a new GUID.
            random: Gives a number from 0 to 1, for jitter; without it each pause is as long as it can be.
            options: What the caller set of the pipeline.

        Raises:
            InvalidInputError: The credential has no ``get_token``.
        """
        connection = Connection(
            endpoint=endpoint,
            clock=clock,
            credential=SharedCredential(credential, clock),
            transport=PooledTransport(endpoint, clock) if transport is None else transport,
            limiter=RateLimiter(clock),
            new_id=new_id,
            random=random,
            options=options or PipelineOptions(),
        )
        return cls(connection, new_id())

    def correlated(self, correlation_id: str) -> ArmSession:
        """The same session, with another correlation id on every request."""
        return ArmSession(
            self._connection,
            correlation_id,
            headers=self._headers,
            client_request_id=self._client_request_id,
            deadline=self.deadline,
        )

    def with_options(
        self, *, timeout: float | None, headers: Mapping[str, str] | None, client_request_id: str | None
    ) -> ArmSession:
        """The same session for one call: with headers, a request id and a time limit of its own.

        Args:
            timeout: Seconds that all requests of the call, and the waits between them, may take together.
            headers: Sent with every request.
            client_request_id: Sent as ``x-ms-client-request-id`` of every request.

        Raises:
            InvalidInputError: One of them is of the wrong type, or a header is one that this library sets itself.
        """
        if timeout is not None:
            positive_number("timeout", timeout)
        if client_request_id is not None:
            check_headers({"client_request_id": client_request_id})
        return ArmSession(
            self._connection,
            self.correlation_id,
            headers=check_headers(headers) if headers is not None else _NO_HEADERS,
            client_request_id=client_request_id,
            deadline=Deadline(self.clock, timeout),
        )

    def close(self) -> None:
        """Close the connections, for all sessions that share them."""
        self._connection.transport.close()

    def get(
        self,
        path: str,
        *,
        api_version: str | None = None,
        api_versions: Sequence[str] = (),
        params: Mapping[str, str] | None = None,
    ) -> ArmResponse:
        """Read a resource, with retries.

        Args:
            path: The id.
            api_version: The version to read in.
            api_versions: Instead of ``api_version``: the best first. The first that this cloud serves is used, and
                remembered for the type.
            params: More of the query.

        Raises:
            RequestError: Azure answered with an error.
            ConnectionFailedError, MalformedResponseError: No answer, or a broken one, in all attempts.
            CallTimeoutError: The call's ``timeout`` is over.
        """

        def read(version: str) -> ArmResponse:
            url = url_of(self.endpoint, path, version, params)
            return self.with_retries(lambda: self._get(url, expects_body=True))

        return self._in_served_version(path, api_version, api_versions, read)

    def get_url(self, url: str) -> ArmResponse:
        """Read a URL from a response, unchanged, with retries. The response may have no body.

        Raises:
            MalformedResponseError: It leads to another host, or from https to http.
        """
        link = resolve_link(self.endpoint, url)
        return self.with_retries(lambda: self._get(link, expects_body=False))

    def post_query(
        self,
        path: str,
        *,
        api_version: str | None = None,
        api_versions: Sequence[str] = (),
        body: Any,
        params: Mapping[str, str] | None = None,
    ) -> ArmResponse:
        """Send a POST that changes nothing, with retries as for a read and api-versions as in ``get``.

        Raises:
            InvalidInputError: The path is not one of ``READ_LIKE_POSTS``.
        """
        if not _READ_LIKE.fullmatch(f"/{path.strip('/')}"):
            raise InvalidInputError(f"POST {path} may change something, so it cannot be sent as a query")

        def ask(version: str) -> ArmResponse:
            url = url_of(self.endpoint, path, version, params)
            return self.with_retries(lambda: self._exchange("POST", url, body=body))

        return self._in_served_version(path, api_version, api_versions, ask)

    @contextmanager
    def write_permit(self, method: str, path: str) -> Iterator[None]:
        """Wait for the rate limiter in advance, so that a write follows the read of its target without a pause.

        ``with session.write_permit("PUT", path): read, check, send``. The wait happens on entering. The next write of
        this thread with that method and to that subscription is sent at once; reads inside wait as always. A permit
        that was not used is given back on leaving.

        Raises:
            ThrottledError: On entering: Azure asked to wait longer than two minutes; nothing was sent.
        """
        with wait_out(self.permitted(method, path), self.clock.sleep):
            yield

    def permitted(self, method: str, path: str) -> Waits[AbstractContextManager[None]]:
        """The same as ``write_permit``, without a thread that waits; gives the context, which must be entered."""
        started = self.clock.monotonic()
        permit = yield from permitted(self._connection.limiter, method, f"/{path.strip('/')}")
        record_wait(self.clock.monotonic() - started)
        return permit

    def send(self, request: PlannedRequest) -> ArmResponse:
        """Send a write exactly once, and return the first response, which may have started a long-running operation.

        After a ConnectionCutError, a ServiceError or a MalformedResponseError the write may have taken effect. (A 401
        that asks for other claims is answered once with a new token: Azure sends it before it looks at the request.)

        Raises:
            InvalidInputError: The method is not PUT, PATCH or POST; ``delete`` removes.
            RequestError: Azure answered with an error.
            ConnectionFailedError: The request was not sent.
            ConnectionCutError: It was sent, and no complete answer came.
        """
        if request.method not in _WRITES:
            raise InvalidInputError(
                f"the method {quoted(request.method)} is not a write", hint="use PUT, PATCH or POST"
            )
        has_body = bool(request.body) or request.method in ("PUT", "PATCH")
        return self._write(request, thaw(request.body) if has_body else None)

    def delete(self, request: PlannedRequest) -> ArmResponse:
        """Remove a resource: one DELETE, sent once. A separate method, so that ``send`` cannot remove anything by mistake.

        Raises:
            InvalidInputError: The method is not DELETE.
        """
        if request.method != "DELETE":
            raise InvalidInputError(f"the method {quoted(request.method)} does not remove anything", hint="use DELETE")
        return self._write(request, None)

    def list_pages(
        self,
        path: str,
        *,
        api_version: str | None = None,
        api_versions: Sequence[str] = (),
        params: Mapping[str, str] | None = None,
    ) -> Iterator[Page]:
        """The pages of a listing, with api-versions as in ``get``. One page at a time is in memory.

        Raises:
            MalformedResponseError: A page has no ``value``, or the pages have no end.
        """
        page = self.get(path, api_version=api_version, api_versions=api_versions, params=params)
        return pages_from(page, self.get_url)

    def list(
        self,
        path: str,
        *,
        api_version: str | None = None,
        api_versions: Sequence[str] = (),
        params: Mapping[str, str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """The items of a listing, as ``list_pages`` gives them. The first page is read at once."""
        pages = self.list_pages(path, api_version=api_version, api_versions=api_versions, params=params)
        return chain.from_iterable(pages)

    def with_retries(self, read: Callable[[], _T]) -> _T:
        """Call a function that reads, with the retries of this session: see ``retry_read``."""
        return retry_read(
            read,
            options=self._connection.options.retry,
            sleep=self.deadline.sleep,
            random=self._connection.random,
        )

    def request_options(self) -> dict[str, Any]:
        """The options that azure-core's pipeline receives with each request, also from the generated clients."""
        options = {
            **self._connection.options.request_options,
            "request_id": self._client_request_id or self._connection.new_id(),
        }
        remaining = self.deadline.remaining()
        if remaining is not None:
            for name, usual in (("connection_timeout", 30.0), ("read_timeout", 120.0)):
                options[name] = max(0.001, min(options.get(name, usual), remaining))
        return options

    def _in_served_version(
        self, path: str, api_version: str | None, api_versions: Sequence[str], ask: Callable[[str], ArmResponse]
    ) -> ArmResponse:
        if api_version:
            return ask(api_version)
        kind = (_type_in(path), *api_versions)
        if kind in self._connection.versions:
            return ask(self._connection.versions[kind])
        for version in api_versions:
            response = _unless_refused(ask, version, is_last=version == api_versions[-1])
            if response is not None:
                self._connection.versions[kind] = version
                return response
        raise InvalidInputError(f"{path}: no api-version was given")

    def _get(self, url: str, *, expects_body: bool) -> ArmResponse:
        response = self._exchange("GET", url)
        if not expects_body:
            return response
        if response.status == 200 and response.body is None:
            raise MalformedResponseError(f"GET {response.url}: the response is empty")
        return check_object(response)

    def _write(self, request: PlannedRequest, body: Any) -> ArmResponse:
        url = url_of(self.endpoint, request.path, request.api_version)
        headers = {"If-Match": request.if_match} if request.if_match else _NO_HEADERS
        return check_object(self._exchange(request.method, url, body=body, headers=headers))

    def _exchange(
        self, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] = _NO_HEADERS
    ) -> ArmResponse:
        self.deadline.check()
        # What an error means is in part read from its message.
        sent = {"Accept": "application/json", "Accept-Language": "en-US", **headers}
        content = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            # ASCII only: half a surrogate pair is legal in JSON, and a PUT sends back what was read.
            content = json.dumps(body).encode()
        with translate(method, url):
            request = HttpRequest(method, url, headers=sent, content=content)
            answer = self.pipeline.run(request, **self.request_options()).http_response
            received = body_of(answer)
        if not 200 <= answer.status_code < 300:
            raise error_from_response(answer.status_code, answer.headers, received, method, url, now=self.clock.now())
        return ArmResponse.of(answer, received, method=method, url=url)


def _unless_refused(ask: Callable[[str], ArmResponse], version: str, *, is_last: bool) -> ArmResponse | None:
    try:
        return ask(version)
    except RequestError as error:
        if is_last or not refuses_version(error):
            raise
        return None


def _type_in(path: str) -> str:
    segments = fold(path).strip("/").split("/")
    last = len(segments) - 1 - segments[::-1].index("providers") if "providers" in segments else -1
    return "/".join(segments[last + 1 : last + 2] + segments[last + 2 :: 2])


__all__ = ["READ_LIKE_POSTS", "ArmResponse", "ArmSession"]
