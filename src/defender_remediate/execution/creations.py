"""What a step creates: missing before it, there after it."""

from __future__ import annotations

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.execution.target_state import TargetState, read_at
from defender_remediate.fixes.drift import fingerprint
from defender_remediate.models.ids import id_key
from defender_remediate.models.step import CreatedResource, RemediationStep


def existing_creation(reader: Reader, step: RemediationStep) -> str | None:
    """The id of something that a step creates and that exists already, or None.

    The target is not read for it: whether it existed is a part of its fingerprint.

    Raises:
        DefenderRemediateError: One of them could not be read.
    """
    for creation in step.creates:
        if not _is_target(creation, step) and read_at(reader, creation.resource_id, creation.api_version):
            return creation.resource_id
    return None


def created_by(reader: Reader, step: RemediationStep, state: TargetState) -> tuple[CreatedResource, ...]:
    """What exists after a step and did not exist before it, with its fingerprint.

    Args:
        reader: Reads what is not the target.
        step: A step whose request took effect, at least in part.
        state: The target after it.
    """
    created = []
    for creation in step.creates:
        is_target = _is_target(creation, step)
        if is_target and step.fingerprint != TargetState.of(None, step).fingerprint:
            # Whatever the preview says: the target existed before.
            continue
        try:
            body = state.body if is_target else read_at(reader, creation.resource_id, creation.api_version)
        except DefenderRemediateError:
            # It is named nevertheless; without a fingerprint nothing removes it.
            created.append(creation)
            continue
        if body is not None:
            created.append(attrs.evolve(creation, fingerprint=fingerprint(body, creation.dependencies)))
    return tuple(created)


def _is_target(creation: CreatedResource, step: RemediationStep) -> bool:
    return id_key(creation.resource_id) == id_key(step.target_id)
