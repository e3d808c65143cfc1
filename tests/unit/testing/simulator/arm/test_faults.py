"""Faults: what comes back, what has happened, and how often."""

from __future__ import annotations

import json
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

from defender_remediate.testing import ArmSimulator

STORAGE = "2025-08-01"
BODY = {"properties": {"supportsHttpsTrafficOnly": True}}


@pytest.fixture
def write(call: Any, account: str) -> Any:
    """Writes to the storage account."""
    return lambda: call("PATCH", f"{account}?api-version={STORAGE}", json=BODY)


def done(sim: ArmSimulator, account: str) -> bool:
    """Whether the write had its effect."""
    return bool(sim.resources.get(account)["properties"]["supportsHttpsTrafficOnly"])


def test_a_connection_may_fail_before_anything_happened(sim: ArmSimulator, write: Any, account: str) -> None:
    """Once, and then never again."""
    sim.faults.fail("PATCH", "storageaccounts")
    with pytest.raises(ServiceRequestError):
        write()
    assert not done(sim, account)
    assert sim.requests[-1].status == 0
    assert "cut" in str(sim.requests[-1])
    assert write().status_code == 200


def test_a_connection_may_be_cut_after_the_effect(sim: ArmSimulator, write: Any, account: str) -> None:
    """The caller cannot know."""
    sim.faults.fail("PATCH|PUT", when="after")
    with pytest.raises(ServiceResponseError):
        write()
    assert done(sim, account)
    assert sim.requests[-1].changed


def test_an_error_may_come_after_the_effect(sim: ArmSimulator, write: Any, word: Any, account: str) -> None:
    """A 504 that is a success."""
    sim.faults.fail(when="after", status=504, code="GatewayTimeout")
    response = write()
    assert (response.status_code, word(response)) == (504, "GatewayTimeout")
    assert done(sim, account)


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"\xff\xfe{", b"\xff\xfe{"),
        ("<html>Bad gateway</html>", b"<html>Bad gateway</html>"),
        ({"value": [1]}, b'{"value": [1]}'),
        (None, b""),
    ],
)
def test_an_answer_may_be_anything(sim: ArmSimulator, write: Any, body: Any, content: bytes) -> None:
    """Bytes and strings are sent unchanged; the given headers take precedence."""
    sim.faults.fail(
        path=r"api-version=2025-08-01", status=502, body=body, headers={"Content-Type": "text/html", "Retry-After": "3"}
    )
    response = write()
    assert (response.status_code, response.content) == (502, content)
    assert (response.headers["retry-after"], response.headers["Content-Type"]) == ("3", "text/html")
    with pytest.raises(HttpResponseError):
        response.raise_for_status()


def test_faults_count(sim: ArmSimulator, write: Any) -> None:
    """Some pass first, some are hit, the rest pass; one for ever stays until it is taken back."""
    sim.faults.fail("PATCH", status=500, code="A", skip=1, times=2)
    assert [write().status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    sim.faults.fail(status=503, times=None)
    sim.faults.fail(status=418, times=None)
    sim.faults.fail("GET", "nowhere", status=400)
    assert [write().status_code for _ in range(3)] == [503, 503, 503]
    sim.faults.clear()
    assert write().status_code == 200


def test_a_token_must_be_the_right_one(sim: ArmSimulator, call: Any, word: Any, write: Any, account: str) -> None:
    """A missing, a wrong and an expired token are distinguished; the credential then gets a new one."""
    from azure.core.rest import HttpRequest

    def bare(**headers: str) -> Any:
        return sim.send(HttpRequest("GET", f"{sim.endpoint}{account}?api-version={STORAGE}", headers=headers))

    assert word(bare()) == "AuthenticationFailed"
    assert word(bare(Authorization="Bearer guess")) == "InvalidAuthenticationToken"
    assert write().status_code == 200
    old = sim.credential.get_token("scope").token
    sim.faults.expire_tokens()
    response = bare(Authorization=f"Bearer {old}")
    assert (response.status_code, word(response)) == (401, "ExpiredAuthenticationToken")
    assert "authorization_uri" in response.headers["WWW-Authenticate"]
    with sim.credential as credential:
        assert bare(Authorization=f"Bearer {credential.get_token_info('scope').token}").status_code == 200
    assert sim.credential.calls == 3
    assert repr(sim.credential) == "SimulatedCredential()"


def test_no_token_is_kept_in_the_log(sim: ArmSimulator, write: Any) -> None:
    """The log says that there was one."""
    write()
    assert "simulated" not in json.dumps(sim.requests[-1].headers)
    assert sim.requests[-1].headers["authorization"]
    assert str(sim.requests[-1]).endswith("-> 200")
    assert sim.requests[-1].body
