"""The expected gain of the score: by the rules of controls, and never a reason not to plan."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from defender_remediate import Guards, RemediationPlan
from defender_remediate.errors import PlanAlteredError

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


def test_the_forecast_is_what_defender_says_afterwards(sim, connect):
    """Per control and in all, once everything that was planned is applied and assessed again."""
    client = connect(guards=Guards(max_changes=100))
    before = client.get_secure_score()
    plan = client.plan()
    forecast = plan.forecast
    assert forecast is not None
    assert forecast.current == pytest.approx(before.current)
    assert forecast.gain == pytest.approx(sum(control.gain for control in forecast.controls))
    assert forecast.gain > 1
    assert f"score:  {forecast}" in str(plan)
    assert RemediationPlan.from_json(plan.to_json()).forecast == forecast
    client.apply(plan, approve=plan.digest)
    sim.clock.sleep(timedelta(days=2).total_seconds())
    after = client.get_secure_score()
    assert after.current == pytest.approx(forecast.expected, abs=0.05)
    assert after.max == forecast.max


def test_a_part_of_a_plan_has_its_own_forecast(client):
    """A resource adds nothing while another of its recommendations is left out; the parts add up to no more than the whole."""
    plan = client.plan()
    whole = plan.forecast.gain
    assert plan.limit(0).forecast.gain == 0
    alone = [plan.only(keys=[key]).forecast.gain for key in {key for step in plan for key in step.keys}]
    assert all(0 <= gain <= whole + 1e-9 for gain in alone)
    assert sum(alone) < whole
    excluded = plan.exclude(resources=[plan.steps[0].resource_id])
    assert excluded.forecast.gain <= whole


def test_a_few_single_resources_have_no_forecast(client):
    """Their other assessments are not read; the plan says so."""
    resource = next(client.list_assessments(SECURE_TRANSFER, status="Unhealthy")).resource_id
    plan = client.plan([SECURE_TRANSFER], resources=[resource])
    assert plan.forecast is None
    assert "the expected gain is not known: the other assessments of the resources were not read" in " ".join(
        str(plan).split()
    )


@pytest.mark.parametrize(
    ("path", "said"), [("/secureScoreControls", "the score could not be read"), ("/assessmentMetadata", "are previews")]
)
def test_a_score_that_cannot_be_read_does_not_stop_planning(sim, client, path, said):
    """The plan has its steps, and says why the gain is not known."""
    recommendation = next(client.list_recommendations(fixable=True))
    sim.faults.fail("GET", path, status=403, code="AuthorizationFailed", times=None)
    plan = client.plan([recommendation])
    assert plan.steps
    assert plan.forecast is None
    assert said in " ".join(str(plan).split())


def test_resource_graph_is_not_asked_for_more_than_the_plan_needs(connect):
    """For one recommendation the gain is not known; for several, everything is read anyway, with the same result."""
    rest, graph = connect(), connect(source="graph")
    found = [
        one for one in rest.list_recommendations(fixable=True) if not any(p.is_required for p in one.fix.parameters)
    ]
    keys = [one.key for one in found][:4]
    assert graph.plan(keys[:1]).forecast is None
    assert graph.plan(keys).forecast == rest.plan(keys).forecast


def test_the_score_of_a_plan_cannot_be_edited(client):
    """What is shown of the gain is covered by the digest."""
    plan = client.plan()
    edited = attrs.evolve(plan, score=attrs.evolve(plan.score, current=1.0))
    assert edited.digest != plan.digest
    with pytest.raises(PlanAlteredError):
        RemediationPlan.from_json(plan.to_json().replace(f'"current": {plan.score.current}', '"current": 1.0'))


def test_a_rollback_says_nothing_of_the_score(client):
    """It is planned from the journal, not from assessments."""
    plan = client.plan().limit(1)
    report = client.apply(plan, approve=plan.digest)
    back = client.plan_rollback(report)
    assert back.forecast is None
    assert "score" not in str(back)
