"""Response bodies from Azure's published examples."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path

import pytest

from defender_remediate.models.activity import ActivityEvent, ActivityStatus
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.control import ControlDefinition, SecureScore, SecurityControl
from defender_remediate.models.recommendation_metadata import RecommendationMetadata

EXAMPLES = json.loads((Path(__file__).parents[2] / "official_examples.json").read_text(encoding="utf-8"))


def _items(pattern):
    """Every item of the examples whose name matches, as parameters; at least one."""
    items = [
        pytest.param(item, id=name)
        for name, bodies in EXAMPLES.items()
        if fnmatch(name, pattern)
        for body in bodies
        for item in body.get("value", [body])
    ]
    assert items, pattern
    return items


@pytest.mark.parametrize(
    "item",
    [
        *_items("*__ListAssessments_example"),
        *_items("*__GetAssessment_*"),
        *_items("*__GetAssessmentWith*"),
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


@pytest.mark.parametrize("item", _items("*AssessmentsMetadata*"))
def test_metadata(item):
    """Every word is a known one, and no markup is left."""
    metadata = RecommendationMetadata.from_rest(item)
    assert metadata.key == item["name"]
    assert metadata.severity is not None
    assert metadata.severity.is_known
    assert metadata.categories == tuple(item["properties"].get("categories", ()))
    assert "<a" not in metadata.remediation_steps


@pytest.mark.parametrize("item", [*_items("*__ListSecureScores_*"), *_items("*__GetSecureScores*")])
def test_scores(item):
    """The ratio is the one of the points."""
    score = SecureScore.from_rest(item)
    assert score.percentage == pytest.approx(score.current / score.max, abs=1e-4)
    assert score.weight == item["properties"]["weight"]


@pytest.mark.parametrize("item", _items("*__ListSecureScoreControls*"))
def test_controls(item):
    """Current points and potential are the maximum; nothing divides by zero."""
    control = SecurityControl.from_rest(item)
    assert control.name == item["name"]
    assert control.current_score + control.potential_increase == pytest.approx(control.max_score, abs=0.01)


@pytest.mark.parametrize("item", _items("*__ListSecureScoreControlDefinitions*"))
def test_definitions(item):
    """A definition names the keys that it groups."""
    definition = ControlDefinition.from_rest(item)
    assert len(definition.recommendation_keys) == len(item["properties"]["assessmentDefinitions"])
    assert definition.max_score == item["properties"]["maxScore"]


@pytest.mark.parametrize("item", _items("*ActivityLogsFiltered"))
def test_activity(item):
    """A record knows when, what, who and how it ended."""
    event = ActivityEvent.from_rest(item)
    assert event.status is ActivityStatus.SUCCEEDED
    assert event.timestamp is not None
    assert event.finished == event.timestamp
    assert event.operation == item["operationName"]["value"]
    assert event.resource_id == item["authorization"]["scope"]
    assert event.record_ids == (item["eventDataId"],)
