"""What ``modify`` and ``append`` do to the body of a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.policy.applied import AppliedPolicy
from defender_remediate.testing.simulator.policy.expressions import evaluate
from defender_remediate.testing.simulator.policy.fields import EACH, changed, values_at
from defender_remediate.testing.simulator.policy.rules import EvaluatedResource
from defender_remediate.testing.simulator.policy.values import MISSING, same

_SHOWN_ONLY = ("id", "type", "name", "fullName")


@attrs.frozen(kw_only=True)
class FieldChange:
    """One change of a field.

    Attributes:
        verb: ``addorreplace``, ``add`` or ``remove``; ``append`` for the effect append.
        wins: Whether the request is refused rather than that another policy changes the same field.
    """

    policy: AppliedPolicy
    verb: str
    field: str
    value: Any = None
    wins: bool = False


def operations_of(policy: AppliedPolicy, effect: str, subject: EvaluatedResource) -> list[FieldChange]:
    """Returns what a policy whose condition holds changes in a resource."""
    if effect == "append":
        listed = policy.details if isinstance(policy.details, list) else []
        return [
            FieldChange(
                policy=policy,
                verb="append",
                field=str(evaluate(one["field"], subject)),
                value=evaluate(one.get("value"), subject),
            )
            for one in listed
        ]
    details = {fold(name): value for name, value in (policy.details or {}).items()}
    wins = fold(str(details.get("conflicteffect") or "audit")) == "deny"
    found = []
    for raw in details.get("operations") or ():
        if "condition" in raw and evaluate(raw["condition"], subject) is not True:
            continue
        value = evaluate(raw.get("value"), subject)
        field = str(evaluate(raw["field"], subject))
        found.append(
            FieldChange(policy=policy, verb=fold(str(raw.get("operation"))), field=field, value=value, wins=wins)
        )
    return found


def conflicts(operations: Sequence[FieldChange]) -> tuple[list[FieldChange], list[FieldChange]]:
    """Divides operations into those to apply and those that refuse the request.

    Where several policies want other values in one field that is not a tag, the one that insists is applied. If more than
    one insists the request is refused; if none does, none of them is applied.
    """
    applied: list[FieldChange] = []
    refusing: list[FieldChange] = []
    for one in operations:
        rivals = [
            other
            for other in operations
            if other.policy is not one.policy
            and fold(other.field) == fold(one.field)
            and (other.verb, other.value) != (one.verb, one.value)
        ]
        if not rivals or one.verb == "append" or fold(one.field).startswith("tags"):
            applied.append(one)
        elif one.wins:
            (refusing if any(other.wins for other in rivals) else applied).append(one)
    return applied, refusing


def apply(operation: FieldChange, body: Mapping[str, Any], subject: EvaluatedResource) -> Mapping[str, Any] | None:
    """Returns the body after a change; None for an ``append`` that would replace another value, which refuses the request."""
    path = subject.locate(operation.field)
    if path is None:
        return body
    # ``[*]`` at the end of a path adds to the array, or takes from it.
    if path and path[-1] is EACH:
        made: Mapping[str, Any] = changed(body, path[:-1], _of_array(operation))
        return made
    held = values_at(body, path)
    if operation.verb == "append":
        if held and not all(same(one, operation.value) or one == operation.value for one in held):
            return None
        return body if held else _set(body, path, operation.value)
    if operation.verb == "add":
        return body if any(one is not None for one in held) else _set(body, path, operation.value)
    return _set(body, path, MISSING if operation.verb == "remove" else operation.value)


def _set(body: Mapping[str, Any], path: Any, value: Any) -> Mapping[str, Any]:
    made: Mapping[str, Any] = changed(body, path, lambda _: value)
    return made


def _of_array(operation: FieldChange) -> Callable[[Any], Any]:
    def change(held: Any) -> Any:
        items = list(held) if isinstance(held, list) else []
        wanted = operation.value if isinstance(operation.value, list) else [operation.value]
        if operation.verb == "remove":
            return [item for item in items if item not in wanted]
        if operation.verb == "addorreplace":
            return wanted
        return [*items, *(item for item in wanted if item not in items)]

    return change
