"""Governance rules assign owners and due dates to the assessments that they are about."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

VERSION = "2022-01-01-preview"
SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
PUBLIC_BLOBS = "51fd8bb1-0db4-bbf1-7e2b-cfcba7eb66a6"
MANUAL = {"type": "Manually", "value": "ops@contoso.example"}


def rule(*conditions: tuple[str, Any], **more: Any) -> dict[str, Any]:
    """The body of a rule about secure transfer, or about what some conditions say."""
    wanted = conditions or (("$.AssessmentKey", [SECURE_TRANSFER]),)
    listed = [
        {"property": name, "operator": "In" if isinstance(value, list) else "Equals", "value": text_of(value)}
        for name, value in wanted
    ]
    return {
        "displayName": "Ours",
        "rulePriority": 10,
        "ruleType": "Integrated",
        "sourceResourceType": "Assessments",
        "conditionSets": [{"conditions": listed}],
        "ownerSource": MANUAL,
        "remediationTimeframe": "7.00:00:00",
        **more,
    }


def text_of(value: Any) -> str:
    """A value of a condition, which is JSON as text for a list."""
    return json.dumps(value) if isinstance(value, list) else str(value)


@pytest.fixture
def run(sim: ArmSimulator, call: Any, account: str, scope: str) -> Any:
    """Writes a rule and executes it; gives the assignments of secure transfer on the account."""
    sim.defender.turn_on_cspm(scope)
    sim.defender.add_assessment(PUBLIC_BLOBS, account, code="Healthy")
    other = sim.resources.add_subscription("55555555-5555-4555-8555-555555555555")
    sim.resources.add({"id": f"{other}/providers/Microsoft.Security/governanceRules/bare", "properties": {}})

    def execute(body: dict[str, Any], name: str = "r1", place: str = scope, **sent: Any) -> Any:
        path = f"{place}/providers/Microsoft.Security/governanceRules/{name}"
        assert call("PUT", f"{path}?api-version={VERSION}", json={"properties": body}).status_code in (200, 201)
        reply = call("POST", f"{path}/execute?api-version={VERSION}", json=sent)
        assert (reply.status_code, call("GET", reply.headers["Location"]).status_code) == (202, 202)
        sim.clock.advance(61)
        assert call("GET", reply.headers["Location"]).json() == {"status": "Succeeded"}
        at = f"{account}/providers/Microsoft.Security/assessments/{SECURE_TRANSFER}/governanceAssignments"
        return [one["properties"] for one in call.get(at, VERSION)["value"]]

    return execute


def test_an_executed_rule_assigns_an_owner_and_a_due_date(sim: ArmSimulator, call: Any, run: Any) -> None:
    """Once the operation has ended; the row in Resource Graph is the same; a second run changes nothing unless it overrides."""
    (made,) = run(rule(isGracePeriod=True, governanceEmailNotification={"disableOwnerEmailNotification": True}))
    assert made == {
        "owner": "ops@contoso.example",
        "remediationDueDate": "2026-03-09T09:01:01.0000000Z",
        "isGracePeriod": True,
        "governanceEmailNotification": {"disableOwnerEmailNotification": True},
    }
    query = "securityresources | where type has 'governanceassignments' | project properties"
    path = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
    assert call("POST", path, json={"query": query}).json()["data"] == [{"properties": made}]
    changed = rule(ownerSource={"type": "Manually", "value": "new@contoso.example"}, remediationTimeframe=None)
    assert run(changed) == [made]
    assert [one["owner"] for one in run(changed, override=True)] == ["new@contoso.example"]


@pytest.mark.parametrize(
    ("body", "is_assigned"),
    [
        (rule(("$.Metadata.severity", "High")), True),
        (rule(("$.metadata.Severity", ["Low", "Medium"])), False),
        (rule(("$.ResourceDetails.source", "azure"), ("$.AssessmentKey", [SECURE_TRANSFER])), True),
        (rule(("$.AssessmentKey.more", "x")), False),
        (rule(isDisabled=True), False),
        (rule(excludedScopes=["/subscriptions/44444444-4444-4444-8444-444444444444/resourceGroups/RG"]), False),
    ],
)
def test_a_rule_is_about_what_its_conditions_say(run: Any, body: dict[str, Any], is_assigned: bool) -> None:
    """Without regard to case; not in an excluded scope, and not while it is disabled."""
    assert bool(run(body)) is is_assigned


def test_the_owner_may_be_a_tag(run: Any) -> None:
    """The value of the tag of the resource; one without the tag gets a due date and no owner."""
    assert [one["owner"] for one in run(rule(ownerSource={"type": "ByTag", "value": "A"}))] == ["1"]
    (bare,) = run(rule(ownerSource={"type": "ByTag", "value": "owner"}), override=True)
    assert "owner" not in bare


def test_the_rule_of_higher_priority_decides(run: Any) -> None:
    """A smaller number wins over a larger one, and a management group over its subscriptions."""
    above = "/providers/Microsoft.Management/managementGroups/top"
    assert [one["owner"] for one in run(rule())] == ["ops@contoso.example"]
    low = rule(ownerSource={"type": "Manually", "value": "low@contoso.example"}, rulePriority=20)
    assert [one["owner"] for one in run(low, "r2", override=True)] == ["ops@contoso.example"]
    top = rule(ownerSource={"type": "Manually", "value": "top@contoso.example"}, rulePriority=900)
    assert [one["owner"] for one in run(top, "r3", above, override=True)] == ["top@contoso.example"]


def test_a_rule_assigns_nothing_without_its_plan(call: Any, run: Any, scope: str) -> None:
    """Governance needs Defender CSPM."""
    path = f"{scope}/providers/Microsoft.Security/pricings/CloudPosture?api-version=2024-01-01"
    assert call("PUT", path, json={"properties": {"pricingTier": "Free"}}).status_code == 200
    assert run(rule()) == []


def test_rules_are_checked_listed_and_deleted(call: Any, scope: str) -> None:
    """A wrong body and a priority in use are refused; what is gone cannot be executed."""
    place = f"{scope}/providers/Microsoft.Security/governanceRules"

    def put(properties: Any, name: str = "one") -> int:
        reply = call("PUT", f"{place}/{name}?api-version={VERSION}", json={"properties": properties})
        return int(reply.status_code)

    for wrong in (
        None,
        rule(displayName=""),
        rule(rulePriority=1001),
        rule(ruleType="Other"),
        rule(ownerSource={"type": "Manually"}),
        rule(remediationTimeframe="soon"),
        rule(conditionSets=[]),
        rule(conditionSets=[{}]),
        rule(conditionSets=[{"conditions": [{"operator": "Like"}]}]),
        rule(conditionSets=[{"conditions": [{"operator": "In", "property": "$.AssessmentKey", "value": []}]}]),
    ):
        assert put(wrong) == 400
    assert [put(rule()), put(rule(description="x")), put(rule(), "two")] == [201, 200, 400]
    shown = call.get(f"{place}/one", VERSION)["properties"]
    assert (shown["description"], shown["metadata"]["createdOn"]) == ("x", "2026-03-02T09:00:00.0000000Z")
    assert [one["name"] for one in call.get(place, VERSION)["value"]] == ["one"]
    statuses = [call("DELETE", f"{place}/one?api-version={VERSION}").status_code for _ in range(2)]
    assert statuses == [200, 204]
    assert call("POST", f"{place}/one/execute?api-version={VERSION}", json={}).status_code == 404


def test_a_test_assigns_owners_by_itself(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """By hand or by a rule that it executes; what does not exist is refused."""
    sim.defender.turn_on_cspm(scope)
    governance, due = sim.defender.governance, datetime(2026, 4, 1, tzinfo=timezone.utc)
    made = governance.assign(SECURE_TRANSFER, account, owner="me@contoso.example", due=due)
    assert call.get(made, VERSION)["properties"] == {
        "owner": "me@contoso.example",
        "remediationDueDate": "2026-04-01T00:00:00.0000000Z",
        "isGracePeriod": False,
    }
    rule_id = governance.add_rule(
        scope, "high", severities=("High",), keys=(SECURE_TRANSFER,), owner="ops@contoso.example"
    )
    governance.execute_rule(rule_id)
    assert call.get(made, VERSION)["properties"]["owner"] == "me@contoso.example"
    governance.execute_rule(rule_id, override=True)
    assert call.get(made, VERSION)["properties"]["owner"] == "ops@contoso.example"
    tagged = governance.add_rule(scope, "tagged", keys=(SECURE_TRANSFER,), owner_tag="a", priority=1, grace_period=True)
    governance.execute_rule(tagged, override=True)
    assert call.get(made, VERSION)["properties"]["owner"] == "1"
    for action in (
        lambda: governance.assign(SECURE_TRANSFER, f"{account}x", owner="x", due=due),
        lambda: governance.assign(SECURE_TRANSFER, account, owner="x", due=datetime(2026, 4, 1)),
        lambda: governance.add_rule(scope, owner="x"),
        lambda: governance.add_rule(scope, keys=(SECURE_TRANSFER,)),
        lambda: governance.execute_rule(f"{scope}/providers/Microsoft.Security/governanceRules/none"),
    ):
        with pytest.raises(InvalidInputError):
            action()
