"""One client's conversation with Azure Resource Manager: reads that are patient, writes that are sent once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from azure.core.rest import HttpRequest
from azure.core.utils import CaseInsensitiveDict

from defender_remediate.arm.bodies import json_of
from defender_remediate.arm.clock import Clock
from defender_remediate.arm.cloud import Endpoint
from defender_remediate.arm.credential import SharedCredential
from defender_remediate.arm.errors import VERSION_REFUSALS, body_of, error_from_response, translate
from defender_remediate.arm.graph import rows
from defender_remediate.arm.pipeline import Connection, build_pipeline
from defender_remediate.arm.reads import read_patiently
from defender_remediate.arm.throttle import Gate, write_permit
from defender_remediate.arm.transport import PooledTransport
from defender_remediate.arm.urls import absolute, shown, url_of
from defender_remediate.casing import fold
from defender_remediate.errors import InvalidInputError, MalformedResponseError, RequestError
from defender_remediate.json_values import thaw
from defender_remediate.models.plan import PlannedRequest

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
"""The POSTs that change nothing; ``ArmSession.query`` sends no other."""

_READ_LIKE = re.compile("|".join(f"(?:{pattern})" for pattern in READ_LIKE_POSTS), re.IGNORECASE)
_WRITES = frozenset({"PUT", "PATCH", "POST"})
_NO_HEADERS: Mapping[str, str] = {}


@attrs.frozen(kw_only=True)
class ArmResponse:
    """What Azure answered, when it was no error.

    Attributes:
        headers: Names match whatever their case.
        body: The parsed JSON; None when there was none.
        request_id: ``x-ms-request-id``, for a support case.
        url: The path and api-version of the request; the rest of its query is left out.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: Any = attrs.field(repr=False)
    request_id: str
    url: str
    method: str

    @classmethod
    def of(cls, answer: Any, received: bytes, *, method: str, url: str) -> ArmResponse:
        """An answer of either of azure-core's two kinds, whose body was received.

        Raises:
            MalformedResponseError: The body is not JSON.
        """
        return cls(
            status=answer.status_code,
            headers=CaseInsensitiveDict(answer.headers),
            body=json_of(received, f"{method} {shown(url)}"),
            request_id=answer.headers.get("x-ms-request-id", ""),
            url=shown(url),
            method=method,
        )


