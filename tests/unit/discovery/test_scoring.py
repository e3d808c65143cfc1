"""Scores and controls of several subscriptions as one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.discovery.scoring import by_potential, merge_controls, official, overall, with_keys
from defender_remediate.models.control import SecureScore, SecurityControl


def control(name: str = "c", **more: Any) -> SecurityControl:
    return SecurityControl(name=name, **{"display_name": name, **more})


def test_a_single_control_stays_as_azure_gave_it() -> None:
    """With Azure's own rounding."""
    one = control(max_score=4, current_score=3.74, healthy_count=73, unhealthy_count=5)
    assert merge_controls([one]) == {"c": one}


def test_controls_of_one_name_become_one() -> None:
    """Resources are summed and points are over all of them; a maximum of 0 says only that nothing counts there."""
    merged = merge_controls(
        [
            control("C", max_score=0, not_applicable_count=3, recommendation_keys=("K1",), display_name=""),
            control(
                "c", max_score=6, current_score=6, healthy_count=3, recommendation_keys=("k1", "k2"), display_name="D"
            ),
            control("c", max_score=6, current_score=2, healthy_count=1, unhealthy_count=2, not_applicable_count=1),
            control("other"),
        ]
    )
    assert list(merged) == ["c", "other"]
    found = merged["c"]
    assert (found.healthy_count, found.unhealthy_count, found.not_applicable_count) == (4, 2, 4)
    assert (found.max_score, found.current_score, found.display_name) == (6, 4.0, "D")
    assert found.potential_increase == pytest.approx(2.0)
    assert found.recommendation_keys == ("K1", "k2")


def test_nothing_that_counts_is_no_division() -> None:
    """Two subscriptions with only resources that do not apply."""
    assert merge_controls([control(not_applicable_count=1)] * 2)["c"].current_score == 0.0


counts = st.integers(0, 50)


@given(st.lists(st.tuples(counts, counts, counts), min_size=1, max_size=5))
def test_no_resource_is_lost_and_the_score_stays_in_its_range(rows: list[tuple[int, int, int]]) -> None:
    """Current and potential make up the maximum, wherever anything counts."""
    controls = [
        control(
            max_score=4.0 if healthy + unhealthy else 0.0,
            current_score=4.0 * healthy / (healthy + unhealthy) if healthy + unhealthy else 0.0,
            healthy_count=healthy,
            unhealthy_count=unhealthy,
            not_applicable_count=other,
        )
        for healthy, unhealthy, other in rows
    ]
    found = merge_controls(controls)["c"]
    total = (found.healthy_count, found.unhealthy_count, found.not_applicable_count)
    assert total == tuple(map(sum, zip(*rows, strict=True)))
    assert found.current_score + found.potential_increase == pytest.approx(found.max_score)


def test_keys_are_filled_in_where_they_are_missing() -> None:
    """And unchanged where they are not."""
    keys = {"c": ("k",)}
    assert with_keys(control("C"), keys).recommendation_keys == ("k",)
    assert with_keys(control(recommendation_keys=("x",)), keys).recommendation_keys == ("x",)
    assert with_keys(control("unknown"), keys).recommendation_keys == ()


def test_the_highest_potential_comes_first() -> None:
    """Then the name."""
    found = by_potential(
        [
            control("b"),
            control("A"),
            control("x", max_score=4, healthy_count=1, unhealthy_count=1),
            control("y", max_score=4, unhealthy_count=1),
        ]
    )
    assert [item.name for item in found] == ["y", "x", "A", "b"]


def score(name: str = "ascScore", **more: Any) -> SecureScore:
    return SecureScore(**{"current": 1.0, "max": 2.0, "percentage": 0.5, "weight": 1.0, "name": name, **more})


def test_defenders_own_score_is_chosen() -> None:
    """A subscription may have others beside it, before or after; one with others only keeps its first."""
    own, other = score("ascscore"), score("custom")
    assert official([("S", other), ("s", own), ("s", other), ("t", other)]) == [own, other]


def test_one_score_is_azures_own() -> None:
    """To the last digit."""
    one = score(current=23.53, max=39, percentage=0.6033, weight=67)
    assert overall([one]) is one


def test_several_scores_are_weighed_as_azure_weighs_them() -> None:
    """Not by their points."""
    found = overall([score(percentage=0.9, weight=1), score(percentage=0.1, weight=3, current=3, max=30)])
    assert found.percentage == pytest.approx(0.3)
    assert (found.current, found.max, found.weight, found.display_name) == (4, 32, 4, "2 subscriptions")
    assert str(found).endswith(", the weighted average of 2 subscriptions)")


def test_no_weight_and_no_score_are_zero() -> None:
    """Of zero points, which is what is known."""
    assert overall([score(weight=0), score(weight=0)]).percentage == 0.0
    assert overall([]) == SecureScore(current=0, max=0, percentage=0.0, subscription_count=0)
    assert str(overall([])) == "0.00 of 0.00 points (0%)"
