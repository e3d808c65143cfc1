"""When it is worth asking Defender again."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.models.recommendation_metadata import RecommendationMetadata
from defender_remediate.verification.freshness_interval import (
    HOUR,
    MINUTE,
    FreshnessInterval,
    freshness_interval,
    poll_schedule,
)

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
POLICIES = "/providers/Microsoft.Authorization/policyDefinitions"
DAY = 24 * HOUR
ELAPSED = st.floats(0, 4 * DAY) | st.sampled_from([0.0, 30 * MINUTE, DAY, 2 * DAY, 2 * DAY + MINUTE])
TIMEOUT = st.floats(0, 9 * DAY) | st.just(math.inf)


def metadata(**changes: object) -> RecommendationMetadata:
    return RecommendationMetadata(key="k", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "about", "usual"),
    [
        ("k", None, 30 * MINUTE),
        ("k", metadata(), 30 * MINUTE),
        ("k", metadata(policy_definition_id=f"{POLICIES}/x"), 12 * HOUR),
        ("k", metadata(categories=("IdentityAndAccess",)), 12 * HOUR),
        ("k", metadata(categories=("Data",)), 30 * MINUTE),
        ("k", metadata(policy_definition_id=f"{POLICIES}/404C3081-a854-4457-ae30-26a93ef643f9"), 30 * MINUTE),
        (SECURE_TRANSFER.upper(), metadata(policy_definition_id=f"{POLICIES}/x"), 30 * MINUTE),
    ],
)
def test_the_documented_interval_is_known(key: str, about: RecommendationMetadata | None, usual: float) -> None:
    """Policies and identities half a day, secure transfer half an hour, a day at most for all."""
    assert freshness_interval(key, about) == FreshnessInterval(usual=usual, latest=DAY)


@pytest.mark.parametrize(
    ("interval", "text"),
    [(FreshnessInterval(), "30 minutes to 24 hours"), (FreshnessInterval(usual=12 * HOUR), "12 to 24 hours")],
)
def test_an_interval_reads_as_people_say_it(interval: FreshnessInterval, text: str) -> None:
    """It is a part of the message."""
    assert str(interval) == text


def test_a_fresh_write_is_asked_after_soon_and_then_each_hour() -> None:
    """Two, five, fifteen and thirty minutes, each hour of the day, and no more than the caller waits."""
    found = poll_schedule(elapsed=0, timeout=3.5 * HOUR, interval=FreshnessInterval())
    assert [round(moment / MINUTE) for moment in found] == [2, 5, 15, 30, 60, 120, 180, 210]


def test_an_old_write_is_gone_on_with_where_it_stands() -> None:
    """A report that is verified ten hours later is asked after at the full hours of its own."""
    found = poll_schedule(elapsed=10 * HOUR + 30 * MINUTE, timeout=2 * HOUR, interval=FreshnessInterval())
    assert found == (30 * MINUTE, 90 * MINUTE, 2 * HOUR)


@given(elapsed=ELAPSED, timeout=TIMEOUT)
def test_nobody_is_asked_after_the_deadline(elapsed: float, timeout: float) -> None:
    """Each moment is in the future and within the timeout, and they rise."""
    found = poll_schedule(elapsed=elapsed, timeout=timeout, interval=FreshnessInterval())
    assert all(0 < moment <= timeout for moment in found)
    assert all(early < late for early, late in pairwise(found))


@given(elapsed=ELAPSED, timeout=TIMEOUT)
def test_the_number_of_questions_is_bounded(elapsed: float, timeout: float) -> None:
    """The limit holds for every timeout, even an infinite one."""
    found = poll_schedule(elapsed=elapsed, timeout=timeout, interval=FreshnessInterval())
    assert len(found) <= 32
    assert all(elapsed + moment <= 2 * DAY + MINUTE + 1e-6 for moment in found)


@given(elapsed=ELAPSED, timeout=TIMEOUT)
def test_the_last_question_comes_at_the_end(elapsed: float, timeout: float) -> None:
    """At the timeout, or when asking again tells nothing new; so no answer is missed that came in time."""
    end = min(timeout, 2 * DAY + MINUTE - elapsed)
    found = poll_schedule(elapsed=elapsed, timeout=timeout, interval=FreshnessInterval())
    assert bool(found) == (end > 0)
    assert not found or found[-1] == end


@given(elapsed=st.floats(0, 2 * DAY), timeout=TIMEOUT)
def test_no_answer_waits_for_long(elapsed: float, timeout: float) -> None:
    """On the first day the caller waits at most an hour for a result, on the second at most six."""
    found = (0.0, *poll_schedule(elapsed=elapsed, timeout=timeout, interval=FreshnessInterval()))
    for early, late in pairwise(found):
        assert late - early <= (HOUR if elapsed + late <= DAY else 6 * HOUR + MINUTE) + 1e-6


@given(elapsed=ELAPSED, short=st.floats(0, DAY), more=st.floats(0, DAY))
def test_a_longer_wait_only_adds_questions(elapsed: float, short: float, more: float) -> None:
    """All but the last of the shorter schedule are in the longer one."""
    one, two = (poll_schedule(elapsed=elapsed, timeout=t, interval=FreshnessInterval()) for t in (short, short + more))
    assert set(one[:-1]) <= set(two)
