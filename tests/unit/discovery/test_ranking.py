"""What is worth doing first, and why."""

from __future__ import annotations

import functools
import itertools
import random
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.discovery.ranking import Tally, group_of, rank
from defender_remediate.models.control import SecurityControl
from defender_remediate.models.individual import RecommendationCategory
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import Effort, Severity
from defender_remediate.models.risk import Risk, RiskLevel, worse


def control(name: str, keys: str, *, maximum: float = 4.0, healthy: int = 0, unhealthy: int = 4) -> SecurityControl:
    return SecurityControl(
        name=name,
        display_name=name.title(),
        max_score=maximum,
        healthy_count=healthy,
        unhealthy_count=unhealthy,
        recommendation_keys=tuple(keys),
    )


def recommendation(key: str, **more: object) -> Recommendation:
    defaults: dict[str, object] = {"display_name": f"Do {key}", "controls": ("Transit",), "unhealthy_count": 1}
    return Recommendation(key=key, **{**defaults, **more})  # type: ignore[arg-type]


def tally(controls: list[SecurityControl], findings: str) -> Tally:
    """``a1 b1 a2``: a and b are unhealthy on resource 1, a on 2."""
    counted = Tally(controls)
    for key, resource in findings.split():
        counted.add(key, f"/r/{resource}")
    return counted


def test_points_come_with_the_last_unhealthy_recommendation() -> None:
    """Alone where nothing else of the control is unhealthy; shared where others have to be fixed too."""
    counted = tally([control("transit", "ab")], "a1 a2 b2 a3 a4")
    first, second = rank([recommendation("b"), recommendation("a")], counted)
    assert (first.key, first.priority.points, first.priority.shared_points) == ("a", 3.0, 1.0)
    assert (second.key, second.priority.points, second.priority.shared_points) == ("b", 0.0, 1.0)
    assert first.priority.reasons[:2] == (
        "adds 3.00 points alone (3 resources in Transit)",
        "1.00 points more once Do b is fixed on the same resources too",
    )
    assert second.priority.reasons[0] == (
        "adds no points alone: something else of its control is unhealthy on the same resources"
    )
    assert first.potential_increase == 3.0


def test_an_odd_id_is_counted_too() -> None:
    """Half a surrogate pair is legal in JSON, and no resource may be lost."""
    (first,) = rank([recommendation("a")], tally([control("transit", "a")], "a\ud800 a2"))
    assert first.priority.points == 2.0


def test_points_of_several_controls_add_up() -> None:
    """One recommendation can be in several, each with its own worth for a resource."""
    controls = [control("transit", "ab"), control("network", "a", maximum=8.0, healthy=12)]
    (first,) = rank([recommendation("a", controls=("Network", "Transit"))], tally(controls, "a1 a2 b2"))
    assert first.priority.points == pytest.approx(1.0 + 2 * 0.5)
    assert first.priority.reasons[0] == "adds 2.00 points alone (1 resource in Transit, 2 resources in Network)"


def test_a_preview_neither_adds_nor_hinders() -> None:
    """Azure leaves it out of the score, so the resource counts without it."""
    counted = tally([control("transit", "ap")], "a1 p1")
    first, second = rank([recommendation("a"), recommendation("p", preview=True)], counted)
    assert (first.priority.points, second.priority.points) == (1.0, 0.0)
    assert second.priority.reasons[0] == "preview: does not count for the score"


def test_a_control_without_points_adds_none() -> None:
    """Most settings that can be patched are in such a control."""
    counted = tally([control("best", "a", maximum=0.0)], "a1")
    (one,) = rank([recommendation("a")], counted)
    assert one.priority.points == 0.0
    assert one.priority.reasons[0] == "its control is worth 0 points"
    (both,) = rank([recommendation("a", controls=("X", "Y"))], counted)
    assert both.priority.reasons[0] == "its controls are worth 0 points"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"controls": ()}, "belongs to no control, so it adds no points"),
        ({"unhealthy_count": 0}, "adds no points: nothing is unhealthy"),
    ],
)
def test_why_there_are_no_points(more: dict[str, object], reason: str) -> None:
    """It is always said."""
    (found,) = rank([recommendation("a", **more)], Tally([]))
    assert found.priority.reasons[0] == reason


