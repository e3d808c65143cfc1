"""The response object that azure-core and the generated clients receive."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.core.rest import AsyncHttpResponse, HttpResponse
from requests.structures import CaseInsensitiveDict

from defender_remediate.testing.simulator.transport.exchange import Reply


class _ReceivedReply:
    """What the responses of both kinds of transport have in common."""

    def __init__(self, request: Any, reply: Reply) -> None:
        self._request = request
        self._answer = reply
        self._headers: Any = CaseInsensitiveDict(reply.headers)
        self._encoding: str | None = None
        self._closed = False

    @property
    def request(self) -> Any:
        """The request that led here."""
        return self._request

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        return self._answer.status

    @property
    def headers(self) -> Any:
        """The headers; their names ignore case."""
        return self._headers

    @property
    def reason(self) -> str:
        """The reason phrase."""
        try:
            return HTTPStatus(self._answer.status).phrase
        except ValueError:
            return ""

    @property
    def content_type(self) -> str | None:
        """The content type."""
        value: str | None = self._headers.get("Content-Type")
        return value

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    @property
    def is_stream_consumed(self) -> bool:
        """The body is here from the beginning."""
        return True

    @property
    def encoding(self) -> str | None:
        """The encoding that was set; None for UTF-8 with a byte order mark or without."""
        return self._encoding

    @encoding.setter
    def encoding(self, value: str | None) -> None:
        self._encoding = value

    @property
    def url(self) -> str:
        """The URL of the request."""
        return str(self._request.url)

    @property
    def content(self) -> bytes:
        """The body."""
        return self._answer.content

    def body(self) -> bytes:
        """The body, by the name that older clients use."""
        return self._answer.content

    def text(self, encoding: str | None = None) -> str:
        """The body as text; bytes that are no text raise, as azure-core's own responses do."""
        return self._answer.content.decode(encoding or self._encoding or "utf-8-sig")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text())

    def raise_for_status(self) -> None:
        """Raise HttpResponseError for 400 and above."""
        if self._answer.status >= 400:
            raise HttpResponseError(response=self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.status_code} {self.reason}>"


class SimulatedResponse(_ReceivedReply, HttpResponse):
    """A response whose body has arrived already."""

    def read(self) -> bytes:
        """The body."""
        return self._answer.content

    def iter_bytes(self, **kwargs: Any) -> Iterator[bytes]:
        """The body, in one piece."""
        del kwargs
        yield self._answer.content

    def iter_raw(self, **kwargs: Any) -> Iterator[bytes]:
        """The body, in one piece."""
        return self.iter_bytes(**kwargs)

    def stream_download(self, pipeline: Any, **kwargs: Any) -> Iterator[bytes]:
        """The body, in one piece, by the name that older clients use."""
        del pipeline
        return self.iter_bytes(**kwargs)

    def close(self) -> None:
        """Does nothing: nothing is open."""
        self._closed = True

    def __enter__(self) -> SimulatedResponse:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


class AsyncSimulatedResponse(_ReceivedReply, AsyncHttpResponse):
    """The same for clients that await."""

    async def read(self) -> bytes:
        """The body."""
        return self._answer.content

    async def iter_bytes(self, **kwargs: Any) -> AsyncIterator[bytes]:
        """The body, in one piece."""
        del kwargs
        yield self._answer.content

    async def iter_raw(self, **kwargs: Any) -> AsyncIterator[bytes]:
        """The body, in one piece."""
        del kwargs
        yield self._answer.content

    async def load_body(self) -> None:
        """Does nothing: the body is here."""

    async def close(self) -> None:
        """Does nothing: nothing is open."""
        self._closed = True

    async def __aenter__(self) -> AsyncSimulatedResponse:
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.close()
