"""Security contacts, as clients with older api-versions write and read them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.testing.conftest import SUB, Caller

CONTACT = f"{SUB}/providers/Microsoft.Security/securityContacts/default"
FIRST, SECOND, NEW = "2017-08-01-preview", "2020-01-01-preview", "2023-12-01-preview"


@pytest.mark.parametrize(
    ("version", "sent", "sources"),
    [
        (SECOND, {"emails": "a@b.co", "alertNotifications": {"state": "On", "minimalSeverity": "Low"}}, ["Low"]),
        (SECOND, {"emails": "a@b.co", "alertNotifications": {"state": "Off"}}, []),
        (FIRST, {"email": "a@b.co", "alertNotifications": "On", "alertsToAdmins": "On"}, ["Medium"]),
    ],
)
def test_a_contact_is_the_same_in_every_version(call: Caller, version: str, sent: Any, sources: list[str]) -> None:
    """What an older client wrote, it reads again, and a newer one reads in its own words."""
    answer = call("PUT", CONTACT, params={"api-version": version}, json={"properties": sent})
    assert answer.status_code < 300, answer.text()
    shown = call.get(CONTACT, version)["properties"]
    if isinstance(sent["alertNotifications"], dict):
        assert shown["alertNotifications"]["state"] == sent["alertNotifications"]["state"]
    else:
        assert shown == {**sent, "phone": ""}
    call("PATCH", CONTACT, params={"api-version": SECOND}, json={"properties": {"phone": "1"}})
    today = call.get(CONTACT, NEW)["properties"]
    assert today["emails"] == "a@b.co"
    assert [one["minimalSeverity"] for one in today["notificationsSources"]] == sources


def test_the_first_version_numbered_contacts(call: Caller) -> None:
    """``default1`` is a contact there; later versions know ``default`` only."""
    numbered = CONTACT + "1"
    sent = {"properties": {"email": "a@b.co", "alertNotifications": "On", "alertsToAdmins": "On"}}
    assert call("PUT", numbered, params={"api-version": FIRST}, json=sent).status_code < 300
    assert call.get(numbered, FIRST)["name"] == "default1"
    assert call("PUT", numbered, params={"api-version": NEW}, json={"properties": {}}).status_code == 404