class ArmSession:
    """Speaks HTTP for the rest of the library. Safe to share between threads.

    All sessions that ``correlated`` derives from one another share its connections, its token and its pace.

    Attributes:
        endpoint: Where it speaks to.
        clock: How it waits.
        credential: The caller's, wrapped, for the generated clients.
        pipeline: azure-core's pipeline behind it, for the generated clients: it retries nothing.
        correlation_id: What the activity log calls its requests.
    """

    def __init__(self, connection: Connection, correlation_id: str) -> None:
        self._connection = connection
        self.endpoint: Endpoint = connection.endpoint
        self.clock: Clock = connection.clock
        self.credential = connection.credential
        self.correlation_id = correlation_id
        self.pipeline: Pipeline[Any, Any] = build_pipeline(connection, correlation_id)

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
    ) -> ArmSession:
        """A session over its own connections. No request is made.

        Args:
            credential: Anything with azure-core's ``get_token``.
            endpoint: Where Azure Resource Manager lives.
            clock: How to wait.
            transport: Any azure-core transport; used as it is, and closed by ``close``.
            new_id: Gives a new GUID.
            random: Gives a number from 0 to 1, to spread retries; without it each pause is as long as it can be.

        Raises:
            InvalidInputError: The credential has no ``get_token``.
        """
        connection = Connection(
            endpoint=endpoint,
            clock=clock,
            credential=SharedCredential(credential, clock),
            transport=PooledTransport() if transport is None else transport,
            gate=Gate(clock),
            new_id=new_id,
            random=random,
        )
        return cls(connection, new_id())

    def correlated(self, correlation_id: str) -> ArmSession:
        """The same connection, with another correlation id on every request."""
        return ArmSession(self._connection, correlation_id)

    def close(self) -> None:
        """Close the connections, for all sessions that share them."""
        self._connection.transport.close()

    def get(self, path: str, *, api_version: str, params: Mapping[str, str] | None = None) -> ArmResponse:
        """Read what is at an id; retried.

        Raises:
            RequestError: Azure answered with an error.
            ConnectionFailedError, MalformedResponseError: No answer, or a broken one, five times.
        """
        url = url_of(self.endpoint, path, api_version, params)
        return self.retried(lambda: self._get(url, expects_body=True))

    def follow(self, url: str) -> ArmResponse:
        """Read a URL that Azure gave, as it is; retried. The answer may have no body.

        Raises:
            MalformedResponseError: It leads to another host, or from https to http.
        """
        link = absolute(self.endpoint, url)
        return self.retried(lambda: self._get(link, expects_body=False))

    def query(self, path: str, *, api_version: str, body: Any, params: Mapping[str, str] | None = None) -> ArmResponse:
        """Send a POST that changes nothing; retried as a read is.

        Raises:
            InvalidInputError: The path is not one of ``READ_LIKE_POSTS``.
        """
        if not _READ_LIKE.fullmatch(f"/{path.strip('/')}"):
            raise InvalidInputError(f"POST {path} may change something, so it cannot be sent as a query")
        url = url_of(self.endpoint, path, api_version, params)
        return self.retried(lambda: self._exchange("POST", url, body=body))

    def write_permit(self, method: str, path: str) -> AbstractContextManager[None]:
        """Wait at the rate limiter in advance, so that a write follows the read of its target without a pause.

        ``with session.write_permit("PUT", path): read, check, send``. The wait happens on entering. The next write of
        this thread with that method and to that subscription is sent at once; reads inside wait as always. A permit
        that was not used is given back on leaving.

        Raises:
            ThrottledError: On entering: Azure asked to wait longer than is worth waiting; nothing was sent.
        """
        return write_permit(self._connection.gate, method, f"/{path.strip('/')}")

    def send(self, request: PlannedRequest) -> ArmResponse:
        """Send a write, exactly once, and give the first answer: a long-running operation may have begun.

        After a ConnectionCutError, a ServiceError or a MalformedResponseError the write may have taken effect. (A 401
        that asks for other claims is answered once with a new token: Azure sends it before it looks at the request.)

        Raises:
            InvalidInputError: The method is no write, or removes something: that is what ``delete`` is for.
            RequestError: Azure answered with an error.
            ConnectionFailedError: The request did not leave.
            ConnectionCutError: It left, and no whole answer came.
        """
        if request.method not in _WRITES:
            raise InvalidInputError(f"{request.method!r} is no write")
        url = url_of(self.endpoint, request.path, request.api_version)
        headers = {"If-Match": request.if_match} if request.if_match else _NO_HEADERS
        has_body = bool(request.body) or request.method in ("PUT", "PATCH")
        return self._exchange(request.method, url, body=thaw(request.body) if has_body else None, headers=headers)

    def delete(self, request: PlannedRequest) -> ArmResponse:
        """Remove what is at an id: one DELETE, sent once, as ``send`` does it. It stands apart so that none slips in.

        Raises:
            InvalidInputError: The request is no DELETE.
        """
        if request.method != "DELETE":
            raise InvalidInputError(f"{request.method!r} removes nothing")
        url = url_of(self.endpoint, request.path, request.api_version)
        headers = {"If-Match": request.if_match} if request.if_match else _NO_HEADERS
        return self._exchange("DELETE", url, headers=headers)

    def pages(
        self, path: str, *, api_version: str, params: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The items of a listing, page by page; one page is held at a time.

        Raises:
            MalformedResponseError: A page has no ``value``, or the next links go round in a circle.
        """
        return chain.from_iterable(self._pages_from(self.get(path, api_version=api_version, params=params)))

    def pages_newest(
        self, path: str, *, api_versions: Sequence[str], params: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The items of a listing, in the newest of these api-versions that this cloud serves.

        The versions come newest first; the one that worked is used from then on.
        """
        return chain.from_iterable(self.whole_pages_newest(path, api_versions=api_versions, params=params))

    def whole_pages_newest(
        self, path: str, *, api_versions: Sequence[str], params: Mapping[str, str] | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """The same, a page at a time, for a caller who reads several listings side by side."""
        return self._pages_from(self.get_newest(path, api_versions=api_versions, params=params))

    def get_newest(
        self, path: str, *, api_versions: Sequence[str], params: Mapping[str, str] | None = None
    ) -> ArmResponse:
        """Read what is at an id, in the newest of these api-versions that this cloud serves."""
        return self._newest(path, api_versions, lambda version: self.get(path, api_version=version, params=params))

    def rows(
        self, query: str, *, subscriptions: Sequence[str] = (), management_groups: Sequence[str] = ()
    ) -> Iterator[dict[str, Any]]:
        """The rows of a Resource Graph query, page by page.

        The query has to project ``id`` and be ordered, or Azure gives 1000 rows and no way to the next.

        Raises:
            MalformedResponseError: Azure left rows out, or the pages go round in a circle.
        """
        return rows(self._query_newest, query, subscriptions=subscriptions, management_groups=management_groups)

    def retried(self, read: Callable[[], _T]) -> _T:
        """Do a read of one's own as this session does its reads: tried again up to five times, see ``read_patiently``."""
        return read_patiently(read, clock=self.clock, random=self._connection.random)

    def _query_newest(self, path: str, *, api_versions: Sequence[str], body: Any) -> ArmResponse:
        return self._newest(path, api_versions, lambda version: self.query(path, api_version=version, body=body))

    def _newest(self, path: str, api_versions: Sequence[str], ask: Callable[[str], ArmResponse]) -> ArmResponse:
        kind = (_type_in(path), *api_versions)
        known = self._connection.versions.get(kind)
        for version in (known,) if known else api_versions:
            response = _unless_refused(ask, version, is_last=version in (known, api_versions[-1]))
            if response is not None:
                self._connection.versions[kind] = version
                return response
        raise InvalidInputError(f"{path}: no api-version was named")

    def _pages_from(self, first: ArmResponse) -> Iterator[list[dict[str, Any]]]:
        page, seen = first, set[bytes]()
        while True:
            yield _items(page)
            link = page.body.get("nextLink")
            if not link:
                return
            # A link can be some kilobytes long, and there can be thousands.
            mark = hashlib.sha256(str(link).encode(errors="surrogatepass")).digest()
            if mark in seen:
                raise MalformedResponseError(f"GET {page.url}: the next link was given before, so the list has no end")
            seen.add(mark)
            page = self.follow(str(link))

    def _get(self, url: str, *, expects_body: bool) -> ArmResponse:
        response = self._exchange("GET", url)
        if expects_body and response.status == 200 and not isinstance(response.body, Mapping):
            found = "empty" if response.body is None else f"{type(response.body).__name__}, not an object"
            raise MalformedResponseError(f"GET {response.url}: the answer is {found}")
        return response

    def _exchange(
        self, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] = _NO_HEADERS
    ) -> ArmResponse:
        sent = {"Accept": "application/json", **headers}
        content = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            # ASCII only: half a surrogate pair is legal in JSON, and a PUT sends back what was read.
            content = json.dumps(body).encode()
        with translate(method, url):
            answer = self.pipeline.run(HttpRequest(method, url, headers=sent, content=content)).http_response
            received = body_of(answer)
        if not 200 <= answer.status_code < 300:
            raise error_from_response(answer.status_code, answer.headers, received, method, url, now=self.clock.now())
        return ArmResponse.of(answer, received, method=method, url=url)


def _unless_refused(ask: Callable[[str], ArmResponse], version: str, *, is_last: bool) -> ArmResponse | None:
    try:
        return ask(version)
    except RequestError as error:
        if is_last or fold(error.code) not in VERSION_REFUSALS:
            raise
        return None


def _items(page: ArmResponse) -> list[dict[str, Any]]:
    value = page.body.get("value") if isinstance(page.body, Mapping) else None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise MalformedResponseError(
            f"GET {page.url}: the answer is no page of a list: it has no array 'value' of objects"
        )
    return value


def _type_in(path: str) -> str:
    segments = fold(path).strip("/").split("/")
    last = len(segments) - 1 - segments[::-1].index("providers") if "providers" in segments else -1
    return "/".join(segments[last + 1 : last + 2] + segments[last + 2 :: 2])


__all__ = ["READ_LIKE_POSTS", "ArmResponse", "ArmSession"]
