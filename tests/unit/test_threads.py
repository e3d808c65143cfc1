"""Threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from defender_remediate.threads import in_parallel, run_side_by_side, waiting


@pytest.mark.parametrize("workers", [1, 4])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    """However long each takes."""
    assert in_parallel(lambda n: n * n, list(range(20)), workers=workers) == [n * n for n in range(20)]


def test_items_are_worked_on_at_once() -> None:
    """Each waits for the other: in one thread this would never end."""
    barrier = threading.Barrier(2, timeout=10)
    assert in_parallel(lambda n: n + 0 * barrier.wait(), [1, 2], workers=2) == [1, 2]


def test_the_first_exception_ends_it() -> None:
    """What has not begun is dropped."""
    begun: list[int] = []

    def fail(n: int) -> None:
        begun.append(n)
        raise LookupError(n)

    with pytest.raises(LookupError):
        in_parallel(fail, list(range(1000)), workers=2)
    assert len(begun) < 1000


def test_a_task_that_waits_gives_its_place_away() -> None:
    """Many more tasks than workers are under way when they wait, and no more than the workers run."""
    lock, everyone = threading.Lock(), threading.Barrier(8, timeout=10)
    running = most = 0

    def task(number: int) -> Iterator[int]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        yield number
        with lock:
            running -= 1
        with waiting():
            everyone.wait()
        with lock:
            running += 1
            most = max(most, running)
        yield number
        with lock:
            running -= 1

    assert sorted(run_side_by_side([task(number) for number in range(8)], workers=2)) == sorted([*range(8)] * 2)
    assert most <= 2


def test_one_worker_gives_nothing_away() -> None:
    """With one worker one task ends before the next one begins."""
    order: list[str] = []

    def task(number: int) -> Iterator[int]:
        order.append(f"begin {number}")
        with waiting():
            yield number
        order.append(f"end {number}")

    assert list(run_side_by_side([task(0), task(1)], workers=1)) == [0, 1]
    assert order == ["begin 0", "end 0", "begin 1", "end 1"]


def test_a_task_that_waits_ends_when_another_one_fails() -> None:
    """What fails while others wait is raised, those are waited for, and no other task begins."""
    begun, failed = [], threading.Event()

    def waits(number: int) -> Iterator[int]:
        begun.append(number)
        with waiting():
            assert failed.wait(10)
        yield number

    def fails() -> Iterator[int]:
        failed.set()
        raise LookupError
        yield 0

    with pytest.raises(LookupError):
        list(run_side_by_side([waits(0), waits(1), fails(), *map(waits, range(2, 100))], workers=2))
    assert len(begun) < 50


def test_outside_of_tasks_waiting_is_nothing_special() -> None:
    """Reads of a listing wait as well."""
    with waiting():
        pass
