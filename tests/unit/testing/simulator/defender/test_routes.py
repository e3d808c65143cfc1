"""Defender for Cloud: assessments, metadata, scores, and how they move."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

NEW = "2025-05-04"
SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
PUBLIC_BLOBS = "51fd8bb1-0db4-bbf1-7e2b-cfcba7eb66a6"
VTPM = "861bbc73-0a55-8d1d-efc6-e92d9e1176e0"
TRANSIT = "Encrypt data in transit"


def assessments(call: Any, scope: str, version: str = NEW) -> dict[tuple[str, str], Any]:
    """Every assessment at a scope, by key and resource."""
    listed = call.get(f"{scope}/providers/Microsoft.Security/assessments", version)["value"]
    return {(item["name"], item["id"].rpartition("/providers/")[0]): item["properties"] for item in listed}


def status(call: Any, scope: str, key: str, resource_id: str) -> str:
    """The status of one assessment."""
    return str(assessments(call, scope)[key, resource_id]["status"]["code"])


def control(call: Any, scope: str, name: str = TRANSIT) -> Any:
    """One control of the score."""
    listed = call.get(f"{scope}/providers/Microsoft.Security/secureScoreControls", "2020-01-01")["value"]
    return next(item["properties"] for item in listed if item["properties"]["displayName"] == name)


def test_an_assessment_follows_its_resource_after_a_lag(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """And the score follows the assessment."""
    assert status(call, scope, SECURE_TRANSFER, account) == "Unhealthy"
    assert control(call, scope)["score"] == {"max": 4, "current": 0.0, "percentage": 0.0}
    sim.clock.advance(100)
    call("PATCH", f"{account}?api-version=2025-08-01", json={"properties": {"supportsHttpsTrafficOnly": True}})
    sim.clock.advance(599)
    assert status(call, scope, SECURE_TRANSFER, account) == "Unhealthy"
    sim.clock.advance(1)
    found = assessments(call, scope)[SECURE_TRANSFER, account]["status"]
    assert (found["code"], found["statusChangeDate"]) == ("Healthy", "2026-03-02T09:11:40.0000000Z")
    assert found["firstEvaluationDate"] == "2026-03-02T09:00:00.0000000Z"
    assert control(call, scope)["score"] == {"max": 4, "current": 4.0, "percentage": 1.0}


def test_a_change_taken_back_in_time_never_shows(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """Defender looks at what is, not at what was for a while."""
    for value in (True, False):
        call("PATCH", f"{account}?api-version=2025-08-01", json={"properties": {"supportsHttpsTrafficOnly": value}})
        sim.clock.advance(300)
    sim.clock.advance(10_000)
    assert status(call, scope, SECURE_TRANSFER, account) == "Unhealthy"


def test_a_child_counts_for_its_parent_and_a_setting_for_its_subscription(
    sim: ArmSimulator, call: Any, site: str, scope: str
) -> None:
    """The configuration of a site; a plan of a subscription."""
    tls, plan = "2a54c352-7ca4-4bae-ad46-47ecd9595bd2", "b1af52e4-e968-4e2b-b6d0-6736c9651f0a"
    assert status(call, scope, tls, site) == status(call, scope, plan, scope) == "Unhealthy"
    call("PATCH", f"{site}/config/web?api-version=2025-03-01", json={"properties": {"minTlsVersion": "1.3"}})
    path = f"{scope}/providers/Microsoft.Security/pricings/KeyVaults?api-version=2024-01-01"
    assert call("PUT", path, json={"properties": {"pricingTier": "Standard"}}).status_code == 200
    sim.clock.advance(600)
    assert status(call, scope, tls, site) == status(call, scope, plan, scope) == "Healthy"


def test_assessments_of_what_is_gone_linger(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """And then go; what is new appears as late."""
    sim.resources.remove(account)
    assert (SECURE_TRANSFER, account) in assessments(call, scope)
    sim.clock.advance(600)
    assert (SECURE_TRANSFER, account) not in assessments(call, scope)
    body = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
    call("PUT", f"{account}?api-version=2025-08-01", json=body)
    assert (SECURE_TRANSFER, account) not in assessments(call, scope)
    sim.clock.advance(600)
    assert status(call, scope, SECURE_TRANSFER, account) == "Healthy"


def test_a_pinned_assessment_follows_no_rule(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """Until its resource is gone."""
    sim.defender.add_assessment(
        SECURE_TRANSFER.upper(), account, code="NotApplicable", cause="Exempt", description="Because."
    )
    sim.resources.edit(account, lambda body: body["properties"].update(supportsHttpsTrafficOnly=True))
    sim.clock.advance(5000)
    found = assessments(call, scope)[SECURE_TRANSFER, account]
    assert (found["status"]["code"], found["status"]["cause"]) == ("NotApplicable", "Exempt")
    assert found["status"]["description"] == "Because."
    assert control(call, scope)["notApplicableResourceCount"] == 1
    assert control(call, scope)["score"]["max"] == 0
    sim.resources.remove(account)
    sim.clock.advance(600)
    assert (SECURE_TRANSFER, account) not in assessments(call, scope)


def test_the_list_is_paged_and_has_no_metadata(sim: ArmSimulator, account: str, scope: str, connect: Any) -> None:
    """Pages follow an absolute nextLink; only a single get expands."""
    paged = ArmSimulator(page_size=3)
    paged.resources.add(sim.resources.get(account))
    call = connect(paged)
    path = f"{scope}/providers/Microsoft.Security/assessments"
    page = call.get(path, NEW)
    seen = list(page["value"])
    while "nextLink" in page:
        assert page["nextLink"].startswith(sim.endpoint)
        page = call("GET", page["nextLink"]).json()
        seen += page["value"]
    assert len(seen) == len({item["id"] for item in seen}) > 6
    assert all("metadata" not in item["properties"] and "links" not in item["properties"] for item in seen)
    one = call.get(f"{account}/providers/Microsoft.Security/assessments/{SECURE_TRANSFER.upper()}", NEW, expand="links")
    assert one["properties"]["links"]["azurePortalUri"].startswith("https://portal.azure.com/")
    one = call.get(f"{account}/providers/Microsoft.Security/assessments/{SECURE_TRANSFER}", NEW, expand="metadata")
    assert one["properties"]["metadata"]["severity"] == "High"


def test_risk_is_shown_by_the_newest_version_only(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """Without Defender CSPM the level is a copy of the severity."""
    sim.defender.set_risk(SECURE_TRANSFER, account, {"level": "High"})
    assert assessments(call, scope)[SECURE_TRANSFER, account]["risk"] == {"level": "High"}
    copied = assessments(call, scope)[PUBLIC_BLOBS, account]["risk"]
    assert (copied["level"], copied["isContextualRisk"]) == ("Medium", False)
    assert "risk" not in assessments(call, scope, "2021-06-01")[SECURE_TRANSFER, account]
    sim.defender.set_risk(SECURE_TRANSFER, account, None)
    assert assessments(call, scope)[SECURE_TRANSFER, account]["risk"]["isContextualRisk"] is False
    with pytest.raises(KeyError):
        sim.defender.set_risk(SECURE_TRANSFER, scope, None)


def test_scopes_of_assessments(sim: ArmSimulator, call: Any, word: Any, account: str, scope: str) -> None:
    """A management group has those of its subscriptions, but for an unregistered one; a group its own."""
    other = sim.resources.add_subscription(name="Five", management_group="top")
    top = "/providers/Microsoft.Management/managementGroups/Top"
    found = {place for _, place in assessments(call, top)}
    assert {scope, other, account} <= found
    sim.resources.unregister_provider(other, "Microsoft.Security")
    assert {place for _, place in assessments(call, top)} == found - {other}
    assert {place for _, place in assessments(call, f"{scope}/resourceGroups/RG")} == {account}
    missing = call("GET", f"{top}x/providers/Microsoft.Security/assessments?api-version={NEW}")
    assert word(missing) == "NotFound"


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("{account}/providers/Microsoft.Security/assessments/00000000-0000-0000-0000-000000000000", NEW),
        ("/providers/Microsoft.Security/assessmentMetadata/none", NEW),
        ("{scope}/providers/Microsoft.Security/secureScores/none", "2020-01-01"),
        ("{scope}/providers/Microsoft.Security/secureScores/none/secureScoreControls", "2020-01-01"),
    ],
)
def test_what_defender_does_not_have(call: Any, word: Any, account: str, scope: str, path: str, version: str) -> None:
    """404 NotFound."""
    response = call("GET", f"{path.format(account=account, scope=scope)}?api-version={version}")
    assert (response.status_code, word(response)) == (404, "NotFound")


def test_a_recommendation_of_ones_own(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """It is known in its subscription only, judged at once, and worth nothing in the score."""
    other = sim.resources.add_subscription()
    sim.defender.add_recommendation(
        {"displayName": "Own", "severity": "Low", "assessmentType": "CustomerManaged"},
        key="AAAAAAAA-0000-4000-8000-000000000009",
        resource_type="Microsoft.Storage/storageAccounts",
        rule={"path": "tags.owner", "empty": False},
        controls=(TRANSIT,),
        subscriptions=(scope,),
    )
    key = "aaaaaaaa-0000-4000-8000-000000000009"
    assert status(call, scope, key, account) == "Unhealthy"
    before = control(call, scope)["score"]
    own = call.get(f"{scope}/providers/Microsoft.Security/assessmentMetadata/{key}", NEW)
    assert own["id"].startswith(scope)
    names = [
        {item["name"] for item in call.get(f"{base}/providers/Microsoft.Security/assessmentMetadata", NEW)["value"]}
        for base in ("", scope, other)
    ]
    assert [key in found for found in names] == [False, True, False]
    call("PATCH", f"{account}?api-version=2025-08-01", json={"tags": {"owner": "me"}})
    sim.clock.advance(600)
    assert status(call, scope, key, account) == "Healthy"
    assert control(call, scope)["score"] == before


def test_the_score_is_the_documented_formula(demo: ArmSimulator, ask: Any) -> None:
    """Recomputed here from the assessments, by the formula and not by the simulator's code."""
    metadata = {
        item["name"]: item["properties"]
        for item in ask.get("/providers/Microsoft.Security/assessmentMetadata", NEW)["value"]
    }
    definitions = ask.get("/providers/Microsoft.Security/secureScoreControlDefinitions", "2020-01-01")["value"]
    for scope in demo.scopes:
        found = assessments(ask, scope)
        total = current = 0.0
        shown = ask.get(
            f"{scope}/providers/Microsoft.Security/secureScores/ascScore/secureScoreControls",
            "2020-01-01",
            expand="definition",
        )
        by_name = {item["name"]: item["properties"] for item in shown["value"]}
        for definition in definitions:
            keys = {part["id"].rpartition("/")[2] for part in definition["properties"]["assessmentDefinitions"]}
            places: dict[str, set[str]] = {}
            for (key, place), properties in found.items():
                if key in keys and key in metadata and not metadata[key].get("preview"):
                    places.setdefault(place, set()).add(properties["status"]["code"])
            unhealthy = sum("Unhealthy" in codes for codes in places.values())
            healthy = sum("Healthy" in codes and "Unhealthy" not in codes for codes in places.values())
            if not places:
                assert definition["name"] not in by_name
                continue
            worth = definition["properties"]["maxScore"] if healthy + unhealthy else 0
            points = worth * healthy / (healthy + unhealthy) if healthy + unhealthy else 0.0
            properties = by_name[definition["name"]]
            assert (properties["healthyResourceCount"], properties["unhealthyResourceCount"]) == (healthy, unhealthy)
            assert properties["score"]["current"] == round(points, 2)
            assert properties["score"]["max"] == worth
            assert properties["definition"]["name"] == definition["name"]
            total, current = total + worth, current + points
        score = ask.get(f"{scope}/providers/Microsoft.Security/secureScores", "2020-01-01")["value"][0]
        single = ask.get(f"{scope}/providers/Microsoft.Security/secureScores/ASCSCORE", "2020-01-01")
        assert score == single
        assert score["properties"]["score"] == {
            "max": total,
            "current": round(current, 2),
            "percentage": round(current / total, 4),
        }
        listed = ask.get(f"{scope}/providers/Microsoft.Security/secureScoreControlDefinitions", "2020-01-01")
        assert listed["value"] == definitions


def test_a_subscription_with_nothing_to_judge_has_no_points(sim: ArmSimulator, call: Any, scope: str) -> None:
    """No division by zero."""
    score = call.get(f"{scope}/providers/Microsoft.Security/secureScores/ascScore", "2020-01-01")["properties"]
    assert score["score"] == {"max": 0, "current": 0.0, "percentage": 0}


def test_contacts_are_made_and_changed(sim: ArmSimulator, call: Any, word: Any, scope: str) -> None:
    """404 at first; the body of the older version is refused."""
    path = f"{scope}/providers/Microsoft.Security/securityContacts/default?api-version=2023-12-01-preview"
    assert word(call("GET", path)) == "ResourceNotFound"
    assert (
        word(call("PUT", path, json={"properties": {"alertNotifications": {"state": "On"}}})) == "InvalidRequestContent"
    )
    body = {"properties": {"emails": "a@contoso.example", "isEnabled": True}}
    assert call("PUT", path, json=body).status_code == 200
    assert call("PUT", path, json=body).json()["type"] == "Microsoft.Security/securityContact"
