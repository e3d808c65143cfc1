"""How a step ends."""

from __future__ import annotations

from collections.abc import Callable

from defender_remediate import PropertyChange, RemediationStep
from defender_remediate.execution.outcomes import ended


def test_what_a_what_if_names_is_not_looked_for_in_the_target(make_step: Callable[..., RemediationStep]) -> None:
    """It names resources, and a name may look like no path at all."""
    step = make_step(changes=(PropertyChange(path="keys/one[ x", after=1), PropertyChange(path="a", after=1)))
    assert ended(step, "applied", body={"a": 2}).after == {"a": 2}  # type: ignore[arg-type]