def test_partners_are_named_by_how_often_they_stand_in_the_way() -> None:
    """The others are counted."""
    counted = tally([control("transit", "abcd")], "a1 b1 a2 b2 c2 a3 d3 c3")
    found = {item.key: item for item in rank(map(recommendation, "abcd"), counted)}
    assert "once Do b and 2 others are fixed" in str(found["a"].priority)
    unnamed = rank([recommendation("a")], tally([control("transit", "az")], "a1 z1"))
    assert "once z is fixed" in str(unnamed[0].priority)


def test_the_same_finding_twice_counts_once() -> None:
    """In any case; a key that no paying control has is not counted at all."""
    counted = tally([control("transit", "ab")], "a1 A1 x1")
    counted.add("A", "/R/1")
    assert dict(counted.sets()) == {(0, frozenset("a")): 1}
    assert dict(counted.sets(ignored=["A"])) == {}


def test_points_first_then_risk_severity_effort_and_name() -> None:
    """Every tie is broken, so the order does not depend on how Azure lists them."""
    found = [
        recommendation("p", severity=Severity.LOW),
        recommendation("r1", risk=Risk(level=RiskLevel.CRITICAL), severity=Severity.LOW),
        recommendation("r2", risk=Risk(level=RiskLevel.LOW, is_contextual=True), severity=Severity.LOW),
        recommendation("r3", risk=Risk(level=RiskLevel.LOW), on_attack_paths=2, severity=Severity.LOW),
        recommendation("r4", risk=Risk(level=RiskLevel.LOW), on_attack_paths=1, severity=Severity.LOW),
        recommendation("r5", risk=Risk(level=RiskLevel.LOW), severity=Severity.HIGH),
        recommendation(
            "s1", severity=Severity.CRITICAL, risk=Risk(level=RiskLevel.NONE), implementation_effort=Effort.HIGH
        ),
        recommendation("s2", severity=Severity.HIGH, implementation_effort=Effort.LOW),
        recommendation("s3", severity=Severity.HIGH, implementation_effort=Effort.HIGH),
        recommendation("s4", severity=Severity.HIGH),
        recommendation("n1", severity=Severity.HIGH, display_name="Same"),
        recommendation("n2", severity=Severity.HIGH, display_name="same"),
        recommendation("u", severity=Severity("Dreadful")),
        recommendation("v"),
    ]
    expected = [item.key for item in found]
    counted = tally([control("transit", "p")], "")
    counted.add("p", "/r/1")
    for seed in range(5):
        shuffled = random.Random(seed).sample(found, len(found))
        assert [item.key for item in rank(shuffled, counted)] == expected


def test_each_fact_that_decides_is_told() -> None:
    """In the order in which it decides."""
    risk = Risk(level=RiskLevel.HIGH, is_contextual=True, factors=("Exposure to the internet", "Sensitive data"))
    (found,) = rank(
        [
            recommendation(
                "a", risk=risk, on_attack_paths=1, severity=Severity.LOW, implementation_effort=Effort.MODERATE
            )
        ],
        tally([control("transit", "a")], "a1"),
    )
    assert str(found.priority) == (
        "adds 1.00 points alone (1 resource in Transit);"
        " risk level High (contextual: Exposure to the internet, Sensitive data); 1 resource is on an attack path;"
        " severity Low; moderate effort to implement"
    )
    copied = attrs.evolve(risk, is_contextual=False)
    (derived,) = rank([recommendation("a", risk=copied, on_attack_paths=2)], Tally([]))
    assert derived.priority.reasons[1:3] == (
        "risk level High (derived from severity)",
        "2 resources are on an attack path",
    )
    (bare,) = rank([recommendation("a")], tally([control("transit", "a")], "a1"))
    assert bare.priority.reasons[1:] == ("severity not known",)


def test_the_documented_example() -> None:
    """A control of 6 points over 78 resources: fixing 5 that are unhealthy for this alone adds 0.38."""
    documented = control("updates", "a", maximum=6.0, healthy=73, unhealthy=5)
    (found,) = rank([recommendation("a")], tally([documented], "a1 a2 a3 a4 a5"))
    assert round(found.priority.points, 2) == round(documented.potential_increase, 2) == 0.38


