"""Children that their parent shows in an array."""

from __future__ import annotations

from typing import Any

from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
NETWORK = f"{SUB}/resourceGroups/box/providers/Microsoft.Network/virtualNetworks/net"


def test_a_network_and_its_subnets_say_the_same(sim: ArmSimulator, call: Any) -> None:
    """Whichever side is written, and also twice; other children of the network, and what has no name, are no subnets."""
    subnets = [{"name": "a", "properties": {"addressPrefix": "10.0.0.0/24"}}, {"properties": {}}]
    sim.resources.add({"id": NETWORK, "location": "westeurope", "properties": {"subnets": subnets}})
    sim.resources.add({"id": f"{NETWORK}/virtualNetworkPeerings/p", "properties": {}}, ("2024-05-01",))
    body = {"properties": {"addressPrefix": "10.0.1.0/24"}}
    for _ in range(2):
        assert call("PUT", f"{NETWORK}/subnets/b?api-version=2024-05-01", json=body).status_code in (200, 201, 202)
        sim.clock.advance(60)
    whole = call.get(NETWORK, "2024-05-01")
    assert call("PUT", f"{NETWORK}?api-version=2024-05-01", json=whole).status_code in (200, 201, 202)
    shown = call.get(NETWORK, "2024-05-01")["properties"]["subnets"]
    listed = call.get(f"{NETWORK}/subnets", "2024-05-01")["value"]
    assert [one["name"] for one in shown] == [one["name"] for one in listed] == ["a", "b"]
