"""Listings: the pages that Azure links, and ``ItemPaged`` as in Azure's own libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from azure.core.paging import ItemPaged

from defender_remediate.arm.response import ArmResponse
from defender_remediate.errors import InvalidInputError, MalformedResponseError

_T = TypeVar("_T")
_PAGE = 100
Page = list[dict[str, Any]]
"""The items of one page of a listing."""
# More than any listing of Azure's has; without a limit a broken server could keep a client reading for ever.
MOST_PAGES = 100_000
MOST_EMPTY_PAGES = 1_000


class Listing(ItemPaged[_T]):
    """An ``ItemPaged`` over a listing that is read as a stream. Read it once, item by item or page by page.

    Args:
        begin: Starts the listing. Called immediately, so that invalid arguments are refused early, and again for each
            ``by_page``.
    """

    def __init__(self, begin: Callable[[], Iterator[_T]]) -> None:
        super().__init__()
        self._begin = begin
        self._items = begin()
        self._was_read = False

    @property
    def was_read(self) -> bool:
        """Whether an item was asked for. A listing that was read and gives nothing is no empty listing."""
        return self._was_read

    def __next__(self) -> _T:
        """The next item; makes requests as needed."""
        self._was_read = True
        return next(self._items)

    def by_page(self, continuation_token: str | None = None) -> Iterator[Iterator[_T]]:
        """The listing from its beginning, in pages of up to 100 items.

        Raises:
            InvalidInputError: A continuation token was passed, which these listings do not support.
        """
        if continuation_token is not None:
            raise InvalidInputError("this listing cannot continue from a continuation token", hint="leave it out")
        items = self._begin()
        # Calls the function until it gives an empty page.
        return map(iter, iter(lambda: list(islice(items, _PAGE)), []))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: iterate over it>"


def pages_from(page: ArmResponse, read: Callable[[str], ArmResponse]) -> Iterator[Page]:
    """The pages of a listing, from its first one. The next one is read when it is asked for.

    Raises:
        MalformedResponseError: A page has no ``value``, or the pages have no end.
    """
    seen = set[bytes]()
    empty = 0
    while True:
        items = _items(page)
        empty = 0 if items else empty + 1
        url, link = page.url, page.body.get("nextLink")
        # Nothing here keeps this page while the next one is read: several listings wait for a page at once.
        del page
        yield items
        del items
        if not link:
            return
        # A link can be some kilobytes long, and there can be thousands.
        mark = hashlib.sha256(str(link).encode(errors="surrogatepass")).digest()
        if mark in seen or len(seen) >= MOST_PAGES or empty >= MOST_EMPTY_PAGES:
            how = "was given before" if mark in seen else f"is number {len(seen) + 1}, after {empty} empty pages"
            raise MalformedResponseError(f"GET {url}: the next link {how}, so the list has no end")
        seen.add(mark)
        page = read(link)


def _items(page: ArmResponse) -> Page:
    value = page.body.get("value") if isinstance(page.body, Mapping) else None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise MalformedResponseError(
            f"GET {page.url}: the response is not a page of a list: it has no array 'value' of objects"
        )
    return value
