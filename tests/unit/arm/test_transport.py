"""The connections: made late, with room for all threads, and closed for good."""

from __future__ import annotations

import subprocess
import sys

import pytest
import requests
import responses
from azure.core.rest import HttpRequest

from defender_remediate.arm.transport import PooledTransport
from defender_remediate.errors import InvalidInputError

URL = "https://management.azure.com/x"


@responses.activate
def test_one_session_serves_all_requests() -> None:
    """It is made when the first request is sent."""
    responses.get(URL, body=b"1")
    transport = PooledTransport()
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
    transport = PooledTransport()
    transport.send(HttpRequest("GET", URL, headers={"Authorization": "Bearer t"}))
    assert responses.calls[0].request.headers["Authorization"] == "Bearer t"
    transport.close()


def test_nothing_is_sent_after_close() -> None:
    """Closing twice is fine, also when nothing was ever sent."""
    transport = PooledTransport()
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
