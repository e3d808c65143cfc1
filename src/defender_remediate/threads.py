"""The only module of the library that starts threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")
_P = TypeVar("_P")
_WIDTH = 4
_END: Any = object()


def in_parallel(function: Callable[[_T], _R], items: Sequence[_T], *, workers: int) -> list[_R]:
    """The function's results in the order of the items. The first exception ends it; what has not begun is dropped."""
    if len(items) < 2 or workers < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(max_workers=min(workers, len(items)), thread_name_prefix="defender-remediate") as pool:
        try:
            return list(pool.map(function, items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def interleave(listings: Iterable[Iterator[_P]]) -> Iterator[_P]:
    """A page of each listing in turn, four listings at a time; while one page is looked at, the next ones are read.

    More at once would hold more pages and gain little: taking their JSON apart is work for one thread at a time. The
    first error ends it; what is being read by then is waited for.
    """
    waiting = iter(listings)
    begun = list(islice(waiting, _WIDTH))
    if len(begun) < 2:
        for listing in begun:
            yield from listing
        return
    with ThreadPoolExecutor(len(begun), "defender-remediate-listing") as pool:
        try:
            turns = deque((listing, pool.submit(next, listing, _END)) for listing in begun)
            while turns:
                listing, coming = turns.popleft()
                page = coming.result()
                following = next(waiting, None) if page is _END else listing
                if following is not None:
                    turns.append((following, pool.submit(next, following, _END)))
                if page is not _END:
                    yield page
        finally:
            pool.shutdown(cancel_futures=True)
