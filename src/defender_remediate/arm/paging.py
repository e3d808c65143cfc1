"""Listings as ``ItemPaged``, as in Azure's own libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

from azure.core.paging import ItemPaged

from defender_remediate.errors import InvalidInputError

_T = TypeVar("_T")
_PAGE = 100


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
