"""What a fix may break: private endpoints that are missing, and function apps that live on a storage account."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

STORAGE = "2025-08-01"


def containers(call: Any, account: str) -> dict[str, Any]:
    """The containers of an account, with their properties."""
    found = call.get(f"{account}/blobServices/default/containers", STORAGE)["value"]
    return {item["name"]: item["properties"] for item in found}


def test_containers_are_listed_by_the_control_plane(sim: ArmSimulator, call: Any, account: str) -> None:
    """Each with its properties; other accounts have others."""
    assert containers(call, account) == {}
    other = sim.resources.add({**sim.resources.get(account), "id": account + "x"})
    made = sim.resources.add_container(account.upper(), "logs", {"publicAccess": "Blob"})
    sim.resources.add_container(other, "elsewhere")
    assert made == f"{account}/blobServices/default/containers/logs"
    assert {name: found["publicAccess"] for name, found in containers(call, account).items()} == {"logs": "Blob"}
    assert call.get(made, STORAGE)["type"] == "Microsoft.Storage/storageAccounts/blobServices/containers"
    body = {"properties": {"publicAccess": "None", "leaseState": "Broken"}}
    assert call("PATCH", f"{made}?api-version={STORAGE}", json=body).status_code == 200
    assert call("PUT", f"{made}2?api-version={STORAGE}", json={}).status_code == 201
    found = containers(call, account)
    assert [found["logs"].get("leaseState"), found["logs2"]["leaseState"]] == [None, "Available"]
    assert found["logs"]["publicAccess"] == found["logs2"]["publicAccess"] == "None"


def test_the_list_of_containers_needs_a_right_and_can_fail(
    sim: ArmSimulator, call: Any, word: Any, account: str
) -> None:
    """As every other read."""
    path = f"{account}/blobServices/default/containers?api-version={STORAGE}"
    sim.faults.fail("GET", "/containers", status=503, code="ServerBusy")
    assert call("GET", path).status_code == 503
    sim.access.deny("Microsoft.Storage/storageAccounts/blobServices/containers/read", account)
    assert word(call("GET", path)) == "AuthorizationFailed"


def test_a_function_app_lives_on_an_account(sim: ArmSimulator, call: Any, account: str) -> None:
    """All that the account shows of it are the containers of its host."""
    app = account.split("/providers/")[0] + "/providers/Microsoft.Web/sites/func-four"
    assert sim.resources.add_function_app(app, account, {"httpsOnly": True}) == app
    shown = sim.resources.get(app)
    assert (shown["kind"], shown["location"], shown["properties"]["httpsOnly"]) == (
        "functionapp,linux",
        "westeurope",
        True,
    )
    assert set(containers(call, account)) == {"azure-webjobs-hosts", "azure-webjobs-secrets"}
    with pytest.raises(KeyError):
        sim.resources.add_function_app(app, account + "-no")


def test_a_private_endpoint_shows_in_the_body(sim: ArmSimulator, call: Any, account: str, site: str) -> None:
    """A later write of the body does not remove it; the status is that of the connection."""
    for name, status in (("pe-one", "Approved"), ("pe-two", "Pending")):
        made = sim.resources.add_private_endpoint(account, name, status=status)
        assert made == f"{account}/privateEndpointConnections/{name}"
    body = {"properties": {"publicNetworkAccess": "Disabled", "privateEndpointConnections": []}}
    assert call("PATCH", f"{account}?api-version={STORAGE}", json=body).status_code == 200
    properties = call.get(account, STORAGE)["properties"]
    found = [
        (one["name"], one["properties"]["privateLinkServiceConnectionState"]["status"])
        for one in properties["privateEndpointConnections"]
    ]
    assert found == [("pe-one", "Approved"), ("pe-two", "Pending")]
    assert properties["publicNetworkAccess"] == "Disabled"
    sim.resources.add_private_endpoint(site)
    assert len(sim.resources.get(site)["properties"]["privateEndpointConnections"]) == 1


def test_what_has_no_private_endpoints_gets_none(sim: ArmSimulator, account: str, cluster: str) -> None:
    """The type of the body has to know them; one that a test brought along may have anything."""
    with pytest.raises(ValueError, match="managedClusters has no"):
        sim.resources.add_private_endpoint(cluster)
    own = account.split("/providers/")[0] + "/providers/Contoso.Things/things/one"
    sim.resources.add({"id": own, "location": "westeurope", "properties": {}}, api_versions=("2024-01-01",))
    assert sim.resources.add_private_endpoint(own).startswith(own)


def test_an_endpoint_shows_on_what_it_leads_to(sim: ArmSimulator, call: Any, account: str) -> None:
    """Made over the API it is approved, or pending when it was only asked for; with the endpoint it goes."""
    group = account.split("/providers/")[0]
    vnet = f"{group}/providers/Microsoft.Network/virtualNetworks/vnet/subnets/default"

    def made(name: str, member: str, target: str) -> str:
        endpoint = f"{group}/providers/Microsoft.Network/privateEndpoints/{name}"
        link = {"name": name, "properties": {"privateLinkServiceId": target, "groupIds": ["blob"]}}
        body = {"location": "westeurope", "properties": {"subnet": {"id": vnet}, member: [link]}}
        assert call("PUT", f"{endpoint}?api-version=2024-05-01", json=body).status_code in (200, 201)
        sim.clock.advance(60)
        return endpoint

    def shown() -> dict[str, str]:
        found = sim.resources.get(account)["properties"].get("privateEndpointConnections", [])
        states = ((each["name"], each["properties"]["privateLinkServiceConnectionState"]["status"]) for each in found)
        return dict(states)

    approved = made("pe-a", "privateLinkServiceConnections", account)
    made("pe-a", "privateLinkServiceConnections", account.upper().replace("/SUBSCRIPTIONS", "/subscriptions"))
    made("pe-b", "manualPrivateLinkServiceConnections", account)
    made("pe-c", "privateLinkServiceConnections", account + "gone")
    assert shown() == {"pe-a": "Approved", "pe-b": "Pending"}
    sim.resources.remove(approved)
    assert shown() == {"pe-b": "Pending"}
