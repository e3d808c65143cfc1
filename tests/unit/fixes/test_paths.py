"""Paths into bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.fixes.paths import assign, join, look_up, look_up_all, member, split
from defender_remediate.models import ABSENT

NAMES = st.text(min_size=1, max_size=8).filter(lambda name: not name.isdecimal())
PARTS = st.lists(st.one_of(NAMES, st.integers(0, 99)), min_size=1, max_size=5)


@given(PARTS)
def test_split_gives_back_what_join_wrote(parts: list[str | int]) -> None:
    """A path is a faithful text for its members, whatever characters their names have."""
    assert split(join(parts)) == tuple(parts)


@pytest.mark.parametrize("text", ["a..b", "a.", "a[", "a]b", "['open", ".a"])
def test_a_broken_path_is_refused(text: str) -> None:
    """A string that is not a path is an error, never another path."""
    with pytest.raises(ValueError, match="is not a path"):
        split(text)


def test_an_empty_path_is_the_body_itself() -> None:
    """The empty path leads nowhere but to the start."""
    assert look_up({"a": 1}, "") == {"a": 1}


def test_look_up_ignores_the_case_of_members() -> None:
    """Azure echoes members in any casing."""
    assert look_up({"Properties": {"minimumTLSVersion": "TLS1_2"}}, "properties.minimumTlsVersion") == "TLS1_2"


def test_an_exact_member_wins_over_one_in_another_case() -> None:
    """Where both are there, the exact one is meant."""
    assert member({"A": 1, "a": 2}, "a") == "a"


def test_look_up_reaches_into_arrays_and_odd_names() -> None:
    """Indexes and quoted names are members too."""
    body = {"value": [{"tags": {"a.b": {"it's": 7}}}]}
    assert look_up(body, "value[0].tags['a.b']['it''s']") == 7


@pytest.mark.parametrize("path", ["a.x", "a.b.c", "list[3]", "list.x", "a[0]"])
def test_a_missing_member_is_absent_and_not_null(path: str) -> None:
    """ABSENT and null are different answers."""
    assert look_up({"a": {"b": None}, "list": [1]}, path) is ABSENT
    assert look_up({"a": {"b": None}}, "a.b") is None


def test_assign_sets_makes_and_takes_out() -> None:
    """A copy; members keep their casing, and only what the path names is touched."""
    body = {"Properties": {"a": 1, "deep": {"x": 1}}}
    assert assign(body, "properties.A", 2) == {"Properties": {"a": 2, "deep": {"x": 1}}}
    assert assign(body, "properties.deep.x", ABSENT) == {"Properties": {"a": 1, "deep": {}}}
    assert assign(body, "properties.deep", ABSENT) == {"Properties": {"a": 1}}
    assert assign(body, "tags['a.b']", "c") == {**body, "tags": {"a.b": "c"}}
    assert assign(body, "gone.missing", ABSENT) == body
    assert body == {"Properties": {"a": 1, "deep": {"x": 1}}}


def test_every_element_of_an_array() -> None:
    """``[*]`` stands for each of them; what is missing or no array is left out."""
    body = {"a": {"b": [{"id": 1}, {"ID": 2}, {}, "x"]}, "c": [[1, 2], 3]}
    assert look_up_all(body, "a.b[*].id") == (1, 2)
    assert look_up_all(body, "c[*][*]") == (1, 2)
    assert look_up_all(body, "a.b[*]") == tuple(body["a"]["b"])  # type: ignore[call-overload]
    assert look_up_all(body, "a.b") == (body["a"]["b"],)  # type: ignore[call-overload]
    assert look_up_all(body, "no[*].id") == look_up_all(None, "a[*]") == ()
