"""Calls of a function that run in parallel, and whose results come in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from defender_remediate.threads.pool import Pool

_T = TypeVar("_T")
_R = TypeVar("_R")
_CHUNKS_PER_WORKER = 4
_LARGEST_CHUNK = 32


def in_parallel(
    function: Callable[[_T], _R], items: Sequence[_T], *, workers: int, progress: Callable[[int], None] | None = None
) -> list[_R]:
    """The function's results in the order of the items. The first exception ends it; calls that have not started are dropped.

    Args:
        function: What is called, in threads.
        items: What it is called with.
        workers: How many calls run at once.
        progress: Called on the calling thread with the number of items that are done, whenever the next one is.
    """
    results: list[_R] = []

    def collect(coming: Iterable[_R]) -> list[_R]:
        for result in coming:
            results.append(result)
            if progress is not None:
                progress(len(results))
        return results

    if len(items) < 2 or workers < 2:
        return collect(function(item) for item in items)
    workers = min(workers, len(items))
    with Pool(workers) as pool:

        def call_each(chunk: Sequence[_T]) -> list[_R]:
            found = []
            for item in chunk:
                pool.check_open()
                found.append(function(item))
            return found

        waiting = deque(pool.submit(call_each, chunk) for chunk in _chunks(items, workers))
        # Each is dropped as soon as its results are there: of many thousands, the futures need more memory than the results.
        return collect(result for _ in range(len(waiting)) for result in waiting.popleft().result())


def _chunks(items: Sequence[_T], workers: int) -> Iterator[Sequence[_T]]:
    """The items in chunks, which become smaller, so that all workers end at about the same time.

    To give a thread something to do takes longer than most of what is done with an item that needs no request.
    """
    start = 0
    while start < len(items):
        size = max(1, min(_LARGEST_CHUNK, (len(items) - start) // (workers * _CHUNKS_PER_WORKER)))
        yield items[start : start + size]
        start += size
