"""What Azure refuses of exemptions, attestations and owners."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
NO_POLICY = "aaaaaaaa-0000-4000-8000-000000000001"
NAME = "cccccccc-0000-4000-8000-000000000001"
RULE = "00000000-0000-0000-0000-000000000000"


def exempt(key: str, **more: Any) -> dict[str, Any]:
    """An exemption of Defender."""
    data = {"exemptionCategory": "waiver", "assignedAssessment": {"assessmentKey": key}}
    return {"effect": "Exempt", "description": "x", "exemptionData": data, **more}


def attest(state: str, key: str = SECURE_TRANSFER) -> dict[str, Any]:
    """An attestation."""
    data = {"complianceState": state, "assignedAssessment": {"assessmentKey": key}}
    return {"effect": "Attest", "description": "x", "attestationData": data}


DEFENDER: dict[str, dict[str, Any]] = {
    "unknown member": exempt(NO_POLICY, colour="red"),
    "unknown effect": {"effect": "Forget"},
    "unknown category": {**exempt(NO_POLICY), "exemptionData": {"exemptionCategory": "Waiver"}},
    "unknown state": attest("fine"),
    "unknown recommendation": exempt(f"{NO_POLICY[:-1]}9"),
    "from a policy": exempt(SECURE_TRANSFER),
    "an empty rule": exempt(RULE),
    "no time": exempt(NO_POLICY, expiresOn="soon"),
}


def put(call: Any, path: str, version: str, properties: dict[str, Any]) -> int:
    """The status of a PUT."""
    return int(call("PUT", path, params={"api-version": version}, json={"properties": properties}).status_code)


def no_policy(sim: ArmSimulator, kind: str = "BuiltIn", key: str = NO_POLICY) -> None:
    """Add a recommendation without a policy, of subscriptions."""
    metadata = {"displayName": kind, "severity": "Low", "assessmentType": kind}
    rule = {"path": "x", "equals": 1}
    sim.defender.add_recommendation(metadata, key=key, resource_type="Microsoft.Resources/subscriptions", rule=rule)


def test_defender_refuses_what_the_model_does_not_allow(sim: ArmSimulator, call: Any, scope: str) -> None:
    """Each body that differs from the published model is a 400; a name has to be a GUID."""
    no_policy(sim)
    no_policy(sim, "Custom", f"{NO_POLICY[:-1]}2")
    at = f"{scope}/providers/Microsoft.Security/standardAssignments"
    wrong = {**DEFENDER, "custom": exempt(f"{NO_POLICY[:-1]}2")}
    accepted = [name for name, body in wrong.items() if put(call, f"{at}/{NAME}", "2024-08-01", body) != 400]
    assert accepted == []
    assert put(call, f"{at}/name", "2024-08-01", exempt(NO_POLICY)) == 400
    assert put(call, f"{at}/{NAME}", "2024-08-01", exempt(NO_POLICY)) == 201
    assert put(call, f"{at}/{NAME}", "2024-08-01", {"effect": "Audit"}) == 200
    assert call("DELETE", f"{at}/{NAME}", params={"api-version": "2024-08-01"}).status_code == 200
    assert call("DELETE", f"{at}/{NAME}", params={"api-version": "2024-08-01"}).status_code == 204
    assert call("GET", f"{at}/{NAME}", params={"api-version": "2024-08-01"}).status_code == 404
    sim.defender.unassign_benchmark(scope)
    assert put(call, f"{at}/{NAME}", "2024-08-01", exempt(NO_POLICY)) == 400


def test_policy_refuses_what_it_does_not_know(sim: ArmSimulator, call: Any, scope: str) -> None:
    """A member, an assignment, a category or a reference that does not exist; and a caller without the right to exempt."""
    at = f"{scope}/providers/Microsoft.Authorization/policyExemptions/{NAME}"
    assignment = f"{scope}/providers/Microsoft.Authorization/policyAssignments/SecurityCenterBuiltIn"
    good: dict[str, Any] = {"policyAssignmentId": assignment, "exemptionCategory": "Waiver"}
    version = "2022-07-01-preview"
    for wrong in (
        {**good, "colour": "red"},
        {**good, "policyAssignmentId": "/x"},
        {**good, "exemptionCategory": "Forgotten"},
        {**good, "policyDefinitionReferenceIds": ["nothing"]},
    ):
        assert put(call, at, version, wrong) == 400
    assert put(call, at, version, {**good, "resourceSelectors": [{"name": "x"}]}) == 201
    assert call.get(at, version)["properties"]["resourceSelectors"] == [{"name": "x"}]
    assert call("DELETE", at, params={"api-version": version}).status_code == 200
    assert call("DELETE", at, params={"api-version": version}).status_code == 204
    sim.access.deny("Microsoft.Authorization/policyAssignments/exempt/action", scope)
    assert put(call, at, version, good) == 403
    with pytest.raises(InvalidInputError):
        sim.access.assign_initiative(scope, NO_POLICY)


def test_governance_needs_its_plan_a_date_and_an_assessment(sim: ArmSimulator, call: Any, scope: str) -> None:
    """Without Defender CSPM Azure has none of it."""
    no_policy(sim)
    at = f"{scope}/providers/Microsoft.Security/assessments/{{key}}/governanceAssignments/{NAME}"
    good = {"owner": "ops@contoso.example", "remediationDueDate": "2027-01-01T00:00:00Z"}
    version = "2022-01-01-preview"
    assert put(call, at.format(key=NO_POLICY), version, good) == 400
    sim.defender.turn_on_cspm(scope)
    assert put(call, at.format(key=NO_POLICY), version, {"owner": "x"}) == 400
    assert put(call, at.format(key=NO_POLICY), version, {**good, "colour": "red"}) == 400
    assert put(call, at.format(key=SECURE_TRANSFER), version, good) == 404
    assert put(call, at.format(key=NO_POLICY), version, good) == 201
    assert call("DELETE", at.format(key=NO_POLICY), params={"api-version": version}).status_code == 200
    assert call("DELETE", at.format(key=NO_POLICY), params={"api-version": version}).status_code == 204
    with pytest.raises(InvalidInputError):
        sim.defender.turn_on_cspm("/subscriptions/x")


def test_an_attestation_decides_until_it_ends(sim: ArmSimulator, call: Any, scope: str) -> None:
    """Compliant is Healthy, nonCompliant is Unhealthy, and unknown leaves it to the rule."""
    no_policy(sim, "ManualBuiltIn")
    at = f"{scope}/providers/Microsoft.Security/standardAssignments/{NAME}"
    path = f"{scope}/providers/Microsoft.Security/assessments/{NO_POLICY}"
    seen = []
    for state in ("compliant", "unknown", "nonCompliant"):
        assert put(call, at, "2024-08-01", attest(state, NO_POLICY)) in (200, 201)
        sim.clock.sleep(3600)
        seen.append(call.get(path, "2025-05-04")["properties"]["status"]["code"])
    assert seen == ["Healthy", "Unhealthy", "Unhealthy"]
