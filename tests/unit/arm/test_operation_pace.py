"""When long-running operations are asked about."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.arm.operation_pace import OperationPace


def questions(pace: OperationPace, began: float, takes: float, asked: float | None = None) -> list[float]:
    """When an operation that takes so long is asked about."""
    watched = pace.begin("PUT deployments", began)
    now, times = began, []
    while not times or times[-1] < began + takes:
        since = now
        while (seconds := watched.seconds_until_question(since, now, asked)) > 0:
            now += min(seconds, 1.0) if watched.may_change else seconds
        watched.ask()
        times.append(now)
    watched.end(now)
    return times


def test_one_operation_is_asked_early_and_then_at_growing_intervals() -> None:
    """After two seconds first, and at most thirty seconds after one another."""
    times = questions(OperationPace(), 0.0, 300.0)
    gaps = [second - first for first, second in zip([0.0, *times], times, strict=False)]
    assert gaps[:4] == [2.0, 3.0, 4.5, 6.75]
    assert gaps[-1] == 30.0
    assert gaps == sorted(gaps)


@given(st.floats(0, 600), st.floats(1, 1000))
def test_no_interval_is_longer_than_azure_asks_for(asked: float, takes: float) -> None:
    """Nor is it shorter than half a second."""
    times = [0.0, *questions(OperationPace(), 0.0, takes, asked)]
    gaps = [second - first for first, second in pairwise(times)]
    assert all(0.499 <= gap <= max(0.5, asked) + 0.001 for gap in gaps)


def test_hundreds_of_operations_need_little_more_than_a_question_each() -> None:
    """The first ones show how long the others take, and no end is noticed late."""
    pace = OperationPace()
    asked, late = 0, 0.0
    for number in range(200):
        takes = 4.0 + number % 7
        times = questions(pace, 0.0, takes)
        asked += len(times)
        late = max(late, times[-1] - takes)
    assert asked <= 1.3 * 200
    assert late <= 10.0


def test_an_operation_of_an_unknown_kind_is_not_left_alone_for_long() -> None:
    """While nothing is known, those behind the first ones are asked after ten seconds, or sooner if Azure says so."""
    pace = OperationPace()
    for _ in range(4):
        pace.begin("PUT deployments", 0.0)
    assert questions(pace, 0.0, 5.0) == [10.0]
    assert questions(pace, 0.0, 5.0, asked=1.0)[0] == 3.0
    assert questions(pace, 0.0, 40.0)[:3] == [10.0, 12.5, 15.625]
