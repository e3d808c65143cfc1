"""A credential that needs no sign-in."""

from __future__ import annotations

import base64
import json
from typing import Any

from azure.core.credentials import AccessToken, AccessTokenInfo

from defender_remediate.testing.simulator.authorization.roles import CALLER_APP_ID, CALLER_ID
from defender_remediate.testing.simulator.state.store import TENANT_ID


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


# As in Azure, the token contains the object id and the tenant of its principal.
_FOR_EVER = 4102444800
_CLAIMS = {"oid": CALLER_ID, "appid": CALLER_APP_ID, "tid": TENANT_ID, "idtyp": "app", "exp": _FOR_EVER}
# The signature is one by its form only; a client that decodes the token needs no more.
TOKEN = f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(_CLAIMS)}.c2ltdWxhdGVk"


class SimulatedCredential:
    """Issues the token that the simulator accepts, and counts how often."""

    def __init__(self) -> None:
        self.token = TOKEN
        self.calls = 0
        self._expired: list[str] = []

    def expire(self) -> None:
        """Issues another token from now on and makes the current one expire."""
        self._expired.append(self.token)
        self.token = f"{TOKEN}-{len(self._expired) + 1}"

    def has_issued(self, header: str) -> bool:
        """Whether an Authorization header carries a token that has expired."""
        return header.removeprefix("Bearer ") in self._expired

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """Returns the token, for any scope."""
        del scopes, kwargs
        self.calls += 1
        return AccessToken(self.token, _FOR_EVER)

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        """Returns the token, for any scope."""
        del scopes, options
        self.calls += 1
        return AccessTokenInfo(self.token, _FOR_EVER)

    def close(self) -> None:
        """Does nothing: nothing is open."""

    def __enter__(self) -> SimulatedCredential:
        return self

    def __exit__(self, *exc_details: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "SimulatedCredential()"
