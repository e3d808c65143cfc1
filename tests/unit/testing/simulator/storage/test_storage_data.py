"""The data of storage accounts: the settings of a service and the names of containers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from defender_remediate.testing import ArmSimulator

SETTINGS = "?restype=service&comp=properties"
SHARED = {"Authorization": "SharedKey account:c2ln"}
LOGGED = "<Logging><Version>1.0</Version><Read>true</Read></Logging>"

Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(sim: ArmSimulator, account: str) -> Ask:
    """Sends a request to a service of the account."""
    session, name = sim.open_session(), account.rpartition("/")[2]
    return lambda method, path, service="blob", **more: session.request(
        method, f"https://{name}.{service}.core.windows.net/{path}", **more
    )


def reason(reply: requests.Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return reply.status_code, reply.headers["x-ms-error-code"]


def test_the_settings_of_a_service_are_read_and_set(sim: ArmSimulator, account: str, ask: Ask) -> None:
    """What only the data plane has is kept; what Resource Manager has is the same."""
    for service in ("blob", "queue", "table"):
        assert "<Logging>" in ask("GET", SETTINGS, service).text
    assert "<Logging>" not in ask("GET", SETTINGS, "file").text
    body = f"<StorageServiceProperties>{LOGGED}<Cors /></StorageServiceProperties>"
    assert ask("PUT", SETTINGS, "queue", data=body, headers=SHARED).status_code == 202
    assert LOGGED in ask("GET", SETTINGS, "queue").text
    assert LOGGED not in ask("GET", SETTINGS, "blob").text
    assert reason(ask("PUT", SETTINGS, data="<x/>", headers=SHARED)) == (400, "InvalidXmlDocument")
    retention = {"enabled": True, "days": 9}
    sim.resources.edit(
        f"{account}/blobServices/default", lambda one: one["properties"].update(deleteRetentionPolicy=retention)
    )
    assert "<DeleteRetentionPolicy><Enabled>true</Enabled><Days>9</Days>" in ask("GET", SETTINGS).text


def test_containers_are_those_of_resource_manager(sim: ArmSimulator, account: str, ask: Ask) -> None:
    """With a prefix only some; blobs are not simulated."""
    for name in ("logs", "web"):
        sim.resources.add_container(account, name)
    assert ask("GET", "?comp=list&prefix=lo").text.count("<Name>") == 1
    assert reason(ask("GET", "logs?restype=container&comp=list")) == (501, "NotImplemented")


def test_who_may_look(sim: ArmSimulator, account: str, ask: Ask) -> None:
    """Keys where they are allowed, roles, and the firewall of the account."""
    assert reason(ask("GET", SETTINGS, headers={"Authorization": ""})) == (401, "NoAuthenticationInformation")
    sim.resources.edit(account, lambda one: one["properties"].update(allowSharedKeyAccess=False))
    assert reason(ask("GET", SETTINGS, headers=SHARED)) == (403, "KeyBasedAuthenticationNotPermitted")
    assert ask("GET", f"{SETTINGS}&sig=x", headers={"Authorization": ""}).status_code == 403
    sim.access.deny("Microsoft.Storage/storageAccounts/blobServices/read", account)
    assert reason(ask("GET", SETTINGS)) == (403, "AuthorizationPermissionMismatch")
    sim.resources.edit(account, lambda one: one["properties"].update(networkAcls={"defaultAction": "Deny"}))
    assert reason(ask("GET", SETTINGS)) == (403, "AuthorizationFailure")
