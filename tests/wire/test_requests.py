"""The bytes of a request and of its answer."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest
import requests
import responses
from azure.core.credentials import AccessToken
from responses import matchers

from defender_remediate.arm.cloud import resolve_endpoint
from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import (
    ConnectionCutError,
    ConnectionFailedError,
    MalformedResponseError,
    RequestError,
    UnauthorizedError,
)
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.transport.credential import TOKEN, SimulatedCredential

BASE = "https://management.azure.com"
ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"
PATCH = PlannedRequest(method="PATCH", path=ACCOUNT, api_version="2023-05-01", body={"properties": {"a": True}})


def test_a_write_as_it_goes_out(session: ArmSession, wire: responses.RequestsMock) -> None:
    """One request with the planned body, one correlation id, and a token."""
    wire.patch(
        f"{BASE}{ACCOUNT}",
        json={"id": ACCOUNT},
        match=[
            matchers.query_param_matcher({"api-version": "2023-05-01"}),
            matchers.json_params_matcher({"properties": {"a": True}}),
            matchers.header_matcher(
                {
                    "Authorization": f"Bearer {TOKEN}",
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "x-ms-correlation-request-id": "run-1",
                }
            ),
        ],
    )
    session.correlated("run-1").send(PATCH)
    assert len(wire.calls) == 1


def test_a_resource_that_was_created_by_a_patch_is_fine(session: ArmSession, wire: responses.RequestsMock) -> None:
    """Key Vault answers 201 to a PATCH; azure-mgmt-resource takes that for an error."""
    wire.patch(f"{BASE}{ACCOUNT}", json={"id": ACCOUNT}, status=201)
    assert session.send(PATCH).status == 201


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "half',
        b'{"id": "\xe9"}',
        b"<html><body>Sign in</body></html>",
        b"\x1f\x8b\x08not gzip",
        b"null-ish",
    ],
)
def test_a_broken_body_is_asked_for_again(session: ArmSession, wire: responses.RequestsMock, body: bytes) -> None:
    """A second answer that is whole is the answer."""
    wire.get(f"{BASE}{ACCOUNT}", body=body)
    wire.get(f"{BASE}{ACCOUNT}", json={"id": "x"})
    assert session.get(ACCOUNT, api_version="1").body == {"id": "x"}


def test_a_body_that_stays_broken_is_an_error(session: ArmSession, wire: responses.RequestsMock) -> None:
    """After five times; for a write after the first."""
    wire.get(f"{BASE}{ACCOUNT}", body=b"<html>")
    with pytest.raises(MalformedResponseError):
        session.get(ACCOUNT, api_version="1")
    assert len(wire.calls) == 5
    wire.patch(f"{BASE}{ACCOUNT}", body=b"<html>")
    with pytest.raises(MalformedResponseError):
        session.send(PATCH)
    assert len(wire.calls) == 6


def test_a_body_that_cannot_be_unpacked_is_an_error(session: ArmSession, wire: responses.RequestsMock) -> None:
    """It says it is compressed and is not; the write may have taken effect."""
    wire.patch(f"{BASE}{ACCOUNT}", body=requests.exceptions.ContentDecodingError("not gzip"))
    with pytest.raises(MalformedResponseError, match="decoded"):
        session.send(PATCH)


def test_a_redirect_is_not_followed(session: ArmSession, wire: responses.RequestsMock) -> None:
    """The token stays here."""
    wire.get(f"{BASE}{ACCOUNT}", status=307, headers={"Location": "https://evil.example/"})
    with pytest.raises(RequestError, match="307") as caught:
        session.get(ACCOUNT, api_version="1")
    assert "redirects" in caught.value.hint


def test_a_next_link_goes_out_as_it_came(session: ArmSession, wire: responses.RequestsMock) -> None:
    """Nothing is added to it and nothing is decoded."""
    link = f"{BASE}{ACCOUNT}?api-version=1&%24skiptoken=a%2Bb%2F%3D"
    wire.get(
        f"{BASE}{ACCOUNT}",
        json={"value": [], "nextLink": link},
        match=[matchers.query_param_matcher({"api-version": "1"})],
    )
    wire.get(
        f"{BASE}{ACCOUNT}",
        json={"value": [{}]},
        match=[matchers.query_param_matcher({"api-version": "1", "$skiptoken": "a+b/="})],
    )
    assert list(session.list(ACCOUNT, api_version="1")) == [{}]
    assert wire.calls[1].request.url == link


def test_a_long_link_is_followed(session: ArmSession, wire: responses.RequestsMock) -> None:
    """The Location of a what-if can be longer than four kilobytes."""
    link = f"/subscriptions/s/operationresults/{'x' * 6000}?api-version=1"
    wire.get(f"{BASE}{link}", json={"status": "Succeeded"})
    assert session.get_url(link).body == {"status": "Succeeded"}


class Claims:
    """Gives a token that names the claims it was asked for."""

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses

    def get_token(self, *scopes: str, claims: str | None = None, **options: object) -> AccessToken:
        if claims and self._refuses:
            raise ValueError("sign in again")
        return AccessToken(f"claims:{claims}", 4102444800)


def challenged(credential: object, clock: VirtualClock) -> ArmSession:
    numbers = count(1)
    return ArmSession.open(credential, resolve_endpoint(None, None), clock=clock, new_id=lambda: f"id-{next(numbers)}")


CHALLENGE = (
    base64.urlsafe_b64encode(json.dumps({"access_token": {"nbf": {"essential": True}}}).encode()).decode().rstrip("=")
)
HEADER = {"WWW-Authenticate": f'Bearer realm="", error="insufficient_claims", claims="{CHALLENGE}"'}


def test_a_claims_challenge_is_answered(clock: VirtualClock, wire: responses.RequestsMock) -> None:
    """With a token that has the claims, also for a write: the first one was refused before Azure looked at it."""
    wire.patch(f"{BASE}{ACCOUNT}", status=401, headers=HEADER)
    wire.patch(f"{BASE}{ACCOUNT}", json={"id": "x"})
    session = challenged(Claims(), clock)
    assert session.send(PATCH).body == {"id": "x"}
    assert '"nbf"' in wire.calls[1].request.headers["Authorization"]
    session.close()


def test_a_claims_challenge_without_claims_is_a_401(clock: VirtualClock, wire: responses.RequestsMock) -> None:
    """There is nothing to answer it with."""
    wire.patch(f"{BASE}{ACCOUNT}", status=401, headers={"WWW-Authenticate": 'Bearer error="insufficient_claims"'})
    session = challenged(Claims(), clock)
    with pytest.raises(UnauthorizedError):
        session.send(PATCH)
    session.close()


def test_a_claims_challenge_that_cannot_be_answered_names_the_credential(
    clock: VirtualClock, wire: responses.RequestsMock
) -> None:
    """The person has to sign in again."""
    from defender_remediate.errors import CredentialError

    wire.patch(f"{BASE}{ACCOUNT}", status=401, headers=HEADER)
    session = challenged(Claims(refuses=True), clock)
    with pytest.raises(CredentialError, match="sign in again"):
        session.send(PATCH)
    session.close()


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on this machine that does with each connection what the test wants."""
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


