"""Custom recommendations of a subscription, and the assessments that a caller makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
KEY = "11111111-2222-4333-8444-555555555555"
METADATA = f"{SUB}/providers/Microsoft.Security/assessmentMetadata"
BODY = {"properties": {"displayName": "Own", "severity": "High", "assessmentType": "CustomerManaged"}}
VERSION = "2021-06-01"


@pytest.fixture
def send(call: Any) -> Any:
    """Sends a request; returns the response."""

    def sent(method: str, path: str, body: Any = None) -> Any:
        return call(method, path, params={"api-version": VERSION}, **({} if body is None else {"json": body}))

    return sent


def test_a_custom_recommendation_lives_and_ends(sim: ArmSimulator, send: Any, account: str) -> None:
    """It is defined, assessed by the caller, listed, changed and deleted with its assessments."""
    del sim
    assert send("PUT", f"{METADATA}/{KEY}", BODY).json()["properties"]["displayName"] == "Own"
    assert KEY in [one["name"] for one in send("GET", METADATA).json()["value"]]
    place = f"{account}/providers/Microsoft.Security/assessments/{KEY}"
    bad = {"properties": {"status": {"code": "Unhealthy", "cause": "Mine"}}}
    assert [send("PUT", place, bad).status_code for _ in range(2)] == [201, 200]
    assert send("GET", place).json()["properties"]["status"]["cause"] == "Mine"
    assert [send("DELETE", place).status_code for _ in range(2)] == [200, 204]
    send("PUT", place, bad)
    assert send("DELETE", f"{METADATA}/{KEY}").status_code == 200
    assert send("GET", place).status_code == 404
    assert send("DELETE", f"{METADATA}/{KEY}").status_code == 404


@pytest.mark.parametrize(
    ("key", "properties"),
    [
        ("name", BODY["properties"]),
        (KEY, {"displayName": "Own"}),
        (KEY, {**BODY["properties"], "severity": "Extreme"}),
        ("built-in", BODY["properties"]),
    ],
)
def test_metadata_that_is_not_valid_is_refused(sim: ArmSimulator, send: Any, key: str, properties: Any) -> None:
    """A key that is no GUID, a missing member, a severity that does not exist, and a built-in recommendation."""
    del sim
    if key == "built-in":
        key = next(one["name"] for one in send("GET", METADATA).json()["value"])
    assert send("PUT", f"{METADATA}/{key}", {"properties": properties}).status_code == 400


def test_only_custom_recommendations_are_assessed_by_callers(send: Any, account: str) -> None:
    """Defender alone assesses the built-in ones; a resource and a recommendation have to exist, and a status has to be one."""
    assessments = "/providers/Microsoft.Security/assessments"
    good = {"properties": {"status": {"code": "Healthy"}}}
    built_in = next(one["name"] for one in send("GET", METADATA).json()["value"])
    assert send("PUT", f"{account}{assessments}/{built_in}", good).status_code == 400
    assert send("PUT", f"{account}{assessments}/{KEY}", good).status_code == 404
    send("PUT", f"{METADATA}/{KEY}", BODY)
    assert send("PUT", f"{account}x{assessments}/{KEY}", good).status_code == 404
    assert send("PUT", f"{account}{assessments}/{KEY}", {"properties": {"status": {"code": "Odd"}}}).status_code == 400
