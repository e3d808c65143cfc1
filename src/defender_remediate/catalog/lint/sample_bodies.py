"""Bodies that satisfy a condition and bodies that violate it, made from another body by changing what the condition reads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import attrs

from defender_remediate.catalog.lint.sample_values import satisfying_values, violating_values
from defender_remediate.catalog.type_facts import ELEMENT, inner, shape_at
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.paths import look_up, member, split
from defender_remediate.json_values import ABSENT
from defender_remediate.models.condition import Condition, Operator

# A part of a condition can be satisfied or violated in many ways; this many are tried.
_VARIANTS = 8


@attrs.frozen
class SampleBody:
    """A body, and how it was made."""

    body: Any
    note: str


def satisfying_bodies(condition: Condition, body: Any, shape: Any) -> Iterator[SampleBody]:
    """Bodies like this one that satisfy the condition, in several ways, also by more than it asks for."""
    for sample in _candidates(condition, body, shape, satisfied=True):
        if holds(condition, sample.body):
            yield sample


def violating_bodies(condition: Condition, body: Any, shape: Any) -> Iterator[SampleBody]:
    """Bodies like this one that violate the condition: each part alone, in each way, and all parts together."""
    for sample in _candidates(condition, body, shape, satisfied=False):
        if not holds(condition, sample.body):
            yield sample


def _candidates(condition: Condition, body: Any, shape: Any, *, satisfied: bool) -> Iterator[SampleBody]:
    """Bodies for which the condition is probably true, or probably false; the caller keeps those for which it is."""
    operator = condition.operator
    if operator is Operator.NOT:
        yield from _candidates(condition.of[0], body, shape, satisfied=not satisfied)
    elif (operator is Operator.ALL and satisfied) or (operator is Operator.ANY and not satisfied):
        yield from _every_part(condition, body, shape, satisfied=satisfied)
    elif operator in (Operator.ALL, Operator.ANY):
        # Bodies for which one part alone decides, and bodies for which all parts are alike.
        for number, part in enumerate(condition.of):
            others = (*condition.of[:number], *condition.of[number + 1 :])
            start = _with_parts(SampleBody(body, ""), others, shape, satisfied=not satisfied)
            yield from islice(_candidates(part, start.body, shape, satisfied=satisfied), _VARIANTS)
        yield from islice(_every_part(condition, body, shape, satisfied=satisfied), _VARIANTS)
    elif operator in (Operator.SOME, Operator.EVERY):
        yield from _arrays(condition, body, shape, satisfied=satisfied)
    else:
        parts = split(condition.path)
        values = satisfying_values if satisfied else violating_values
        for value in values(condition, shape_at(shape, parts)):
            what = "is absent" if value is ABSENT else f"is {value!r}"
            yield SampleBody(with_value(body, parts, value), f"{condition.path or 'the element'} {what}")


def _every_part(condition: Condition, body: Any, shape: Any, *, satisfied: bool) -> Iterator[SampleBody]:
    """Bodies for which all parts are true, or all false; each part takes its turn in varying."""
    for number, part in enumerate(condition.of):
        others = (*condition.of[:number], *condition.of[number + 1 :])
        for sample in islice(_candidates(part, body, shape, satisfied=satisfied), _VARIANTS):
            yield _with_parts(sample, others, shape, satisfied=satisfied)


def _with_parts(sample: SampleBody, parts: tuple[Condition, ...], shape: Any, *, satisfied: bool) -> SampleBody:
    """The sample, changed so that these parts are all true, or all false, where a way is known."""
    body = sample.body
    notes = [sample.note] if sample.note else []
    for part in parts:
        if holds(part, body) is satisfied:
            continue
        for changed in _candidates(part, body, shape, satisfied=satisfied):
            if holds(part, changed.body) is satisfied:
                body = changed.body
                notes.append(changed.note)
                break
    return SampleBody(body, ", ".join(dict.fromkeys(notes)))


def _arrays(condition: Condition, body: Any, shape: Any, *, satisfied: bool) -> Iterator[SampleBody]:
    """Bodies with other elements in the array that ``some`` or ``every`` is about."""
    parts = split(condition.path)
    existing = look_up(body, condition.path)
    first = existing[0] if isinstance(existing, (list, tuple)) and existing else {}
    element_shape = inner(shape_at(shape, parts), ELEMENT)
    good = _elements(condition.of[0], first, element_shape, satisfied=True)
    bad = _elements(condition.of[0], first, element_shape, satisfied=False)
    if satisfied:
        deciding, others = good, bad if condition.operator is Operator.SOME else good
    else:
        deciding, others = bad, good if condition.operator is Operator.EVERY else bad
        yield SampleBody(with_value(body, parts, ABSENT), f"{condition.path} is absent")
        yield SampleBody(with_value(body, parts, []), f"{condition.path} is empty")
    for element in deciding:
        note = f"{condition.path} has an element where {element.note}"
        yield SampleBody(with_value(body, parts, [element.body]), note)
    for element in deciding[:2]:
        note = f"{condition.path} has one more element, where {element.note}"
        yield SampleBody(with_value(body, parts, [*(other.body for other in others[:1]), element.body]), note)


def _elements(where: Condition, first: Any, shape: Any, *, satisfied: bool) -> list[SampleBody]:
    found = islice(_candidates(where, first, shape, satisfied=satisfied), _VARIANTS)
    return [each for each in found if each.body is not ABSENT and holds(where, each.body) is satisfied]


def with_value(body: Any, parts: tuple[str | int, ...], value: Any) -> Any:
    """A copy of the body with another value at a path; ``ABSENT`` removes the member. Missing parents are created."""
    if not parts:
        return value
    if isinstance(parts[0], int):
        result = list(body) if isinstance(body, (list, tuple)) else []
        result += [{}] * (parts[0] + 1 - len(result))
        result[parts[0]] = with_value(result[parts[0]], parts[1:], value)
        return result
    members = dict(body) if hasattr(body, "keys") else {}
    name = member(members, parts[0])
    if value is ABSENT and name not in members:
        return members
    if value is ABSENT and len(parts) == 1:
        del members[name]
        return members
    members[name] = with_value(members.get(name, {}), parts[1:], value)
    return members
