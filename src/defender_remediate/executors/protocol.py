"""The seam between deciding and writing: what an executor is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.arm.session import ArmResponse, ArmSession
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.fix import FixAction, FixKind
from defender_remediate.models.plan import CreatedResource, PlannedRequest, PropertyChange, RemediationStep


@attrs.frozen(kw_only=True)
class PreviewContext:
    """What there is to plan on one target.

    Attributes:
        fixes: The fixes that one request has to carry.
        kind: How it has to be written; a PUT carries what some of the fixes alone would have sent as a PATCH.
        values: What their placeholders stand for, by name.
        resource_id, target_id: The resource, and what is read and written.
        before: The target's body; None when it does not exist.
        after: The body that the request has to bring about; None for a template.
        etag: The target's etag, for types that have one; else empty.
        reader: For reads.
    """

    fixes: tuple[FixAction, ...]
    kind: FixKind
    values: Mapping[str, Any] = attrs.field(repr=False)
    resource_id: str
    target_id: str
    before: Any = attrs.field(repr=False)
    after: Any = attrs.field(repr=False)
    etag: str = ""
    reader: Reader = attrs.field(repr=False, eq=False)


@attrs.frozen(kw_only=True)
class Preview:
    """What would be sent, what it would change, and how it would be undone.

    Attributes:
        undo_request: None when this executor cannot undo it.
        creates: The resources that do not exist and would by then. A rollback can be asked to remove them.
    """

    changes: tuple[PropertyChange, ...]
    request: PlannedRequest
    undo_request: PlannedRequest | None = None
    creates: tuple[CreatedResource, ...] = ()


@attrs.frozen(kw_only=True)
class Submission:
    """What Azure answered to a write; a long-running operation may still be going on."""

    response: ArmResponse


@attrs.frozen(kw_only=True)
class StepContext:
    """One step, while it is carried out.

    Attributes:
        step: What was planned and approved: its request is what is sent, nothing else.
        before: The target as it was read right before; None when it does not exist.
        submission: What ``submit`` or ``undo`` gave; None while nothing was sent.
        session: For the write, and for following it.
        timeout: Seconds that a long-running operation may take.
    """

    step: RemediationStep
    before: Any = attrs.field(default=None, repr=False)
    submission: Submission | None = None
    session: ArmSession = attrs.field(repr=False, eq=False)
    timeout: float = 3600.0


@runtime_checkable
class FixExecutor(Protocol):
    """How one kind of fix is written.

    The engine calls ``preview`` while planning, ``submit`` for each step of a plan of fixes, ``undo`` for each step of
    a plan that rolls back, and ``wait`` after either, from several threads at once: an executor holds no state. Each
    method raises this library's typed errors only. ``defender_remediate.testing`` has the contract test that an
    executor has to pass before it is trusted.
    """

    def preview(self, context: PreviewContext, /) -> Preview:
        """Say what would be sent. Reads only."""

    def submit(self, context: StepContext, /) -> Submission:
        """Send the step's request, exactly once."""

    def wait(self, context: StepContext, /) -> ArmResponse:
        """Wait until the submission has ended.

        Raises:
            OperationFailedError: It ended Failed or Canceled.
            OperationTimeoutError: It did not end in time.
        """

    def undo(self, context: StepContext, /) -> Submission:
        """Send the request of a step that takes another one back, exactly once.

        A rollback compares first and so plans steps of its own: ``context.step.request`` is what undoes, not the way
        back of that step, which would do it again. It is a PATCH or PUT that restores, sent as ``submit`` sends one, or
        the DELETE of something that the run created: see ``context.step.is_removal``. ``submit`` never sends a DELETE.

        Raises:
            InvalidInputError: This executor cannot undo that.
        """


def executors_by_kind(executors: Mapping[str, FixExecutor]) -> dict[str, FixExecutor]:
    """The executors that a caller passed, by the kind of fix that each of them writes.

    Raises:
        InvalidInputError: It is not a mapping, or one of its keys is not a kind of fix.
    """
    kinds = [kind.value for kind in FixKind]
    if not isinstance(executors, Mapping):
        raise InvalidInputError(
            f"executors must be a mapping, got {quoted(executors)}", hint='pass {"patch": executor}'
        )
    for name in executors:
        if name not in kinds:
            raise InvalidInputError(
                f"executors: {quoted(name)} is not a kind of fix", hint=f"use one of {', '.join(kinds)}"
            )
    return dict(executors)
