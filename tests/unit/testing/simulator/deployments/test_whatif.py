"""The difference between two bodies, as what-if shows it."""

from __future__ import annotations

from defender_remediate.testing.simulator.deployments.whatif import delta_of


def test_only_what_differs_is_shown() -> None:
    """Objects by path, arrays as children with an index, everything else as it was and will be."""
    before = {"a": {"b": 1, "same": 2}, "list": [1, 2, 3], "gone": 1, "kind": "x"}
    after = {"a": {"b": 2, "same": 2}, "list": [1, 5], "new": 1, "kind": ["x"]}
    found = {part["path"]: part for part in delta_of(before, after)}
    assert found["a.b"] == {"path": "a.b", "propertyChangeType": "Modify", "before": 1, "after": 2}
    assert found["gone"] == {"path": "gone", "propertyChangeType": "Delete", "before": 1}
    assert found["new"] == {"path": "new", "propertyChangeType": "Create", "after": 1}
    assert found["kind"]["propertyChangeType"] == "Modify"
    assert found["list"]["children"] == [
        {"path": "1", "propertyChangeType": "Modify", "before": 2, "after": 5},
        {"path": "2", "propertyChangeType": "Delete", "before": 3},
    ]
    assert set(found) == {"a.b", "gone", "new", "kind", "list"}
