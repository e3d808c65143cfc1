"""The connections: made late, with room for all threads, and closed for good."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading

import pytest
import requests
import responses
from azure.core.exceptions import ServiceRequestError
from azure.core.rest import HttpRequest

from defender_remediate.arm.clock import SystemClock
from defender_remediate.arm.cloud import resolve_endpoint
from defender_remediate.arm.transport import PooledTransport, bounded_chunks
from defender_remediate.errors import InvalidInputError

URL = "https://management.azure.com/x"


@responses.activate
def test_one_session_serves_all_requests() -> None:
    """It is made when the first request is sent."""
    responses.get(URL, body=b"1")
    transport = PooledTransport(resolve_endpoint(None, None), SystemClock())
    with transport:
        assert [transport.send(HttpRequest("GET", URL)).read() for _ in range(2)] == [b"1", b"1"]
        session: requests.Session = transport._inner.session
        for scheme in ("https://", "http://"):
            assert session.adapters[scheme]._pool_maxsize == 64  # type: ignore[attr-defined]


@responses.activate
def test_netrc_does_not_replace_the_token(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """``requests`` would put the password of a matching host in its place."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine management.azure.com login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    responses.get(URL)
    transport = PooledTransport(resolve_endpoint(None, None), SystemClock())
    transport.send(HttpRequest("GET", URL, headers={"Authorization": "Bearer t"}))
    assert responses.calls[0].request.headers["Authorization"] == "Bearer t"
    transport.close()


def test_plain_http_goes_round_every_proxy(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """It is for this machine only; a proxy would be given the token in the clear."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            received.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1")

    received: list[bytes] = []
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        PooledTransport(resolve_endpoint(None, None), SystemClock()) as transport,
    ):
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        assert transport.send(HttpRequest("GET", url)).read() == b"1"
        thread.join(5)
    assert received[0].startswith(b"GET /x HTTP/1.1")


def test_a_proxy_of_a_request_is_used() -> None:
    """It is asked for a connection, also when an earlier request needed none."""
    with (
        PooledTransport(resolve_endpoint(None, None), SystemClock()) as transport,
        pytest.raises(ServiceRequestError, match="proxy"),
    ):
        transport.send(HttpRequest("GET", URL), proxies={"https": "http://127.0.0.1:9"})


def test_nothing_is_sent_after_close() -> None:
    """Closing twice is fine, also when nothing was ever sent."""
    transport = PooledTransport(resolve_endpoint(None, None), SystemClock())
    transport.close()
    transport.close()
    with pytest.raises(InvalidInputError, match="closed"):
        transport.send(HttpRequest("GET", URL))


def test_importing_a_session_imports_neither_requests_nor_tenacity() -> None:
    """They cost more than all the rest, and a client that is only made needs neither."""
    code = (
        "import sys, defender_remediate.arm.session, defender_remediate.discovery, defender_remediate.activity;"
        "print(sorted({'requests', 'tenacity', 'azure.identity', 'azure.mgmt'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_body_that_fails_on_the_way_is_raised_as_requests_does() -> None:
    """So that azure-core sorts it as it sorts every other failure."""
    import urllib3.exceptions

    class Raw:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def read1(self, size: int, *, decode_content: bool) -> bytes:
            raise self.error

    timeout = urllib3.exceptions.ReadTimeoutError(None, "/x", "slow")  # type: ignore[arg-type]
    for error, expected in (
        (timeout, requests.exceptions.ConnectionError),
        (urllib3.exceptions.SSLError("bad"), requests.exceptions.SSLError),
    ):
        with pytest.raises(expected):
            list(bounded_chunks(Raw(error), SystemClock()))


@responses.activate
def test_a_url_is_sent_as_requests_would_prepare_it() -> None:
    """That the preparation of plain URLs is left out changes no byte of what is sent, whatever a link of Azure contains."""
    rests = ("/a/b?x=1", "/a b?x=1&y=%41", "/a/../b", "/a/./b?x=/../y", "/é?q=ü", "/a//b?x={1}|2", "?x=1", "/a?b#c")
    urls = [f"http://127.0.0.1:9{rest}" for rest in rests]
    responses.get(re.compile(".*"))
    with PooledTransport(resolve_endpoint(None, None), SystemClock()) as transport:
        for url in urls:
            transport.send(HttpRequest("GET", url))
    assert [call.request.url for call in responses.calls] == [
        requests.Request("GET", url).prepare().url for url in urls
    ]
