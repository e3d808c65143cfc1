"""The simulator as an HTTP server on the loopback interface."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs

from defender_remediate.testing.simulator.transport.exchange import Call, ConnectionFault, Reply


@attrs.frozen
class Server:
    """A running server.

    Attributes:
        endpoint: Its base URL, such as ``http://127.0.0.1:40123``.
    """

    endpoint: str


def _handler(reply_to: Callable[[Call], Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Without it a kept connection waits for the client's delayed acknowledgement: about 40 ms for each answer.
        disable_nagle_algorithm = True

        def reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            url = f"http://{self.headers.get('Host', '127.0.0.1')}{self.path}"
            try:
                reply = reply_to(Call.of(self.command, url, dict(self.headers.items()), content))
            except ConnectionFault:
                self.close_connection = True
                return
            self.send_response_only(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        do_GET = do_HEAD = do_PATCH = do_PUT = do_POST = do_DELETE = reply  # noqa: N815 (the base class names them)

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing: the simulator keeps its own list of requests."""

    return Handler


@contextmanager
def serving(reply_to: Callable[[Call], Reply], port: int) -> Iterator[Server]:
    """Serves a tenant until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(reply_to))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
