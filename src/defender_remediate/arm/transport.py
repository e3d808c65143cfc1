"""The connection itself, made when it is first needed: importing this library must not import ``requests``."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from azure.core.pipeline.transport import HttpTransport

from defender_remediate.errors import InvalidInputError

if TYPE_CHECKING:
    from azure.core.rest import HttpRequest, HttpResponse

_POOL = 64
_CONNECT_SECONDS = 30
# Azure Resource Manager gives a provider 60 seconds before it answers 504 itself.
_READ_SECONDS = 120


class PooledTransport(HttpTransport["HttpRequest", "HttpResponse"]):
    """azure-core's requests transport over a session with room for 64 threads.

    The default pool holds 10 connections and throws the others away, which costs a TLS handshake each.
    """

    def __init__(self) -> None:
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
        """Make the session, unless it is there."""
        with self._lock:
            if self._closed:
                raise InvalidInputError("this client was closed", hint="make a new one")
            if self._inner is None:
                self._inner = _requests_transport()

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


def _requests_transport() -> Any:
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from requests.adapters import HTTPAdapter

    class Direct(HTTPAdapter):
        """For plain http, which only a loopback address may be: a proxy would see the token in the clear."""

        def send(self, *args: Any, **options: Any) -> Any:
            return super().send(*args, **{**options, "proxies": {}})

    session = requests.Session()
    session.mount("https://", HTTPAdapter(pool_maxsize=_POOL))
    session.mount("http://", Direct(pool_maxsize=_POOL))
    # Without an auth object requests would let ~/.netrc replace the bearer token.
    session.auth = _unchanged
    return RequestsTransport(session=session, connection_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS)


def _unchanged(request: Any) -> Any:
    return request
