"""Bodies that meet a condition, and bodies that do not, made from another body by changing what the condition asks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import attrs

from defender_remediate.catalog.lint.values import right, wrong
from defender_remediate.catalog.type_facts import ELEMENT, inner, shape_at
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.paths import look_up, member, split
from defender_remediate.json_values import ABSENT
from defender_remediate.models.condition import Condition, Operator

# Each part of a condition may be met or missed in many ways; so many of them are tried.
_WAYS = 8


@attrs.frozen
class Answer:
    """A body, and how it was made."""

    body: Any
    note: str


def meeting(condition: Condition, body: Any, shape: Any) -> Iterator[Answer]:
    """Bodies like this one that meet the condition, in several ways, also by more than is asked."""
    yield from (each for each in _answers(condition, body, shape, wanted=True) if holds(condition, each.body))


def missing(condition: Condition, body: Any, shape: Any) -> Iterator[Answer]:
    """Bodies like this one that do not meet the condition: once for each of its parts and each way to miss it."""
    yield from (each for each in _answers(condition, body, shape, wanted=False) if not holds(condition, each.body))


def _answers(condition: Condition, body: Any, shape: Any, *, wanted: bool) -> Iterator[Answer]:
    if condition.operator is Operator.NOT:
        yield from _answers(condition.of[0], body, shape, wanted=not wanted)
    elif condition.operator in (Operator.ALL, Operator.ANY):
        # To meet all of several parts is as to miss any: every part has to give the same answer.
        together = (condition.operator is Operator.ALL) is wanted
        yield from (_each_alike if together else _one_of_them)(condition, body, shape, wanted=wanted)
    elif condition.operator in (Operator.SOME, Operator.EVERY):
        yield from _arrays(condition, body, shape, wanted=wanted)
    else:
        yield from _leaf(condition, body, shape, wanted=wanted)


def _each_alike(condition: Condition, body: Any, shape: Any, *, wanted: bool) -> Iterator[Answer]:
    for number, part in enumerate(condition.of):
        others = (*condition.of[:number], *condition.of[number + 1 :])
        for found in islice(_answers(part, body, shape, wanted=wanted), _WAYS):
            yield _joined(found, others, shape, wanted=wanted)


def _joined(found: Answer, others: tuple[Condition, ...], shape: Any, *, wanted: bool) -> Answer:
    notes = [found.note]
    result = found.body
    for part in others:
        if holds(part, result) is not wanted:
            answers = _answers(part, result, shape, wanted=wanted)
            fitting = (each for each in answers if holds(part, each.body) is wanted)
            chosen = next(fitting, Answer(result, ""))
            result = chosen.body
            notes.append(chosen.note)
    return Answer(result, ", ".join(filter(None, dict.fromkeys(notes))))


def _one_of_them(condition: Condition, body: Any, shape: Any, *, wanted: bool) -> Iterator[Answer]:
    for number, part in enumerate(condition.of):
        others = (*condition.of[:number], *condition.of[number + 1 :])
        # The others are met where one is to be missed, and missed where one is to be met: the part stands alone.
        start = _joined(Answer(body, ""), others, shape, wanted=not wanted)
        yield from islice(_answers(part, start.body, shape, wanted=wanted), _WAYS)
    yield from islice(_each_alike(condition, body, shape, wanted=wanted), _WAYS)


def _leaf(condition: Condition, body: Any, shape: Any, *, wanted: bool) -> Iterator[Answer]:
    parts = split(condition.path)
    for value in (right if wanted else wrong)(condition, shape_at(shape, parts)):
        what = "is absent" if value is ABSENT else f"is {value!r}"
        yield Answer(placed(body, parts, value), f"{condition.path or 'the element'} {what}")


def _arrays(condition: Condition, body: Any, shape: Any, *, wanted: bool) -> Iterator[Answer]:
    parts = split(condition.path)
    there = look_up(body, condition.path)
    first = there[0] if isinstance(there, (list, tuple)) and there else {}
    below = inner(shape_at(shape, parts), ELEMENT)
    where = condition.of[0]
    good = _elements(where, first, below, wanted=True)
    bad = _elements(where, first, below, wanted=False)
    for elements, note in _of_elements(condition.operator, good, bad, wanted=wanted):
        yield Answer(placed(body, parts, elements), f"{condition.path} {note}")


def _elements(where: Condition, first: Any, shape: Any, *, wanted: bool) -> list[Answer]:
    found = islice(_answers(where, first, shape, wanted=wanted), _WAYS)
    return [each for each in found if each.body is not ABSENT and holds(where, each.body) is wanted]


def _of_elements(test: Operator, good: list[Answer], bad: list[Answer], *, wanted: bool) -> Iterator[tuple[Any, str]]:
    if not wanted:
        yield ABSENT, "is absent"
        yield [], "is empty"
    kept = {True: good, False: bad}[wanted]
    for each in kept:
        yield [each.body], f"has an element where {each.note}"
    # One good element among bad ones is enough for some; one bad element among good ones is enough against every.
    mixed = (test is Operator.SOME) is wanted
    company = ({True: bad, False: good}[wanted] if mixed else kept)[:1]
    for each in kept[:2]:
        yield [*(other.body for other in company), each.body], f"has one more element, where {each.note}"


def placed(body: Any, parts: tuple[str | int, ...], value: Any) -> Any:
    """A copy of the body with another value at a path; ``ABSENT`` takes the member out; objects are made on the way."""
    if not parts:
        return value
    if isinstance(parts[0], int):
        result = list(body) if isinstance(body, (list, tuple)) else []
        result += [{}] * (parts[0] + 1 - len(result))
        result[parts[0]] = placed(result[parts[0]], parts[1:], value)
        return result
    members = dict(body) if hasattr(body, "keys") else {}
    name = member(members, parts[0])
    if value is ABSENT and name not in members:
        return members
    if value is ABSENT and len(parts) == 1:
        del members[name]
        return members
    members[name] = placed(members.get(name, {}), parts[1:], value)
    return members
