from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.models.control import ControlDefinition, SecureScore, SecurityControl

NAME = "a9909064-42b4-4d34-8143-275477afe18b"
KEYS = ("e3de1cc0-f4dd-3b34-e496-8b5381ba2d70", "1c5de8e1-f68d-6a17-e0d2-ec259c42768c")
DEFINITION = {
    "name": NAME,
    "properties": {
        "source": {"sourceType": "BuiltIn"},
        "displayName": "Encrypt data in transit",
        "description": "d",
        "maxScore": 4,
        "assessmentDefinitions": [
            {"id": f"/providers/Microsoft.Security/assessmentMetadata/{KEYS[0]}"},
            {"id": f"/providers/Microsoft.Security/assessmentMetadata/{KEYS[1]}/"},
            {"id": None},
        ],
    },
}
CONTROL = {
    "name": NAME,
    "properties": {
        "displayName": "Encrypt data in transit",
        "healthyResourceCount": 3,
        "unhealthyResourceCount": 5,
        "notApplicableResourceCount": 2,
        "score": {"max": 4, "current": 1.5, "percentage": 0.375},
        "weight": 8,
        "definition": DEFINITION,
    },
}


def test_a_control_is_read_in_full():
    """Points, counts and, when Azure was asked for them, the keys."""
    control = SecurityControl.from_rest(CONTROL)
    assert control == SecurityControl(
        name=NAME.upper(),
        display_name="Encrypt data in transit",
        max_score=4.0,
        current_score=1.5,
        healthy_count=3,
        unhealthy_count=5,
        not_applicable_count=2,
        recommendation_keys=KEYS,
    )
    assert SecurityControl.from_graph(CONTROL) == control
    assert str(control) == "Encrypt data in transit: 1.50 of 4.00 points, +2.50 possible (5 unhealthy)"


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 20))
def test_current_and_potential_add_up_to_the_maximum(healthy, unhealthy, maximum):
    """What a control has and what it would still add are its maximum, whenever any resource counts."""
    control = SecurityControl(
        name=NAME, display_name=NAME, max_score=float(maximum), healthy_count=healthy, unhealthy_count=unhealthy
    )
    counted = healthy + unhealthy
    current = maximum * healthy / counted if counted else 0.0
    assert control.potential_increase + current == pytest.approx(maximum if counted else 0.0)
    assert control.points_per_resource * counted == pytest.approx(maximum if counted else 0.0)


def test_a_control_without_definition_or_name():
    """The keys are empty unless Azure was asked, and the name is the end of the id."""
    control = SecurityControl.from_rest({"id": f"/subscriptions/x/secureScoreControls/{NAME}/", "properties": None})
    assert (control.name, control.recommendation_keys, control.potential_increase) == (NAME, (), 0.0)


def test_a_definition_is_read_in_full():
    """What a control is worth apart from any subscription."""
    definition = ControlDefinition.from_rest(DEFINITION)
    assert definition == ControlDefinition(
        name=NAME,
        display_name="Encrypt data in transit",
        description="d",
        max_score=4.0,
        source_type="BuiltIn",
        recommendation_keys=KEYS,
    )
    assert pickle.loads(pickle.dumps(definition)) == definition


def test_a_score_is_a_ratio():
    """The percentage is a ratio from 0 to 1 and prints as a percentage."""
    item = {
        "name": "ascScore",
        "properties": {
            "displayName": "ASC score",
            "score": {"max": 39, "current": 23.53, "percentage": 0.6033},
            "weight": 67,
        },
    }
    score = SecureScore.from_rest(item)
    assert score == SecureScore(current=23.53, max=39.0, percentage=0.6033, weight=67.0, display_name="ASC score")
    assert SecureScore.from_graph(item) == score
    assert str(score) == "23.53 of 39.00 points (60%)"