@contextmanager
def loopback(base: str, clock: VirtualClock) -> Iterator[ArmSession]:
    opened = ArmSession.open(
        SimulatedCredential(), resolve_endpoint(base, None), clock=clock, new_id=lambda: "id", random=lambda: 0.0
    )
    try:
        yield opened
    finally:
        opened.close()


def request_of(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def test_plain_http_works_on_this_machine(clock: VirtualClock) -> None:
    """With the token: an ARM-like server for tests has no certificate."""
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{"id": "x"}')

    with server(serve) as base, loopback(base, clock) as session:
        assert session.get("/x", api_version="1").body == {"id": "x"}
    assert f"Authorization: Bearer {TOKEN}".encode() in seen[0]
    assert seen[0].startswith(b"GET /x?api-version=1 HTTP/1.1")


def test_a_cut_before_the_answer_leaves_a_write_in_doubt(clock: VirtualClock) -> None:
    """The request had left; it is not sent again."""
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(request_of(connection))

    with server(serve) as base, loopback(base, clock) as session, pytest.raises(ConnectionCutError):
        session.send(PATCH)
    assert len(seen) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"id":',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"id"\r\n',
    ],
)
def test_a_cut_inside_the_answer_leaves_a_write_in_doubt(clock: VirtualClock, answer: bytes) -> None:
    """With either way of telling how long it is."""
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(answer)

    with server(serve) as base, loopback(base, clock) as session, pytest.raises(ConnectionCutError):
        session.send(PATCH)
    assert len(seen) == 1


def test_a_port_that_nobody_listens_on_is_no_doubt(clock: VirtualClock) -> None:
    """Nothing was sent, and the message says so."""
    with server(lambda _: None) as base:
        pass
    with loopback(base, clock) as session, pytest.raises(ConnectionFailedError) as caught:
        session.send(PATCH)
    assert type(caught.value) is ConnectionFailedError


def test_an_answer_that_stops_in_the_middle_is_never_called_unsent(
    clock: VirtualClock, wire: responses.RequestsMock, session: ArmSession
) -> None:
    """azure-core sorts a time-out inside the body under requests that could not be sent."""
    from urllib3.exceptions import ReadTimeoutError

    timeout = ReadTimeoutError(None, "/x", "Read timed out.")  # type: ignore[arg-type]
    wire.patch(f"{BASE}{ACCOUNT}", body=requests.exceptions.ConnectionError(timeout))
    with pytest.raises(ConnectionCutError):
        session.send(PATCH)
