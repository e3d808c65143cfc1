"""The attempts of one step: write down, send, wait, read back, and what to do when one of them fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs

from defender_remediate.arm.session import ArmResponse, ArmSession
from defender_remediate.errors import (
    ConnectionCutError,
    DefenderRemediateError,
    JournalError,
    NotFoundError,
)
from defender_remediate.execution.created import already_there, left_behind
from defender_remediate.execution.outcomes import (
    ended,
    moved,
    not_in_effect,
    not_read,
    planned_before,
    protected,
    there_already,
)
from defender_remediate.execution.protected_tags import TagWatch
from defender_remediate.execution.retry import Next, Reaction, reaction_to, step_error
from defender_remediate.execution.target_state import at_rest, has_failed, is_moving, read, read_back
from defender_remediate.executors.protocol import FixExecutor, StepContext, Submission
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.drift import fingerprint
from defender_remediate.journal import RunLog, StepAccepted, StepIntended, StepState
from defender_remediate.journal.records import HIDDEN_POLL
from defender_remediate.json_values import ABSENT
from defender_remediate.models.plan import RemediationStep
from defender_remediate.models.result import Outcome, RemediationResult, StepError
from defender_remediate.redaction import redact_text

MAX_ATTEMPTS = 8
MAX_WAIT = 300.0
_WITHHELD = StepError(
    code="Withheld",
    message="the request had a secret in it, which the journal does not keep, so it cannot be sent from there",
    hint="plan again and approve the new plan",
)
_STILL_MOVING = StepError(
    code="StillChanging",
    message="Azure answered success, but the target says that it is still being changed",
    hint="client.verify(report) looks at it again",
)
_LINKS = ("azure-asyncoperation", "location")


@attrs.frozen(kw_only=True)
class _Failure:
    """Why an attempt did not end well.

    Attributes:
        accepted: Whether Azure had taken the write: then it goes on there, and must not be sent again.
    """

    error: DefenderRemediateError
    accepted: bool


@attrs.define(kw_only=True)
class Attempts:
    """The attempts of one step. Lives in one thread.

    Attributes:
        jitter: Gives a number from 0 to 1, to spread retries.
        before: The target as it was read last.
        redacted_steps: Whether the journal did not keep the request, because it had a secret in it: it cannot be sent again.
        sent: How many times the write was sent.
        unsettled: Whether one of them may have taken effect, late or unseen: then nothing that comes after it is the
            last word before the target was read.
        deadline: When the attempt that is under way has taken too long, on the session's clock.
        watch: Looks for protected tags before each attempt.
        undoes: Whether the step belongs to a plan that rolls back.
    """

    session: ArmSession
    step: RemediationStep
    executor: FixExecutor
    log: RunLog
    timeout: float
    jitter: Callable[[], float]
    before: Any = None
    redacted_steps: bool = False
    sent: int = 0
    unsettled: bool = False
    deadline: float = 0.0
    request_id: str = ""
    watch: TagWatch
    undoes: bool = False

    def result(self) -> RemediationResult:
        """Send, until it is clear what became of it."""
        if self.redacted_steps:
            return self._end(Outcome.FAILED, error=_WITHHELD)
        while True:
            kept_off = self._kept_off()
            if kept_off is not None:
                return kept_off
            failure = self._try()
            ending = self._proven() if failure is None else self._after(failure)
            if ending is not None:
                return ending

    def _kept_off(self) -> RemediationResult | None:
        """The result when the resource is protected by now, or when nobody can tell; None when it may be written."""
        try:
            why = self.watch.why_not(self.step, self.before)
        except DefenderRemediateError as error:
            return self._counted(not_read(self.step, error))
        return self._counted(protected(self.step, why, self.before)) if why else None

    def go_on(self, known: StepState) -> RemediationResult:
        """Find out what became of the last attempt of an interrupted run, and go on from there."""
        self.sent, self.deadline = known.attempts, self._deadline()
        self.unsettled = known.accepted is None or known.attempts > 1
        if known.accepted is not None and known.accepted.poll_kind != HIDDEN_POLL:
            failure = self._wait_for(Submission(response=_as_response(self.step, known.accepted)))
            ending = self._proven() if failure is None else self._after(failure)
        else:
            cut = StepError(code="Interrupted", message="the run was interrupted while this was being sent")
            ending = self._look(cut, resend=known.accepted is None)
        return self.result() if ending is None else ending

    def _after(self, failure: _Failure) -> RemediationResult | None:
        reaction = reaction_to(failure.error, attempt=self.sent)
        error = step_error(failure.error)
        over = self.sent >= MAX_ATTEMPTS or (reaction.wait or 0.0) > MAX_WAIT
        self.unsettled = self.unsettled or reaction.next is Next.LOOK
        refused = reaction.next is Next.GIVE_UP
        if (failure.accepted and not refused) or (self.unsettled and (over or reaction.next is not Next.RETRY)):
            # Also when it was refused: what was sent before may be the reason.
            seen = self._look(error, resend=refused or not failure.accepted)
            if seen is not None:
                return seen
        if refused:
            return self._end(reaction.outcome, error=error)
        if over:
            return self._end(Outcome.FAILED, error=error)
        self._wait(reaction)
        return self._look_again(reaction, error)

    def _try(self) -> _Failure | None:
        try:
            self.log.append(
                StepIntended(
                    at=self.session.clock.now(),
                    step_id=self.step.id,
                    attempt=self.sent + 1,
                    before=planned_before(self.step),
                    fingerprint=fingerprint(self.before, self.step.dependencies),
                )
            )
        except DefenderRemediateError as error:
            # What cannot be written down is not done.
            return _Failure(error=error, accepted=False)
        self.sent += 1
        self.deadline = self._deadline()
        try:
            send = self.executor.undo if self.undoes else self.executor.submit
            submission = send(self._context())
        except DefenderRemediateError as error:
            self.request_id = getattr(error, "request_id", "") or self.request_id
            if self.step.is_removal and _says_gone(error):
                # Whoever removed it: it is gone, and that is looked at next.
                return None
            return _Failure(error=error, accepted=False)
        except Exception as error:  # noqa: BLE001 - an executor that breaks its contract must not stop the other steps
            return self._broken(error)
        return self._follow(submission)

    def _follow(self, submission: Submission) -> _Failure | None:
        # When this cannot be written down, the intent still is: a resume would find out by looking.
        with suppress(JournalError):
            self.log.append(_accepted(self.step, submission.response, self.session))
        return self._wait_for(submission)

    def _wait_for(self, submission: Submission) -> _Failure | None:
        self.request_id = submission.response.request_id
        try:
            self.executor.wait(attrs.evolve(self._context(), submission=submission))
        except DefenderRemediateError as error:
            self.request_id = getattr(error, "request_id", "") or self.request_id
            return _Failure(error=error, accepted=True)
        except Exception as error:  # noqa: BLE001 - an executor that breaks its contract must not stop the other steps
            return self._broken(error)
        return None

    def _broken(self, error: Exception) -> _Failure:
        # What it did is unknown, so it counts as sent.
        text = f"the executor {self.step.executor!r} raised {type(error).__name__}: {error}"
        return _Failure(error=ConnectionCutError(redact_text(text)), accepted=True)

    def _deadline(self) -> float:
        return self.session.clock.monotonic() + self.timeout

    def _context(self) -> StepContext:
        return StepContext(step=self.step, before=self.before, session=self.session, timeout=self.timeout)

    def _look(self, error: StepError, *, resend: bool) -> RemediationResult | None:
        """Read the target after an answer that leaves it open; None when the write may be sent again."""
        try:
            body = read_back(self.session, self.step, deadline=self.deadline)
            # One that shows the change may be moving yet, and fail.
            self.before = at_rest(self.session, self.step, body, deadline=self.deadline)
        except DefenderRemediateError as unread:
            return self._end(Outcome.IN_DOUBT, error=_unread(error, unread))
        return self._seen(error, resend=resend)

    def _look_again(self, reaction: Reaction, error: StepError) -> RemediationResult | None:
        """Read the target after a pause, in which others may have changed it; None when the write may be sent again."""
        try:
            self.before = read(self.session, self.step)
            if self.unsettled:
                # What changed may be our own write, late, and under way still.
                self.before = at_rest(self.session, self.step, self.before, deadline=self.deadline)
                return self._seen(error, resend=True)
            found = already_there(self.session, self.step)
        except DefenderRemediateError as unread:
            outcome = Outcome.IN_DOUBT if self.unsettled else reaction.outcome
            return self._end(outcome, error=_unread(error, unread))
        if fingerprint(self.before, self.step.dependencies) != self.step.fingerprint:
            return self._counted(moved(self.step, self.before))
        return self._counted(there_already(self.step, found, self.before)) if found else None

    def _seen(self, error: StepError, *, resend: bool) -> RemediationResult | None:
        if holds(self.step.compliant_when, self.before) and not (is_moving(self.before) or has_failed(self.before)):
            return self._end(Outcome.APPLIED, body=self.before)
        if (
            resend
            and fingerprint(self.before, self.step.dependencies) == self.step.fingerprint
            and not is_moving(self.before)
        ):
            return None
        return self._end(Outcome.IN_DOUBT, body=self.before, error=error)

    def _proven(self) -> RemediationResult:
        """The result of a write that Azure says has succeeded: success only when the target shows it."""
        try:
            body = read_back(self.session, self.step, deadline=self.deadline)
        except DefenderRemediateError as error:
            return self._end(Outcome.IN_DOUBT, error=step_error(error))
        if holds(self.step.compliant_when, body):
            return self._end(Outcome.APPLIED, body=body)
        if is_moving(body):
            return self._end(Outcome.IN_DOUBT, body=body, error=_STILL_MOVING)
        return self._end(Outcome.FAILED, body=body, error=not_in_effect(self.step, body))

    def _wait(self, reaction: Reaction) -> None:
        backoff = min(60.0, 2.0**self.sent) * (0.5 + self.jitter() / 2)
        self.session.clock.sleep(backoff if reaction.wait is None else reaction.wait)

    def _end(self, outcome: Outcome, *, body: Any = ABSENT, error: StepError | None = None) -> RemediationResult:
        result = ended(self.step, outcome, error=error, body=body)
        if outcome is Outcome.APPLIED:
            result = attrs.evolve(result, created=left_behind(self.session, self.step, body))
        return self._counted(result)

    def _counted(self, result: RemediationResult) -> RemediationResult:
        return attrs.evolve(result, attempts=self.sent, request_id=self.request_id)


def _says_gone(error: DefenderRemediateError) -> bool:
    return isinstance(error, NotFoundError)


def _unread(error: StepError, unread: DefenderRemediateError) -> StepError:
    return attrs.evolve(error, hint=f"the target could not be read either: {unread.message}")


def _accepted(step: RemediationStep, response: ArmResponse, session: ArmSession) -> StepAccepted:
    # On 200 and 201 a Location is where the resource is: following it would pass over the state that the body tells.
    links = _LINKS if response.status == 202 else _LINKS[:1]
    kind = next((name for name in links if response.headers.get(name)), "")
    return StepAccepted(
        at=session.clock.now(),
        step_id=step.id,
        status=response.status,
        poll_url=response.headers.get(kind, "") if kind else "",
        poll_kind=kind,
        request_id=response.request_id,
    )


def _as_response(step: RemediationStep, accepted: StepAccepted) -> ArmResponse:
    """Azure's first answer, as far as it is needed to follow the operation.

    The body was not kept: without a link, the resource itself is asked for its state, as a 202 without one asks for.
    """
    return ArmResponse(
        status=accepted.status if accepted.poll_kind else 202,
        headers={accepted.poll_kind: accepted.poll_url or ""} if accepted.poll_kind else {},
        body=None,
        request_id=accepted.request_id or "",
        url=step.request.path,
        method=step.request.method,
    )
