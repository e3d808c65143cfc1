"""Azure's published request and response examples, where they lie beside the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from defender_remediate.models.activity import ActivityEvent, ActivityStatus
from defender_remediate.models.control import ControlDefinition, SecureScore, SecurityControl
from defender_remediate.models.recommendation import Assessment, RecommendationMetadata

FOLDER = next(
    (found for up in Path(__file__).parents if (found := up / "shared" / "data" / "examples").is_dir()), Path("missing")
)
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the official examples are not beside the project")


def _items(pattern):
    items = []
    for path in sorted(FOLDER.glob(pattern)):
        for response in json.loads(path.read_text(encoding="utf-8"))["responses"].values():
            body = response.get("body") or {}
            items += [pytest.param(item, id=path.stem) for item in body.get("value", [body] if body else [])]
    return items


@pytest.mark.parametrize(
    "item",
    [
        *_items("*__ListAssessments_example.json"),
        *_items("*__GetAssessment_*.json"),
        *_items("*__GetAssessmentWith*.json"),
    ],
)
def test_assessments(item):
    """Each says what was found on which resource, and dates stay in order."""
    assessment = Assessment.from_rest(item)
    properties = item["properties"]
    assert assessment.key == item["name"]
    assert assessment.id == item["id"]
    assert assessment.status == properties["status"]["code"]
    assert assessment.status.is_known
    assert assessment.cause == properties["status"].get("cause")
    assert assessment.resource_id == properties["resourceDetails"]["id"]
    assert assessment.additional_data == properties.get("additionalData", {})
    assert bool(assessment.portal_url) == ("links" in properties)
    assert (assessment.changed is None) == ("statusChangeDate" not in properties["status"])


@pytest.mark.parametrize("item", _items("*AssessmentsMetadata*.json"))
def test_metadata(item):
    """Every word is a known one, and no markup is left."""
    metadata = RecommendationMetadata.from_rest(item)
    assert metadata.key == item["name"]
    assert metadata.severity is not None
    assert metadata.severity.is_known
    assert metadata.categories == tuple(item["properties"].get("categories", ()))
    assert "<a" not in metadata.remediation_steps


@pytest.mark.parametrize("item", [*_items("*__ListSecureScores_*.json"), *_items("*__GetSecureScores*.json")])
def test_scores(item):
    """The ratio is the one of the points."""
    score = SecureScore.from_rest(item)
    assert score.percentage == pytest.approx(score.current / score.max, abs=1e-4)
    assert score.weight == item["properties"]["weight"]


@pytest.mark.parametrize("item", _items("*__ListSecureScoreControls*.json"))
def test_controls(item):
    """Current points and potential are the maximum; nothing divides by zero."""
    control = SecurityControl.from_rest(item)
    assert control.name == item["name"]
    assert control.current_score + control.potential_increase == pytest.approx(control.max_score, abs=0.01)


@pytest.mark.parametrize("item", _items("*__ListSecureScoreControlDefinitions*.json"))
def test_definitions(item):
    """A definition names the keys that it groups."""
    definition = ControlDefinition.from_rest(item)
    assert len(definition.recommendation_keys) == len(item["properties"]["assessmentDefinitions"])
    assert definition.max_score == item["properties"]["maxScore"]


@pytest.mark.parametrize("item", _items("*ActivityLogsFiltered.json"))
def test_activity(item):
    """A record knows when, what, who and how it ended."""
    event = ActivityEvent.from_rest(item)
    assert event.status is ActivityStatus.SUCCEEDED
    assert event.timestamp is not None
    assert event.finished == event.timestamp
    assert event.operation == item["operationName"]["value"]
    assert event.resource_id == item["authorization"]["scope"]
    assert event.record_ids == (item["eventDataId"],)
