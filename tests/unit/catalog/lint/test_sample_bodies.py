"""Bodies that satisfy a condition or violate it."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.catalog.lint.sample_bodies import satisfying_bodies, violating_bodies, with_value
from defender_remediate.catalog.lint.sample_values import example, stricter
from defender_remediate.fixes.conditions import holds
from defender_remediate.json_values import ABSENT
from defender_remediate.models.condition import Condition, Operator

SHAPE = {
    "mode": ["Off", "On", "Strict"],
    "tls": ["TLS1_0", "TLS1_2", "TLS1_3"],
    "days": "i",
    "words": {"[]": "s"},
    "bypass": ["None", "Logging", "AzureServices"],
    "rules": {"[]": {"name": "s", "port": "i"}},
}


def leaf(path: str, value: Any, test: Operator = Operator.EQUALS) -> Condition:
    """A condition checked one member."""
    return Condition(operator=test, path=path, value=value)


def joined(test: Operator, *parts: Condition, path: str = "") -> Condition:
    """A condition of several, or checked elements."""
    return Condition(operator=test, path=path, of=parts)


OPEN_PORT = joined(Operator.ALL, leaf("name", "in"), leaf("port", 22))
CONDITIONS = [
    leaf("mode", "On"),
    leaf("free", "x"),
    leaf("flag", True),
    leaf("days", 30),
    leaf("object", {"a": 1}),
    leaf("list", [1]),
    leaf("null", None),
    leaf("mode", "Off", Operator.NOT_EQUALS),
    leaf("mode", ["On", "Strict"], Operator.IN),
    leaf("free", ["x"], Operator.IN),
    leaf("mode", ["Off"], Operator.NOT_IN),
    leaf("free", True, Operator.EXISTS),
    leaf("free", False, Operator.EXISTS),
    leaf("tls", "TLS1_2", Operator.AT_LEAST),
    leaf("version", "1.2", Operator.AT_LEAST),
    leaf("days", 90, Operator.AT_LEAST),
    leaf("words", "a", Operator.CONTAINS),
    leaf("bypass", "AzureServices", Operator.CONTAINS),
    leaf("unknown", "a", Operator.CONTAINS),
    leaf("free", "(a|b).*", Operator.MATCHES),
    leaf("words[1]", "x"),
    joined(Operator.NOT, leaf("mode", "Off")),
    joined(Operator.ALL, leaf("mode", "On"), leaf("days", 30)),
    joined(Operator.ANY, leaf("mode", "On"), leaf("days", 30)),
    joined(Operator.NOT, joined(Operator.ALL, leaf("mode", "On"), leaf("days", 30))),
    joined(Operator.SOME, OPEN_PORT, path="rules"),
    joined(Operator.EVERY, leaf("port", 22, Operator.NOT_EQUALS), path="rules"),
    joined(Operator.NOT, joined(Operator.SOME, OPEN_PORT, path="rules")),
    joined(Operator.SOME, leaf("", ".+", Operator.MATCHES), path="words"),
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
@pytest.mark.parametrize("shape", [SHAPE, {}, ABSENT], ids=["known", "empty", "unknown"])
def test_both_kinds_of_bodies(condition: Condition, shape: Any) -> None:
    """There are bodies of both kinds, none among the wrong ones, and what the condition does not ask checked stays."""
    before = {"kept": {"as": "it is"}, "rules": [{"name": "first", "kept": 1}]}
    satisfying, violating = (
        list(satisfying_bodies(condition, before, shape)),
        list(violating_bodies(condition, before, shape)),
    )
    assert satisfying
    assert violating
    assert all(holds(condition, each.body) for each in satisfying)
    assert not any(holds(condition, each.body) for each in violating)
    assert all(each.body["kept"] == {"as": "it is"} for each in (*satisfying, *violating))
    assert all(each.note for each in violating)


def test_each_part_is_violated_alone() -> None:
    """Each part is violated while the others are satisfied, and all are violated together."""
    condition = joined(Operator.ALL, leaf("mode", "On"), leaf("tls", "TLS1_2", Operator.AT_LEAST))
    found = {(each.body.get("mode"), each.body.get("tls")) for each in violating_bodies(condition, {}, SHAPE)}
    assert {("Off", "TLS1_2"), ("On", "TLS1_0"), (None, None)} <= found


def test_stricter_bodies_satisfy_a_condition() -> None:
    """A minimum is satisfied by more than it asks for."""
    found = [each.body["tls"] for each in satisfying_bodies(leaf("tls", "TLS1_2", Operator.AT_LEAST), {}, SHAPE)]
    assert found == ["TLS1_2", "TLS1_3"]


@pytest.mark.parametrize(
    ("path", "value", "shape", "found"),
    [
        ("properties.minimumTlsVersion", "TLS1_2", ["TLS1_2", "TLS1_3"], ["TLS1_3"]),
        ("properties.minTlsVersion", "1.2", ABSENT, ["1.3"]),
        ("properties.minTlsVersion", "1.2", ["1.0", "1.2"], []),
        ("properties.retention.days", 30, "i", [31, 300]),
        ("properties.retention.days", 0, "i", []),
        ("properties.port", 30, "i", []),
        ("properties.immutability.state", "Unlocked", ["Disabled", "Unlocked", "Locked"], ["Locked"]),
        ("properties.softDelete.state", "On", ["Off", "On", "AlwaysON"], ["AlwaysON"]),
        ("properties.state", "On", ABSENT, []),
        ("properties.enabled", True, "b", []),
    ],
)
def test_what_is_stricter(path: str, value: Any, shape: Any, found: list[Any]) -> None:
    """Versions, amounts and some words have an order; only the words that Azure knows are used."""
    assert list(stricter(path, value, shape)) == found


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (".+", "x"),
        (".*/aro-[^/]*/.*", "/aro-x/"),
        ("(a|b).*", "a"),
        (r"(?i)v\d+\.[a-z]", "v1.a"),
        ("^x|y$", "x"),
    ],
)
def test_examples_of_a_pattern(pattern: str, text: str) -> None:
    """A simple pattern has a string that it matches."""
    assert example(pattern) == text


@pytest.mark.parametrize(
    ("body", "parts", "value", "found"),
    [
        ({"A": 1}, ("a",), 2, {"A": 2}),
        ({"a": {"b": 1}}, ("a", "b"), ABSENT, {"a": {}}),
        ({}, ("a", "b"), ABSENT, {}),
        (None, ("a", 1), 5, {"a": [{}, 5]}),
        ({"a": [1]}, ("a", 0), 5, {"a": [5]}),
        (1, (), 2, 2),
    ],
)
def test_placing_a_value(body: Any, parts: tuple[str | int, ...], value: Any, found: Any) -> None:
    """Missing objects and elements are created, and the given body is not changed."""
    assert with_value(body, parts, value) == found
