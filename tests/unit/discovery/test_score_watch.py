"""What is collected for the forecast of a plan while its assessments are read."""

from __future__ import annotations

from defender_remediate.discovery.ranking import Tally
from defender_remediate.discovery.score_watch import ScoreWatch
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.control import SecureScore, SecurityControl

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"


def assessment(key: str, resource_id: str, status: str) -> Assessment:
    """One assessment of a key."""
    return Assessment(id=f"{resource_id}/{key}", key=key, resource_id=resource_id, status=status)


def test_only_what_counts_keeps_a_resource_from_being_healthy(make_step):
    """Healthy assessments and previews do not, and a control without a maximum gives no points."""
    control = SecurityControl(
        name="c", display_name="C", max_score=4, unhealthy_count=1, recommendation_keys=("a", "b", "p")
    )
    empty = SecurityControl(name="e", display_name="E", recommendation_keys=("a",))
    score = SecureScore(current=1, max=4, percentage=0.25)
    watch = ScoreWatch(
        controls=((SUBSCRIPTION, control), (SUBSCRIPTION, empty)), tally=Tally((control, empty)), scores=[score]
    )
    resource = make_step().resource_id
    seen = [
        assessment("A", resource, "Unhealthy"),
        assessment("b", resource, "Healthy"),
        assessment("p", resource, "Unhealthy"),
    ]
    assert list(watch.watched(iter(seen))) == seen
    facts = watch.facts([make_step()], previews={"p"})
    assert [one.keys for one in facts.unhealthy] == [("a",)]
    assert [one.name for one in facts.controls] == ["c"]
    assert (facts.current, facts.max) == (1, 4)
    assert watch.facts([make_step()], previews={"a", "p"}).unhealthy == ()
