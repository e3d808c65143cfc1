"""Individual recommendations, CVEs and attack paths of the demo tenant, through both APIs."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import attrs
import pytest

from defender_remediate.errors import (
    InvalidInputError,
    InvalidResourceIdError,
    InvalidScopeError,
    NotAvailableError,
    UnknownRecommendationError,
)
from defender_remediate.models import Assessment, RecommendationCategory, ResourceId
from defender_remediate.testing import ArmSimulator

GROUP = "/providers/Microsoft.Management/managementGroups/contoso"
UPDATES = RecommendationCategory.SOFTWARE_UPDATE
SOURCES: tuple[Literal["rest", "graph"], ...] = ("rest", "graph")
ONE = "20ff7fc3-e762-44dd-bd96-b71116dcdc23"
FIRST, SECOND = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
SECURITY = f"/subscriptions/{ONE}/providers/Microsoft.Security"
MACHINE = f"/subscriptions/{ONE}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"

pytestmark = pytest.mark.usefixtures("sim")


@pytest.fixture
def jump(sim: ArmSimulator) -> str:
    """The virtual machine that is on an attack path."""
    return f"{sim.scopes[1]}/resourceGroups/rg-contoso-vms/providers/Microsoft.Compute/virtualMachines/vm-contoso-jump"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("category", "titles"),
    [
        ("softwareupdate", {"Update OpenSSL": 2, "Update curl": 1}),
        (
            ["SoftwareUpdate", "ExposedSecrets"],
            {"Update OpenSSL": 2, "Update curl": 1, "SAS token should be removed from the machine": 1},
        ),
        ({RecommendationCategory.EXPOSED_SECRETS}, {"SAS token should be removed from the machine": 1}),
        ("NewInAzure", {}),
    ],
)
def test_assessments_of_a_category(discover: Any, source: str, category: Any, titles: dict[str, int]) -> None:
    """The view by resource: one row per resource, with its category over either API."""
    found = list(discover(source=source).list_assessments(category=category))
    assert Counter(item.display_name for item in found) == titles
    assert all(item.is_individual for item in found)


@pytest.mark.parametrize("source", SOURCES)
def test_recommendations_of_a_category(discover: Any, source: str) -> None:
    """The view by title: generated keys do not tear one recommendation apart, and its guidance is that of the category."""
    first, second = discover(source=source).list_recommendations(category=UPDATES)
    assert (first.display_name, first.unhealthy_count, first.category) == ("Update OpenSSL", 2, UPDATES)
    assert (second.display_name, second.unhealthy_count, second.severity) == ("Update curl", 1, "Medium")
    assert first.guidance is not None
    assert first.guidance.category == "SoftwareUpdate"
    assert (first.risk and first.risk.is_contextual, first.on_attack_paths) == (True, 1)
    assert first.priority.reasons[:3] == (
        "counts for the score, but no control names its keys, so its points are not known",
        "risk level Critical (contextual: Exposure to the internet)",
        "1 resource is on an attack path",
    )
    assert "risk level Medium (derived from severity)" in second.priority.reasons


@pytest.mark.parametrize("source", SOURCES)
def test_one_title_with_several_keys(discover: Any, sim: ArmSimulator, jump: str, source: str) -> None:
    """They are one recommendation, found by each of its keys, whose assessments are found by its title."""
    key = sim.defender.add_individual(
        "Update OpenSSL", jump, category=UPDATES, key="ffffffff-0000-4000-8000-00000000000f"
    )
    discovery = discover(source=source)
    (found, _) = discovery.list_recommendations(category=UPDATES)
    assert found.unhealthy_count == 3
    assert key != found.key
    everything = list(discovery.list_recommendations())
    assert sum(item.display_name == "Update OpenSSL" for item in everything) == 1
    assert discovery.get_recommendation(key).unhealthy_count == 3
    assert discovery.get_recommendation(found) == discovery.get_recommendation(found.key)
    listed = list(discovery.list_assessments(found))
    assert {item.key for item in listed} == {key, found.key}
    assert list(discovery.list_assessments(listed[0])) == listed
    assert len(list(discovery.list_assessments(key))) == 1


@pytest.mark.parametrize("source", SOURCES)
def test_individual_recommendations_count_in_the_controls_that_name_them(
    discover: Any, sim: ArmSimulator, jump: str, source: str
) -> None:
    """Since 5 May 2026. One resource with two keys of one title counts once."""
    for number in range(2):
        sim.defender.add_individual(
            "Update zlib",
            jump,
            category=UPDATES,
            key=f"ffffffff-0000-4000-8000-00000000000{number}",
            controls=("Apply system updates",),
        )
    found = {item.display_name: item for item in discover(source=source).list_recommendations()}
    updates = found["Update zlib"]
    assert updates.controls == ("Apply system updates",)
    assert updates.priority.points + updates.priority.shared_points > 0


def test_a_wrong_category_is_refused_before_any_request(discover: Any, sim: ArmSimulator) -> None:
    """Only strings are categories; which of them Azure knows is left to Azure."""
    discovery = discover()
    for category in (5, b"SoftwareUpdate", {"SoftwareUpdate": 1}, "", " ", [], [1], ["SoftwareUpdate", ""]):
        for listing in (discovery.list_assessments, discovery.list_recommendations, discovery.list_cve_assessments):
            with pytest.raises(InvalidInputError, match="category"):
                listing(category=category)
    assert not sim.requests


def metadata_item(key: str, **properties: Any) -> dict[str, Any]:
    return {"name": key, "properties": {"displayName": "Update x", "severity": "High", **properties}}


def rest_row(key: str, **properties: Any) -> dict[str, Any]:
    return {
        "id": f"{MACHINE}/providers/Microsoft.Security/assessments/{key}",
        "name": key,
        "properties": {"displayName": "Update x", "status": {"code": "Unhealthy"}, **properties},
    }


def test_a_category_in_the_row_itself_needs_no_listing_of_metadata(scripted: Any, azure: Any) -> None:
    """It is read where Azure sends it."""
    inline = ({"recommendationCategory": "SoftwareUpdate", "severity": "Low"}, {"severity": "High"})
    azure.found[f"{SECURITY}/assessments"] = [rest_row(FIRST, metadata=metadata) for metadata in inline]
    (found,) = scripted(f"/subscriptions/{ONE}").list_assessments(category=UPDATES)
    assert (found.category, found.severity) == (UPDATES, "Low")
    assert len(azure.asked) == 1


def test_categories_that_no_api_names_are_not_an_empty_list(scripted: Any, azure: Any) -> None:
    """Nothing is known about the assessments, which does not mean that there is none."""
    azure.found[f"{SECURITY}/assessments"] = [rest_row(FIRST)]
    for metadata in ([], [metadata_item(SECOND)]):
        azure.found[f"{SECURITY}/assessmentMetadata"] = metadata
        with pytest.raises(NotAvailableError, match="graph"):
            list(scripted(f"/subscriptions/{ONE}").list_assessments(category=UPDATES))
    azure.found[f"{SECURITY}/assessmentMetadata"] = [metadata_item(FIRST)]
    assert list(scripted(f"/subscriptions/{ONE}").list_assessments(category=UPDATES)) == []


def test_a_title_that_only_the_metadata_has(scripted: Any, azure: Any) -> None:
    """The rows of two keys without a name in the list are one recommendation all the same."""
    rows = [{**rest_row(key), "properties": {"status": {"code": "Unhealthy"}}} for key in (SECOND, FIRST)]
    azure.found[f"{SECURITY}/assessments"] = rows
    azure.found[f"{SECURITY}/assessmentMetadata"] = [
        metadata_item(key, recommendationCategory="SoftwareUpdate") for key in (FIRST, SECOND)
    ]
    azure.found[f"{SECURITY}/secureScoreControls"] = []
    (found,) = scripted(f"/subscriptions/{ONE}").list_recommendations()
    assert (found.display_name, found.unhealthy_count, found.key) == ("Update x", 2, FIRST)


def test_cves_at_a_management_group(discover: Any) -> None:
    """Rejected ones are left out; the ids narrow the query."""
    found = {cve.id: cve.score for cve in discover(GROUP).list_cves()}
    assert found == {"CVE-2026-0001": 9.8, "CVE-2026-0002": 6.1}
    (one,) = discover(GROUP).list_cves(["cve-2026-0002"] * 2)
    assert one.id == "CVE-2026-0002"
    many = [f"CVE-2027-{number:05}" for number in range(150)]
    assert [cve.id for cve in discover(GROUP).list_cves([*many, "CVE-2026-0001"])] == ["CVE-2026-0001"]


def test_cves_below_a_management_group_are_not_available(discover: Any, sim: ArmSimulator) -> None:
    """Azure gives none there, and an empty list would read as: there is none."""
    for scopes in ((sim.scopes[0],), (GROUP, sim.scopes[0])):
        with pytest.raises(InvalidScopeError, match="management group or tenant scope only"):
            discover(*scopes).list_cves()
    assert not sim.requests


def test_wrong_ids_of_cves_are_refused(discover: Any, sim: ArmSimulator) -> None:
    """Before any request."""
    ids: Any
    for ids in ("CVE-2026-0001", ["x"], [5], [], 5, ["CVE-2026-\u0663\u0663\u0663\u0663"]):
        with pytest.raises(InvalidInputError):
            discover(GROUP).list_cves(ids)
    assert not sim.requests


@pytest.mark.parametrize("source", SOURCES)
def test_no_row_is_lost_without_details(discover: Any, sim: ArmSimulator, source: str) -> None:
    """At a management group with details, elsewhere without; the rows are the same."""
    sim.defender.add_cve("CVE-2026-0003", {"status": "Reject"})
    sim.defender.add_cve("cve-2026-0002", {})
    # The other way round: what says nothing of the score is listed first.
    sim.defender.add_cve("CVE-2026-0001", {})
    sim.defender.add_cve("cve-2026-0001", {"cvss": {"3.1": {"base": 9.8}}})
    joined = list(discover(GROUP, source=source).list_cve_assessments())
    assert sorted((row.reference.id, row.score) for row in joined) == [
        ("CVE-2026-0001", 9.8),
        ("CVE-2026-0001", 9.8),
        ("CVE-2026-0002", 6.1),
        ("CVE-2026-0003", None),
    ]
    bare = list(discover(source=source).list_cve_assessments())
    assert sorted(row.assessment.id for row in bare) == sorted(row.assessment.id for row in joined)
    assert not any(row.cve for row in bare)
    secrets = list(discover(source=source).list_cve_assessments(category="ExposedSecrets", status=None))
    assert [(row.reference, row.cve) for row in secrets] == [(None, None)]


@pytest.mark.parametrize("source", SOURCES)
def test_attack_paths_through_a_resource(discover: Any, sim: ArmSimulator, jump: str, source: str) -> None:
    """Found by the resources in the graph, whatever else their shape; one of another shape is kept."""
    sim.defender.add_attack_path("odd", sim.scopes[0], {"steps": [jump.upper()]})
    discovery = discover(source=source)
    assert {path.name for path in discovery.list_attack_paths()} == {"jump-to-vault", "odd"}
    (assessment,) = (item for item in discovery.list_assessments(category=UPDATES) if item.resource_id == jump)
    for resource in (jump.lower(), ResourceId.parse(jump), assessment):
        assert {path.name for path in discovery.list_attack_paths(resource)} == {"jump-to-vault", "odd"}
    assert list(discovery.list_attack_paths(sim.scopes[0])) == []
    assert assessment.risk is not None
    assert assessment.risk.attack_paths == ("jump-to-vault",)


def test_attack_paths_of_no_resource_are_refused(discover: Any, sim: ArmSimulator) -> None:
    """Before any request."""
    for resource in ("nonsense", 5, "/subscriptions/x"):
        with pytest.raises(InvalidResourceIdError):
            discover().list_attack_paths(resource)
    assert not sim.requests


def test_an_unknown_key_stays_unknown(discover: Any) -> None:
    """Neither an assessment nor metadata names it."""
    with pytest.raises(UnknownRecommendationError):
        discover().get_recommendation("99999999-9999-4999-8999-999999999999")


def test_equal_whichever_api_returned_them(discover: Any) -> None:
    """What only one of the two sends is ignored in a comparison, and there is nothing else that differs."""
    rest, graph = (
        sorted(discover(source=source).list_assessments(category=UPDATES), key=lambda item: item.id)
        for source in SOURCES
    )
    assert rest == graph
    assert [attrs.evolve(item, category=None) for item in rest] == graph
    assert all(isinstance(item, Assessment) for item in rest)
