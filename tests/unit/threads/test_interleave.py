"""Listings side by side."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.threads import interleave


@given(st.lists(st.integers(0, 5), max_size=9))
def test_every_page_comes_once_and_in_turn(lengths: list[int]) -> None:
    """Those of one listing in their order, and all of them in an order that only their number decides."""
    listings = [[(number, page) for page in range(length)] for number, length in enumerate(lengths)]
    found = list(interleave(map(iter, listings)))
    assert sorted(found) == [page for listing in listings for page in listing]
    for number in range(len(lengths)):
        assert [page for own, page in found if own == number] == list(range(lengths[number]))
    assert found == list(interleave(map(iter, listings)))


def test_the_next_pages_are_read_while_one_is_looked_at() -> None:
    """Each of two listings waits for the other to be asked: one after the other, they would never end."""
    both = threading.Barrier(2, timeout=10)

    def listing(name: str) -> Iterator[str]:
        both.wait()
        yield name

    assert list(interleave([listing("a"), listing("b")])) == ["a", "b"]


def test_a_single_listing_is_read_as_it_is_asked_for() -> None:
    """Nothing is read ahead where there is nothing beside it."""
    read: list[int] = []

    def listing() -> Iterator[int]:
        for page in range(3):
            read.append(page)
            yield page

    pages = interleave([listing()])
    assert next(pages) == 0
    assert read == [0]
    assert list(interleave([])) == []


def test_a_listing_that_the_garbage_collector_closes_on_its_own_thread_does_not_wait_for_itself() -> None:
    """An abandoned listing is closed on whichever thread the collector runs, also on one that reads its next page."""
    pages: list[Iterator[int]] = []
    closed, first = threading.Event(), threading.Event()

    def reads() -> Iterator[int]:
        yield 1
        assert first.wait(10)
        pages.pop().close()  # type: ignore[attr-defined]
        closed.set()
        yield 2

    pages.append(interleave([reads(), iter([3, 4])]))
    assert next(pages[0]) == 1
    first.set()
    assert closed.wait(10)


def test_an_abandoned_listing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that closes it may hold what the next page waits for."""
    monkeypatch.setattr("defender_remediate.threads.pool._ABANDONED", 0.01)
    held, ended = threading.Lock(), threading.Event()

    def reads() -> Iterator[int]:
        yield 1
        with held:
            ended.set()
        yield 2

    with held:
        pages = interleave([reads(), iter([3, 4])])
        assert next(pages) == 1
        pages.close()  # type: ignore[attr-defined]
    assert ended.wait(10)


def test_an_error_ends_it() -> None:
    """It comes when its turn comes; who stops early leaves no thread behind."""

    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no second page")

    pages = interleave([broken(), iter([2, 3])])
    assert [next(pages), next(pages)] == [1, 2]
    with pytest.raises(ValueError, match="no second page"):
        list(pages)
    stopped = interleave([iter([1]), iter([2])])
    next(stopped)
    stopped.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("defender-remediate-listing")]