KEYS = "abcd"
worlds = st.dictionaries(st.sampled_from("123456"), st.sets(st.sampled_from(KEYS), min_size=1), min_size=1)


@given(worlds, st.sets(st.sampled_from(KEYS)), st.sets(st.sampled_from(KEYS), max_size=1))
def test_points_are_what_the_score_gains(world: dict[str, set[str]], members: set[str], previews: set[str]) -> None:
    """Fixing one recommendation everywhere raises the control's score by just its points; and all of them by the rest."""
    counting = members - previews

    def score(fixed: set[str]) -> int:
        return sum(not (found & counting) - fixed for found in world.values())

    whole = control("transit", "".join(sorted(members)), maximum=float(len(world)), unhealthy=len(world))
    counted = Tally([whole])
    for resource, keys in world.items():
        for key in sorted(keys):
            counted.add(key, resource)
    ranked = rank([recommendation(key, preview=key in previews) for key in KEYS], counted)
    for found in ranked:
        expected = score({found.key}) - score(set()) if found.key in counting else 0
        assert found.priority.points == pytest.approx(expected)
        assert found.priority.reasons
    assert [item.priority.points for item in ranked] == sorted((i.priority.points for i in ranked), reverse=True)
    for first, second in itertools.pairwise(ranked):
        assert first.key != second.key


def individual(key: str, title: str, **more: Any) -> Recommendation:
    """An individual recommendation."""
    return recommendation(key, display_name=title, category=RecommendationCategory.SOFTWARE_UPDATE, **more)


def test_an_individual_recommendation_gets_the_points_of_all_its_keys() -> None:
    """Its keys are generated, so several of them are one recommendation: on one resource they count once."""
    counted = Tally([control("updates", "abz", maximum=3.0, unhealthy=3)])
    item = individual("a", "Update OpenSSL")
    for key, resource in (("a", "/r/1"), ("b", "/r/1"), ("b", "/r/2")):
        counted.add(key, resource, group_of(item))
    counted.add("z", "/r/2")
    (found,) = rank([item], counted)
    assert (found.priority.points, found.priority.shared_points) == (1.0, 1.0)


def test_keys_that_turn_out_to_be_one_recommendation_are_counted_as_one() -> None:
    """Over REST the category is known only after the assessments were counted."""
    counted = Tally([control("updates", "ab", maximum=1.0, unhealthy=1)])
    item = individual("a", "Update OpenSSL")
    for key in "ab":
        counted.add(key, "/r/1")
        counted.rename(key, group_of(item))
    (found,) = rank([item], counted)
    assert found.priority.points == 1.0


def test_no_points_are_made_up_for_an_individual_recommendation() -> None:
    """It counts for the score; but which control it counts in is not published when no control names its keys."""
    (found,) = rank([individual("a", "Update OpenSSL", controls=())], Tally([]))
    assert found.priority.points == 0.0
    assert found.priority.reasons[0] == (
        "counts for the score, but no control names its keys, so its points are not known"
    )


risks = st.builds(
    Risk,
    level=st.none() | st.sampled_from(RiskLevel) | st.just(RiskLevel("Odd")),
    factors=st.lists(st.sampled_from("xy"), max_size=2).map(tuple),
    is_contextual=st.booleans(),
    attack_paths=st.lists(st.sampled_from("pq"), max_size=2).map(tuple),
)


@given(st.lists(st.none() | risks, max_size=6).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_the_worst_risk_does_not_depend_on_the_order(given: tuple[list[Risk | None], list[Risk | None]]) -> None:
    """Assessments are counted as they come, and Azure lists them in any order."""
    first, second = (functools.reduce(worse, found, None) for found in given)
    assert first == second


@given(
    st.lists(
        st.builds(
            recommendation,
            st.sampled_from("abc"),
            display_name=st.sampled_from(["Same", "same", "Other"]),
            category=st.none() | st.sampled_from(RecommendationCategory),
            risk=st.none() | risks,
            on_attack_paths=st.integers(0, 2),
        ),
        unique_by=group_of,
        max_size=6,
    ).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found)))
)
def test_the_order_is_total(given: tuple[list[Recommendation], list[Recommendation]]) -> None:
    """Risk, attack paths and categories leave no tie that the order of the listing would decide."""
    first, second = (rank(found, Tally([])) for found in given)
    assert first == second
