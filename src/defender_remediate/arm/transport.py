"""The HTTP transport, created on first use so that importing this library does not import ``requests``."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from azure.core.pipeline.transport import HttpTransport

from defender_remediate.arm.clock import Clock
from defender_remediate.arm.cloud import Endpoint
from defender_remediate.arm.urls import redact_url
from defender_remediate.errors import InvalidInputError

if TYPE_CHECKING:
    from azure.core.rest import HttpRequest, HttpResponse

_POOL = 64
_CHUNK = 65_536
# A URL that can be sent as it is: with a path, nothing that has to be quoted, and no segment like "..".
_PLAIN_URL = re.compile(
    r"(?![^?]*/\.)https?://[a-z0-9.:-]+/[A-Za-z0-9/._~:@!$&'()*+,;=-]*(\?[A-Za-z0-9/._~:@!$&'()*+,;=?-]*)?"
)
CONNECTION_TIMEOUT = 30.0
READ_TIMEOUT = 120.0
"""Seconds: Azure Resource Manager gives a provider 60 seconds before it answers 504 itself."""
LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of an answer, decompressed: Azure Resource Manager refuses to pass on more than 8 MiB."""
LONGEST_BODY = 300.0
"""Seconds that the body of one answer may take."""


class PooledTransport(HttpTransport["HttpRequest", "HttpResponse"]):
    """azure-core's requests transport with a pool for 64 threads and with limits for the body.

    The default pool keeps 10 connections and discards the others, which costs a TLS handshake each.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._inner: Any = None
        self._closed = False
        self._lock = threading.Lock()

    def send(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Send one request.

        Raises:
            InvalidInputError: The client was closed.
        """
        self.open()
        response: HttpResponse = self._inner.send(request, **kwargs)
        return response

    def open(self) -> None:
        """Create the session if it does not exist."""
        with self._lock:
            if self._closed:
                raise InvalidInputError("this client was closed", hint="create a new client")
            if self._inner is None:
                self._inner = _requests_transport(self._clock, self._endpoint.base_url)
                # urllib3 logs whole URLs at DEBUG; those of operations and pages are signed.
                logger = logging.getLogger("urllib3.connectionpool")
                known = (one.endpoint for one in logger.filters if isinstance(one, _QueryFilter))
                if self._endpoint not in known:
                    logger.addFilter(_QueryFilter(self._endpoint))

    def close(self) -> None:
        """Close all connections; nothing can be sent afterwards."""
        with self._lock:
            self._closed = True
            if self._inner is not None:
                self._inner.close()

    def __enter__(self) -> PooledTransport:
        return self

    def __exit__(self, *exc_details: object) -> None:
        self.close()


class _QueryFilter(logging.Filter):
    """Removes the query from URLs in urllib3's log lines about one endpoint; lines about other hosts are unchanged."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self.endpoint = endpoint

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record through, with its URLs shortened."""
        arguments = record.args
        if isinstance(arguments, tuple) and any(self._is_ours(one) for one in arguments):
            record.args = tuple(redact_url(one) if isinstance(one, str) and "?" in one else one for one in arguments)
        return True

    def _is_ours(self, argument: object) -> bool:
        if not isinstance(argument, str):
            return False
        scheme, _, rest = self.endpoint.base_url.partition("://")
        port = rest.partition("/")[0].rpartition(":")[2]
        suffix = f":{port}" if port.isdecimal() else ""
        return self.endpoint.is_same_origin(f"{scheme}://{argument}{suffix}")


