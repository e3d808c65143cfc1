"""Everything that is read from Defender for Cloud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate import Catalog
from defender_remediate.discovery import Discovery
from defender_remediate.discovery.arguments import checked_choice
from defender_remediate.discovery.counting import AssessmentCounts
from defender_remediate.errors import (
    InvalidInputError,
    MalformedResponseError,
    NotFoundError,
    ProviderNotRegisteredError,
    UnknownRecommendationError,
)
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.named import key_named
from defender_remediate.models.risk import RiskLevel
from defender_remediate.testing import ArmSimulator

Discover = Callable[..., Discovery]
ONE = "11111111-0000-0000-0000-000000000000"
TWO = "22222222-0000-0000-0000-000000000000"
KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
CUSTOM = "99999999-f68d-6a17-e0d2-ec259c42768c"
SECURITY = f"/subscriptions/{ONE}/providers/Microsoft.Security"
NOT_REGISTERED = {"error": {"code": "Subscription Not Registered", "message": "Please register"}}


def assessed(key: str, resource: str, status: str = "Unhealthy", **properties: Any) -> dict[str, Any]:
    found = f"/subscriptions/{ONE}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/{resource}"
    return {
        "id": f"{found}/providers/Microsoft.Security/assessments/{key}",
        "name": key,
        "properties": {
            "displayName": f"Title {key[:1]}",
            "resourceDetails": {"source": "Azure", "id": found},
            "status": {"code": status},
            **properties,
        },
    }


def controlled(name: str, *keys: str, unhealthy: int = 2, **more: Any) -> dict[str, Any]:
    links = [{"id": f"/providers/Microsoft.Security/assessmentMetadata/{key}"} for key in keys]
    definition = {"definition": {"properties": {"assessmentDefinitions": links}}} if keys else {}
    return {
        "name": name,
        "properties": {
            "displayName": name.title(),
            "score": {"max": 4, "current": 0},
            "healthyResourceCount": 0,
            "unhealthyResourceCount": unhealthy,
            **definition,
            **more,
        },
    }


@pytest.fixture
def small(azure: Any, scripted: Discover) -> Discovery:
    """One subscription, one control, two recommendations of which one is custom, three accounts."""
    azure.found |= {
        f"{SECURITY}/assessments": [
            assessed(KEY, "a", risk={"level": "Low"}),
            assessed(KEY, "b", risk={"level": "High"}),
            assessed(KEY, "c", "Healthy"),
            assessed(CUSTOM, "c", "NotApplicable"),
        ],
        f"{SECURITY}/assessmentMetadata": [
            {"name": KEY.upper(), "properties": {"displayName": "Secure transfer", "severity": "High"}},
            {"name": TWO, "properties": {"displayName": "Unused", "severity": "Low"}},
        ],
        f"{SECURITY}/assessmentMetadata/{TWO}": {
            "name": TWO,
            "properties": {"displayName": "Unused", "severity": "Low"},
        },
        f"{SECURITY}/secureScoreControls": [controlled("transit", KEY.upper())],
    }
    return scripted(f"/subscriptions/{ONE}")


def test_recommendations_are_counted_and_described(small: Discovery, azure: Any) -> None:
    """From assessments, metadata, controls and the catalog; the highest risk of its unhealthy resources counts."""
    (found,) = small.list_recommendations()
    assert (found.key, found.display_name, str(found.severity)) == (KEY, "Secure transfer", "High")
    assert (found.unhealthy_count, found.healthy_count, found.not_applicable_count) == (2, 1, 0)
    assert (found.controls, found.risk_level, found.is_fixable) == (("Transit",), RiskLevel.HIGH, True)
    assert found.potential_increase == 4.0
    assert len(azure.asked) == 3


def test_a_recommendation_without_metadata_has_its_assessments_title(small: Discovery) -> None:
    """A custom one that has been deleted; Azure still lists what it said."""
    found = {item.key: item for item in small.list_recommendations(status=None)}
    assert set(found) == {KEY, CUSTOM}
    assert (found[CUSTOM].display_name, found[CUSTOM].severity, found[CUSTOM].not_applicable_count) == (
        "Title 9",
        None,
        1,
    )


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        ({}, {KEY}),
        ({"status": "unhealthy"}, {KEY}),
        ({"status": "Healthy"}, {KEY}),
        ({"status": "NotApplicable"}, {CUSTOM}),
        ({"status": None}, {KEY, CUSTOM}),
        ({"severity": "high"}, {KEY}),
        ({"severity": "Low"}, set()),
        ({"control": "TRANSIT"}, {KEY}),
        ({"control": "transit", "status": "NotApplicable"}, set()),
        ({"fixable": True}, {KEY}),
        ({"fixable": False}, set()),
        ({"fixable": False, "status": None}, {CUSTOM}),
    ],
)
def test_recommendations_can_be_filtered(small: Discovery, filters: dict[str, Any], keys: set[str]) -> None:
    """In any case, and together."""
    assert {item.key for item in small.list_recommendations(**filters)} == keys


@pytest.mark.parametrize(
    "call",
    [
        lambda discovery: discovery.list_recommendations(status="Sick"),
        lambda discovery: discovery.list_recommendations(severity="Dreadful"),
        lambda discovery: discovery.list_recommendations(severity=3),
        lambda discovery: discovery.list_assessments(status="Exempt"),
        lambda discovery: discovery.list_assessments("no-guid"),
        lambda discovery: discovery.list_assessments(""),
        lambda discovery: discovery.list_assessments(f"{KEY}/x"),
        lambda discovery: discovery.get_recommendation("no-guid"),
        lambda discovery: discovery.get_metadata(None),
    ],
)
def test_a_bad_argument_is_refused_before_any_request(
    small: Discovery, azure: Any, call: Callable[[Discovery], Any]
) -> None:
    """When the method is called, not when the listing is read."""
    with pytest.raises(InvalidInputError) as caught:
        call(small)
    assert caught.value.hint
    assert azure.asked == []


def test_a_control_that_is_not_there_is_named(small: Discovery) -> None:
    """With those that are: a typing error is not an empty answer."""
    with pytest.raises(InvalidInputError, match="Transport") as caught:
        next(small.list_recommendations(control="Transport"))
    assert "Transit" in caught.value.hint


def test_where_there_are_no_controls_the_hint_says_so(small: Discovery, azure: Any) -> None:
    """A subscription that has no score yet."""
    azure.found[f"{SECURITY}/secureScoreControls"] = []
    with pytest.raises(InvalidInputError) as caught:
        next(small.list_recommendations(control="x"))
    assert "none" in caught.value.hint


def test_a_source_that_is_not_known_is_refused(scripted: Discover) -> None:
    """By name."""
    with pytest.raises(InvalidInputError, match="soap"):
        scripted(f"/subscriptions/{ONE}", source="soap")


def test_one_recommendation_is_the_same_as_in_the_listing(small: Discovery) -> None:
    """Its place depends on the others."""
    assert small.get_recommendation(KEY.upper()) == next(small.list_recommendations())


def test_a_recommendation_that_nothing_was_assessed_for_is_known_from_metadata(small: Discovery) -> None:
    """With counts of zero."""
    found = small.get_recommendation(TWO)
    assert (found.display_name, found.unhealthy_count, found.healthy_count) == ("Unused", 0, 0)
    assert found.priority.reasons[0] == "belongs to no control, so it adds no points"


def test_a_key_that_azure_does_not_have_is_unknown(small: Discovery) -> None:
    """The error names it."""
    unknown = KEY.replace("1", "7")
    for call in (small.get_recommendation, small.get_metadata):
        with pytest.raises(UnknownRecommendationError, match=unknown):
            call(unknown)


def test_metadata_of_something_else_are_refused(small: Discovery, azure: Any) -> None:
    """An empty object is not a recommendation without a title."""
    for body in ({}, {"name": ONE}):
        azure.found[f"{SECURITY}/assessmentMetadata/{TWO}"] = body
        with pytest.raises(MalformedResponseError, match="about"):
            small.get_metadata(TWO)


def test_an_unregistered_provider_is_not_nothing(small: Discovery, azure: Any) -> None:
    """Not in any of the reads."""
    for path in list(azure.found):
        azure.found[path] = NOT_REGISTERED
    azure.found[f"{SECURITY}/secureScores"] = NOT_REGISTERED
    for call in (
        lambda: list(small.list_assessments()),
        lambda: list(small.list_recommendations()),
        lambda: list(small.list_controls()),
        lambda: list(small.list_metadata()),
        lambda: small.get_metadata(TWO),
        small.get_secure_score,
    ):
        with pytest.raises(ProviderNotRegisteredError):
            call()


def test_metadata_of_another_subscription_is_found_there(azure: Any, scripted: Discover) -> None:
    """A custom recommendation is known to its own subscription only; what all have comes once."""
    other = f"/subscriptions/{TWO}/providers/Microsoft.Security"
    custom = {"name": CUSTOM, "properties": {"displayName": "Ours"}}
    azure.found |= {
        f"{SECURITY}/assessments": [assessed(CUSTOM, "a")],
        f"{other}/assessments": [],
        f"{SECURITY}/assessmentMetadata": [{"name": KEY, "properties": {}}],
        f"{other}/assessmentMetadata": [{"name": KEY.upper(), "properties": {}}, custom],
        f"{other}/assessmentMetadata/{CUSTOM}": custom,
        f"{SECURITY}/secureScoreControls": [],
        f"{other}/secureScoreControls": [],
    }
    discovery = scripted(f"/subscriptions/{ONE}", f"/subscriptions/{TWO}")
    assert [item.display_name for item in discovery.list_recommendations()] == ["Ours"]
    assert [item.key for item in discovery.list_metadata()] == [KEY, CUSTOM]
    assert discovery.get_metadata(CUSTOM).display_name == "Ours"


def test_keys_of_a_control_come_from_its_definition_when_they_are_missing(small: Discovery, azure: Any) -> None:
    """A cloud that does not expand definitions; the built-in ones are the same everywhere."""
    azure.found[f"{SECURITY}/secureScoreControls"] = [controlled("transit"), controlled("other", unhealthy=0)]
    azure.found[f"{SECURITY}/secureScoreControlDefinitions"] = [
        {
            "name": "TRANSIT",
            "properties": {
                "assessmentDefinitions": [{"id": f"/providers/Microsoft.Security/assessmentMetadata/{KEY}"}]
            },
        }
    ]
    assert [item.recommendation_keys for item in small.list_controls()] == [(KEY,), ()]


def test_the_demo_tenant_adds_up(discover: Discover, sim: ArmSimulator) -> None:
    """What all recommendations of a control add together is what the control still has to give."""
    one = sim.scopes[0]
    ranked = list(discover(one).list_recommendations())
    potential = sum(control.potential_increase for control in discover(one).list_controls())
    alone = sum(item.priority.points for item in ranked)
    assert 0 < alone <= potential
    assert [item.priority.points for item in ranked] == sorted((i.priority.points for i in ranked), reverse=True)
    assert all(item.priority.reasons for item in ranked)


def test_everything_is_read_only(discover: Discover, sim: ArmSimulator) -> None:
    """Nothing but GET, and the POST of Resource Graph."""
    for source in ("rest", "graph"):
        discovery = discover(source=source)
        list(discovery.list_recommendations())
        discovery.get_secure_score()
        list(discovery.list_metadata())
    posts = {request.path.casefold() for request in sim.requests if request.method != "GET"}
    assert posts == {"/providers/microsoft.resourcegraph/resources"}
    assert sim.writes == []


@pytest.mark.parametrize(
    ("levels", "highest"),
    [
        ((None, "Low"), "Low"),
        (("Low", None), "Low"),
        (("None", "Odd"), "None"),
        (("Odd", None), "Odd"),
        (("High", "Critical", "Medium"), "Critical"),
        ((None,), None),
    ],
)
def test_the_highest_risk_wins(levels: tuple[str | None, ...], highest: str | None) -> None:
    """A word that is not known loses against any that is; healthy resources have no say."""
    finding = AssessmentCounts(KEY)
    for number, level in enumerate(levels):
        more = {"risk": {"level": level}} if level else {}
        finding.add(Assessment.from_rest(assessed(KEY, str(number), **more)))
    finding.add(Assessment.from_rest(assessed(KEY, "healthy", "Healthy", risk={"level": "Critical"})))
    assert (finding.risk and finding.risk.level) == highest


def test_a_status_that_is_not_known_is_counted_nowhere() -> None:
    """Azure may add words."""
    finding = AssessmentCounts(KEY)
    finding.add(Assessment.from_rest(assessed(KEY, "a", "Pondering")))
    assert not any(finding.has(status) for status in AssessmentStatus)
    assert finding.has(None)


def test_one_assessment_can_be_read(small: Discovery, azure: Any) -> None:
    """Of one resource, over REST."""
    item = assessed(KEY, "a")
    azure.found[item["id"]] = item
    resource = item["properties"]["resourceDetails"]["id"]
    assert small.get_assessment(resource.upper(), KEY) == Assessment.from_rest(item)
    with pytest.raises(NotFoundError):
        small.get_assessment(resource, CUSTOM)
    with pytest.raises(UnknownRecommendationError):
        small.get_assessment(resource, "no-guid")


def test_an_answer_about_something_else_is_refused(small: Discovery, azure: Any) -> None:
    """Rather than taken for what was asked."""
    item = assessed(KEY, "a")
    azure.found[item["id"]] = assessed(KEY, "b")
    with pytest.raises(MalformedResponseError, match="about"):
        small.get_assessment(item["properties"]["resourceDetails"]["id"], KEY)


def test_controls_whose_definitions_cannot_be_listed_name_no_recommendations(small: Discovery, azure: Any) -> None:
    """A cloud without that listing; but a provider that is not registered is an error here too."""
    azure.found[f"{SECURITY}/secureScoreControls"] = [controlled("transit")]
    assert [control.recommendation_keys for control in small.list_controls()] == [()]
    azure.found[f"{SECURITY}/secureScoreControlDefinitions"] = NOT_REGISTERED
    with pytest.raises(ProviderNotRegisteredError):
        next(small.list_controls())


def test_a_name_that_two_recommendations_share_is_refused() -> None:
    """With the keys to choose from; and a choice is True, False or None."""
    fixes = {fix.key: fix for fix in Catalog.bundled()}
    shared = Catalog(attrs.evolve(fix, title="The same") for fix in list(fixes.values())[:2])
    with pytest.raises(UnknownRecommendationError, match="2 recommendations are named 'The same'"):
        key_named("the same ", shared.titles)
    with pytest.raises(InvalidInputError, match="True, False or None"):
        checked_choice("yes", "fixable")
