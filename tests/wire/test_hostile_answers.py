"""Whatever a server sends, the caller gets a typed error, in bounded time and memory."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from defender_remediate.arm import paging, transport
from defender_remediate.arm.clock import SystemClock
from defender_remediate.arm.cloud import resolve_endpoint
from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import (
    ConnectionCutError,
    DefenderRemediateError,
    MalformedResponseError,
    RequestError,
    ThrottledError,
    UnauthorizedError,
)
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.testing import SimulatedCredential, VirtualClock

# urllib3 leaves the socket of an answer open whose head it refuses.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PATCH = PlannedRequest(method="PATCH", path="/subscriptions/s/x", api_version="1", body={"a": 1})
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n"
BODY = b'\r\n{"id": "x"}'
DIGITS = b"9" * 5000


@contextmanager
def serving(answer: Callable[[socket.socket], None], clock: Any = None) -> Iterator[tuple[ArmSession, list[bytes]]]:
    """A session on a server that gives this answer to each request; and the requests."""
    seen: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                seen.append(_request(connection))
                answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    endpoint = resolve_endpoint(f"http://127.0.0.1:{listening.getsockname()[1]}", None)
    session = ArmSession.open(
        SimulatedCredential(), endpoint, clock=clock or VirtualClock(), new_id=lambda: "id", random=lambda: 0.0
    )
    try:
        yield session, seen
    finally:
        session.close()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def _request(connection: socket.socket) -> bytes:
    """A whole request: to close a connection before its body was read would reset it."""
    received = connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0 and (more := connection.recv(missing)):
        received, missing = received + more, missing - len(more)
    return received


def sending(raw: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\nConnection: close\r\n" + BODY[:-3],
        b"HTTP/1.1 200 OK\r\nContent-Length: " + DIGITS + b"\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\n",
        b"HTTP/1.1 307 Moved\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 307 Moved\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 99999 Odd\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + DIGITS,
        b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"n": ' + DIGITS + b"}",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b'{"a":' * 300 + b"1" + b"}" * 300,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"[" * 100_000,
        b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"n": NaN}',
        b"",
    ],
    ids=range(20),
)
def test_a_broken_answer_is_a_typed_error_and_a_read_is_tried_again(raw: bytes) -> None:
    """A header, a chunk or a body that makes no sense. A write is never sent again for it."""
    with serving(sending(raw)) as (session, seen):
        with pytest.raises((MalformedResponseError, ConnectionCutError, RequestError)) as caught:
            session.get("/subscriptions/s/x", api_version="1")
        is_refusal = isinstance(caught.value, RequestError)
        # A connection that the server has closed may be noticed before a request is sent on it.
        assert len(seen) == 1 if is_refusal else len(seen) > 1
        seen.clear()
        with suppress(DefenderRemediateError):
            session.send(PATCH)
        assert len(seen) <= 1


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "header",
    [
        b"Retry-After: " + DIGITS,
        b"Retry-After: 1e999",
        b"Retry-After: -5",
        b"Retry-After: \xd9\xa3",
        b"Retry-After: Fri, 31 Dec 9999 23:59:59 -9999",
        b"Retry-After: Mon, 01 Jan 0001 00:00:00 +9999",
        b"Retry-After: Thu, 01 Jan 2026 00:00:00 +99999999999",
        b"retry-after-ms: " + DIGITS,
        b"x-ms-retry-after-ms: \xc2\xb2",
        b"x-ms-ratelimit-remaining-subscription-reads: " + DIGITS,
        b"x-ms-ratelimit-remaining-subscription-reads: \xc2\xb2",
        b"x-ms-user-quota-resets-after: " + DIGITS + b":00:00",
        b"x-ms-user-quota-remaining: -1",
        b"Date: " + DIGITS,
    ],
    ids=range(14),
)
@pytest.mark.parametrize("status", [b"200 OK", b"429 Slow", b"503 Down"])
def test_an_odd_header_is_no_surprise(header: bytes, status: bytes) -> None:
    """It counts as absent, or as a day at most; the next request works."""
    answers = [b"HTTP/1.1 " + status + b"\r\n" + header + b"\r\nContent-Length: 11\r\n" + BODY, OK + BODY]
    clock = VirtualClock()

    def answer(connection: socket.socket) -> None:
        connection.sendall(answers.pop(0) if len(answers) > 1 else answers[0])

    with serving(answer, clock) as (session, _):
        try:
            assert session.get("/subscriptions/s/x", api_version="1").body == {"id": "x"}
        except (ThrottledError, RequestError) as error:
            assert error.retry_after == 86_400  # noqa: PT017
    assert clock.monotonic() < 200


@pytest.mark.parametrize(
    "claims", ["%%%", "A", base64.b64encode(b"\xff\xfe").decode(), "", base64.b64encode(b"{}").decode() * 1000]
)
def test_a_broken_claims_challenge_is_a_401(claims: str) -> None:
    """The challenge is not Azure's, or was cut."""
    head = f'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer error="insufficient_claims", claims="{claims}"\r\nConnection: close\r\n'
    with (
        serving(sending(f"{head}Content-Length: 0\r\n\r\n".encode())) as (session, _),
        pytest.raises(UnauthorizedError),
    ):
        session.send(PATCH)


