"""Finding fixes by words."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate import Catalog, SecurityControl
from defender_remediate.errors import InvalidInputError

CATALOG = Catalog.bundled()


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("storage https", "Secure transfer to storage accounts should be enabled"),
        ("REDIS ssl", "Redis Cache should allow access only via SSL"),
        ("key vault purge", "Key vaults should have purge protection enabled"),
        ("ftps web", "FTPS should be required in web apps"),
    ],
)
def test_words_find_a_fix(text: str, title: str) -> None:
    """In any order and case, by what a service is called or by what the fix writes."""
    assert title in [fix.title for fix in CATALOG.search(text)]
    assert CATALOG.search(text) == CATALOG.search(" ".join(reversed(text.split())))


def test_what_matches_all_words_hides_what_matches_some() -> None:
    """And words that nothing has are passed over; with nothing else there is no result."""
    found = CATALOG.search("tls app service")
    assert found
    assert {fix.resource_type.partition("/")[0] for fix in found} == {"Microsoft.Web"}
    assert CATALOG.search("tls app service qqqq") == found
    assert CATALOG.search("qqqq zzzz") == ()


def test_filters_narrow_a_search() -> None:
    """By provider, long or short, by control and by resource type, with words or without."""
    control = "Encrypt data in transit"
    in_transit = CATALOG.search(control=control)
    assert {fix.control for fix in in_transit} == {control}
    assert CATALOG.search(control=SecurityControl(name="c", display_name=control.upper())) == in_transit
    storage = CATALOG.search(provider="storage")
    assert storage == CATALOG.search(provider="Microsoft.Storage")
    assert set(CATALOG.search("tls", provider="storage", control=control)) < set(storage)
    redis = CATALOG.search(resource_type="microsoft.cache/REDIS")
    assert {fix.resource_type for fix in redis} == {"Microsoft.Cache/redis"}


@pytest.mark.parametrize(
    ("search", "meant"),
    [
        ({}, "pass words"),
        ({"text": " -- "}, "pass words"),
        ({"text": 5}, "must be a string"),
        ({"provider": "Microsoft.Storge"}, "did you mean Microsoft.Storage"),
        ({"provider": "qqqq"}, "for example"),
        ({"control": "encrypt"}, "did you mean"),
        ({"control": ""}, "for example"),
        ({"resource_type": "Microsoft.Web/site"}, "did you mean Microsoft.Web/sites"),
        ({"provider": None, "control": 5}, "control must be a string"),
    ],
)
def test_a_filter_that_matches_nothing_is_refused(search: dict[str, Any], meant: str) -> None:
    """With what is close to it."""
    with pytest.raises(InvalidInputError, match=meant) as caught:
        CATALOG.search(**search)
    assert len(str(caught.value)) <= 300
