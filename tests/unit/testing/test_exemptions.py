"""Exemptions: from the benchmark, and so from assessments; how they begin, end and are listed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from defender_remediate.testing import ArmSimulator

AUTH = "providers/Microsoft.Authorization"
EXEMPT = "2022-07-01-preview"
SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
PUBLIC = "51fd8bb1-0db4-bbf1-7e2b-cfcba7eb66a6"
TRANSFER_REFERENCE = "secureTransferToStorageAccountsShouldBeEnabled"
OURS = "aaaaaaaa-0000-4000-8000-000000000001"
TYPE = "Microsoft.Storage/storageAccounts"
HTTPS = "properties.supportsHttpsTrafficOnly"


@pytest.fixture
def status(call: Any) -> Any:
    """The code and cause of an assessment; None when there is none."""

    def look(resource: str, key: str = SECURE_TRANSFER) -> tuple[str, str] | None:
        path = f"{resource}/providers/Microsoft.Security/assessments/{key}?api-version=2025-05-04"
        response = call("GET", path)
        if response.status_code == 404:
            return None
        found = response.json()["properties"]["status"]
        return found["code"], found.get("cause", "")

    return look


def exempted_by_defender(sim: ArmSimulator, call: Any, resource: str, expires: datetime | None = None) -> str:
    """What Defender's own API answers to an exemption from a recommendation without a policy."""
    metadata = {"displayName": "Ours", "severity": "Low", "assessmentType": "BuiltIn"}
    sim.defender.add_recommendation(metadata, key=OURS, resource_type=TYPE, rule={"path": HTTPS, "equals": "never"})
    data = {"exemptionCategory": "waiver", "assignedAssessment": {"assessmentKey": OURS}}
    properties: dict[str, Any] = {"effect": "Exempt", "assignedStandard": {"id": "x"}, "exemptionData": data}
    if expires is not None:
        properties["expiresOn"] = expires.isoformat()
    path = f"{resource}/providers/Microsoft.Security/standardAssignments/{OURS}?api-version=2024-08-01"
    response = call("PUT", path, json={"properties": properties})
    return "created" if response.status_code == 201 else str(response.json()["error"]["message"])


def names(call: Any, scope: str, text: str = "") -> list[str]:
    """The names of what a list shows."""
    query = {"filter": text} if text else {}
    return [item["name"] for item in call.get(f"{scope}/{AUTH}/policyExemptions", EXEMPT, **query)["value"]]


def test_an_exempt_resource_turns_not_applicable_after_the_lag(
    sim: ArmSimulator, call: Any, status: Any, account: str, scope: str
) -> None:
    """Only the finding that is named; the list shows the exemption, and its end turns the assessment back."""
    assert status(account) == ("Unhealthy", "")
    made = sim.access.exempt(account, references=(TRANSFER_REFERENCE,), description="Legacy.", category="Mitigated")
    assert status(account) == ("Unhealthy", "")
    sim.clock.advance(600)
    assert status(account) == ("NotApplicable", "Exempt")
    assert status(account, PUBLIC) == ("Unhealthy", "")
    (shown,) = call.get(f"{account}/{AUTH}/policyExemptions", EXEMPT)["value"]
    assert shown["id"] == made
    assert shown["properties"]["policyAssignmentId"] == f"{scope}/{AUTH}/policyAssignments/SecurityCenterBuiltIn"
    assert shown["properties"]["policyDefinitionReferenceIds"] == [TRANSFER_REFERENCE]
    assert shown["properties"]["exemptionCategory"] == "Mitigated"
    assert "expiresOn" not in shown["properties"]
    sim.access.end_exemption(made.upper())
    assert status(account) == ("NotApplicable", "Exempt")
    sim.clock.advance(600)
    assert status(account) == ("Unhealthy", "")
    with pytest.raises(KeyError):
        sim.access.end_exemption(made)


