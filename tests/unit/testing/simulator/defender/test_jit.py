"""Just-in-time access: requests within a policy, until they end or a newer one comes."""

from __future__ import annotations

from typing import Any

import pytest

VERSION = "2020-01-01"
VM = "/subscriptions/44444444-4444-4444-8444-444444444444/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/one"
UPPER = VM.upper()
SSH = {"number": 22, "protocol": "*", "allowedSourceAddressPrefix": "*", "maxRequestAccessDuration": "PT3H"}
RDP = {"number": 3389, "protocol": "TCP", "allowedSourceAddressPrefix": "192.0.2.1", "maxRequestAccessDuration": "P1D"}
ANY = {"number": 80, "protocol": "*", "maxRequestAccessDuration": "x"}


@pytest.fixture
def policy(call: Any, account: str, group: str) -> str:
    """A policy of one machine with three ports; its path."""
    del account
    path = f"{group}/providers/Microsoft.Security/locations/westeurope/jitNetworkAccessPolicies/default"
    machine = {"id": VM, "ports": [SSH, RDP, ANY]}
    body = {"kind": "Basic", "properties": {"virtualMachines": [machine]}}
    assert call("PUT", f"{path}?api-version={VERSION}", json=body).status_code == 200
    return path


def ask(call: Any, policy: str, *ports: Any, machine: Any = UPPER, **more: Any) -> Any:
    """Asks for ports."""
    body = {"virtualMachines": [{"id": machine, "ports": list(ports)}], **more}
    return call("POST", f"{policy}/initiate?api-version={VERSION}", json=body)


def port(number: int, until: str = "2026-03-02T11:00:00Z", **more: Any) -> dict[str, Any]:
    """One port until a time."""
    return {"number": number, "endTimeUtc": until, **more}


def states(call: Any, policy: str) -> list[tuple[int, str, str]]:
    """The state of each port that was asked for."""
    requests = call.get(policy, VERSION)["properties"]["requests"]
    return [
        (one["number"], one["status"], one["statusReason"])
        for request in requests
        for machine in request["virtualMachines"]
        for one in machine["ports"]
    ]


def test_a_request_is_kept_until_it_ends_or_a_newer_one_comes(sim: Any, call: Any, policy: str) -> None:
    """The policy shows who asked for what, and why a request no longer holds."""
    reply = ask(
        call, policy, port(22, allowedSourceAddressPrefix="198.51.100.7"), port(3389), justification="Disk full"
    )
    assert reply.status_code == 202
    shown = reply.json()
    assert (shown["justification"], shown["startTimeUtc"]) == ("Disk full", "2026-03-02T09:00:00.0000000Z")
    sources = [one["allowedSourceAddressPrefix"] for one in shown["virtualMachines"][0]["ports"]]
    assert sources == ["198.51.100.7", "192.0.2.1"]
    assert ask(call, policy, port(22, "2026-03-02T12:00:00Z"), port(80)).json()["virtualMachines"][0]["id"] == VM
    assert states(call, policy) == [
        (22, "Revoked", "NewerRequestInitiated"),
        (3389, "Initiated", "UserRequested"),
        (22, "Initiated", "UserRequested"),
        (80, "Initiated", "UserRequested"),
    ]
    sim.clock.advance(2 * 3600)
    assert [one[2] for one in states(call, policy)] == ["NewerRequestInitiated", "Expired", "UserRequested", "Expired"]


def test_a_request_outside_the_policy_is_refused(call: Any, policy: str, group: str) -> None:
    """Another machine, port, source or time; a policy that is not there is a 404."""
    wrong = [
        ask(call, policy, port(22), machine=f"{VM}x"),
        ask(call, policy, machine=VM),
        ask(call, policy, port(443)),
        ask(call, policy, 22),
        ask(call, policy, port(22, "2026-03-02T12:00:01Z")),
        ask(call, policy, port(22, "2026-03-02T08:00:00Z")),
        ask(call, policy, {"number": 22}),
        ask(call, policy, port(3389, allowedSourceAddressPrefix="203.0.113.1")),
        call("POST", f"{policy}/initiate?api-version={VERSION}", json={}),
        call("POST", f"{policy}/initiate?api-version={VERSION}", json={"virtualMachines": [1]}),
    ]
    assert {one.status_code for one in wrong} == {400}
    assert ask(call, f"{policy}x", port(22)).status_code == 404
    assert call("GET", f"{policy}x?api-version={VERSION}").status_code == 404


def test_policies_are_listed_by_group_and_location(call: Any, policy: str, group: str, scope: str) -> None:
    """With their location, as Azure shows it."""
    found = call.get(f"{scope}/providers/Microsoft.Security/jitNetworkAccessPolicies", VERSION)["value"]
    assert [(one["name"], one["location"], one["kind"]) for one in found] == [("default", "westeurope", "Basic")]
    for place, count in (("westeurope", 1), ("centralus", 0)):
        path = f"{group}/providers/Microsoft.Security/locations/{place}/jitNetworkAccessPolicies"
        assert len(call.get(path, VERSION)["value"]) == count
