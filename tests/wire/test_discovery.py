"""The paths, versions and parameters that reading Defender for Cloud puts on the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import responses
from responses import matchers

from defender_remediate.arm.providers import Providers
from defender_remediate.arm.session import ArmSession
from defender_remediate.catalog import Catalog
from defender_remediate.discovery import Discovery
from defender_remediate.discovery.resource_graph import query_graph
from defender_remediate.models.ids import Scope

BASE = "https://management.azure.com"
ONE = "20ff7fc3-e762-44dd-bd96-b71116dcdc23"
GROUP = "/providers/Microsoft.Management/managementGroups/contoso"
SECURITY = f"{BASE}/subscriptions/{ONE}/providers/Microsoft.Security"
EXAMPLES = json.loads((Path(__file__).parents[1] / "official_examples.json").read_text(encoding="utf-8"))
REFUSED = {"error": {"code": "NoRegisteredProviderFound", "message": "The supported api-versions are '2020-01-01'."}}
# The control of Microsoft's own documentation: 6 points over 78 resources, of which 5 are unhealthy.
DOCUMENTED = {
    "name": "b",
    "properties": {
        "displayName": "Apply system updates",
        "healthyResourceCount": 73,
        "unhealthyResourceCount": 5,
        "notApplicableResourceCount": 0,
        "score": {"max": 6, "current": 5.62, "percentage": 0.9359},
        "weight": 78,
        "definition": {
            "name": "b",
            "properties": {
                "maxScore": 6,
                "assessmentDefinitions": [
                    {"id": "/providers/Microsoft.Security/assessmentMetadata/4ab6e3c5-74dd-8b35-9ab9-f61b30875b27"}
                ],
            },
        },
    },
}


def discovery(session: ArmSession, *scopes: str, source: Literal["rest", "graph"] = "rest") -> Discovery:
    return Discovery(
        session,
        tuple(map(Scope.parse, scopes or (f"/subscriptions/{ONE}",))),
        Catalog.bundled(),
        Providers(session),
        source,
    )


def version(text: str) -> Any:
    return matchers.query_param_matcher({"api-version": text})


def test_assessments_fall_back_to_a_version_that_the_cloud_has(
    session: ArmSession, wire: responses.RequestsMock
) -> None:
    """The newest first; sovereign clouds lag behind."""
    for refused in ("2025-05-04", "2021-06-01"):
        wire.get(f"{SECURITY}/assessments", status=400, json=REFUSED, match=[version(refused)])
    wire.get(f"{SECURITY}/assessments", json={"value": []}, match=[version("2020-01-01")])
    found = discovery(session)
    assert list(found.list_assessments()) == []
    assert list(found.list_assessments()) == []
    assert len(wire.calls) == 4


def test_the_documented_control_is_reproduced(session: ArmSession, wire: responses.RequestsMock) -> None:
    """To two decimals; its definition is asked for with it."""
    wire.get(
        f"{SECURITY}/secureScoreControls",
        json={"value": [DOCUMENTED]},
        match=[matchers.query_param_matcher({"api-version": "2020-01-01", "$expand": "definition"})],
    )
    (found,) = discovery(session).list_controls()
    assert round(found.potential_increase, 2) == 0.38
    assert round(found.current_score + found.potential_increase, 1) == 6.0
    assert round(found.points_per_resource, 4) == 0.0769
    assert found.recommendation_keys == ("4ab6e3c5-74dd-8b35-9ab9-f61b30875b27",)


def test_a_management_group_is_expanded_in_the_older_shape_too(
    session: ArmSession, wire: responses.RequestsMock
) -> None:
    """Where the type of a subscription is "/subscriptions" and the next link is null."""
    url = f"{BASE}{GROUP}/descendants"
    wire.get(url, status=400, json=REFUSED, match=[version("2023-04-01")])
    wire.get(url, status=400, json=REFUSED, match=[version("2021-04-01")])
    body = {"value": [{"id": f"/subscriptions/{ONE}", "type": "/subscriptions", "name": ONE}], "nextLink": None}
    wire.get(url, json=body, match=[version("2020-05-01")])
    assert discovery(session, GROUP).subscriptions() == (ONE,)


def test_resource_graph_gets_one_query_with_its_filters(session: ArmSession, wire: responses.RequestsMock) -> None:
    """Everything that was asked for is in it."""
    key = "4ab6e3c5-74dd-8b35-9ab9-f61b30875b27"
    query = (
        "securityresources | where type == 'microsoft.security/assessments'"
        f" | where name =~ '{key}' | where tostring(properties.status.code) =~ 'Unhealthy'"
        f" | where id startswith '/subscriptions/{ONE}/resourceGroups/rg/'"
        " | project id, name, type, properties | order by id asc"
    )
    body = {"query": query, "subscriptions": [ONE], "options": {"$top": 1000, "resultFormat": "objectArray"}}
    wire.post(
        f"{BASE}/providers/Microsoft.ResourceGraph/resources",
        json={"totalRecords": 0, "count": 0, "resultTruncated": "false", "data": [], "facets": []},
        match=[version("2024-04-01"), matchers.json_params_matcher(body)],
    )
    # Nothing was found, so the group is looked up; who may not read it is not told that it is missing.
    wire.get(f"{BASE}/subscriptions/{ONE}/resourceGroups/rg", status=403)
    found = discovery(session, f"/subscriptions/{ONE}/resourceGroups/rg", source="graph")
    assert list(found.list_assessments(key, status="unhealthy")) == []


def example(name: str) -> dict[str, Any]:
    """The body of one of Azure's published examples."""
    found: dict[str, Any] = EXAMPLES[name][0]
    return found


