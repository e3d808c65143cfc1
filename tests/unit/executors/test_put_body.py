"""What of a GET is sent back in a PUT."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.executors.requests import put_body

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers"
HUB = f"{GROUP}/Microsoft.Devices/IotHubs/hub"
KEPT = "HostName=hub;SharedAccessKeyName=owner;SharedAccessKey=****;"


def test_what_the_url_says_is_not_sent() -> None:
    """Neither the id nor what some services add to it."""
    body = {"id": HUB, "name": "hub", "Type": "t", "resourcegroup": "rg", "subscriptionid": "s", "location": "w"}
    assert put_body(body) == {"location": "w"}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ({"primaryKey": "****", "name": "a"}, {"name": "a"}),
        ({"key": "<hidden>", "list": [{"secret": "[hidden]", "name": "b"}]}, {"list": [{"name": "b"}]}),
        ({"password": None, "size": None}, {"size": None}),
        ({"connectionString": KEPT}, {"connectionString": KEPT}),
    ],
)
def test_what_stands_for_a_secret_is_not_sent(value: Any, sent: Any) -> None:
    """Azure would take the mask for the secret, or null for none. A masked connection string is known to be kept."""
    assert put_body({"properties": {"inner": value}}) == {"properties": {"inner": sent}}


SUBNET = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s"


def test_the_state_of_a_part_is_not_sent_back() -> None:
    """Azure says it of every part with an id of its own; settings and tags may have these names."""
    part = {
        "id": SUBNET,
        "etag": "1",
        "properties": {"provisioningState": "Succeeded", "prefix": "x", "inner": {"etag": "mine"}},
    }
    sent = {"id": SUBNET, "properties": {"prefix": "x", "inner": {"etag": "mine"}}}
    tags = {"id": "shop", "etag": "mine"}
    body = {"tags": tags, "properties": {"subnets": [part], "etag": "mine"}}
    assert put_body(body) == {"tags": tags, "properties": {"subnets": [sent], "etag": "mine"}}