def test_a_body_that_unpacks_to_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes of gzip can be gigabytes of zeros."""
    monkeypatch.setattr(transport, "LARGEST_BODY", 1_000_000)
    packed = gzip.compress(b"0" * 50_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    with serving(sending(head + packed)) as (session, _), pytest.raises(MalformedResponseError, match="decoded"):
        session.send(PATCH)


@pytest.mark.parametrize("head", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked", b"Connection: close"])
def test_a_body_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    """Each byte resets the time-out of the connection; the whole body has a time limit of its own."""
    monkeypatch.setattr(transport, "LONGEST_BODY", 0.2)
    stop = threading.Event()
    drop = b"1\r\n \r\n" if b"chunked" in head else b" "

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        while not stop.wait(0.02):
            connection.sendall(drop)

    with serving(answer, SystemClock()) as (session, _):
        try:
            with pytest.raises(ConnectionCutError):
                session.send(PATCH)
        finally:
            stop.set()


def test_pages_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page names another one, and none has an item."""
    number = iter(range(10_000))

    def answer(connection: socket.socket) -> None:
        page = json.dumps({"value": [], "nextLink": f"/subscriptions/s/x?page={next(number)}"}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page) + page)

    monkeypatch.setattr(paging, "MOST_EMPTY_PAGES", 20)
    with serving(answer) as (session, _), pytest.raises(MalformedResponseError, match="no end"):
        list(session.list("/subscriptions/s/x", api_version="1"))


def test_urllib3_logs_no_signature(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """At DEBUG it writes whole URLs; those of operations and pages are signed. Other hosts are left as they are."""
    caplog.set_level(logging.DEBUG, "urllib3")
    # A journal in a storage emulator on this host has left a filter there that hides more.
    monkeypatch.setattr(logging.getLogger("urllib3.connectionpool"), "filters", [])
    with serving(sending(OK + BODY)) as (session, _):
        session.get_url("/operations/1?api-version=1&t=1&s=s3cret&code=k3y")
        logging.getLogger("urllib3.connectionpool").debug('%s "GET %s"', "example.org", "/x?kept=1")
    assert "/operations/1?api-version=1" in caplog.text
    assert "s3cret" not in caplog.text
    assert "k3y" not in caplog.text
    assert "/x?kept=1" in caplog.text


@pytest.mark.parametrize("status", [b"200 OK", b"404 Gone"])
def test_a_request_id_is_text_from_outside(caplog: pytest.LogCaptureFixture, status: bytes) -> None:
    """It reaches journals, reports and the log."""
    caplog.set_level(logging.DEBUG, "defender_remediate")
    raw = b"HTTP/1.1 " + status + b"\r\nx-ms-request-id: password=s3cret\x9b31m\r\nContent-Length: 11\r\n" + BODY
    with serving(sending(raw)) as (session, _):
        try:
            shown = session.get("/subscriptions/s/x", api_version="1").request_id
        except RequestError as error:
            shown = error.request_id or ""
    assert "s3cret" not in shown + caplog.text
    assert "\x9b" not in caplog.text
