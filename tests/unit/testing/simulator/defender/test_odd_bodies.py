"""Bodies with a member of another kind are refused or taken, and never break the simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from defender_remediate.testing import ArmSimulator

ODD = (None, 1, "x", [], [1], {}, [{"a": 1}])
Place = tuple[Any, ...]


def places(value: Any, above: Place = ()) -> Iterator[Place]:
    """The way to each member of a body."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*above, name)
        yield from places(inner, (*above, name))


def replaced(body: Any, place: Place, value: Any) -> Any:
    """A copy of a body with another value at a place."""
    made = json.loads(json.dumps(body))
    owner = made
    for name in place[:-1]:
        owner = owner[name]
    owner[place[-1]] = value
    return made


def writes(scope: str, group: str, account: str) -> list[tuple[str, str, str, Any]]:
    """A write of each kind with everything in its body."""
    jit = f"{group}/providers/Microsoft.Security/locations/westeurope/jitNetworkAccessPolicies/d"
    prefix = {"allowedSourceAddressPrefix": "*"}
    ports = [{"number": 22, "protocol": "*", "allowedSourceAddressPrefixes": ["*"], "maxRequestAccessDuration": "PT3H"}]
    rules = [{"rules": [{"operator": "Equals", "propertyType": "String"}]}]
    automation = {
        "scopes": [{"scopePath": scope}],
        "sources": [{"eventSource": "Alerts", "ruleSets": rules}],
        "actions": [{"actionType": "LogicApp", "logicAppResourceId": account}],
    }
    element = {"field": "entities.ip.address", "in": ["192.0.2.1"]}
    suppression = {"alertType": "*", "reason": "x", "state": "Enabled", "suppressionAlertsScope": {"allOf": [element]}}
    asked = [{"number": 22, "endTimeUtc": "2026-03-02T10:00:00Z", **prefix}]
    security = f"{scope}/providers/Microsoft.Security"
    top = "/providers/Microsoft.Management/managementGroups"
    samples = {"kind": "Bundles", "bundles": ["DNS"]}
    return [
        ("PUT", f"{security}/alertsSuppressionRules/r", "2019-01-01-preview", {"properties": suppression}),
        ("POST", f"{security}/locations/westeurope/alerts/default/simulate", "2022-01-01", {"properties": samples}),
        ("PUT", jit, "2020-01-01", {"properties": {"virtualMachines": [{"id": "/x", "ports": ports}]}}),
        ("POST", f"{jit}/initiate", "2020-01-01", {"virtualMachines": [{"id": "/x", "ports": asked}]}),
        (
            "POST",
            f"{group}/providers/Microsoft.Security/automations/a/validate",
            "2019-01-01-preview",
            {"properties": automation},
        ),
        ("PUT", f"{top}/own", "2020-05-01", {"properties": {"details": {"parent": {"id": f"{top}/top"}}}}),
    ]


def test_a_member_of_another_kind_breaks_nothing(
    sim: ArmSimulator, call: Any, account: str, scope: str, group: str
) -> None:
    """Also not what reads it later: lists, a later alert and a later request for access."""
    sim.faults.throttle(enabled=False)
    kept = writes(scope, group, account)
    for method, path, version, body in kept:
        assert call(method, f"{path}?api-version={version}", json=body).status_code < 300
    for method, path, version, body in kept:
        for place in places(body):
            for odd in ODD:
                reply = call(method, f"{path}?api-version={version}", json=replaced(body, place, odd))
                assert reply.status_code < 500, (path, place, odd)
            sim.defender.alerts.add(account, entities=[{"type": "ip", "address": "192.0.2.1"}, {"type": "ip"}])
            asked = call(kept[3][0], f"{kept[3][1]}?api-version={kept[3][2]}", json=kept[3][3])
            assert asked.status_code < 500
            listed = f"{scope}/providers/Microsoft.Security/jitNetworkAccessPolicies"
            assert call("GET", f"{listed}?api-version=2020-01-01").status_code == 200
