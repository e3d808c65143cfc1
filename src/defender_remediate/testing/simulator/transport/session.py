"""The simulator behind ``requests``, without a server."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter

from defender_remediate.testing.simulator.transport.exchange import Call, ConnectionFault, Reply


class SimulatorAdapter(BaseAdapter):
    """Answers the requests of a ``requests.Session`` in memory. No request reaches a network."""

    def __init__(self, reply_to: Callable[[Call], Reply]) -> None:
        super().__init__()
        self._reply_to = reply_to

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Answers a request.

        Raises:
            requests.ConnectionError: A fault broke the connection.
        """
        del args, options
        content: Any = request.body or b""
        headers = {
            name: value.decode("latin-1") if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        body = content.encode() if isinstance(content, str) else bytes(content)
        call = Call.of(str(request.method), str(request.url), headers, body)
        try:
            reply = self._reply_to(call)
        except ConnectionFault as fault:
            raise requests.ConnectionError(str(fault), request=request) from fault
        answer = requests.Response()
        answer.status_code = reply.status
        answer.headers.update(reply.headers)
        answer.reason = HTTPStatus(reply.status).phrase if reply.status in set(HTTPStatus) else ""
        answer.encoding = "utf-8"
        answer.raw = BytesIO(reply.content)
        answer.request, answer.url = request, str(request.url)
        return answer

    def close(self) -> None:
        """Does nothing: nothing is open."""
