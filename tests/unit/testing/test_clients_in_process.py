"""Every way into a simulated tenant leads to the same one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.core.rest import HttpRequest
from azure.mgmt.resource.deployments.aio import DeploymentsMgmtClient
from azure.mgmt.resource.resources.aio import ResourceManagementClient

from defender_remediate.testing import ArmSimulator

ACCOUNTS = "Microsoft.Storage/storageAccounts"
VERSION = "2025-08-01"


def test_an_asynchronous_client_lists_changes_and_waits_without_real_time(demo: ArmSimulator) -> None:
    """Clients of azure.mgmt.*.aio run in process: pages, errors and long-running operations."""
    subscription = demo.scopes[0].rpartition("/")[2]
    group = demo.resources.list_ids(ACCOUNTS)[0].split("/")[4]

    async def run() -> tuple[list[str], str, str]:
        options: Any = {"transport": demo.async_transport}
        async with demo.async_credential as credential:
            async with ResourceManagementClient(credential, subscription, **options) as client:
                names = [one.name or "" async for one in client.resources.list()]
                with pytest.raises(HttpResponseError) as refused:
                    await client.resource_groups.get("missing")
            async with DeploymentsMgmtClient(credential, subscription, **options) as client:
                template = {"$schema": "x", "contentVersion": "1.0.0.0", "resources": []}
                body: Any = {"properties": {"mode": "Incremental", "template": template}}
                poller = await client.deployments.begin_create_or_update(group, "d", body)
                ended = await poller.result()
        return (
            names,
            str(refused.value.error and refused.value.error.code),
            str(getattr(ended.properties, "provisioning_state", "")).rpartition(".")[2],
        )

    began = demo.clock.monotonic()
    names, code, state = asyncio.run(run())
    assert len(names) > 10
    assert (code, state) == ("ResourceGroupNotFound", "SUCCEEDED")
    assert demo.clock.monotonic() > began  # virtual time passed


def test_an_asynchronous_response_is_one_of_azure_core(demo: ArmSimulator) -> None:
    """Code that streams, closes and checks responses by hand works, and another host cannot be reached."""

    async def run() -> tuple[bytes, bytes, bytes, bool]:
        headers = {"Authorization": f"Bearer {(await demo.async_credential.get_token('any')).token}"}
        info = await demo.async_credential.get_token_info("any")
        assert info.token == demo.credential.token
        url = f"{demo.endpoint}{demo.scopes[0]}?api-version=2022-12-01"
        async with demo.async_transport as transport:
            await transport.open()
            await transport.sleep(1)
            with pytest.raises(ServiceRequestError, match="Cannot reach"):
                await transport.send(HttpRequest("GET", "https://elsewhere.example/x"))
            async with await transport.send(HttpRequest("GET", url, headers=headers)) as response:
                await response.load_body()
                parts = b"".join([part async for part in response.iter_bytes()])
                raw = b"".join([part async for part in response.iter_raw()])
                whole = await response.read()
            await transport.close()
        await demo.async_credential.close()
        return parts, raw, whole, response.is_closed

    parts, raw, whole, is_closed = asyncio.run(run())
    assert parts == raw == whole
    assert b"subscriptionId" in whole
    assert is_closed


def test_a_session_of_requests_reaches_the_tenant_and_nothing_else(demo: ArmSimulator) -> None:
    """Code that uses requests is tested without a server; sign-in is answered, and no host of the real world is asked."""
    account = demo.resources.list_ids(ACCOUNTS)[0]
    url = f"{demo.endpoint}{account}?api-version={VERSION}"
    with demo.open_session() as session:
        patched = session.patch(url, json={"tags": {"a": "b"}}, headers={"x-ms-client-request-id": b"mine"})
        assert (patched.status_code, patched.reason, patched.json()["tags"]) == (200, "OK", {"a": "b"})
        token = session.post("https://login.microsoftonline.com/common/oauth2/v2.0/token", data="grant_type=x").json()
        assert token["access_token"] == demo.credential.token
        assert session.get("https://elsewhere.example/subscriptions?api-version=2022-12-01").status_code == 200
        demo.faults.fail("GET", times=1)
        with pytest.raises(requests.ConnectionError):
            session.get(url)
        demo.faults.fail("GET", status=799, times=1)
        assert session.get(url).reason == ""
    assert demo.resources.get(account)["tags"] == {"a": "b"}
