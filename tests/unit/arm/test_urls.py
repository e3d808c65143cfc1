"""How ids become URLs, and how URLs are shown."""

from __future__ import annotations

import pytest

from defender_remediate.arm.cloud import Endpoint
from defender_remediate.arm.urls import redact_url, resolve_link, url_of
from defender_remediate.errors import InvalidInputError, MalformedResponseError


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/subscriptions/s", "/subscriptions/s?api-version=1"),
        ("subscriptions/s/", "/subscriptions/s?api-version=1"),
        ("/a/b c(1)'x'/ü", "/a/b%20c(1)'x'/%C3%BC?api-version=1"),
        ("/a/50%/x?y#z", "/a/50%25/x%3Fy%23z?api-version=1"),
    ],
)
def test_a_path_is_encoded_and_its_slashes_stay(endpoint: Endpoint, path: str, expected: str) -> None:
    """With or without a leading slash it is the same URL, and nothing in it can become a query."""
    assert url_of(endpoint, path, "1") == endpoint.base_url + expected


def test_parameters_are_encoded_and_the_dollar_stays(endpoint: Endpoint) -> None:
    """Azure's own parameters begin with a dollar sign."""
    url = url_of(endpoint, "/x", "1", {"$filter": "a eq 'b&c'"})
    assert url == f"{endpoint.base_url}/x?api-version=1&$filter=a%20eq%20%27b%26c%27"


@pytest.mark.parametrize("path", ["", "/", "/a//b", "/a/../b", "/./a"])
def test_a_path_that_leads_elsewhere_is_refused(endpoint: Endpoint, path: str) -> None:
    """Dots and empty segments would be resolved on the way."""
    with pytest.raises(InvalidInputError):
        url_of(endpoint, path, "1")


@pytest.mark.parametrize(("path", "params"), [("/a/\ud800", {}), ("/a", {"$filter": "b eq '\udfff'"})])
def test_a_character_that_no_url_can_contain_is_refused(endpoint: Endpoint, path: str, params: dict[str, str]) -> None:
    """Half of a surrogate pair, from a string that was cut in the middle."""
    with pytest.raises(InvalidInputError, match="no URL can contain"):
        url_of(endpoint, path, "1", params)


def test_no_request_goes_without_an_api_version(endpoint: Endpoint) -> None:
    """Azure refuses it anyway."""
    with pytest.raises(InvalidInputError, match="api-version"):
        url_of(endpoint, "/x", "")


def test_a_relative_link_gets_the_endpoint_in_front(endpoint: Endpoint) -> None:
    """Azure's own what-if example has a relative Location; a URL inside its query does not make it absolute."""
    assert resolve_link(endpoint, "/x?next=https://y") == f"{endpoint.base_url}/x?next=https://y"


@pytest.mark.parametrize("link", ["https://evil.example/x?sig=s3cret", "http://management.azure.com/x", "https://[::1"])
def test_a_foreign_link_is_refused(endpoint: Endpoint, link: str) -> None:
    """The message names the host and no secret."""
    with pytest.raises(MalformedResponseError) as caught:
        resolve_link(endpoint, link)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://h/a/b?api-version=1&sig=s3cret", "/a/b?api-version=1"),
        ("https://h/a/b?sig=s3cret", "/a/b"),
        ("/a/b", "/a/b"),
        ("https://[::1", "(not a URL)"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, text: str) -> None:
    """Path and api-version are all that people need."""
    assert redact_url(url) == text


@pytest.mark.parametrize("link", ["/x\n", "https://management.azure.com/\x00", "/\ud800", "/\x7f"])
def test_what_cannot_be_in_a_url_is_no_link(endpoint: Endpoint, link: str) -> None:
    """Sent as it is it would fail deep inside the connection."""
    with pytest.raises(MalformedResponseError, match="not a URL"):
        resolve_link(endpoint, link)
