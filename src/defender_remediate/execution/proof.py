"""Which answers to a write show the target as well as a read would, so that it need not be read again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.arm.session import ArmResponse
from defender_remediate.casing import fold
from defender_remediate.execution.target_state import ProvisioningState, TargetState
from defender_remediate.fixes.drift import NEVER_SET
from defender_remediate.fixes.paths import is_below, join, member
from defender_remediate.models.estimate import WHOLE_ANSWERS
from defender_remediate.models.fix import FixKind
from defender_remediate.models.ids import id_key
from defender_remediate.models.step import RemediationStep

_LINKS = ("azure-asyncoperation", "location")


def shown_by(
    answer: ArmResponse | None, step: RemediationStep, before: Any, *, may_be_write: bool
) -> TargetState | None:
    """The state of the target that an answer proves to be reached; None if the target has to be read for it.

    An answer proves it if it is the target and meets the condition of the step, with nothing going on. That is a GET of the
    target which ended a long-running operation, or the 200 answer of a type in ``WHOLE_ANSWERS`` to a PATCH or PUT, if it
    shows every member that the target had before.

    Args:
        answer: Azure's last answer.
        step: What was sent.
        before: The target as it was read right before.
        may_be_write: Whether the answer to the write itself may count.
    """
    body = None if answer is None else answer.body
    if answer is None or not isinstance(body, Mapping) or step.executor == FixKind.TEMPLATE:
        return None
    if id_key(str(body.get(member(body, "id"), ""))) != id_key(step.target_id):
        return None
    if answer.method != "GET" and not (may_be_write and _is_whole(answer, step, before)):
        return None
    state = TargetState.of(body, step)
    is_reached = state.satisfies(step.compliant_when) and state.provisioning is ProvisioningState.FINAL
    return state if is_reached else None


def _is_whole(answer: ArmResponse, step: RemediationStep, before: Any) -> bool:
    is_final = answer.status == 200 and not any(answer.headers.get(name) for name in _LINKS)
    is_of_type = fold(step.resource_type) in WHOLE_ANSWERS and id_key(step.resource_id) == id_key(step.target_id)
    is_write = answer.method in ("PATCH", "PUT")
    return (
        is_final and is_of_type and is_write and isinstance(before, Mapping) and _shows(answer.body, before, step, ())
    )


def _shows(body: Mapping[str, Any], before: Mapping[str, Any], step: RemediationStep, at: tuple[str, ...]) -> bool:
    """Whether a body shows the members that there were, apart from what the step removes and what Azure sets."""
    for name, value in before.items():
        if fold(name) in NEVER_SET or value in (None, [], {}):
            continue
        found = member(body, name)
        if found not in body:
            path = join((*at, name))
            if not any(is_below(change.path, path) for change in step.changes):
                return False
        elif isinstance(value, Mapping) and not (
            isinstance(body[found], Mapping) and _shows(body[found], value, step, (*at, name))
        ):
            return False
    return True
