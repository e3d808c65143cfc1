"""Security alerts: raised by a test, suppressed by rules, and in the states that clients set."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

VERSION, RULE_VERSION = "2022-01-01", "2019-01-01-preview"
TEXT_RULE = {"alertType": "*", "reason": "Noise", "state": "Enabled"}


def rows(call: Any, query: str) -> list[Any]:
    """The rows of a query of Resource Graph."""
    path = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
    return list(call("POST", path, json={"query": query}).json()["data"])


def put_rule(call: Any, scope: str, name: str = "known", **properties: Any) -> Any:
    """Writes a suppression rule."""
    path = f"{scope}/providers/Microsoft.Security/alertsSuppressionRules/{name}?api-version={RULE_VERSION}"
    return call("PUT", path, json={"properties": {**TEXT_RULE, **properties}})


def test_an_alert_is_listed_where_it_belongs_and_in_the_graph(
    sim: ArmSimulator, call: Any, account: str, scope: str, group: str
) -> None:
    """The lists of the subscription, the group and the location agree with the row, whose members begin with capitals."""
    one = sim.defender.alerts.add(account, "Odd access", severity="High", name="one")
    sim.clock.sleep(1)
    other = sim.defender.alerts.add(scope, location="centralus", properties={"intent": "Probing"})
    assert one == f"{group}/providers/Microsoft.Security/locations/westeurope/alerts/one"
    lists = {
        f"{scope}/providers/Microsoft.Security/alerts": [other, one],
        f"{group}/providers/Microsoft.Security/alerts": [one],
        f"{scope}/providers/Microsoft.Security/locations/centralus/alerts": [other],
        f"{scope}/providers/Microsoft.Security/locations/westus/alerts": [],
    }
    for path, expected in lists.items():
        assert [item["id"] for item in call.get(path, VERSION)["value"]] == expected
    shown = call.get(one, VERSION)
    assert shown["type"] == "Microsoft.Security/Locations/alerts"
    assert shown["properties"]["resourceIdentifiers"] == [{"type": "AzureResource", "azureResourceId": account}]
    (row,) = rows(call, f"securityresources | where id == '{one}'")
    assert {name[0].lower() + name[1:]: value for name, value in row["properties"].items()} == shown["properties"]
    assert row["resourceGroup"] == "rg"


def test_clients_change_the_state_of_an_alert_and_nothing_else(sim: ArmSimulator, call: Any, account: str) -> None:
    """By the four actions; what is not there is a 404, and an alert cannot be written or deleted."""
    alert = sim.defender.alerts.add(account)
    states = {"inProgress": "InProgress", "resolve": "Resolved", "activate": "Active", "dismiss": "Dismissed"}
    for action, state in states.items():
        assert call("POST", f"{alert}/{action}?api-version={VERSION}").status_code == 204
        assert call.get(alert, VERSION)["properties"]["status"] == state
    assert call("POST", f"{alert}x/resolve?api-version={VERSION}").status_code == 404
    assert call("GET", f"{alert}x?api-version={VERSION}").status_code == 404
    assert call("DELETE", f"{alert}?api-version={VERSION}").status_code == 405
    sim.defender.alerts.set_state(alert, "Active")
    assert call.get(alert, VERSION)["properties"]["status"] == "Active"


@pytest.mark.parametrize(
    ("rule", "is_dismissed"),
    [
        ({}, True),
        ({"alertType": "Other"}, False),
        ({"state": "Disabled"}, False),
        ({"expirationDateUtc": "2026-01-01T00:00:00Z"}, False),
        ({"suppressionAlertsScope": {"allOf": [{"field": "entities.ip.address", "in": ["192.0.2.1"]}]}}, True),
        ({"suppressionAlertsScope": {"allOf": [{"field": "entities.ip.address", "in": ["192.0.2.2"]}]}}, False),
        ({"suppressionAlertsScope": {"allOf": [{"field": "entities.process.commandLine", "contains": "CURL"}]}}, True),
        ({"suppressionAlertsScope": {"allOf": [{"field": "entities.process.host.name", "contains": "x"}]}}, False),
        ({"suppressionAlertsScope": {"allOf": [{"field": "name", "contains": "x"}]}}, False),
    ],
)
def test_a_rule_dismisses_the_alerts_that_it_matches(
    sim: ArmSimulator, call: Any, account: str, scope: str, rule: dict[str, Any], is_dismissed: bool
) -> None:
    """By type, state, time and every element of its scope; only alerts that come after it."""
    before = sim.defender.alerts.add(account)
    assert put_rule(call, scope, **rule).status_code == 200
    entities = [{"type": "ip", "address": "192.0.2.1"}, {"type": "process", "commandLine": "curl -s"}]
    alert = sim.defender.alerts.add(account, alert_type="Anomaly", entities=entities)
    assert call.get(alert, VERSION)["properties"]["status"] == ("Dismissed" if is_dismissed else "Active")
    assert call.get(before, VERSION)["properties"]["status"] == "Active"


def test_rules_are_listed_expire_and_are_checked(sim: ArmSimulator, call: Any, scope: str) -> None:
    """A rule shows when it was changed; a wrong one is refused; one that is gone is a 404."""
    place = f"{scope}/providers/Microsoft.Security/alertsSuppressionRules"
    for wrong in (
        {"reason": ""},
        {"state": "On"},
        {"suppressionAlertsScope": {"allOf": [{"field": 1}]}},
        {"suppressionAlertsScope": {"allOf": [1]}},
        {"suppressionAlertsScope": {"allOf": 1}},
        {"expirationDateUtc": "soon"},
    ):
        assert put_rule(call, scope, **wrong).status_code == 400
    assert call("PUT", f"{place}/x?api-version={RULE_VERSION}", json={}).status_code == 400
    put_rule(call, scope, expirationDateUtc="2026-03-02T10:00:00Z")
    put_rule(call, scope, "other", alertType="Anomaly")
    assert call.get(f"{place}/known", RULE_VERSION)["properties"]["state"] == "Enabled"
    sim.clock.advance(4000)
    assert call.get(f"{place}/known", RULE_VERSION)["properties"]["state"] == "Expired"
    names = [one["name"] for one in call.get(place, RULE_VERSION)["value"]]
    filtered = call("GET", f"{place}?AlertType=Anomaly&api-version={RULE_VERSION}").json()["value"]
    assert (names, [one["name"] for one in filtered]) == (["known", "other"], ["other"])
    for _ in range(2):
        assert call("DELETE", f"{place}/known?api-version={RULE_VERSION}").status_code == 204
    assert call("GET", f"{place}/known?api-version={RULE_VERSION}").status_code == 404


def test_sample_alerts_come_when_the_operation_ends(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """One for each bundle, about a resource of its kind where there is one; an unknown bundle is refused."""
    path = f"{scope}/providers/Microsoft.Security/locations/centralus/alerts/default/simulate?api-version={VERSION}"
    body: Any = {"properties": {"kind": "Bundles", "bundles": ["storageaccounts", "DNS", "ResourceManager"]}}
    reply = call("POST", path, json=body)
    assert reply.status_code == 202
    assert "Location" in reply.headers
    listed = f"{scope}/providers/Microsoft.Security/alerts"
    assert call.get(listed, VERSION)["value"] == []
    sim.clock.advance(31)
    found = {one["properties"]["alertType"]: one["properties"] for one in call.get(listed, VERSION)["value"]}
    assert set(found) == {"SIMULATED_StorageAccounts", "SIMULATED_DNS", "SIMULATED_ResourceManager"}
    assert found["SIMULATED_StorageAccounts"]["compromisedEntity"] == "stfour"
    for wrong in ({"kind": "Bundles", "bundles": ["Toasters"]}, {"kind": "Other"}, {"kind": "Bundles", "bundles": 1}):
        assert call("POST", path, json={"properties": wrong}).status_code == 400


def test_a_control_refuses_what_no_alert_can_be(sim: ArmSimulator, account: str) -> None:
    """An unknown severity, state or resource."""
    for wrong in ({"severity": "Loud"}, {"name": "a/b"}, {"location": ""}, {"entities": [1]}):
        with pytest.raises(InvalidInputError):
            sim.defender.alerts.add(account, **wrong)  # type: ignore[arg-type]
    for action in (
        lambda: sim.defender.alerts.add(f"{account}x"),
        lambda: sim.defender.alerts.set_state(account, "Gone"),
        lambda: sim.defender.alerts.set_state(f"{account}x", "Active"),
    ):
        with pytest.raises(InvalidInputError):
            action()
