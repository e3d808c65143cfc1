"""Listings have the form that Azure's libraries give them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from itertools import chain
from operator import itemgetter
from typing import Any

import pytest
from azure.core.paging import ItemPaged

from defender_remediate.arm.paging import Listing, pages_from
from defender_remediate.arm.response import ArmResponse
from defender_remediate.errors import InvalidInputError


def test_a_listing_is_iterated_by_item_and_by_page() -> None:
    """Lazily by item; a page begins the listing again."""
    made: list[int] = []

    def begin() -> Iterator[int]:
        for number in range(250):
            made.append(number)
            yield number

    listing = Listing(begin)
    assert isinstance(listing, ItemPaged)
    assert (next(listing), next(listing), made) == (0, 1, [0, 1])
    assert list(listing) == list(range(2, 250))
    assert list(listing) == []
    assert [len(list(page)) for page in Listing(begin).by_page()] == [100, 100, 50]
    assert list(Listing(lambda: iter(())).by_page()) == []
    assert "iterate" in repr(listing)


def test_a_continuation_token_is_refused() -> None:
    """Nothing could give one."""
    with pytest.raises(InvalidInputError, match="continuation token"):
        Listing(lambda: iter((1,))).by_page("token")


def test_wrong_arguments_are_refused_when_the_listing_is_asked_for() -> None:
    """Not when the first item is read."""

    def begin() -> Iterator[int]:
        raise InvalidInputError("wrong")

    with pytest.raises(InvalidInputError, match="wrong"):
        Listing(begin)


class _Items(list[dict[str, Any]]):
    """The items of a page; in contrast to a list, it can be seen when they are gone."""


def test_a_page_is_not_kept_while_the_next_one_is_read() -> None:
    """Several listings wait for a page at once; each would need the memory of two."""
    given: list[weakref.ref[_Items]] = []

    def page(link: str) -> ArmResponse:
        assert all(one() is None for one in given)
        items = _Items([{"name": link}])
        given.append(weakref.ref(items))
        body = {"value": items, "nextLink": f"{link}x" if len(link) < 3 else None}
        return ArmResponse(status=200, headers={}, body=body, request_id="", url=link, method="GET")

    names = list(map(itemgetter("name"), chain.from_iterable(pages_from(page("x"), page))))
    assert names == ["x", "xx", "xxx"]
