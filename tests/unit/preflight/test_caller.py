"""Who the caller is."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from defender_remediate.arm.cloud import resolve_endpoint
from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import CredentialError
from defender_remediate.preflight.caller import object_id
from defender_remediate.testing.simulator.state.clock import VirtualClock

ME = "AAAAAAAA-0000-4000-8000-000000000001"


class Credential:
    """Gives one token, or none."""

    def __init__(self, token: str) -> None:
        self.token = token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        if not self.token:
            raise ValueError("signed out")
        return AccessToken(self.token, 2**40)


def session(token: str) -> ArmSession:
    return ArmSession.open(
        Credential(token), resolve_endpoint(None, None), clock=VirtualClock(), new_id=lambda: "00000000"
    )


def jwt(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl"


@pytest.mark.parametrize("more", [{}, {"a": 1}, {"a": 11}, {"ünicode": "ÿ"}])
def test_the_token_tells(more: dict[str, Any]) -> None:
    """In the claim that Entra ID calls oid; its base64 has no padding."""
    assert object_id(session(jwt({"oid": ME, **more}))) == ME.casefold()


@pytest.mark.parametrize(
    "token",
    ["opaque", "a.b", "a.!!!.c", "..", jwt({"sub": ME}), jwt({"oid": "x"}), jwt([ME]), jwt("oid"), "a.\u00e9.c"],
)
def test_an_opaque_token_does_not_tell(token: str) -> None:
    """Azure means tokens to be opaque, so that is no error."""
    assert object_id(session(token)) == ""


def test_no_token_is_an_error() -> None:
    """Which the check that asked turns into a finding."""
    with pytest.raises(CredentialError):
        object_id(session(""))
