"""JSON as Resource Manager takes it."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing.simulator.arm.lenient_json import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, "b"]}', {"a": [1, "b"]}),
        (
            '{properties: {template:{"$schema": "https://x/y#"}, mode: "Incremental"}}',
            {"properties": {"template": {"$schema": "https://x/y#"}, "mode": "Incremental"}},
        ),
        ('{"a": 1, // one, two: three\n "b": /* {c: 2} */ 2,}', {"a": 1, "b": 2}),
        ("{'a': 'it\\'s \"b\"', 'c': [true, null,],}", {"a": 'it\'s "b"', "c": [True, None]}),
        ('{"a": "// no, comment: {b}", c: "d\ne"}', {"a": "// no, comment: {b}", "c": "d\ne"}),
        ('{"a": "he said \\"b: c\\"", d: 1}', {"a": 'he said "b: c"', "d": 1}),
    ],
)
def test_what_azure_takes_is_taken(text: str, value: Any) -> None:
    """Bare names, comments, single quotes, trailing commas and line breaks in strings; what strings contain stays."""
    assert parse(text) == value


@pytest.mark.parametrize("text", ["", "{", "{a: }", "[1 2]", '{"a": b}', "{a: 'b}"])
def test_what_is_not_json_is_refused(text: str) -> None:
    """Leniency guesses no value."""
    with pytest.raises(ValueError):
        parse(text)
