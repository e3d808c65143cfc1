"""Endpoints: what is taken, what is refused, and where a token may go."""

from __future__ import annotations

import pytest
from azure.core import AzureClouds

from defender_remediate.arm.cloud import Endpoint, resolve_endpoint
from defender_remediate.errors import InvalidEndpointError

PUBLIC = "https://management.azure.com"


@pytest.mark.parametrize(
    ("cloud", "base_url", "scope"),
    [
        (None, PUBLIC, f"{PUBLIC}/.default"),
        (AzureClouds.AZURE_PUBLIC_CLOUD, PUBLIC, f"{PUBLIC}/.default"),
        (
            AzureClouds.AZURE_US_GOVERNMENT,
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net/.default",
        ),
        (
            AzureClouds.AZURE_CHINA_CLOUD,
            "https://management.chinacloudapi.cn",
            "https://management.chinacloudapi.cn/.default",
        ),
    ],
)
def test_each_cloud_has_its_address_and_its_token(cloud: AzureClouds | None, base_url: str, scope: str) -> None:
    """The US Government cloud takes a token of another name than its address."""
    assert resolve_endpoint(None, cloud) == Endpoint(base_url=base_url, token_scope=scope)


@pytest.mark.parametrize(
    ("given", "base_url", "scope", "loopback"),
    [
        ("https://arm.example/", "https://arm.example", "https://arm.example/.default", False),
        ("https://ARM.example:443", "https://arm.example", "https://arm.example/.default", False),
        ("https://arm.example:8443/x/", "https://arm.example:8443/x", "https://arm.example:8443/.default", False),
        ("https://management.usgovcloudapi.net", "https://management.usgovcloudapi.net",
         "https://management.core.usgovcloudapi.net/.default", False),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9", "http://127.0.0.1:9/.default", True),
        ("http://127.8.9.1", "http://127.8.9.1", "http://127.8.9.1/.default", True),
        ("http://[::1]:9", "http://[::1]:9", "http://[::1]:9/.default", True),
        ("http://localhost:80", "http://localhost", "http://localhost/.default", True),
        ("https://127.0.0.1", "https://127.0.0.1", "https://127.0.0.1/.default", False),
    ],
)  # fmt: skip
def test_an_endpoint_of_ones_own(given: str, base_url: str, scope: str, loopback: bool) -> None:
    """The token is asked for the endpoint's own origin, unless it is a cloud that is known."""
    assert resolve_endpoint(given, None) == Endpoint(base_url=base_url, token_scope=scope, is_loopback_http=loopback)


def test_a_cloud_beside_an_endpoint_names_the_token() -> None:
    """A private address of a known cloud still takes that cloud's token."""
    found = resolve_endpoint("https://arm.internal.example", AzureClouds.AZURE_PUBLIC_CLOUD)
    assert (found.base_url, found.token_scope) == ("https://arm.internal.example", f"{PUBLIC}/.default")


@pytest.mark.parametrize(
    "bad",
    [
        "http://management.azure.com",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "management.azure.com",
        "https://",
        "https:///subscriptions",
        "https://user@arm.example",
        "https://user:hunter2@arm.example",
        "https://arm.example?x=1",
        "https://arm.example?",
        "https://arm.example#x",
        "https://arm.example:port",
        "https://arm.example:99999",
        "https://[::1",
        "https://arm.example\\@other",
        "https://arm.example\n.other",
        " https://arm.example",
        "",
        7,
    ],
)
def test_a_bad_endpoint_is_refused(bad: str) -> None:
    """Anything that is not an https URL of a host, or http of this machine; no password is repeated."""
    with pytest.raises(InvalidEndpointError) as caught:
        resolve_endpoint(bad, None)
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint


def test_a_cloud_that_is_not_known_is_refused() -> None:
    """A word that azure.core does not have."""
    with pytest.raises(InvalidEndpointError, match="MOON"):
        resolve_endpoint(None, "MOON")


@pytest.mark.parametrize(
    ("url", "is_admitted"),
    [
        ("https://arm.example/x", True),
        ("https://arm.example:443/x?y=z", True),
        ("https://west.arm.example/x", True),
        ("http://arm.example/x", False),
        ("https://arm.example:444/x", False),
        ("https://evilarm.example/x", False),
        ("https://arm.example.evil.example/x", False),
        ("https://arm.example@evil.example/x", False),
        ("https://evil.example\\.arm.example/x", False),
        ("https://[::1", False),
        ("https://arm.example:port/", False),
        ("/x", False),
    ],
)
def test_a_token_goes_to_the_endpoint_and_its_sub_domains_only(url: str, is_admitted: bool) -> None:
    """Another scheme, port or host is another server."""
    assert resolve_endpoint("https://arm.example", None).is_same_origin(url) is is_admitted


def test_a_loopback_endpoint_has_no_sub_domains() -> None:
    """A name below localhost need not be this machine."""
    assert not resolve_endpoint("http://localhost", None).is_same_origin("http://x.localhost/")
