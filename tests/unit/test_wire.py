from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate import wire

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "A", "b"]), inner),
    max_leaves=8,
)


@given(JSON)
def test_no_getter_fails_on_odd_values(value):
    """Whatever Azure sends, each getter answers with its type."""
    assert isinstance(wire.text(value, "a"), str)
    assert isinstance(wire.number(value, "a"), float)
    assert isinstance(wire.count(value, "a"), int)
    assert isinstance(wire.flag(value, "a"), bool)
    assert all(isinstance(item, str) for item in wire.strings(value, "a"))
    assert isinstance(wire.timestamp(value, "a"), (datetime, type(None)))


@given(JSON)
def test_several_members_at_once_are_what_each_of_them_is(value):
    """However they are spelled, and when one is there in two spellings."""
    names = ("a", "B", "c")
    assert wire.picked(value, names) == [wire.pick(value, name) for name in names]


def test_a_member_is_found_whatever_its_case():
    """The exact name wins, then any casing; null is as good as missing."""
    assert wire.pick({"Id": 1, "id": 2}, "id") == 2
    assert wire.pick({"ID": 1}, "id") == 1
    assert wire.pick({"id": None, "Id": 1}, "id") == 1
    assert wire.pick({"b": 1}, "a", "B") == 1
    assert wire.pick({"a": None}, "a") is None
    assert wire.pick(["a"], "a") is None


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"name": "a", "id": "/x/b"}, "a"),
        ({"id": "/x/b/"}, "b"),
        ({"name": None, "id": "/x/b"}, "b"),
        ({}, ""),
        (3, ""),
    ],
)
def test_a_name_is_also_the_end_of_the_id(item, name):
    """What has no name of its own has the one in its id."""
    assert wire.name(item) == name


@pytest.mark.parametrize(
    ("value", "expected"), [("x", "x"), (None, ""), (7, "7"), (True, "true"), ([1], ""), ({"a": 1}, "")]
)
def test_a_member_as_text(value, expected):
    """Numbers and booleans print as JSON does; what is no scalar is no text."""
    assert wire.text(value) == expected
    assert wire.text({"m": value}, "m") == expected


@pytest.mark.parametrize(("value", "expected"), [(["a", 1], ("a", "1")), ("a", ("a",)), ("", ()), (None, ()), (7, ())])
def test_a_member_as_texts(value, expected):
    """A single text counts as an array of one."""
    assert wire.strings({"m": value}, "m") == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), ("True", True), ("false", False), (None, False), (0, False)]
)
def test_a_member_as_a_boolean(value, expected):
    """Azure writes booleans as text in places."""
    assert wire.flag({"m": value}, "m") is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.9, 1), ("3", 3), ("x", 0), (None, 0), ([], 0), (float("nan"), 0), ("inf", 0), (10**400, 0)],
)
def test_a_member_as_a_count(value, expected):
    """What is no number counts nothing."""
    assert wire.count({"m": value}, "m") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-23T12:00:00Z", datetime(2026, 11, 23, 12, tzinfo=timezone.utc)),
        ("2026-11-23t12:00:00z", datetime(2026, 11, 23, 12, tzinfo=timezone.utc)),
        ("2026-11-23T12:00:00.1234567Z", datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=timezone.utc)),
        ("2026-11-23T12:00:00.5", datetime(2026, 11, 23, 12, 0, 0, 500000, tzinfo=timezone.utc)),
        ("2026-11-23 12:00:00 +02:00", datetime(2026, 11, 23, 10, tzinfo=timezone.utc)),
        ("2026-11-23T12:00:00-0130", datetime(2026, 11, 23, 13, 30, tzinfo=timezone.utc)),
        ("2026-13-23T12:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_member_as_a_moment(value, expected):
    """Every spelling of a date that Azure uses, in UTC; what is no date is None."""
    assert wire.timestamp({"m": value}, "m") == expected


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=3))), min_value=datetime(2, 1, 1)))
def test_every_isoformat_date_is_read_back(moment):
    """What Python writes, the getter reads."""
    found = wire.timestamp(moment.isoformat())
    assert found == moment
    assert found is not None
    assert found.tzinfo is timezone.utc
