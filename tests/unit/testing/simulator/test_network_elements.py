"""What the simulator computes of the elements of network resources."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.rest import HttpRequest

from defender_remediate.testing import ArmSimulator

_GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg1"
_NETWORK = f"{_GROUP}/providers/Microsoft.Network"
_GATEWAY = f"{_NETWORK}/applicationGateways/gateway1"


@pytest.fixture
def sim() -> ArmSimulator:
    """A tenant with a resource group."""
    sim = ArmSimulator()
    sim.resources.add_resource_group(sim.resources.add_subscription(_GROUP.split("/")[2]), "rg1")
    return sim


def _put(sim: ArmSimulator, resource_id: str, body: dict[str, Any], version: str = "2023-11-01") -> dict[str, Any]:
    url = f"{sim.endpoint}{resource_id}?api-version={version}"
    headers = {"Authorization": f"Bearer {sim.credential.token}"}
    reply = sim.send(HttpRequest("PUT", url, headers=headers, json=body))
    assert reply.status_code in (200, 201, 202), reply.text()
    return dict(reply.json())


def _gateway(**more: Any) -> dict[str, Any]:
    frontend = {"name": "front", "properties": {"publicIPAddress": {"id": f"{_NETWORK}/publicIPAddresses/ip1"}}}
    listener = {
        "name": "listener",
        "properties": {
            "protocol": "Http",
            "frontendIPConfiguration": {"id": f"{_GATEWAY}/frontendIPConfigurations/front"},
        },
    }
    rule = {"name": "rule", "properties": {"httpListener": {"id": f"{_GATEWAY}/httpListeners/listener"}}}
    properties = {"frontendIPConfigurations": [frontend], "httpListeners": [listener], "requestRoutingRules": [rule]}
    return {"location": "westeurope", "properties": {**properties, **more}}


def test_elements_are_resources_of_their_own(sim: ArmSimulator) -> None:
    """An element has an id below its resource, an etag, a type and a state, also one in an element or without properties."""
    rules = [{"name": "path", "properties": {"paths": ["/a"]}}]
    maps = [{"name": "map", "properties": {"pathRules": rules}}]
    properties = _put(sim, _GATEWAY, _gateway(urlPathMaps=maps, rewriteRuleSets=[{"name": "set"}]))["properties"]

    (path_rule,) = properties["urlPathMaps"][0]["properties"]["pathRules"]
    assert path_rule["id"] == f"{_GATEWAY}/urlPathMaps/map/pathRules/path"
    assert path_rule["type"] == "Microsoft.Network/applicationGateways/urlPathMaps/pathRules"
    assert path_rule["etag"].startswith('W/"')
    assert path_rule["properties"]["provisioningState"] == "Succeeded"
    assert properties["rewriteRuleSets"][0]["properties"]["provisioningState"] == "Succeeded"


def test_an_element_shows_what_refers_to_it(sim: ArmSimulator) -> None:
    """Both sides of a reference within a gateway agree, also after an update removes the element that refers."""
    properties = _put(sim, _GATEWAY, _gateway())["properties"]
    listener, front = properties["httpListeners"][0], properties["frontendIPConfigurations"][0]
    assert listener["properties"]["requestRoutingRules"] == [{"id": f"{_GATEWAY}/requestRoutingRules/rule"}]
    assert listener["properties"]["frontendIPConfiguration"] == {"id": front["id"]}
    assert front["properties"]["httpListeners"] == [{"id": listener["id"]}]

    sent = {"location": "westeurope", "properties": {**properties, "requestRoutingRules": []}}
    sim.clock.advance(60)
    assert "requestRoutingRules" not in _put(sim, _GATEWAY, sent)["properties"]["httpListeners"][0]["properties"]


def test_old_bodies_show_no_type_of_elements(sim: ArmSimulator) -> None:
    """A resource that was read before Azure showed the types of elements stays without them; old versions never show them."""
    network = f"{_NETWORK}/virtualNetworks/network1"
    subnet = {"name": "subnet1", "properties": {"addressPrefix": "10.0.0.0/24"}}
    space = {"addressPrefixes": ["10.0.0.0/16"]}
    body = {"location": "westeurope", "properties": {"addressSpace": space, "subnets": [subnet]}}

    assert "type" not in _put(sim, network, body, "2017-06-01")["properties"]["subnets"][0]
    sim.clock.advance(60)
    assert "type" not in _put(sim, network, body, "2023-11-01")["properties"]["subnets"][0]
    other = _put(sim, f"{network}2", body, "2023-11-01")
    assert other["properties"]["subnets"][0]["type"] == "Microsoft.Network/virtualNetworks/subnets"


def test_references_to_other_resources_show_their_id_only(sim: ArmSimulator) -> None:
    """A caller may send a whole resource where a reference belongs; lists of references are no elements."""
    subnet = {"id": f"{_NETWORK}/virtualNetworks/n/subnets/s", "properties": {"addressPrefix": "10.0.0.0/24"}}
    pools = [{"id": f"{_NETWORK}/loadBalancers/l/backendAddressPools/p", "name": "p", "properties": {}}]
    settings = {"subnet": subnet, "loadBalancerBackendAddressPools": pools}
    body = {"location": "westeurope", "properties": {"ipConfigurations": [{"name": "ip", "properties": settings}]}}

    shown = _put(sim, f"{_NETWORK}/networkInterfaces/nic1", body)["properties"]["ipConfigurations"][0]["properties"]
    assert shown["subnet"] == {"id": subnet["id"]}
    assert shown["loadBalancerBackendAddressPools"] == [{"id": pools[0]["id"]}]


def test_elements_have_what_their_type_knows(sim: ArmSimulator) -> None:
    """Those of an Azure Front Door have no etag and no state; those of a type that a test added have all; others are no elements."""
    edge = f"{_NETWORK}/frontDoors/edge1"
    sim.resources.add({"id": edge, "location": "global", "properties": {}})
    settings = [{"name": "s", "properties": {"sampleSize": 4}}]
    body = {"location": "global", "properties": {"loadBalancingSettings": settings}}
    (shown,) = _put(sim, edge, body, "2020-05-01")["properties"]["loadBalancingSettings"]
    assert set(shown) == {"id", "name", "type", "properties"}
    assert shown["properties"] == {"sampleSize": 4}

    table = f"{_NETWORK}/routeTables/table1"
    sim.resources.add({"id": table, "location": "westeurope", "properties": {}}, api_versions=("2023-11-01",))
    routes: list[Any] = [{"name": "r", "properties": {"nextHopType": "None"}}, {"name": "plain"}]
    shown = _put(sim, table, {"location": "westeurope", "properties": {"routes": routes}})["properties"]["routes"]
    assert set(shown[0]) == {"id", "name", "type", "etag", "properties"}
    assert shown[1:] == routes[1:]


def test_a_reference_that_showed_more_still_does(sim: ArmSimulator) -> None:
    """A body that was read with its references expanded is not cut by an update that sends it back."""
    nic = f"{_NETWORK}/networkInterfaces/nic1"
    group = {"id": f"{_NETWORK}/networkSecurityGroups/g", "location": "westeurope"}
    subnet = {"id": f"{_NETWORK}/virtualNetworks/n/subnets/s", "name": "s"}
    configurations = [{"name": "ip", "properties": {"subnet": subnet}}]
    properties = {"networkSecurityGroup": group, "ipConfigurations": configurations}
    sim.resources.add({"id": nic, "location": "westeurope", "properties": properties})
    shown = _put(sim, nic, {"location": "westeurope", "properties": properties})["properties"]
    assert shown["networkSecurityGroup"] == group
    assert shown["ipConfigurations"][0]["properties"]["subnet"] == subnet