def _requests_transport(clock: Clock, base_url: str) -> Any:
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from requests.adapters import HTTPAdapter
    from requests.structures import CaseInsensitiveDict
    from requests.utils import get_encoding_from_headers, get_environ_proxies

    # requests would look at the environment for each request, and read the certificates for each connection.
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    context = _tls_context(bundle)

    class BoundedResponse(requests.Response):
        """An answer whose body is given up when it is too large or takes too long, however slowly it comes."""

        def iter_content(self, *args: Any, **options: Any) -> Iterator[Any]:
            if self._content_consumed or not hasattr(self.raw, "read1"):
                yield from super().iter_content(*args, **options)
            else:
                try:
                    yield from bounded_chunks(self.raw, clock)
                except requests.RequestException:
                    self.raw.close()
                    raise
                self._content_consumed = True

    class BoundedAdapter(HTTPAdapter):
        def build_response(self, req: Any, resp: Any) -> requests.Response:
            response = BoundedResponse()
            response.status_code = resp.status
            response.headers = CaseInsensitiveDict(resp.headers)
            response.encoding = get_encoding_from_headers(response.headers)
            response.raw = resp
            response.reason = resp.reason
            response.url = req.url
            response.request = req
            return response

    class TlsAdapter(BoundedAdapter):
        """For https: connections that verify in the usual way share one context with the certificates."""

        def __init__(self) -> None:
            self.other = BoundedAdapter(pool_maxsize=_POOL)
            super().__init__(pool_maxsize=_POOL)

        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options, ssl_context=context)

        def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
            del url, verify, cert  # the certificates are in the context
            conn.cert_reqs = "CERT_REQUIRED"

        def send(self, *args: Any, **options: Any) -> Any:
            is_default = options.get("verify", True) is True
            if is_default and context is not None and not options.get("cert") and not options.get("proxies"):
                return super().send(*args, **options)
            if is_default and bundle:
                options["verify"] = bundle
            return self.other.send(*args, **options)

        def close(self) -> None:
            self.other.close()
            super().close()

    class DirectAdapter(BoundedAdapter):
        """For plain http, which only a loopback address may be: a proxy would see the token in the clear."""

        def send(self, *args: Any, **options: Any) -> Any:
            return super().send(*args, **{**options, "proxies": {}})

    class PlainSession(requests.Session):
        """Sends what it is given: no cookies, no hooks, no redirects, and no user and password from ``~/.netrc``.

        What ``requests`` does for all of that takes as long as sending the request.
        """

        def request(  # type: ignore[override]
            self,
            method: str,
            url: str,
            *,
            headers: Mapping[str, str],
            data: Any,
            files: Any,
            verify: Any,
            proxies: Any,
            stream: bool = False,
            allow_redirects: bool = False,
            **options: Any,
        ) -> requests.Response:
            del allow_redirects
            prepared = requests.PreparedRequest()
            prepared.method = method
            prepared.url = url
            if not _PLAIN_URL.fullmatch(url):
                prepared.prepare_url(url, None)
            prepared.headers = CaseInsensitiveDict({**self.headers, **headers})
            prepared.prepare_body(data, files)
            verify = self.verify if verify is None else verify
            proxies = {**self.proxies, **proxies} if proxies else self.proxies
            response = self.get_adapter(url).send(
                prepared, stream=stream, verify=verify, proxies=dict(proxies), **options
            )
            if not stream:
                _ = response.content
            return response

    session = PlainSession()
    session.trust_env = False
    session.proxies.update(get_environ_proxies(base_url))
    session.mount("https://", TlsAdapter())
    session.mount("http://", DirectAdapter(pool_maxsize=_POOL))
    return RequestsTransport(
        session=session,
        connection_timeout=CONNECTION_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        # A body that was read whole is copied in such pieces: of a page of a listing there would be hundreds.
        connection_data_block_size=LARGEST_BODY,
    )


def _tls_context(bundle: str | None) -> Any:
    """A context with the certificates that ``requests`` trusts; None if they cannot be read, which each request then reports."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH
    from urllib3.util.ssl_ import create_urllib3_context

    path = bundle or DEFAULT_CA_BUNDLE_PATH
    context = create_urllib3_context()
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(path)
    except OSError:
        return None
    return context


def bounded_chunks(raw: Any, clock: Clock) -> Iterator[bytes]:
    """The decompressed body of an answer as it arrives, with the errors that ``requests`` raises for it."""
    import requests.exceptions
    import urllib3.exceptions

    size, until = 0, clock.monotonic() + LONGEST_BODY
    try:
        # read1 gives at once what has arrived; other reads wait until a whole chunk is there.
        while chunk := raw.read1(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > LARGEST_BODY:
                raise requests.exceptions.ContentDecodingError(f"the body has more than {LARGEST_BODY} bytes")
            if clock.monotonic() > until:
                raise requests.exceptions.ChunkedEncodingError(f"the body took longer than {LONGEST_BODY:.0f} s")
            yield chunk
    except urllib3.exceptions.ProtocolError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    except urllib3.exceptions.DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ConnectionError(error) from error
    except urllib3.exceptions.SSLError as error:
        raise requests.exceptions.SSLError(error) from error
