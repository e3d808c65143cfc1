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
    """What an executor is given to plan one request.

    Attributes:
        fixes: The fixes that the request makes, at least one.
        kind: How it is sent. A PUT also carries what some of the fixes alone would have sent as a PATCH.
        values: The values of the fixes' placeholders, by name.
        resource_id: The resource that the recommendation is about.
        target_id: What is read and written: the resource, something below it or something that it links to.
        before: The target's body; None if it does not exist.
        after: The body that the request has to bring about; None for a template.
        etag: The etag for the header If-Match; None for types that are not known to compare it.
        reader: For reads. Nothing may be written.
    """

    fixes: tuple[FixAction, ...]
    kind: FixKind
    values: Mapping[str, Any] = attrs.field(repr=False)
    resource_id: str
    target_id: str
    before: Any = attrs.field(repr=False)
    after: Any = attrs.field(repr=False)
    etag: str | None = None
    reader: Reader = attrs.field(repr=False, eq=False)


@attrs.frozen(kw_only=True)
class Preview:
    """One planned request: what it is, what it changes and how it is undone.

    Attributes:
        changes: Every member that will differ. For a PATCH or a PUT the request's body is derived from nothing else: a
            plan whose changes and bodies differ is not applied.
        request: The request, on the target or, for a template, on a deployment in the resource's group or subscription.
        undo_request: The request that undoes it; None if this executor cannot undo it. A rollback compares the target
            three ways first and plans a request of its own of this kind.
        creates: The resources that do not exist before the request and exist after it. A rollback can be asked to
            remove them.
    """

    changes: tuple[PropertyChange, ...]
    request: PlannedRequest
    undo_request: PlannedRequest | None = None
    undo_limits: tuple[str, ...] = ()
    creates: tuple[CreatedResource, ...] = ()


@attrs.frozen(kw_only=True)
class Submission:
    """Azure's first answer to a request. A long-running operation may have begun with it."""

    response: ArmResponse


@attrs.frozen(kw_only=True)
class StepContext:
    """What an executor is given to send the request of one step, or to wait for it.

    Attributes:
        step: The approved step. Its request is what is sent, and nothing else.
        before: The target as it was read right before the request; None if it does not exist. While a resumed run waits
            for a recorded operation, it is None as well.
        submission: What ``submit`` or ``undo`` returned; None before that.
        session: Sends the request and reads what became of it. While ``submit`` or ``undo`` runs, it holds the permit
            of the rate limiter for one request with the method and to the subscription of ``step.request``.
        timeout: Seconds that a long-running operation may take.
    """

    step: RemediationStep
    before: Any = attrs.field(default=None, repr=False)
    submission: Submission | None = None
    session: ArmSession = attrs.field(repr=False, eq=False)
    timeout: float = 3600.0


@runtime_checkable
class FixExecutor(Protocol):
    """How one kind of fix is planned and sent.

    ``preview`` is called while planning, ``submit`` for each step of a plan that fixes, ``undo`` for each step of a plan
    that rolls back, and ``wait`` after either of them. All are called from several threads, so an executor holds no
    state. They raise the errors of this library only. An executor is trusted once it passes the contract tests of
    ``defender_remediate.testing``.
    """

    def preview(self, context: PreviewContext, /) -> Preview:
        """Plan the request. Reads only."""

    def submit(self, context: StepContext, /) -> Submission:
        """Send the step's request, exactly once, at once and without reading anything first."""

    def wait(self, context: StepContext, /) -> ArmResponse:
        """Wait until the submission has ended; returns Azure's last answer.

        Raises:
            OperationFailedError: It ended Failed or Canceled. The target is read then: a part may be in effect.
            OperationTimeoutError: It did not end in time.
        """

    def undo(self, context: StepContext, /) -> Submission:
        """Send the request of a step that undoes another one, exactly once, as ``submit`` does.

        ``context.step`` is a step of the rollback: its ``request`` undoes. Do not send its ``undo_request``, which would
        make the fix again. The request is a PATCH or PUT that restores the target or, if ``context.step.is_removal``,
        the DELETE of something that the run created. ``submit`` never gets a DELETE.

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
