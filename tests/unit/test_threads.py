"""Threads."""

from __future__ import annotations

import threading

import pytest

from defender_remediate.threads import in_parallel


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
