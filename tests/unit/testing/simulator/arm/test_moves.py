"""Moves of resources, tag names, and children that their parent shows."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
GROUP = f"{SUB}/resourceGroups/box"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/boxaccount"
OTHER = f"{SUB}/resourceGroups/other"
VERSION = "2021-04-01"
NETWORK = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/net"
WALL = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/wall"


@pytest.fixture(autouse=True)
def resources(sim: ArmSimulator) -> None:
    """An account in a group, and another group."""
    sim.resources.add({"id": ACCOUNT, "location": "westeurope", "tags": {"env": "test"}, "properties": {}})
    sim.resources.add({"id": OTHER, "location": "westeurope"})


@pytest.fixture
def send(call: Any) -> Any:
    """Sends a request; returns the response."""

    def sent(method: str, path: str, body: Any = None, version: str = VERSION) -> Any:
        return call(method, path, params={"api-version": version}, **({} if body is None else {"json": body}))

    return sent


def test_a_move_takes_the_children_along(sim: ArmSimulator, send: Any) -> None:
    """After its operation the resource is in the other group only; a validation moves nothing."""
    body = {"resources": [ACCOUNT], "targetResourceGroup": OTHER}
    moved = ACCOUNT.replace("/box/", "/other/")
    for word, place in (("validateMoveResources", ACCOUNT), ("moveResources", moved)):
        answer = send("POST", f"{GROUP}/{word}", body)
        assert answer.status_code == 202
        sim.clock.advance(30)
        done = send("GET", answer.headers["Location"].partition("?")[0].removeprefix("https://management.azure.com"))
        assert done.status_code == 204
        assert send("GET", place, version="2023-05-01").json()["tags"] == {"env": "test"}
    assert send("GET", ACCOUNT, version="2023-05-01").status_code == 404
    assert send("GET", f"{moved}/blobServices/default", version="2023-05-01").status_code == 200


@pytest.mark.parametrize(
    ("wanted", "target", "status"),
    [
        ([], OTHER, 400),
        ([ACCOUNT], GROUP, 400),
        ([ACCOUNT], f"{SUB}/resourceGroups/none", 404),
        ([f"{ACCOUNT}x"], OTHER, 404),
        ([f"{ACCOUNT}/blobServices/default"], OTHER, 404),
    ],
)
def test_a_move_that_cannot_be_is_refused(send: Any, wanted: list[str], target: str, status: int) -> None:
    """Nothing to move, no place for it, or a child without its parent."""
    body = {"resources": wanted, "targetResourceGroup": target}
    assert send("POST", f"{GROUP}/moveResources", body).status_code == status


def test_a_name_that_is_taken_stops_a_move(sim: ArmSimulator, send: Any) -> None:
    """The target has a resource of this type and name."""
    sim.resources.add({"id": ACCOUNT.replace("/box/", "/other/"), "location": "westeurope", "properties": {}})
    body = {"resources": [ACCOUNT], "targetResourceGroup": OTHER}
    assert send("POST", f"{GROUP}/moveResources", body).status_code == 409


def test_tag_names_are_defined_used_and_removed(send: Any) -> None:
    """What is in use is listed with its count and cannot be removed."""
    names = f"{SUB}/tagNames"
    assert send("PUT", f"{names}/none/tagValues/x").status_code == 404
    assert [send("PUT", f"{names}/cost").status_code for _ in range(2)] == [201, 200]
    assert [send("PUT", f"{names}/cost/tagValues/x").status_code for _ in range(2)] == [201, 200]
    shown = {one["tagName"]: one for one in send("GET", names).json()["value"]}
    assert shown["env"]["count"] == {"type": "Total", "value": 1}
    assert [value["tagValue"] for value in shown["cost"]["values"]] == ["x"]
    assert send("DELETE", f"{names}/env").status_code == 409
    assert send("DELETE", f"{names}/cost/tagValues/x").status_code == 200
    assert send("DELETE", f"{names}/none/tagValues/x").status_code == 204
    assert [send("DELETE", f"{names}/cost").status_code for _ in range(2)] == [200, 204]


def test_checks_of_names_and_zones(send: Any) -> None:
    """Reserved words are known, the zones of subscriptions are the same, and no application acts for a provider."""
    check = "/providers/Microsoft.Resources/checkResourceName"
    kind = "Microsoft.Web/sites"
    answers = [
        send("POST", check, {"name": name, "type": kind}).json()["status"] for name in ("abc", "LoginX", "azure")
    ]
    assert answers == ["Allowed", "Reserved", "Reserved"]
    assert send("POST", check, {}).status_code == 400
    zones = {"location": "westeurope", "subscriptionIds": [SUB]}
    peers = send("POST", f"{SUB}/providers/Microsoft.Resources/checkZonePeers", zones).json()["availabilityZonePeers"]
    assert [one["peers"][0]["availabilityZone"] for one in peers] == ["1", "2", "3"]
    assert send("GET", f"{SUB}/providers/Microsoft.Storage/providerPermissions").json()["value"] == []
    assert send("GET", f"{SUB}/providers/Microsoft.Nothing/providerPermissions").status_code == 404


def test_subnets_are_the_same_on_both_sides(sim: ArmSimulator, send: Any) -> None:
    """Written in the network or by themselves, they are shown in both places; one that a PUT leaves out is gone."""
    version = "2024-05-01"
    subnets = [{"name": name, "properties": {"addressPrefix": f"10.0.{name}.0/24"}} for name in ("1", "2")]
    body = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}
    send("PUT", NETWORK, {**body, "properties": {**body["properties"], "subnets": subnets}}, version)
    assert send("GET", f"{NETWORK}/subnets/2", version=version).json()["properties"]["addressPrefix"] == "10.0.2.0/24"
    changed = {"properties": {"addressPrefix": "10.0.2.0/24", "privateEndpointNetworkPolicies": "Enabled"}}
    sim.clock.advance(60)
    send("PUT", f"{NETWORK}/subnets/2", changed, version)
    sim.clock.advance(60)
    shown = send("GET", NETWORK, version=version).json()["properties"]["subnets"]
    assert [one["name"] for one in shown] == ["1", "2"]
    assert shown[1]["properties"]["privateEndpointNetworkPolicies"] == "Enabled"


def test_rules_follow_their_group(sim: ArmSimulator, send: Any) -> None:
    """A rule that is created or deleted changes what the group shows, and the other way round."""
    version = "2024-05-01"
    send("PUT", WALL, {"location": "westeurope", "properties": {}}, version)
    rule = {"properties": {"priority": 100, "access": "Allow", "direction": "Inbound", "protocol": "Tcp"}}
    send("PUT", f"{WALL}/securityRules/one", rule, version)
    sim.clock.advance(60)
    assert [one["name"] for one in send("GET", WALL, version=version).json()["properties"]["securityRules"]] == ["one"]
    send("PUT", WALL, {"location": "westeurope", "properties": {"securityRules": [{"name": "two", **rule}]}}, version)
    sim.clock.advance(60)
    listed = send("GET", f"{WALL}/securityRules", version=version).json()["value"]
    assert [one["name"] for one in listed] == ["two"]
    send("DELETE", f"{WALL}/securityRules/two", version=version)
    sim.clock.advance(60)
    assert send("GET", WALL, version=version).json()["properties"]["securityRules"] == []
