"""Connections over TLS: whom they trust, and how often the certificates are read."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from defender_remediate.arm.clock import SystemClock
from defender_remediate.arm.cloud import resolve_endpoint
from defender_remediate.arm.pipeline import pipeline_options
from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential

PATH = "/subscriptions/11111111-1111-4111-8111-111111111111"
Open = Callable[..., ArmSession]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that no one trusts, and an environment that says nothing of it."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


@pytest.fixture
def base(authority: trustme.CA) -> Iterator[str]:
    """A server with a certificate of that authority."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def connect(base: str) -> Iterator[Open]:
    """Makes sessions on the server; they are closed at the end."""
    made: list[ArmSession] = []

    def make(**options: Any) -> ArmSession:
        made.append(
            ArmSession.open(
                SimulatedCredential(),
                resolve_endpoint(base, None),
                clock=SystemClock(),
                new_id=lambda: "id",
                options=pipeline_options(retry_total=0, **options),
            )
        )
        return made[-1]

    yield make
    for session in made:
        session.close()


def test_a_certificate_of_an_unknown_authority_is_refused(connect: Open) -> None:
    """Nothing is sent to a server that anyone could be."""
    with pytest.raises(DefenderRemediateError):
        connect().get(PATH, api_version="1")


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_an_authority_can_be_given_as_requests_takes_it(
    connect: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the environment as a file, also beside an explicit True, and as an argument; and verification can be switched off."""
    bundle = str(tmp_path / "ca.pem")
    assert connect(connection_verify=bundle).get(PATH, api_version="1").body == {}
    assert connect(connection_verify=False).get(PATH, api_version="1").body == {}
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    for options in ({}, {"connection_verify": True}):
        session = connect(**options)
        assert session.get(PATH, api_version="1").body == {}
        assert session.get(PATH, api_version="1").body == {}
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.setenv("CURL_CA_BUNDLE", bundle)
    assert connect().get(PATH, api_version="1").body == {}


@pytest.mark.parametrize("place", ["missing.pem", "."])
def test_an_authority_that_is_not_there_is_an_error_of_the_request(
    connect: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A file that does not exist, and a directory without the certificate, trust no one."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / place))
    with pytest.raises(DefenderRemediateError):
        connect().get(PATH, api_version="1")
