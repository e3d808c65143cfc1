"""Queries as people write them about a tenant, against the same figures worked out from the REST APIs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

PATH = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
ASSESSMENTS = "securityresources | where type == 'microsoft.security/assessments'"


@pytest.fixture
def rows(demo: ArmSimulator, ask: Any) -> Any:
    """The rows of a query as tuples."""

    def read(text: str) -> list[Any]:
        demo.clock.sleep(1)
        return [tuple(row.values()) for row in ask("POST", PATH, json={"query": text}).json()["data"]]

    return read


@pytest.fixture
def found(demo: ArmSimulator, ask: Any) -> list[Any]:
    """The properties of all assessments as the REST API lists them."""
    provider = "providers/Microsoft.Security/assessments"
    pages = [ask.get(f"{scope}/{provider}", "2025-05-04")["value"] for scope in demo.scopes]
    return [one["properties"] | {"key": one["name"]} for page in pages for one in page]


def test_recommendations(ask: Any, rows: Any, found: list[Any]) -> None:
    """By status, by severity, by resource and by recommendation."""
    listed = ask.get("/providers/Microsoft.Security/assessmentMetadata", "2025-05-04")["value"]
    severities = {one["name"]: one["properties"]["severity"] for one in listed}
    unhealthy = [one for one in found if one["status"]["code"] == "Unhealthy"]
    by_status = Counter(one["status"]["code"] for one in found)
    assert dict(rows(f"{ASSESSMENTS} | summarize count() by tostring(properties.status.code)")) == by_status
    by_severity = (
        f"{ASSESSMENTS} | extend s = tostring(properties.metadata.severity) | summarize total = count(), "
        "bad = countif(properties.status.code == 'Unhealthy') by s | project s, bad | order by bad"
    )
    expected = Counter(severities[one["key"]] for one in unhealthy)
    assert dict(rows(by_severity)) == expected
    by_resource = (
        f"{ASSESSMENTS} and properties['status']['code'] == 'Unhealthy' | where properties.resourceDetails.Source == 'Azure' | extend r = tolower(coalesce("
        "tostring(properties.resourceDetails.Id), tostring(properties.resourceDetails.id))) | summarize n = count() by r"
    )
    in_azure = [one["resourceDetails"]["id"] for one in unhealthy if one["resourceDetails"]["source"] == "Azure"]
    assert dict(rows(by_resource)) == Counter(map(str.lower, in_azure))
    worst = (
        f"{ASSESSMENTS} | summarize n = dcountif(id, properties.status.code == 'Unhealthy') by "
        "tostring(properties.displayName) | top 1 by n desc"
    )
    assert rows(worst) == Counter(one["displayName"] for one in unhealthy).most_common(1)
    exempt = f"{ASSESSMENTS} | where properties.status.cause == 'Exempt' | count"
    assert rows(exempt) == [(sum(one["status"].get("cause") == "Exempt" for one in found),)]


def test_scores_plans_and_inventory(demo: ArmSimulator, ask: Any, rows: Any) -> None:
    """The score of each subscription and over all of them, plans that are on, resources by type."""
    security = "providers/Microsoft.Security"
    scores = {
        scope.rpartition("/")[2]: ask.get(f"{scope}/{security}/secureScores", "2020-01-01")["value"][0]["properties"]
        for scope in demo.scopes
    }
    current = (
        "securityresources | where type == 'microsoft.security/securescores' "
        "| project subscriptionId, todouble(properties.score.current)"
    )
    assert dict(rows(current)) == {name: score["score"]["current"] for name, score in scores.items()}
    overall = (
        "securityresources | where type == 'microsoft.security/securescores' | extend w = tolong(properties.weight), "
        "p = todouble(properties.score.percentage) | join kind=leftouter (resourcecontainers | where type == "
        "'microsoft.resources/subscriptions' | project subscriptionId, chain = properties.managementGroupAncestorsChain) "
        "on subscriptionId | mv-expand g = chain | where g.name == 'contoso' | summarize sum(w * p) / sum(w)"
    )
    weight = sum(score["weight"] for score in scores.values())
    weighted = sum(score["weight"] * score["score"]["percentage"] for score in scores.values())
    assert rows(overall)[0][0] == pytest.approx(weighted / weight)
    plans = (
        "securityresources | where type == 'microsoft.security/pricings' | summarize on = make_set_if(name, "
        "properties.pricingTier == 'Standard') by subscriptionId | project subscriptionId, array_length(on)"
    )
    expected = {}
    for scope in demo.scopes:
        listed = ask.get(f"{scope}/{security}/pricings", "2024-01-01")["value"]
        on = [one["name"] for one in listed if one["properties"]["pricingTier"] == "Standard"]
        expected[scope.rpartition("/")[2]] = len(on)
    assert dict(rows(plans)) == expected
    by_type = Counter(
        one["type"].lower() for scope in demo.scopes for one in ask.get(f"{scope}/resources", "2021-04-01")["value"]
    )
    assert dict(rows("resources | summarize count() by type")) == by_type


def test_compliance_rights_and_changes(demo: ArmSimulator, ask: Any, rows: Any) -> None:
    """Resources that violate a policy, who has which role where, and what changed in the last day."""
    states = "providers/Microsoft.PolicyInsights/policyStates/latest/queryResults?api-version=2024-10-01"
    listed = [one for scope in demo.scopes for one in ask("POST", f"{scope}/{states}").json()["value"]]
    by_state = (
        "policyresources | where type == 'microsoft.policyinsights/policystates' "
        "| summarize count() by tostring(properties.complianceState)"
    )
    assert dict(rows(by_state)) == Counter(one["complianceState"] for one in listed)
    assigned = (
        "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' | extend role = "
        "tolower(tostring(properties.roleDefinitionId)) | join kind=leftouter (authorizationresources | where type =~ "
        "'microsoft.authorization/roledefinitions' | project role = tolower(id), title = tostring(properties.roleName)) "
        "on role | project tostring(properties.scope), title"
    )
    assert sorted(rows(assigned)) == [(scope, "Owner") for scope in sorted(demo.scopes)]
    account = demo.resources.list_ids("Microsoft.Storage/storageAccounts")[0]
    assert ask("PATCH", f"{account}?api-version=2024-01-01", json={"tags": {"seen": "yes"}}).status_code == 200
    demo.clock.sleep(600)
    changed = (
        "resourcechanges | extend at = todatetime(properties.changeAttributes.timestamp) | where at > ago(1d) "
        "| project tostring(properties.targetResourceId), tostring(properties.changeType)"
    )
    assert rows(changed) == [(account, "Update")]
    demo.clock.sleep(86400)
    assert rows(changed) == []
