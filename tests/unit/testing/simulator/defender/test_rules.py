"""The simulator's own conditions."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing.simulator.defender.rules import holds
from defender_remediate.testing.simulator.state.store import Store
from defender_remediate.testing.simulator.state.types import ResourceTypes

BODY = {"a": {"b": "Yes", "n": 1, "list": [{"x": "*"}, {"x": "y"}], "none": None}, "v": "TLS1_2", "flag": False}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"path": "a.b", "equals": "yes"}, True),
        ({"path": "a.n", "equals": True}, False),
        ({"path": "a.missing", "equals": "x"}, False),
        ({"path": "a.none", "equals": "x", "or_absent": True}, True),
        ({"path": "a.b", "in": ["no", "YES"]}, True),
        ({"path": "a.b", "in": ["no"]}, False),
        ({"path": "v", "at_least": "1.2"}, True),
        ({"path": "v", "at_least": "1.3"}, False),
        ({"path": "a.list[*].x", "excludes": "*"}, False),
        ({"path": "a.list[*].x", "excludes": "z"}, True),
        ({"path": "a.b[*]", "excludes": "z"}, False),
        ({"path": "a.b", "contains": "ES"}, True),
        ({"path": "a.b", "empty": False}, True),
        ({"path": "flag", "empty": True}, True),
        ({"not": {"path": "a.b", "equals": "yes"}}, False),
        ({"all": [{"path": "a.b", "equals": "yes"}, {"path": "flag", "equals": True}]}, False),
        ({"any": [{"path": "flag", "equals": True}, {"path": "a.b", "equals": "yes"}]}, True),
        ({"child": "kids/one", "where": {"path": "a", "equals": 1}}, False),
    ],
)
def test_conditions(condition: dict[str, Any], expected: bool) -> None:
    """Each operator, met and not."""
    assert holds(condition, BODY, "/subscriptions/s", Store(ResourceTypes())) is expected
