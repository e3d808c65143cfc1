"""Waves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.errors import InvalidInputError
from defender_remediate.models.waves import WaveFinished, Waves


@given(st.integers(0, 500), st.integers(1, 20), st.floats(1, 5))
def test_waves_add_up_and_grow(steps: int, canary: int, growth: float) -> None:
    """Every step is in one wave, the canary first; only the last may be smaller than the one before it."""
    sizes = Waves(canary=canary, growth=growth).sizes(steps)
    assert sum(sizes) == steps
    assert all(size >= 1 for size in sizes)
    assert list(sizes[:-1]) == sorted(sizes[:-1])
    assert not sizes or sizes[0] == min(canary, steps)


def test_the_run_stops_by_count_or_by_share() -> None:
    """Whichever comes first; without failures it never stops."""
    strict = Waves()
    assert strict.reason_to_stop(0, 5) is None
    assert "1 of 5 steps failed; max_failures is 0" in strict.reason_to_stop(1, 5)
    share = Waves(max_failures=10, max_failure_share=0.25)
    assert share.reason_to_stop(1, 4) is None
    assert "50% of the steps" in share.reason_to_stop(2, 4)
    assert share.reason_to_stop(0, 0) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"canary": 0},
        {"growth": 0.5},
        {"growth": float("inf")},
        {"pause": -1},
        {"pause": float("nan")},
        {"max_failures": -1},
        {"max_failure_share": 1.5},
        {"canary": "1"},
        {"max_failures": True},
        {"pause": None},
    ],
)
def test_waves_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    """The error names the member."""
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        Waves(**wrong)


def test_a_gate_is_told_what_failed(make_result: Callable[..., Any]) -> None:
    """So that it can decide."""
    wave = WaveFinished(number=1, waves=3, results=(make_result(), make_result(outcome="failed")), remaining=7)
    assert [str(result.outcome) for result in wave.failures] == ["failed"]


def test_a_wave_says_how_it_went(make_result: Callable[..., Any]) -> None:
    """A gate that asks a person prints the wave: how many ended well, and how many are to come."""
    wave = WaveFinished(number=1, waves=3, results=(make_result(), make_result(outcome="failed")), remaining=4)
    assert str(wave) == "wave 1 of 3: 1 of 2 steps succeeded, 4 remaining"
