"""The data of vaults: who may read it, from where, and what tools list and set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from tests.unit.testing.conftest import SUB

from defender_remediate.testing import ArmSimulator

VAULT = f"{SUB}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/books"
HOST = "https://books.vault.azure.net"

Ask = Callable[..., requests.Response]


@pytest.fixture
def vault(sim: ArmSimulator) -> str:
    """A vault whose access policy lets the caller do everything."""
    permissions = {kind: ["all"] for kind in ("keys", "secrets", "certificates")}
    policies = [
        {"objectId": "someone", "permissions": permissions},
        {"objectId": sim.access.caller, "permissions": permissions},
    ]
    return sim.resources.add({"id": VAULT, "location": "westeurope", "properties": {"accessPolicies": policies}})


@pytest.fixture
def ask(sim: ArmSimulator, vault: str) -> Ask:
    """Sends a request to the vault."""
    session = sim.open_session()
    return lambda method, path, body=None, **more: session.request(
        method, f"{HOST}/{path}?api-version=7.4", json=body, **more
    )


def reason(reply: requests.Response) -> tuple[int, str]:
    """The status and the inner code of a refusal."""
    error = reply.json()["error"]
    return reply.status_code, error.get("innererror", error)["code"]


def set_properties(sim: ArmSimulator, **properties: Any) -> None:
    """Changes the vault."""
    sim.resources.edit(VAULT, lambda body: body["properties"].update(properties))


def test_clients_learn_where_to_sign_in(ask: Ask) -> None:
    """The clients of vaults send no token until the vault asks for one."""
    reply = ask("GET", "keys", headers={"Authorization": ""})
    assert reply.status_code == 401
    assert 'resource="https://vault.azure.net"' in reply.headers["WWW-Authenticate"]
    assert ask("GET", "keys", headers={"Authorization": "Bearer x"}).status_code == 401


def test_keys_are_created_listed_rotated_and_deleted(sim: ArmSimulator, ask: Ask) -> None:
    """Resource Manager shows the same keys."""
    made = ask("POST", "keys/sign/create", {"kty": "RSA", "attributes": {"exp": 1900000000}, "tags": {"a": "b"}}).json()
    assert made["key"]["kid"].startswith(f"{HOST}/keys/sign/")
    assert ask("POST", "keys/curve/create", {"kty": "EC", "crv": "P-256"}).json()["key"]["crv"] == "P-256"
    assert reason(ask("POST", "keys/odd/create", {})) == (400, "BadParameter")
    listed = ask("GET", "keys").json()["value"]
    assert (listed[0]["kid"], listed[0]["attributes"]["exp"]) == (f"{HOST}/keys/sign", 1900000000)
    assert ask("GET", "keys/sign").json()["key"]["kid"] == made["key"]["kid"]
    assert [one["kid"] for one in ask("GET", "keys/sign/versions").json()["value"]] == [made["key"]["kid"]]
    assert ask("PATCH", "keys/sign/x", {"attributes": {"enabled": False}}).json()["attributes"]["enabled"] is False
    assert ask("GET", "keys/sign/rotationpolicy").json()["lifetimeActions"][0]["action"]["type"] == "Notify"
    rotate = {"lifetimeActions": [{"trigger": {"timeAfterCreate": "P90D"}, "action": {"type": "rotate"}}]}
    assert ask("PUT", "keys/sign/rotationpolicy", rotate).json()["lifetimeActions"][0]["action"]["type"] == "Rotate"
    assert sim.resources.get(f"{VAULT}/keys/sign")["properties"]["kty"] == "RSA"
    assert ask("DELETE", "keys/sign").json()["recoveryId"] == f"{HOST}/deletedkeys/sign"
    assert reason(ask("GET", "keys/sign")) == (404, "KeyNotFound")


def test_the_value_of_a_secret_is_in_the_vault_only(sim: ArmSimulator, ask: Ask) -> None:
    """Resource Manager never shows it."""
    ask("PUT", "secrets/password", {"value": "opensesame", "contentType": "text"})
    assert ask("GET", "secrets/password").json()["value"] == "opensesame"
    listed = ask("GET", "secrets").json()["value"][0]
    assert (listed["id"], listed["contentType"], "value" in listed) == (f"{HOST}/secrets/password", "text", False)
    assert "opensesame" not in str(sim.resources.get(f"{VAULT}/secrets/password"))
    assert reason(ask("PUT", "secrets/empty", {})) == (400, "BadParameter")
    assert ask("GET", "certificates").json()["value"] == []
    changed = ask("PATCH", "secrets/password/x", {"attributes": {"enabled": False}, "tags": {"a": "b"}}).json()
    assert (changed["attributes"]["enabled"], changed["tags"]) == (False, {"a": "b"})


def test_a_firewall_refuses_the_caller(sim: ArmSimulator, ask: Ask) -> None:
    """A tool that cannot look must not report that there is nothing."""
    set_properties(sim, networkAcls={"defaultAction": "Deny", "ipRules": [{"value": "198.51.100.0/24"}]})
    assert reason(ask("GET", "keys")) == (403, "ForbiddenByFirewall")
    set_properties(sim, networkAcls={"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.10/32"}]})
    assert ask("GET", "keys").status_code == 200
    set_properties(sim, publicNetworkAccess="Disabled")
    assert reason(ask("GET", "keys")) == (403, "ForbiddenByConnection")


def test_the_caller_needs_a_policy_or_a_role(sim: ArmSimulator, ask: Ask) -> None:
    """An owner of a subscription may not read the data in it."""
    set_properties(sim, accessPolicies=[{"objectId": sim.access.caller, "permissions": {"keys": ["Get"]}}])
    assert reason(ask("GET", "keys")) == (403, "ForbiddenByPolicy")
    set_properties(sim, enableRbacAuthorization=True)
    assert reason(ask("GET", "keys")) == (403, "ForbiddenByRbac")
    sim.access.grant((), VAULT, data_actions=("Microsoft.KeyVault/vaults/keys/*",))
    assert ask("GET", "keys").status_code == 200
    assert reason(ask("GET", "secrets")) == (403, "ForbiddenByRbac")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "keys/x/sign"), ("DELETE", "certificates/x")])
def test_what_is_not_simulated_is_refused(ask: Ask, method: str, path: str) -> None:
    """Never with an invented body."""
    assert reason(ask(method, path, {})) == (404, "UnknownRoute")


def test_a_vault_that_does_not_exist_has_no_host(sim: ArmSimulator, vault: str) -> None:
    """Its name cannot be looked up in Azure, so the connection fails; a malformed version is refused."""
    assert vault == VAULT
    session = sim.open_session()
    for version in ("7.4", "7.6-preview.2", "2025-07-01"):
        assert session.get(f"{HOST}/keys?api-version={version}").status_code == 200
    assert reason(session.get(f"{HOST}/keys?api-version=new")) == (400, "BadParameter")
    with pytest.raises(requests.ConnectionError):
        session.get("https://nothing.vault.azure.net/keys?api-version=7.4")
    with pytest.raises(requests.ConnectionError):
        session.get("https://nothing.blob.core.windows.net/?comp=list")
