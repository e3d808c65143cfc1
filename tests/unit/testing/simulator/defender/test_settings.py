"""Automations, settings of vulnerability assessment, and the sub-assessments that are retired."""

from __future__ import annotations

from typing import Any

from defender_remediate.testing import ArmSimulator

VERSION = "2019-01-01-preview"
SCOPE = {"scopePath": "/subscriptions/44444444-4444-4444-8444-444444444444"}
SOURCE = {"eventSource": "Alerts", "ruleSets": [{"rules": [{"operator": "Equals", "propertyType": "String"}]}]}


def automation(account: str, **more: Any) -> dict[str, Any]:
    """The body of an automation that starts a logic app; here any resource stands for the app."""
    action = {"actionType": "LogicApp", "logicAppResourceId": account, "uri": "https://example.com/?sig=secret"}
    return {
        "location": "westeurope",
        "properties": {"isEnabled": True, "scopes": [SCOPE], "sources": [SOURCE], "actions": [action], **more},
    }


def test_an_automation_is_checked_kept_and_validated(call: Any, account: str, group: str) -> None:
    """A wrong form is refused and not valid; an action whose target is missing is not valid; the trigger's URI is never shown."""
    path = f"{group}/providers/Microsoft.Security/automations/a1"

    def validity(body: Any) -> bool:
        return bool(call("POST", f"{path}/validate?api-version={VERSION}", json=body).json()["isValid"])

    wrong: list[dict[str, Any]] = [
        {"scopes": 1},
        {"scopes": [{"scopePath": "/"}]},
        {"sources": [{"eventSource": "Weather"}]},
        {"sources": [{"eventSource": "Alerts", "ruleSets": [{"rules": [{"operator": "Like"}]}]}]},
        {"actions": [{"actionType": "Fax"}]},
        {"actions": [{"actionType": "Workspace"}]},
    ]
    for more in wrong:
        body = automation(account, **more)
        assert call("PUT", f"{path}?api-version={VERSION}", json=body).status_code == 400
        assert not validity(body)
    assert validity(automation(account))
    assert not validity(automation(f"{account}x"))
    assert call("PUT", f"{path}?api-version={VERSION}", json=automation(account)).status_code == 201
    shown = call.get(path, VERSION)["properties"]["actions"][0]
    assert shown == {"actionType": "LogicApp", "logicAppResourceId": account}
    listed = call.get(f"{group}/providers/Microsoft.Security/automations", VERSION)["value"]
    assert [one["name"] for one in listed] == ["a1"]
    assert call("DELETE", f"{path}?api-version={VERSION}").status_code == 204


def test_machines_have_one_setting_of_vulnerability_assessment(call: Any, scope: str) -> None:
    """With one provider; another name or provider is refused."""
    place = f"{scope}/providers/Microsoft.Security/serverVulnerabilityAssessmentsSettings"
    assert call.get(place, "2023-05-01")["value"] == []
    body = {"kind": "AzureServersSetting", "properties": {"selectedProvider": "MdeTvm"}}
    for name, sent, status in (
        ("other", body, 404),
        ("azureServersSetting", {**body, "properties": {"selectedProvider": "Qualys"}}, 400),
        ("azureServersSetting", body, 201),
        ("azureServersSetting", body, 200),
    ):
        assert call("PUT", f"{place}/{name}?api-version=2023-05-01", json=sent).status_code == status
    assert [one["kind"] for one in call.get(place, "2023-05-01")["value"]] == ["AzureServersSetting"]


def test_sub_assessments_are_those_of_a_test(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """The lists are empty as in Azure today; an individual recommendation is an assessment and never in them."""
    sim.defender.add_individual("Update OpenSSL", account, category="SoftwareUpdate")
    at = f"{account}/providers/Microsoft.Security/assessments/k1/subAssessments"
    everywhere = f"{scope}/providers/Microsoft.Security/subAssessments"
    assert call.get(everywhere, VERSION)["value"] == call.get(at, VERSION)["value"] == []
    finding = {"status": {"code": "Unhealthy", "severity": "High"}, "id": "CVE-2026-1"}
    sim.resources.add({"id": f"{at}/one", "properties": finding})
    sim.resources.add({"id": f"{at.replace('k1', 'k2')}/two", "properties": finding})
    assert [one["name"] for one in call.get(everywhere, VERSION)["value"]] == ["one", "two"]
    assert [one["name"] for one in call.get(at, VERSION)["value"]] == ["one"]
    assert call.get(f"{at}/one", VERSION)["properties"] == finding
    assert call("GET", f"{at}/two?api-version={VERSION}").status_code == 404
    assert call("DELETE", f"{at}/one?api-version={VERSION}").status_code == 405
    top = "/providers/Microsoft.Management/managementGroups/top/providers/Microsoft.Security/subAssessments"
    assert len(call.get(top, VERSION)["value"]) == 2


def test_cves_of_an_individual_recommendation_are_in_its_row(sim: ArmSimulator, call: Any, account: str) -> None:
    """They have rows of their own, too, so that a join finds their details."""
    key = sim.defender.add_individual("Update curl", account, category="SoftwareUpdate", cves=("CVE-2026-1",))
    query = (
        f"securityresources | where name == '{key}' | mv-expand cve = properties.additionalData.CvesDetails "
        "| project cve = tostring(cve.CveId) | join (securityresources | where type == 'microsoft.security/cvedetails' "
        "| project cve = name) on cve | project cve"
    )
    path = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
    assert call("POST", path, json={"query": query}).json()["data"] == [{"cve": "CVE-2026-1"}]
