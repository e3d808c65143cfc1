"""Reads that are made once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from defender_remediate.errors import ForbiddenError, NotFoundError, RequestError
from defender_remediate.preflight.single_flight import MissingCollections, SingleFlight

GONE = NotFoundError("no route", status=404)


def counting(answer: object) -> tuple[Callable[[], object], list[int]]:
    """A read that gives or raises this, and how often it was made."""
    calls: list[int] = []

    def read() -> object:
        calls.append(1)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return read, calls


def test_a_read_is_made_once_for_each_key() -> None:
    """Whatever it gives, nothing included."""
    once: SingleFlight[object] = SingleFlight()
    read, calls = counting(None)
    assert [once.get("a", read), once.get("a", read), once.get("b", read)] == [None, None, None]
    assert len(calls) == 2


def test_a_failure_is_remembered() -> None:
    """It would be the same for the next step, and cost its retries again; its traceback does not grow."""
    once: SingleFlight[object] = SingleFlight()
    read, calls = counting(ForbiddenError("no", status=403))
    depths = []
    for _ in range(3):
        with pytest.raises(ForbiddenError) as caught:
            once.get("a", read)
        depths.append(len(caught.traceback))
    assert len(calls) == 1
    assert depths[1] == depths[2]


def test_who_asks_meanwhile_waits_for_the_same_answer() -> None:
    """Sixteen threads, one request; another key does not wait."""
    once: SingleFlight[str] = SingleFlight()
    entered, leave = threading.Event(), threading.Event()
    calls: list[int] = []

    def slow() -> str:
        calls.append(1)
        entered.set()
        leave.wait(10)
        return "answer"

    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(once.get, "a", slow) for _ in range(8)]
        assert entered.wait(10)
        assert pool.submit(once.get, "b", lambda: "other").result(10) == "other"
        leave.set()
        assert {one.result(10) for one in waiting} == {"answer"}
    assert len(calls) == 1


def test_what_is_not_offered_is_asked_for_once_per_subscription() -> None:
    """The next step is told the same, without a request."""
    offering = MissingCollections()
    read, calls = counting(GONE)
    for _ in range(3):
        with pytest.raises(NotFoundError):
            offering.ask("one", read)
    with pytest.raises(NotFoundError):
        offering.ask("two", read)
    assert len(calls) == 2


def test_what_is_offered_is_asked_for_each_time() -> None:
    """Also when a later answer looks as if it were not: that is about that one thing."""
    offering = MissingCollections()
    read, calls = counting("answer")
    gone, later = counting(GONE)
    assert offering.ask("one", read) == offering.ask("one", read) == "answer"
    for _ in range(2):
        with pytest.raises(NotFoundError):
            offering.ask("one", gone)
    assert (len(calls), len(later)) == (2, 2)


def test_another_failure_says_nothing_about_the_next() -> None:
    """One group may be forbidden and the next one not."""
    offering = MissingCollections()
    forbidden, calls = counting(ForbiddenError("no", status=403))
    for _ in range(2):
        with pytest.raises(RequestError):
            offering.ask("one", forbidden)
    read, _ = counting("answer")
    assert (len(calls), offering.ask("one", read)) == (2, "answer")
