"""The HTTP transport, created on first use so that importing this library does not import ``requests``."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from azure.core.pipeline.transport import HttpTransport

from defender_remediate.arm.clock import Clock
from defender_remediate.arm.cloud import Endpoint
from defender_remediate.arm.urls import redact_url
from defender_remediate.errors import InvalidInputError

if TYPE_CHECKING:
    from azure.core.rest import HttpRequest, HttpResponse

_CHUNK = 65_536
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
                self._inner = self._make()
                # urllib3 logs whole URLs at DEBUG; those of operations and pages are signed.
                logger = logging.getLogger("urllib3.connectionpool")
                known = (one.endpoint for one in logger.filters if isinstance(one, _QueryFilter))
                if self._endpoint not in known:
                    logger.addFilter(_QueryFilter(self._endpoint))

    def _make(self) -> Any:
        from azure.core.pipeline.transport import RequestsTransport

        from defender_remediate.arm.requests_session import make_session

        return RequestsTransport(
            session=make_session(self._endpoint.base_url, lambda raw: bounded_chunks(raw, self._clock)),
            connection_timeout=CONNECTION_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            # A body that was read whole is copied in such pieces: of a page of a listing there would be hundreds.
            connection_data_block_size=LARGEST_BODY,
        )

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
