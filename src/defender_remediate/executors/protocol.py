"""The protocol of executors, with the values that they receive and return."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Protocol, runtime_checkable

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.arm.session import ArmResponse, ArmSession
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.fix import FixAction, FixKind
from defender_remediate.models.step import CreatedResource, PlannedRequest, PropertyChange, RemediationStep
from defender_remediate.pauses import Pause, Waits
from defender_remediate.validation import did_you_mean, is_number


@attrs.frozen(kw_only=True)
class PreviewContext:
    """The input of an executor that plans one request.

    Attributes:
        fixes: The fixes that the request applies, at least one.
        kind: How the request is sent. A PUT can include fixes that would be a PATCH on their own.
        values: The values of the fixes' placeholders, by name.
        resource_id: The resource that the recommendation is about.
        target_id: The id that is read and written: the resource, a child of it, or a resource that it links to.
        before: The target's body; None if it does not exist.
        after: The body after the request; None for a template.
        etag: The etag for the header If-Match; None for types that are not known to compare it.
        reader: Sends read requests. An executor must not write while planning.
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
    """One planned request, its changes, and how it is undone.

    Attributes:
        changes: Every member that will differ. The body of a PATCH or PUT is derived from the changes alone: a
            plan in which the two differ is not applied.
        request: The request, on the target or, for a template, on a deployment in the resource's group or subscription.
        undo_request: The request that undoes it; None if this executor cannot undo it. A rollback compares the
            target before the run, after the run and now, and plans a new request of this kind.
        creates: The resources that the request creates. A rollback can remove them on request.
    """

    changes: tuple[PropertyChange, ...]
    request: PlannedRequest
    undo_request: PlannedRequest | None = None
    undo_limits: tuple[str, ...] = ()
    creates: tuple[CreatedResource, ...] = ()


@attrs.frozen(kw_only=True)
class Submission:
    """Azure's first response to a request, which may have started a long-running operation."""

    response: ArmResponse


@attrs.frozen(kw_only=True)
class StepContext:
    """The input of an executor that sends the request of one step or waits for it.

    Attributes:
        step: The approved step. Only its request is sent.
        before: The target as it was read immediately before the request; None if it does not exist, and None while a
            resumed run waits for a recorded operation.
        submission: What ``submit`` or ``undo`` returned; None before that.
        session: Sends the request and reads its outcome. While ``submit`` or ``undo`` runs, the session has the rate limiter's
            permit for one request with the method and subscription of ``step.request``.
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

    ``preview`` is called while planning, ``submit`` for each step of a plan of fixes, ``undo`` for each step of a rollback
    plan, and ``wait`` after either of them. All are called from several threads, so an executor must not have state. They
    must raise only the errors of this library. Test an executor with the contract in ``defender_remediate.testing``.

    While ``wait`` waits, it has a thread. An executor whose operations take long may also be a ``FollowingExecutor``.
    """

    def preview(self, context: PreviewContext, /) -> Preview:
        """Plan the request. Reads only."""

    def submit(self, context: StepContext, /) -> Submission:
        """Send the request of the step exactly once, without a delay and without any read before it."""

    def wait(self, context: StepContext, /) -> ArmResponse:
        """Wait until the submission has ended; returns Azure's last response.

        Raises:
            OperationFailedError: The operation ended Failed or Canceled. The caller then reads the target, because a part of the
                change may be in effect.
            OperationTimeoutError: The operation did not end in time.
        """

    def undo(self, context: StepContext, /) -> Submission:
        """Send the request of a step that undoes another one, exactly once, as ``submit`` does.

        ``context.step`` is a step of the rollback; send its ``request``. Do not send its ``undo_request``, which would apply
        the fix again. The request is a PATCH or PUT that restores the target or, if ``context.step.is_removal``, the
        DELETE of a resource that the run created. ``submit`` never receives a DELETE.

        Raises:
            InvalidInputError: This executor cannot undo the step.
        """


@runtime_checkable
class FollowingExecutor(FixExecutor, Protocol):
    """An executor that waits for any number of operations without a thread for each."""

    def follow(self, context: StepContext, /) -> Waits[ArmResponse]:
        """The same as ``wait``, as a generator: it yields a ``Pause`` whenever it has to wait, and returns the last response.

        It is called in place of ``wait``, except where a class further down overrides ``wait`` alone.
        """


def followed(executor: FixExecutor, context: StepContext) -> Waits[ArmResponse]:
    """Wait until a submission has ended, by ``follow`` if the executor has it and by ``wait`` otherwise."""
    for cls in type(executor).__mro__:
        if "follow" in vars(cls) and isinstance(executor, FollowingExecutor):
            return (yield from _only_pauses(executor.follow(context)))
        if "wait" in vars(cls):
            break
    return executor.wait(context)


def _only_pauses(waits: Waits[ArmResponse]) -> Waits[ArmResponse]:
    """The same generator. What is not a pause of some seconds would end up among the results of the run, or be waited for forever.

    Raises:
        TypeError: It yields something else.
    """
    with closing(waits):
        while True:
            try:
                pause = next(waits)
            except StopIteration as ended:
                response: ArmResponse = ended.value
                return response
            if not isinstance(pause, Pause) or not is_number(pause.seconds) or not 0 <= pause.seconds < math.inf:
                raise TypeError(f"follow must yield pauses of 0 or more seconds, got {quoted(pause)}")
            yield pause


def executors_by_kind(executors: Mapping[str, FixExecutor]) -> dict[str, FixExecutor]:
    """The executors that a caller passed, by kind of fix.

    Raises:
        InvalidInputError: The value is not a mapping, or a key is not a kind of fix.
    """
    kinds = [kind.value for kind in FixKind]
    if not isinstance(executors, Mapping):
        raise InvalidInputError(
            f"executors must be a mapping, got {quoted(executors)}", hint='pass {"patch": executor}'
        )
    for name in executors:
        if name not in kinds:
            raise InvalidInputError(f"executors: {quoted(name)} is not a kind of fix", hint=did_you_mean(name, kinds))
    return dict(executors)