def test_an_exemption_covers_what_is_below_and_what_comes_later(
    sim: ArmSimulator, status: Any, account: str, site: str, group: str, scope: str
) -> None:
    """Every finding of the benchmark, on every resource of the group, and on no other."""
    sim.access.exempt(group, already_assessed=True)
    later = sim.resources.add({**sim.resources.get(account), "id": f"{group}/providers/{TYPE}/stlater"})
    other = sim.resources.add(
        {**sim.resources.get(account), "id": f"{scope}/resourceGroups/xx/providers/{TYPE}/stother"}
    )
    https = "1b351b29-41ca-6df5-946c-c190a56be5fe"
    assert status(account) == status(later) == status(site, https) == ("NotApplicable", "Exempt")
    assert status(other) == ("Unhealthy", "")
    sim.resources.edit(account, lambda body: body["properties"].update(supportsHttpsTrafficOnly=True))
    sim.clock.advance(600)
    assert status(account) == ("NotApplicable", "Exempt")
    sim.resources.remove(account)
    sim.clock.advance(600)
    assert status(account) is None


def test_an_exemption_ends_by_itself(sim: ArmSimulator, call: Any, status: Any, account: str, scope: str) -> None:
    """The assessment follows after the lag, also when the resource changed in between; ``excludeExpired()`` knows."""
    ends = sim.clock.now() + timedelta(hours=1)
    sim.access.exempt(account, expires=ends)
    sim.access.exempt(account, expires=sim.clock.now() - timedelta(hours=1), name="past")
    sim.clock.advance(600)
    assert status(account) == ("NotApplicable", "Exempt")
    assert names(call, account, "excludeExpired()") == ["exemption"]
    sim.clock.advance(3000)
    assert names(call, account, "excludeExpired()") == []
    assert names(call, account) == ["exemption", "past"]
    assert status(account) == ("NotApplicable", "Exempt")
    sim.clock.advance(599)
    assert status(account) == ("NotApplicable", "Exempt")
    sim.clock.advance(1)
    assert status(account) == ("Unhealthy", "")
    shown = call.get(f"{account}/{AUTH}/policyExemptions", EXEMPT)["value"][0]["properties"]["expiresOn"]
    assert shown == ends.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")


def test_an_exemption_that_was_not_read_ends_too(sim: ArmSimulator, status: Any, account: str) -> None:
    """Days later the status is the same as if it had been read in the meantime."""
    sim.access.exempt(account, expires=sim.clock.now() + timedelta(hours=1))
    sim.clock.advance(86400)
    assert status(account) == ("Unhealthy", "")


def test_an_exemption_of_defender_ends_too(sim: ArmSimulator, call: Any, status: Any, account: str) -> None:
    """What its own API exempts is assessed again, like what Azure Policy exempts."""
    assert exempted_by_defender(sim, call, account, expires=sim.clock.now() + timedelta(hours=1)) == "created"
    sim.clock.advance(1200)
    assert status(account, OURS) == ("NotApplicable", "Exempt")
    sim.clock.advance(86400)
    assert status(account, OURS) == ("Unhealthy", "")


def test_there_is_room_for_5000_exempt_resources(sim: ArmSimulator, call: Any, account: str) -> None:
    """One more is refused, whichever API has the others."""
    sim.access.exempt(account)
    exemptions = sim._service.tenant.policies.exemptions
    exemptions[:] = [attrs.evolve(exemptions[0], scope=f"{account}{number}") for number in range(5000)]
    assert "maximum of 5000 exempted resources" in exempted_by_defender(sim, call, account)
    exemptions.pop()
    assert exempted_by_defender(sim, call, account) == "created"


def test_an_exemption_of_what_is_gone_changes_nothing(sim: ArmSimulator, status: Any, account: str) -> None:
    """Its assessment lingers as it was, and goes when it would have gone."""
    sim.resources.remove(account)
    sim.clock.advance(300)
    sim.access.exempt(account)
    assert status(account) == ("Unhealthy", "")
    sim.clock.advance(300)
    assert status(account) is None


