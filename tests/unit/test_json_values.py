from __future__ import annotations

import copy
import json
import pickle
import sys
from unittest import mock

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defender_remediate import json_values
from defender_remediate.json_values import (
    ABSENT,
    MAX_DEPTH,
    FrozenMap,
    canonical,
    format_json,
    freeze,
    parse_json,
    sha256,
    sha256_of_parts,
    thaw,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=5)


@given(VALUES)
def test_freezing_and_thawing_gives_the_value_back(value):
    """What comes out of a frozen value is what went in."""
    assert thaw(freeze(value)) == value
    assert json.loads(canonical(value)) == value


@given(VALUES)
def test_a_frozen_value_freezes_to_itself_and_is_hashable(value):
    """Freezing twice is freezing once, and a frozen value may be a key."""
    frozen = freeze(value)
    assert freeze(frozen) == frozen
    assert hash(frozen) == hash(freeze(value))


@given(OBJECTS)
def test_a_map_equals_any_mapping_with_its_content(value):
    """Equality is by content, in both directions and against a plain dict."""
    frozen = FrozenMap(value)
    backwards = FrozenMap(dict(reversed(list(value.items()))))
    assert frozen == value
    assert value == frozen
    assert frozen == backwards
    assert hash(frozen) == hash(backwards)
    assert dict(frozen) == {key: freeze(item) for key, item in value.items()}
    assert len(frozen) == len(value)


@given(OBJECTS)
def test_a_map_survives_pickle_and_copy(value):
    """A frozen map crosses process borders."""
    frozen = FrozenMap(value)
    assert pickle.loads(pickle.dumps(frozen)) == frozen
    assert copy.deepcopy(frozen) == frozen


@given(VALUES, VALUES)
def test_equal_texts_are_equal_values(one, other):
    """Two documents with one canonical text are the same document, and then their digests agree."""
    if canonical(one) == canonical(other):
        assert freeze(one) == freeze(other)
    assert (canonical(one) == canonical(other)) == (sha256(one) == sha256(other))


@given(OBJECTS)
def test_the_order_of_members_does_not_matter(value):
    """A digest does not depend on how a server ordered its members."""
    assert sha256(value) == sha256(dict(reversed(list(value.items()))))


def test_true_one_and_one_point_zero_are_three_documents():
    """Python calls them equal; a request body that says one is not approved by a digest over another."""
    assert len({sha256({"a": value}) for value in (True, 1, 1.0)}) == 3


def test_a_map_cannot_be_changed_from_outside():
    """Neither the source of a map nor what thaw gives is tied to it."""
    source = {"a": {"b": [1]}}
    frozen = FrozenMap(source)
    source["a"]["b"].append(2)
    thaw(frozen)["a"]["b"].append(3)
    assert frozen == {"a": {"b": [1]}}
    with pytest.raises(TypeError):
        frozen["a"] = 1


def test_a_map_says_what_it_holds():
    """The repr is the plain value; an empty map needs no argument."""
    assert repr(FrozenMap({"a": [1, {"b": None}]})) == "{'a': [1, {'b': None}]}"
    assert FrozenMap() == {}
    assert FrozenMap() != 3


def test_absent_is_one_value_that_is_not_null():
    """Was absent is not was null, and it stays one value through pickle."""
    assert pickle.loads(pickle.dumps(ABSENT)) is ABSENT
    assert ABSENT is not None
    assert (repr(ABSENT), str(ABSENT)) == ("ABSENT", "(absent)")


@given(VALUES)
def test_what_is_formatted_is_parsed(value):
    """A JSON text round-trips to the same value, whatever characters it contains."""
    for indent in (None, 2):
        text = format_json(value, indent=indent)
        assert parse_json(text, unique_names=True) == value
        assert text.encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting"),
        (b"\xff\xff", "codec can't decode"),
        ("[" * 200_000, "nested more than 100 levels"),
        ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), "nested more than 100 levels"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested more than 100 levels"),
        ("9" * 5000, "limit"),
        ("[NaN]", "NaN is not a finite number"),
        ("-Infinity", "-Infinity is not a finite number"),
        ("1e999", "1e999 is not a finite number"),
    ],
)
def test_hostile_text_is_a_value_error(text, message):
    """Depth, huge numbers and broken text never become another exception."""
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def read_by(reader, text):
    """What JSON is read as with a fast reader or without: the value with the types of its numbers, or that it is refused."""
    with mock.patch.object(json_values, "fast_reader", return_value=reader):
        try:
            return repr(parse_json(text))
        except ValueError:
            return ValueError


def test_json_is_read_without_orjson(monkeypatch):
    """It is optional: where it cannot be imported there is no fast reader."""
    monkeypatch.setitem(sys.modules, "orjson", None)
    assert json_values.fast_reader.__wrapped__() is None


@settings(max_examples=50)
@given(VALUES.map(json.dumps) | st.text() | st.binary())
def test_texts_are_read_the_same_with_and_without_orjson(text):
    """Installing it changes how fast a listing is and nothing else."""
    assert read_by(orjson.loads, text) == read_by(None, text)


@pytest.mark.parametrize(
    "text",
    [
        "18446744073709551616",
        "-9223372036854775809",
        "[123456789012345678901234567890, 0.5]",
        "1e999",
        "[-1e400]",
        "[NaN, Infinity]",
        "[-0, -0.0, 1E5, 1.0, 0.1, 1e22, 123456789.123456789123456789]",
        '"\\ud800"',
        '{"a": 1, "a": 2}',
        '"\x00"',
        "[" * 101 + "]" * 101,
        "[" * 5000 + "]" * 5000,
        '{"a": [1.5, {"b": 2.5}]} ',
        "\ufeff1",
        b"\xff",
        b'"\xed\xa0\x80"',
        "1" * 5000,
    ],
)
def test_what_json_libraries_disagree_on_is_read_in_one_way(text):
    """Large integers stay integers, and what Python's own reader refuses is refused."""
    assert read_by(orjson.loads, text) == read_by(None, text)


def test_deep_text_within_the_limit_is_read():
    """Nothing that Azure sends comes near it."""
    assert canonical(parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)) == "[" * MAX_DEPTH + "]" * MAX_DEPTH


def test_a_name_that_occurs_twice_is_refused_where_it_matters():
    """Two readers would see two documents."""
    assert parse_json('{"a": 1, "a": 2}') == {"a": 2}
    with pytest.raises(ValueError, match="the name 'b' occurs twice"):
        parse_json('[{"a": 1, "b": {}, "b": 2}]', unique_names=True)


def test_formatted_text_is_safe_to_show():
    """A terminal gets no escape sequence, no bidirectional mark and no line end from a value."""
    hostile = "\x1b[31m \x9b \u202e \u2028 \ud800 \ufeff \n é 漢"
    text = format_json({hostile: hostile})
    assert all(character.isprintable() for character in text)
    assert "é 漢" in text


@given(st.lists(VALUES), st.lists(VALUES))
def test_a_digest_made_of_parts_is_that_of_the_whole(outer, inner):
    """An iterator stands for an array, so that it need not be in memory at once."""
    assert sha256_of_parts([*outer, iter(inner), 1]) == sha256([*outer, inner, 1])
