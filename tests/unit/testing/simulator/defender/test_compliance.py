"""Regulatory compliance follows the assessments, and Resource Graph shows the same."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

VERSION = "2019-01-01-preview"
SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
PUBLIC_BLOBS = "51fd8bb1-0db4-bbf1-7e2b-cfcba7eb66a6"
VTPM = "861bbc73-0a55-8d1d-efc6-e92d9e1176e0"


@pytest.fixture
def place(sim: ArmSimulator, account: str, scope: str) -> str:
    """A standard with one control of each kind."""
    controls = {"1.1": [SECURE_TRANSFER], "1.2": [VTPM.upper()], "1.3": [], "1.4": [SECURE_TRANSFER, PUBLIC_BLOBS]}
    sim.defender.compliance.add_standard("PCI-DSS-4", controls, descriptions={"1.1": "In transit"}, scopes=(scope,))
    return f"{scope}/providers/Microsoft.Security/regulatoryComplianceStandards"


def properties(call: Any, path: str, name: str) -> Any:
    """The properties of one item of a list."""
    return next(one for one in call.get(path, VERSION)["value"] if one["name"] == name)["properties"]


def test_a_standard_counts_the_assessments_of_its_subscription(
    sim: ArmSimulator, call: Any, account: str, place: str
) -> None:
    """A failed resource fails its control and standard until it is fixed; an exempt one is skipped."""
    before = {
        "state": "Failed",
        "passedControls": 0,
        "failedControls": 2,
        "skippedControls": 1,
        "unsupportedControls": 1,
    }
    assert properties(call, place, "PCI-DSS-4") == before
    controls = f"{place}/PCI-DSS-4/regulatoryComplianceControls"
    assert properties(call, controls, "1.1") == {
        "description": "In transit",
        "state": "Failed",
        "passedAssessments": 0,
        "failedAssessments": 1,
        "skippedAssessments": 0,
    }
    assert (properties(call, controls, "1.2")["state"], properties(call, controls, "1.3")["state"]) == (
        "Skipped",
        "Unsupported",
    )
    own = f"{controls}/1.1/regulatoryComplianceAssessments"
    counts = ("state", "passedResources", "failedResources", "skippedResources")
    assert [properties(call, own, SECURE_TRANSFER)[name] for name in counts] == ["Failed", 0, 1, 0]
    sim.resources.edit(account, lambda body: body["properties"].update(supportsHttpsTrafficOnly=True))
    sim.clock.advance(601)
    assert [properties(call, own, SECURE_TRANSFER)[name] for name in counts] == ["Passed", 1, 0, 0]
    assert properties(call, controls, "1.1")["state"] == "Passed"
    sim.defender.add_assessment(SECURE_TRANSFER, account, code="NotApplicable", cause="Exempt")
    assert [properties(call, own, SECURE_TRANSFER)[name] for name in counts] == ["Skipped", 0, 0, 1]


def test_each_item_can_be_read_and_none_be_written(call: Any, place: str) -> None:
    """By its id in any case; what is missing is a 404, and a write a 405."""
    control = f"{place}/PCI-DSS-4/regulatoryComplianceControls/1.1"
    for path in (f"{place}/pci-dss-4", control, f"{control}/regulatoryComplianceAssessments/{SECURE_TRANSFER}"):
        shown = call.get(path, VERSION)
        assert shown["id"].lower() == path.lower()
        assert call("GET", f"{path}x?api-version={VERSION}").status_code == 404
        assert call("PUT", f"{path}?api-version={VERSION}", json={}).status_code == 405
    # Below what does not exist an empty list would read as "nothing fails".
    missing = (
        f"{place}/none",
        f"{place}/PCI-DSS-4/regulatoryComplianceControls/9",
        f"{place}/none/regulatoryComplianceControls/1",
    )
    for path, below in zip(missing, ("Controls", "Assessments", "Assessments"), strict=True):
        assert call("GET", f"{path}/regulatoryCompliance{below}?api-version={VERSION}").status_code == 404


def test_a_list_is_filtered_by_state(call: Any, place: str) -> None:
    """As documented; another filter is refused."""
    controls = f"{place}/PCI-DSS-4/regulatoryComplianceControls"
    found = call.get(controls, VERSION, filter="properties/state eq 'Failed'")["value"]
    assert [one["name"] for one in found] == ["1.1", "1.4"]
    assert call("GET", f"{controls}?$filter=name eq 1&api-version={VERSION}").status_code == 400


def test_the_graph_shows_the_same(call: Any, place: str, scope: str) -> None:
    """Every standard, control and recommendation that REST lists has a row with the same properties."""
    rest = {}

    def read(path: str, *below: str) -> None:
        for one in call.get(path, VERSION)["value"]:
            rest[one["id"]] = one["properties"]
            if below:
                read(f"{one['id']}/{below[0]}", *below[1:])

    read(place, "regulatoryComplianceControls", "regulatoryComplianceAssessments")
    query = "securityresources | where type startswith 'microsoft.security/regulatorycompliancestandards'"
    path = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
    rows = call("POST", path, json={"query": query}).json()["data"]
    assert {row["id"]: row["properties"] for row in rows} == rest
    assert len(rest) > 30


def test_the_benchmark_is_a_standard_where_it_is_assigned(sim: ArmSimulator, call: Any, scope: str, place: str) -> None:
    """Without its assignment it is gone, as are the assessments with a policy."""
    name = "Microsoft-cloud-security-benchmark"
    assert name in [one["name"] for one in call.get(place, VERSION)["value"]]
    assert properties(call, f"{place}/{name}/regulatoryComplianceControls", "DP.3")["failedAssessments"] == 1
    sim.defender.unassign_benchmark(scope)
    assert [one["name"] for one in call.get(place, VERSION)["value"]] == ["PCI-DSS-4"]
    assert properties(call, place, "PCI-DSS-4")["failedControls"] == 0


def test_a_recommendation_that_is_gone_does_not_count(sim: ArmSimulator, call: Any, scope: str, place: str) -> None:
    """A control of which the only recommendation was deleted is unsupported."""
    key = "0a0a0a0a-0000-4000-8000-000000000001"
    path = f"{scope}/providers/Microsoft.Security/assessmentMetadata/{key}?api-version=2021-06-01"
    body = {"displayName": "Ours", "severity": "Low", "assessmentType": "CustomerManaged"}
    assert call("PUT", path, json={"properties": body}).status_code == 200
    sim.defender.compliance.add_standard("Ours", {"1": [key]})
    controls = f"{place}/Ours/regulatoryComplianceControls"
    assert properties(call, controls, "1")["state"] == "Skipped"
    assert call("DELETE", path).status_code == 200
    assert properties(call, controls, "1")["state"] == "Unsupported"


def test_a_standard_belongs_to_its_subscriptions_and_can_be_removed(sim: ArmSimulator, call: Any, place: str) -> None:
    """And a control refuses what does not exist."""
    other = sim.resources.add_subscription("55555555-5555-4555-8555-555555555555")
    path = place.replace("44444444-4444-4444-8444-444444444444", other.rpartition("/")[2])
    assert [one["name"] for one in call.get(path, VERSION)["value"]] == ["Microsoft-cloud-security-benchmark"]
    sim.defender.compliance.remove_standard("pci-dss-4")
    for action in (
        lambda: sim.defender.compliance.remove_standard("pci-dss-4"),
        lambda: sim.defender.compliance.add_standard("x", {"1": ["no key"]}),
        lambda: sim.defender.compliance.add_standard("x/y", {}),
    ):
        with pytest.raises(InvalidInputError):
            action()
