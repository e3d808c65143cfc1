"""What is stricter than a fix asks for stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.catalog.checks import leaves
from defender_remediate.catalog.lint.answers import placed
from defender_remediate.catalog.lint.bodies import Subject, tried_on
from defender_remediate.catalog.lint.problem import Objection, warning
from defender_remediate.catalog.lint.values import is_versioned, stricter
from defender_remediate.catalog.type_facts import shape_at
from defender_remediate.fixes.conditions import same
from defender_remediate.fixes.paths import look_up, split
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import ArrayStrategy


def leaves_stricter_alone(subject: Subject) -> Iterator[Objection]:
    """A member that asks for more than the fix does keeps its value, whatever else the fix changes."""
    for path, value in leaves(subject.desired):
        parts = split(path)
        if any(isinstance(part, int) for part in parts):
            continue
        for more in stricter(path, value, shape_at(subject.shape, parts)):
            if _is_lowered(subject, path, more):
                yield Objection(f"{path} = {more!r} is stricter than {value!r}, and would be replaced by it")
                break


def _is_lowered(subject: Subject, path: str, more: Any) -> bool:
    for trial in subject.trials:
        found = tried_on(subject, placed(trial.case.before, split(path), more), trial.case.note)
        if found is not None and found.combined.accepted and not same(look_up(found.combined.after, path), more):
            return True
    return False


def asks_for_a_minimum(subject: Subject) -> Iterator[Objection]:
    """A version is compared as one: asked for exactly, a newer one would be a finding."""
    for part in subject.compliant_when.parts():
        wanted = part.value if part.operator is Operator.IN else (part.value,)
        if part.operator not in (Operator.EQUALS, Operator.IN) or not all(
            is_versioned(part.path, value) for value in wanted
        ):
            continue
        shape = shape_at(subject.shape, split(part.path))
        above = {more for value in wanted for more in stricter(part.path, value, shape)} - set(wanted)
        if above and not any(_asks_for_least(other, part.path) for other in subject.compliant_when.parts()):
            yield Objection(f"{part.path}: {min(above)} would be a finding; use at_least")


def _asks_for_least(part: Condition, path: str) -> bool:
    return part.operator is Operator.AT_LEAST and fold(part.path) == fold(path)


def replaces_no_array_unasked(subject: Subject) -> Iterator[Objection]:
    """An array that is replaced loses what somebody put there."""
    for path, how in subject.fix.array_strategies.items():
        if ArrayStrategy.parse(str(how))[0] is ArrayStrategy.REPLACE:
            yield warning(f"replaces the array at {path}: what is there is lost")
