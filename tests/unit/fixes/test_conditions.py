"""Conditions on bodies."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.fixes.conditions import holds, same, version
from defender_remediate.models import Condition
from defender_remediate.models.condition import Operator

BODY = {
    "kind": "app,linux",
    "properties": {
        "on": True,
        "tls": "TLS1_2",
        "bypass": "Logging, AzureServices",
        "days": 14,
        "nothing": None,
        "rules": [{"action": "Deny", "port": 22}, {"action": "deny", "port": 3389}],
        "origins": ["https://a.example"],
        "empty": [],
    },
}


def leaf(test: str, path: str, value: Any = None) -> Condition:
    return Condition(operator=test, path=f"properties.{path}", value=value)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (leaf("equals", "on", True), True),
        (leaf("equals", "on", 1), False),
        (leaf("equals", "tls", "tls1_2"), True),
        (leaf("equals", "missing", None), False),
        (leaf("equals", "nothing", None), True),
        (leaf("not_equals", "tls", "TLS1_0"), True),
        (leaf("not_equals", "missing", "x"), True),
        (leaf("in", "tls", ["TLS1_2", "TLS1_3"]), True),
        (leaf("in", "tls", []), False),
        (leaf("not_in", "tls", ["TLS1_0"]), True),
        (leaf("not_in", "tls", ["tls1_2"]), False),
        (leaf("exists", "tls", True), True),
        (leaf("exists", "nothing", True), False),
        (leaf("exists", "missing", False), True),
        (leaf("at_least", "tls", "1.2"), True),
        (leaf("at_least", "tls", "TLS1_3"), False),
        (leaf("at_least", "days", 14), True),
        (leaf("at_least", "days", 15), False),
        (leaf("at_least", "missing", "1.2"), False),
        (leaf("at_least", "bypass", "1.2"), False),
        (leaf("at_least", "on", 0), False),
        (leaf("contains", "bypass", "azureservices"), True),
        (leaf("contains", "bypass", 7), False),
        (leaf("contains", "origins", "HTTPS://A.example"), True),
        (leaf("contains", "origins", "*"), False),
        (leaf("contains", "missing", "x"), False),
        (leaf("matches", "tls", r"tls1_[23]"), True),
        (leaf("matches", "tls", r"tls1"), False),
        (leaf("matches", "days", r"14"), False),
        (Condition(operator="matches", path="kind", value=r"(?!.*functionapp).*"), True),
        (Condition(operator="all", of=(leaf("equals", "on", True), leaf("equals", "days", 14))), True),
        (Condition(operator="all", of=(leaf("equals", "on", True), leaf("equals", "days", 1))), False),
        (Condition(operator="any", of=(leaf("equals", "on", False), leaf("equals", "days", 14))), True),
        (Condition(operator="not", of=(leaf("equals", "on", False),)), True),
        (
            Condition(
                operator="some", path="properties.rules", of=(Condition(operator="equals", path="port", value=22),)
            ),
            True,
        ),
        (
            Condition(
                operator="every", path="properties.rules", of=(Condition(operator="equals", path="port", value=22),)
            ),
            False,
        ),
        (
            Condition(
                operator="every",
                path="properties.rules",
                of=(Condition(operator="equals", path="action", value="Deny"),),
            ),
            True,
        ),
        (
            Condition(
                operator="every", path="properties.empty", of=(Condition(operator="exists", path="x", value=True),)
            ),
            False,
        ),
        (
            Condition(operator="some", path="properties.tls", of=(Condition(operator="exists", path="x", value=True),)),
            False,
        ),
    ],
    ids=str,
)
def test_a_condition_is_judged(condition: Condition, expected: bool) -> None:
    """Each question, on a body that has the answer and on one that has not."""
    assert holds(condition, BODY) is expected


def test_no_body_meets_no_positive_condition() -> None:
    """A target that does not exist has no members; every kind of question can be asked of it."""
    questions = {
        Operator.EXISTS: True,
        Operator.IN: ("x",),
        Operator.CONTAINS: "x",
        Operator.EQUALS: "x",
        Operator.AT_LEAST: 1,
        Operator.MATCHES: "x",
    }
    assert not any(holds(Condition(operator=test, path="a", value=value), None) for test, value in questions.items())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TLS1_2", (1, 2)), ("1.2", (1, 2)), ("TLSv1.3", (1, 3)), ("TLSV1.2", (1, 2)), ("Tls12", (1, 2)),
        ("TLS 1.0", (1, 0)), (1.2, (1, 2)), ("2", (2, 0)), ("SSLv3", (3, 0)), ("none", None), (None, None),
        (True, None), ("1.2.3", None), ("", None),
    ],
)  # fmt: skip
def test_versions_are_read_in_every_spelling(text: Any, expected: tuple[int, int] | None) -> None:
    """Providers spell protocol versions differently; an unreadable one is no version."""
    assert version(text) == expected


def test_same_compares_as_azure_does() -> None:
    """Strings ignore case, arrays keep their order, members do not, and true is not 1."""
    assert same({"a": ["X", 1]}, {"a": ["x", 1.0]})
    assert not same({"a": 1}, {"b": 1})
    assert not same([1, 2], [2, 1])
    assert not same([1], [1, 2])
    assert not same(True, 1)
    assert not same(None, False)


def test_conditions_read_like_sentences() -> None:
    """A condition is shown in plans and errors."""
    joined = Condition(
        operator="any", of=(leaf("equals", "on", True), Condition(operator="not", of=(leaf("exists", "x", True),)))
    )
    assert str(joined) == "(properties.on equals true or not properties.x exists)"
    assert str(leaf("exists", "x", False)) == "properties.x is absent"
    assert str(Condition(operator="all", of=(leaf("at_least", "tls", "1.2"),))) == '(properties.tls at least "1.2")'
    some = Condition(operator="some", path="value", of=(Condition(operator="equals", path="a", value=1),))
    assert str(some) == "some of value: a equals 1"