@pytest.mark.parametrize("dated", ["2020-01-01", "2021-06-01", "2025-05-04"])
def test_official_assessments(session: ArmSession, wire: responses.RequestsMock, dated: str) -> None:
    """As Microsoft's own examples have them."""
    body = example(f"Microsoft.Security__{dated}__ListAssessments_example")
    wire.get(f"{SECURITY}/assessments", json=body)
    found = list(discovery(session).list_assessments())
    assert [(item.id, item.key, str(item.status)) for item in found] == [
        (item["id"], item["name"], item["properties"]["status"]["code"]) for item in body["value"]
    ]
    assert all(item.resource_id == item.id.partition("/providers/Microsoft.Security")[0] for item in found)


def test_official_scores_and_controls(session: ArmSession, wire: responses.RequestsMock) -> None:
    """The example's 0.6033 is a ratio; controls without a definition get their keys from the definitions."""
    wire.get(f"{SECURITY}/secureScores", json=example("Microsoft.Security__2020-01-01__ListSecureScores_example"))
    score = discovery(session).get_secure_score()
    assert (score.current, score.max, score.percentage, score.weight) == (23.53, 39, 0.6033, 67)
    controls = example("Microsoft.Security__2020-01-01__ListSecureScoreControlsForName_builtin_example")
    definitions = example("Microsoft.Security__2020-01-01__ListSecureScoreControlDefinitions_subscription_example")
    wire.get(f"{SECURITY}/secureScoreControls", json=controls)
    wire.get(f"{SECURITY}/secureScoreControlDefinitions", json=definitions)
    found = list(discovery(session).list_controls())
    assert len(found) == len(controls["value"])
    for control in found:
        assert round(control.current_score + control.potential_increase, 2) == pytest.approx(
            control.max_score, abs=0.011
        )
    with_keys = {control.name for control in found if control.recommendation_keys}
    assert with_keys == {item["name"] for item in definitions["value"]} & {control.name for control in found}


def test_official_metadata(session: ArmSession, wire: responses.RequestsMock) -> None:
    """Every type of the example, each once."""
    body = example("Microsoft.Security__2021-06-01__ListAssessmentsMetadata_subscription_example")
    wire.get(f"{SECURITY}/assessmentMetadata", json=body)
    assert [item.key for item in discovery(session).list_metadata()] == [item["name"] for item in body["value"]]


def test_official_rows_of_resource_graph(session: ArmSession, wire: responses.RequestsMock) -> None:
    """The first page says that it is not truncated and has a token all the same."""
    page = example("Microsoft.ResourceGraph__2024-04-01__ResourcesNextPageQuery")
    last = {name: value for name, value in page.items() if name != "$skipToken"}
    wire.post(f"{BASE}/providers/Microsoft.ResourceGraph/resources", json=page)
    wire.post(f"{BASE}/providers/Microsoft.ResourceGraph/resources", json=last)
    assert len(list(query_graph(session, "Resources | project id", subscriptions=[ONE]))) == 2 * page["count"]
    assert json.loads(wire.calls[1].request.body)["options"]["$skipToken"] == page["$skipToken"]


def test_official_descendants(session: ArmSession, wire: responses.RequestsMock) -> None:
    """Subscriptions of a management group, as the example of that listing has them."""
    body = {"value": [{"id": f"/subscriptions/{ONE}"}, {"id": GROUP}], "nextLink": None, "@nextLink": None}
    wire.get(f"{BASE}{GROUP}/descendants", json=body)
    assert discovery(session, GROUP).subscriptions() == (ONE,)
