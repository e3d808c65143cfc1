from __future__ import annotations

import json
from datetime import datetime, timezone
from enum import Enum
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate import serialization
from defender_remediate.errors import InvalidInputError
from defender_remediate.json_values import ABSENT, FrozenMap, format_json, freeze


class Colour(Enum):
    RED = "red"


@attrs.frozen(kw_only=True)
class Inner:
    name: str


@attrs.frozen(kw_only=True)
class Outer:
    text: str = ""
    count: int = 0
    ratio: float = 0.0
    flag: bool = False
    when: datetime | None = None
    colour: Colour = Colour.RED
    body: FrozenMap = attrs.field(factory=FrozenMap)
    anything: Any = attrs.field(default=None, converter=freeze)
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()


@attrs.frozen(kw_only=True)
class Picky:
    size: int = attrs.field(default=1, validator=attrs.validators.gt(0))


FULL = Outer(
    text="t",
    count=3,
    ratio=0.5,
    flag=True,
    when=datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=timezone.utc),
    body=FrozenMap({"a": [1, {"b": None}]}),
    anything=[1, {"c": ()}],
    inner=Inner(name="i"),
    many=(Inner(name="x"), Inner(name="y")),
)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_what_was_encoded_is_decoded(body):
    """Every kind of member survives JSON text and back."""
    value = attrs.evolve(FULL, body=FrozenMap(body))
    assert serialization.decode(Outer, json.loads(json.dumps(serialization.encode(value)))) == value


def test_an_absent_member_is_left_out():
    """ABSENT has no JSON spelling, at the top or inside an object."""
    assert serialization.encode(attrs.evolve(FULL, anything=ABSENT)).keys() == attrs.asdict(FULL).keys() - {"anything"}
    assert serialization.encode(attrs.evolve(FULL, anything={"a": ABSENT, "b": 1}))["anything"] == {"b": 1}


def test_an_integer_passes_for_a_float():
    """JSON does not tell 1 from 1.0."""
    ratio = serialization.decode(Outer, {"ratio": 1}).ratio
    assert ratio == 1.0
    assert isinstance(ratio, float)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "Outer: expected an object, got list"),
        ({"texture": 1}, "Outer has no member 'texture'"),
        ({"text": 1}, "text: expected str, got int"),
        ({"count": True}, "count: expected int, got bool"),
        ({"count": "1"}, "count: expected int, got str"),
        ({"ratio": True}, "ratio: expected float, got bool"),
        ({"flag": 1}, "flag: expected bool, got int"),
        ({"when": "noon"}, "when: "),
        ({"when": 12}, "when: "),
        ({"colour": "blue"}, "colour: 'blue' is not a valid Colour"),
        ({"body": []}, "body: expected FrozenMap, got list"),
        ({"many": {}}, "many: expected an array, got dict"),
        ({"many": [{"name": "x"}, {"name": None}]}, "many[1].name: expected str, got NoneType"),
        ({"inner": {}}, "inner.name is missing"),
        ({"inner": {"nam": "x"}}, "inner has no member 'nam'"),
    ],
)
def test_a_wrong_member_is_named(document, message):
    """The message says where the document is wrong."""
    with pytest.raises(InvalidInputError) as caught:
        serialization.decode(Outer, document)
    assert str(caught.value).startswith(message)


def test_a_value_its_class_refuses_is_an_input_error():
    """What a validator says of a stored value reaches the caller as wrong input."""
    with pytest.raises(InvalidInputError, match="Picky: 'size' must be > 0"):
        serialization.decode(Picky, {"size": 0})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the text is not the JSON of a Thing: "),
        (b"\xff\xfe\xff", "the text is not the JSON of a Thing: "),
        (None, "expected the JSON of a Thing, got None"),
        ("[]", "the text is JSON, but not of a Thing"),
        ("[" * 200_000, "the text is not the JSON of a Thing: it is nested more than 120 levels deep"),
        (
            '{"kind": "Thing", "version": 1, "version": 1}',
            "the text is not the JSON of a Thing: the name 'version' occurs",
        ),
        ('{"kind": "Other", "version": 1}', "the text is JSON of the kind 'Other', but not of a Thing"),
        ('{"kind": "Thing"}', "this Thing has format version None"),
        ('{"kind": "Thing", "version": 2}', "this Thing has format version 2; this library reads version 1"),
    ],
)
def test_a_text_of_another_kind_is_refused(text, message):
    """Only what this library wrote, in a version it knows."""
    with pytest.raises(InvalidInputError) as caught:
        serialization.loads(text, "Thing")
    assert str(caught.value).startswith(message)


def test_the_envelope_is_taken_off():
    """Kind and version frame the document and are no members of it."""
    text = serialization.dumps({"kind": "Thing", "a": "ü"})
    assert "ü" in text
    assert serialization.loads(text, "Thing") == {"a": "ü"}
    assert serialization.loads(text.encode(), "Thing") == {"a": "ü"}


@pytest.mark.parametrize(
    "when", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00", "x" * 100_000, 5]
)
def test_a_time_that_cannot_be_compared_is_refused(when):
    """Without a zone, or without an equivalent in UTC; the message is short."""
    with pytest.raises(InvalidInputError, match="when") as caught:
        serialization.decode(Outer, {"when": when})
    assert len(str(caught.value)) < 300


def test_a_number_that_no_float_holds_is_refused():
    """JSON has no limit for integers."""
    with pytest.raises(InvalidInputError, match="ratio"):
        serialization.decode(Outer, {"ratio": 10**400})


def text_of(members, **options):
    return "".join(serialization.json_parts(members, **options))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("value", [FULL, Outer(anything=ABSENT), Outer(text="\u2066 \n é", many=(Inner(name="\n"),))])
def test_the_text_made_of_parts_is_that_of_the_whole(value, indent):
    """So a journal and a plan are the same, byte by byte, however they are written."""
    members = {"kind": "k", "list": [1, {"a": []}], "gone": ABSENT, **serialization.members_of(value), "value": value}
    whole = serialization.encode(members)
    assert text_of(members, indent=indent) == format_json(whole, indent=indent)
    assert text_of({}, indent=indent) == format_json({}, indent=indent)
    hidden = text_of({"many": value.many, "text": value.text}, indent=indent, shown=lambda _: "(hidden)")
    assert json.loads(hidden) == {"many": ["(hidden)"] * len(value.many) or "(hidden)", "text": "(hidden)"}
