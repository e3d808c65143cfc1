"""What Resource Graph shows of Defender is what its REST API shows."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
COMPLIANCE = "regulatorycompliancestandards"
CONTROLS = f"{COMPLIANCE}/regulatorycompliancecontrols"
VERSIONS = {
    "locations/alerts": "2022-01-01",
    "pricings": "2024-01-01",
    "assessments/governanceassignments": "2022-01-01-preview",
    "governancerules": "2022-01-01-preview",
    "assessments/subassessments": "2019-01-01-preview",
    COMPLIANCE: "2019-01-01-preview",
    CONTROLS: "2019-01-01-preview",
    f"{CONTROLS}/regulatorycomplianceassessments": "2019-01-01-preview",
}
# Azure shows these in other forms there, which have tests of their own, or not by REST at all.
DIFFERENT = {"assessments", "securescores", "securescores/securescorecontrols", "attackpaths", "cvedetails"}


def test_each_row_has_the_properties_of_its_resource(demo: ArmSimulator, ask: Any) -> None:
    """For every type but those that Azure shows in another form; an alert has members that begin with capitals."""
    scope = demo.scopes[0]
    account = demo.resources.list_ids("Microsoft.Storage/storageAccounts", scope)[0]
    due = datetime(2027, 1, 1, tzinfo=timezone.utc)
    demo.defender.turn_on_cspm(scope)
    demo.defender.alerts.add(account, "Odd access")
    demo.defender.governance.assign(SECURE_TRANSFER, account, owner="me@contoso.example", due=due)
    demo.defender.governance.add_rule(scope, severities=("High",), owner="me@contoso.example")
    finding = f"{account}/providers/Microsoft.Security/assessments/{SECURE_TRANSFER}/subAssessments/one"
    demo.resources.add({"id": finding, "properties": {"status": {"code": "Unhealthy"}}})
    body = {"query": "securityresources | where type !endswith '/assessments'", "subscriptions": [scope.split("/")[-1]]}
    rows = ask("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01", json=body).json()["data"]
    seen, different = set(), []
    for row in rows:
        kind = row["type"].removeprefix("microsoft.security/")
        seen.add(kind)
        if kind in DIFFERENT:
            continue
        properties = row["properties"]
        if kind == "locations/alerts":
            properties = {name[0].lower() + name[1:]: value for name, value in properties.items()}
        if ask.get(row["id"], VERSIONS[kind])["properties"] != properties:
            different.append(row["id"])
    assert different == []
    assert set(VERSIONS) <= seen
