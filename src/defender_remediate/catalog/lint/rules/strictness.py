"""Rules that keep values which are stricter than what a fix asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.catalog.lint.checked_fix import CheckedFix, plan_on
from defender_remediate.catalog.lint.problem import RuleViolation, warning
from defender_remediate.catalog.lint.sample_bodies import with_value
from defender_remediate.catalog.lint.sample_values import is_versioned, stricter
from defender_remediate.catalog.type_facts import shape_at
from defender_remediate.catalog.validity import leaves
from defender_remediate.fixes.conditions import same
from defender_remediate.fixes.paths import look_up, split
from defender_remediate.models.condition import Operator
from defender_remediate.models.fix import ArrayStrategy


def keeps_stricter_values(checked: CheckedFix) -> Iterator[RuleViolation]:
    """A member with a stricter value keeps it, whatever else the fix changes."""
    for path, value in leaves(checked.desired):
        parts = split(path)
        if any(isinstance(part, int) for part in parts):
            continue
        for more in stricter(path, value, shape_at(checked.shape, parts)):
            if _is_lowered(checked, path, more):
                yield RuleViolation(f"{path} = {more!r} is stricter than {value!r}, but would be replaced by it")
                break


def _is_lowered(checked: CheckedFix, path: str, more: Any) -> bool:
    for sample in checked.samples:
        found = plan_on(checked, with_value(sample.before, split(path), more), sample.note)
        if found is not None and found.combined.accepted and not same(look_up(found.combined.after, path), more):
            return True
    return False


def asks_for_minimum(checked: CheckedFix) -> Iterator[RuleViolation]:
    """A version is compared with at_least: with equals, a newer version would not be compliant."""
    for part in checked.compliant_when.parts():
        wanted = part.value if part.operator is Operator.IN else (part.value,)
        if part.operator not in (Operator.EQUALS, Operator.IN) or not all(
            is_versioned(part.path, value) for value in wanted
        ):
            continue
        shape = shape_at(checked.shape, split(part.path))
        above = {more for value in wanted for more in stricter(part.path, value, shape)} - set(wanted)
        has_minimum = any(
            other.operator is Operator.AT_LEAST and fold(other.path) == fold(part.path)
            for other in checked.compliant_when.parts()
        )
        if above and not has_minimum:
            yield RuleViolation(f"{part.path}: {min(above)} would not be compliant; use at_least")


def keeps_array_elements(checked: CheckedFix) -> Iterator[RuleViolation]:
    """An array that is replaced loses its other elements."""
    for path, how in checked.fix.array_strategies.items():
        if ArrayStrategy.parse(str(how))[0] is ArrayStrategy.REPLACE:
            yield warning(f"it replaces the array at {path}, which loses its other elements")
