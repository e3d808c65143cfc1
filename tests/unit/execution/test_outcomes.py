"""What the body of a success says about its parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from defender_remediate.execution.outcomes import failed_parts, result_of
from defender_remediate.execution.target_state import TargetState
from defender_remediate.models.plan import PropertyChange, RemediationStep

FAILED = {"name": "Scan", "isEnabled": "True", "operationStatus": {"code": "Failed", "message": "no right to assign"}}
WORKED = {"name": "Scan", "isEnabled": "True", "operationStatus": {"code": "Succeeded"}}
EXTENSIONS = PropertyChange(path="properties.extensions", before=[], after=[{"name": "Scan"}])


@pytest.mark.parametrize(
    ("body", "before", "told"),
    [
        ({"properties": {"extensions": [FAILED]}}, {}, "properties.extensions[0]: Scan no right to assign"),
        ({"properties": {"extensions": [FAILED]}}, {"properties": {"extensions": [FAILED]}}, "Scan no right"),
        ({"properties": {"extensions": [WORKED]}}, {}, None),
        ({"properties": {"provisioningState": "Failed"}}, {}, None),
        ({"properties": {"subnets": [{"properties": {"provisioningState": "Failed"}}]}}, {}, "subnets[0].properties"),
        (
            {"properties": {"subnets": [{"properties": {"provisioningState": "Failed"}}]}},
            {"properties": {"subnets": [{"properties": {"provisioningState": "Failed"}}]}},
            None,
        ),
        (None, None, None),
    ],
)
def test_a_failed_part_is_named(body: object, before: object, told: str | None) -> None:
    """Unless it had failed before and is not what the step changes; the state of the resource itself is no part."""
    error = failed_parts(body, before, [EXTENSIONS])
    assert (error is None) is (told is None)
    assert error is None or told is None or told in error.message


def test_what_a_what_if_names_is_not_looked_for_in_the_target(make_step: Callable[..., RemediationStep]) -> None:
    """It names resources, and a name may look like no path at all."""
    step = make_step(changes=(PropertyChange(path="keys/one[ x", after=1), PropertyChange(path="a", after=1)))
    state = TargetState.of({"a": 2}, step)
    assert result_of(step, "applied", state=state).after == {"a": 2}  # type: ignore[arg-type]
