"""Listings that are read side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from defender_remediate.threads.pool import NAME, Pool

_T = TypeVar("_T")
_LISTINGS_AT_ONCE = 8
_END: Any = object()


def interleave(listings: Iterable[Iterator[_T]]) -> Iterator[_T]:
    """A page of each listing in turn, eight listings at a time; while one page is used, the next ones are read.

    A larger number would keep more pages in memory and gain little, because only one thread at a time parses JSON. The first
    error ends it.
    """
    waiting = iter(listings)
    begun = list(islice(waiting, _LISTINGS_AT_ONCE))
    if len(begun) < 2:
        for listing in begun:
            yield from listing
        return
    with Pool(len(begun), f"{NAME}-listing", may_be_abandoned=True) as pool:
        turns = deque((listing, pool.submit(next, listing, _END)) for listing in begun)
        while turns:
            listing, coming = turns.popleft()
            page = coming.result()
            following = next(waiting, None) if page is _END else listing
            if following is not None:
                turns.append((following, pool.submit(next, following, _END)))
            if page is not _END:
                yield page
