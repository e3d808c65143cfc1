"""Values that cannot be made are refused, with what was given and what is valid."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.json_values import freeze
from defender_remediate.models import CheckResult, Condition, Waves


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"operator": "not"}, "needs one condition in of, got 0"),
        ({"operator": "some", "path": "a", "of": ()}, "needs one condition in of, got 0"),
        ({"operator": "in", "path": "a", "value": "b"}, "needs a list of values, got 'b'"),
        ({"operator": "not_in", "path": "a"}, "needs a list of values, got None"),
        ({"operator": "matches", "path": "a", "value": "("}, "is not a valid regular expression"),
        ({"operator": "matches", "path": "a", "value": 5}, "is not a valid regular expression"),
    ],
)
def test_a_condition_whose_parts_do_not_fit_its_operator(members: dict[str, Any], message: str) -> None:
    """A condition that could not be evaluated is found when it is made, not in the middle of a plan."""
    with pytest.raises(InvalidInputError, match=message):
        Condition(**members)


def test_a_value_that_is_nested_too_deeply() -> None:
    """JSON of a hundred thousand levels is an error of this library."""
    value: Any = None
    for _ in range(100_000):
        value = [value]
    with pytest.raises(InvalidInputError, match="nested too deeply"):
        freeze(value)


def test_counts_of_a_wave_that_are_not_numbers() -> None:
    """A gate of the caller may pass anything."""
    with pytest.raises(InvalidInputError, match="failed and tried must be numbers"):
        Waves().reason_to_stop("1", 5)  # type: ignore[arg-type]


def test_a_check_result_without_evidence_and_advice_is_one_line() -> None:
    """Nothing is printed for what is absent."""
    result = CheckResult(check="change_window", status="warning", message="today is Friday")
    assert result.lines() == ["change window warning: today is Friday"]