def test_assessments_set_by_hand_can_be_exempt(sim: ArmSimulator, status: Any, account: str, scope: str) -> None:
    """And come back as they were set; those of subscriptions and of what is no Azure resource, too."""
    mfa = "6240402e-f77c-46fa-9060-a7ce53997754"
    arc = f"{scope}/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/w/onPremiseMachines/m"
    ports = "bc303248-3d14-44c2-96a0-55f5c326b5fe"
    plan = "b1af52e4-e968-4e2b-b6d0-6736c9651f0a"
    sim.defender.add_assessment(mfa, scope)
    sim.defender.add_assessment(ports, arc, details={"source": "OnPremise"})
    made = sim.access.exempt(scope, already_assessed=True)
    assert {status(scope, mfa), status(arc, ports), status(scope, plan)} == {("NotApplicable", "Exempt")}
    sim.defender.add_assessment(SECURE_TRANSFER, account, cause="By hand")
    assert status(account) == ("Unhealthy", "By hand")
    sim.clock.advance(600)
    assert status(account) == ("NotApplicable", "Exempt")
    sim.access.end_exemption(made)
    sim.clock.advance(600)
    assert status(account) == ("Unhealthy", "By hand")
    assert status(scope, mfa) == status(arc, ports) == status(scope, plan) == ("Unhealthy", "")


def test_recommendations_outside_the_benchmark_are_not_exempt(sim: ArmSimulator, status: Any, account: str) -> None:
    """Neither those of a subscription of its own nor those without a policy."""
    rule = {"path": HTTPS, "equals": True}
    metadata = {"displayName": "Mine", "severity": "Low", "policyDefinitionId": "/x/policyDefinitions/1"}
    sim.defender.add_recommendation(metadata, key="custom", resource_type=TYPE, rule=rule, subscriptions=sim.scopes)
    sim.defender.add_recommendation(
        {"displayName": "Bare", "severity": "Low"}, key="bare", resource_type=TYPE, rule=rule
    )
    sim.access.exempt(account, already_assessed=True)
    assert status(account, "custom") == status(account, "bare") == ("Unhealthy", "")
    assert status(account) == ("NotApplicable", "Exempt")


def test_exemptions_are_listed_as_azure_does(
    sim: ArmSimulator, call: Any, word: Any, account: str, group: str, scope: str
) -> None:
    """Inherited ones always, those below without ``atScope()``."""
    sim.access.exempt(scope, name="above")
    sim.access.exempt(account, name="below")
    assert names(call, group) == ["above", "below"]
    assert names(call, group, "atScope()") == ["above"]
    assert names(call, account, "atExactScope()") == ["below"]
    path = f"{scope}/{AUTH}/policyExemptions?api-version={EXEMPT}&$filter=atScope() and excludeExpired()"
    assert word(call("GET", path)) == "InvalidFilterInQueryString"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"assignment": "/nowhere"}, "no policy assignment"),
        ({"assignment": "{elsewhere}"}, "is not assigned at"),
        ({"assignment": "{single}", "references": ("x",)}, "no reference ids"),
        ({"references": ("typo",)}, "not a reference id"),
        ({"references": "text"}, "a list of strings"),
        ({"category": "Whim"}, "one of Waiver, Mitigated"),
        ({"expires": datetime(2027, 1, 1)}, "time zone"),
    ],
)
def test_an_exemption_that_cannot_be_meant_is_refused(
    sim: ArmSimulator, account: str, scope: str, options: dict[str, Any], problem: str
) -> None:
    """It would exempt nothing, and a test would pass for the wrong reason."""
    words = {
        "single": sim.access.assign_policy(scope, name="single"),
        "elsewhere": sim.access.assign_policy(account + "x"),
    }
    filled = {k: v.format(**words) if isinstance(v, str) else v for k, v in options.items()}
    with pytest.raises(ValueError, match=problem):
        sim.access.exempt(account, **filled)
