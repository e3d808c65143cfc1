"""What a step creates: missing before it, there after it."""

from __future__ import annotations

from typing import Any

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.execution.target_state import read_at
from defender_remediate.fixes.drift import fingerprint
from defender_remediate.models.plan import CreatedResource, RemediationStep


def already_there(reader: Reader, step: RemediationStep) -> str:
    """The id of something that the step is to create and that exists by now; empty when nothing does.

    The target itself is not read again: the step's fingerprint says whether it was there.

    Raises:
        DefenderRemediateError: One of them could not be read.
    """
    for created in step.creates:
        if not _is_target(step, created) and read_at(reader, created.resource_id, created.api_version) is not None:
            return created.resource_id
    return ""


def left_behind(reader: Reader, step: RemediationStep, body: Any) -> tuple[CreatedResource, ...]:
    """What the step has created, with its fingerprint.

    Args:
        reader: To read what is not the target.
        step: A step that was applied.
        body: The target as it was read back.
    """
    # Whatever a preview says of it, a target that was there before the step is none that it created.
    was_there = step.fingerprint != fingerprint(None, step.dependencies)
    new = [created for created in step.creates if not (was_there and _is_target(step, created))]
    return tuple(filter(None, (_left(reader, step, created, body) for created in new)))


def _left(reader: Reader, step: RemediationStep, created: CreatedResource, body: Any) -> CreatedResource | None:
    try:
        is_read = _is_target(step, created)
        now = body if is_read else read_at(reader, created.resource_id, created.api_version)
    except DefenderRemediateError:
        # It is named all the same; without a fingerprint nothing removes it.
        return created
    return None if now is None else attrs.evolve(created, fingerprint=fingerprint(now, created.dependencies))


def _is_target(step: RemediationStep, created: CreatedResource) -> bool:
    return fold(created.resource_id) == fold(step.target_id)
