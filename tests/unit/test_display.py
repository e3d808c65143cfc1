from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.display import multi_line, one_line, quoted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ünïcode and 日本", "plain text, ünïcode and 日本"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b2J", "\\x9b2J"),
        ("first\r\n+ second", "first + second"),
        ("first\u2028second\u2029third\x85fourth", "first second third fourth"),
        ("name\u202egpj.exe", "name\\u202egpj.exe"),
        ("a\u2066b\u2069c", "a\\u2066b\\u2069c"),
        ("in\u200bvisible\ufeff", "in\\u200bvisible\\ufeff"),
        ("half\ud800", "half\\ud800"),
        ("tag\U000e0041", "tag\\U000e0041"),
    ],
)
def test_unsafe_characters_are_shown_and_have_no_effect(text, shown):
    """Terminal sequences, direction overrides and line ends from outside become visible text on one line."""
    assert one_line(text) == shown


@given(st.text())
def test_shown_text_is_one_printable_line(text):
    """Whatever comes in, nothing that controls a terminal comes out, and it can be encoded and shown again."""
    shown = one_line(text)
    assert len(f"{shown}.".splitlines()) == 1
    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(character) for character in shown}
    assert one_line(shown) == shown
    shown.encode()


def test_line_feeds_are_kept_where_several_lines_are_wanted():
    """Manual steps have several lines; everything else in them is neutralised."""
    assert multi_line("1. Open\r\n2. Press\x1b[1m\n") == "1. Open\n2. Press\\x1b[1m\n"


def test_what_a_caller_passed_is_quoted_briefly():
    """A value of any size and kind is shown in at most 100 characters, on one line."""
    nested: list[object] = []
    for _ in range(5000):
        nested = [nested]
    assert quoted("a\nb") == r"'a\nb'"
    assert len(quoted("x" * 5000)) == 100
    # From Python 3.13 on, repr follows this depth.
    assert quoted(nested) == "a list" or len(quoted(nested)) == 100


def test_an_invisible_vowel_separator_is_written_out():
    """It has no width, so two names that differ in it look the same."""
    assert one_line("a\u180eb") == r"a\u180eb"
