"""Reading answers that are not what one hopes for."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.arm.bodies import error_details, json_body, retry_after, summary
from defender_remediate.errors import MalformedResponseError

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
INNER = json.dumps({"error": {"code": "Conflict", "message": "Busy"}}, indent=2).replace("\n", "\r\n")


def test_an_empty_body_is_none() -> None:
    """Blanks count as nothing."""
    assert json_body(b" \r\n", "GET /x") is None


def test_a_byte_order_mark_is_fine() -> None:
    """Some gateways add one."""
    assert json_body(b"\xef\xbb\xbf[1]", "GET /x") == [1]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"value": [', "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"[" * 200_000, "not JSON"),
        (b"<html><head><title>t</title></head><body><h1>Bad</h1><p>gateway</p></body></html>", "'Bad gateway'"),
    ],
)
def test_a_broken_body_is_named(body: bytes, words: str) -> None:
    """With where it came from, and with what it says when it says something."""
    with pytest.raises(MalformedResponseError, match="GET /x") as caught:
        json_body(body, "GET /x")
    assert words in str(caught.value)
    assert ("proxy" in (caught.value.hint or "")) is (body[:1] == b"<")


def test_a_summary_is_short() -> None:
    """Whatever is in it."""
    assert summary(b"a " * 1000).endswith("…")
    assert len(summary(b"a " * 1000)) == 300
    assert summary(b"\xffx") == "\ufffdx"


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"error": {"code": "A", "message": "m"}}, ["A: m"]),
        ({"code": "A", "message": "m"}, ["A: m"]),
        ({"Error": {"Code": "A", "Message": "m"}}, ["A: m"]),
        ({"error": "invalid_token", "error_description": "old"}, ["invalid_token: old"]),
        ({"error": {"code": "A", "details": ""}}, ["A"]),
        ({"error": {"code": "A", "details": [{"code": "B", "message": INNER}, 7, None]}}, ["A", "B", "Conflict: Busy"]),
        ({"error": {"message": INNER}}, ["Conflict: Busy"]),
        ({"error": {"code": "A", "details": INNER}}, ["A", "Conflict: Busy"]),
        ({"error": {"code": "A", "innererror": {"code": "B"}}}, ["A", "B"]),
        ({"error": {"code": "A", "message": "{no json"}}, ["A: {no json"]),
        ({"error": {"code": "A", "message": "[" * 5000}}, ["A: " + "[" * 5000]),
        ({"error": {"code": 7, "message": True}}, ["7: true"]),
        ({"error": {"code": "A", "details": [{"code": "B"}, {"code": "B"}]}}, ["A", "B"]),
        ([{"code": "A"}], ["A"]),
        ({"status": "Failed"}, []),
        ("text", []),
        (None, []),
    ],
)
def test_every_code_is_found(document: Any, found: list[str]) -> None:
    """However it is nested, outermost first, each once."""
    assert list(filter(None, map(str, error_details(document)))) == found


def test_nesting_without_end_is_left_alone() -> None:
    """No reader needs twelve levels of errors."""
    document: dict[str, Any] = {}
    for _ in range(50):
        document = {"error": {"code": f"{len(str(document))}", "innererror": document}}
    assert 0 < len(error_details(document)) <= 13


def test_what_came_with_a_code_is_kept() -> None:
    """A policy names itself in ``additionalInfo``, as one object or as several."""
    (one,) = error_details({"code": "A", "additionalInfo": {"type": "T"}})
    (several,) = error_details({"code": "A", "additionalInfo": [{"type": "T"}, "x"]})
    assert one.info == several.info == ({"type": "T"},)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["error", "code", "message", "details", "x"]), inner)
    ),
)


@pytest.mark.exhaustive
@given(JSON)
def test_no_document_is_too_odd(document: Any) -> None:
    """Reading an error never fails itself."""
    for fault in error_details(document):
        assert isinstance(str(fault), str)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "10"}, 10.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "200", "retry-after": "9"}, 0.2),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Mon, 23 Nov 2026 11:59:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT", "date": "Mon, 23 Nov 2026 12:00:20 GMT"}, 10.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 -0000"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds, or a date, which is compared with the answer's own date first."""
    assert retry_after(headers, NOON) == seconds


def test_a_date_alone_says_nothing() -> None:
    """Without any other date there is nothing to compare it with."""
    assert retry_after({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}) is None
