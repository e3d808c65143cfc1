"""Executes one planned step. ``StepExecution.run`` tells all of it; what it calls follows below in the same order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Event

import attrs

from defender_remediate.arm.clock import Clock
from defender_remediate.arm.session import ArmSession
from defender_remediate.arm.tracing import span
from defender_remediate.casing import fold
from defender_remediate.errors import (
    BusyError,
    ConflictError,
    ConnectionCutError,
    DefenderRemediateError,
    ForbiddenError,
    JournalError,
    NotFoundError,
)
from defender_remediate.execution.acceptance import accepted_record, recorded_response
from defender_remediate.execution.answers import (
    Accepted,
    Answer,
    Ended,
    Rejected,
    RunInterruptedError,
    Submitted,
    Unknown,
)
from defender_remediate.execution.creations import created_by, existing_creation
from defender_remediate.execution.outcomes import (
    already_exists,
    drifted,
    failed_parts,
    is_in_effect,
    not_as_shown,
    not_in_effect,
    not_readable,
    partially_applied,
    planned_before,
    protected,
    result_of,
    step_error,
    still_changing,
    unread_after,
    withheld,
)
from defender_remediate.execution.proof import shown_by
from defender_remediate.execution.protection import ProtectedTags
from defender_remediate.execution.retry import GENERAL_CONFLICTS, NextAction, Reaction, is_blocking, reaction_to
from defender_remediate.execution.target_state import (
    AT_ONCE,
    PATIENT,
    POLL_SECONDS,
    UNKNOWN_WORD_SECONDS,
    ProvisioningState,
    TargetState,
    read_back,
    read_target,
    wait_until_provisioned,
)
from defender_remediate.executors.protocol import FixExecutor, StepContext, Submission, followed
from defender_remediate.fixes.unshown import unshown_effects
from defender_remediate.journal import Phase, RunLog, StepIntended, StepState
from defender_remediate.journal.records import HIDDEN_POLL
from defender_remediate.models.fix import FixKind
from defender_remediate.models.result import Outcome, RemediationResult, StepError
from defender_remediate.models.step import RemediationStep
from defender_remediate.pauses import Pause, Waits
from defender_remediate.redaction import redact_text


@attrs.frozen(kw_only=True)
class StepRunner:
    """What all steps of a run share. Holds nothing of any of them, so threads share it.

    Attributes:
        timeout: Seconds that one long-running operation may take.
        jitter: Gives a number from 0 to 1, to spread retries.
        tags: The protected tags, read again before each attempt.
        undoes: Whether the steps belong to a plan that rolls back.
        is_large_run: Whether the run has many steps. Then the answer to a write counts as a read of the target where it proves
            as much (see ``proof``), and a PATCH of unknown effect is sent again sooner.
        role_is_missing: Set once a step has waited in vain for a role assignment to become effective.
    """

    session: ArmSession
    timeout: float
    jitter: Callable[[], float]
    tags: ProtectedTags
    undoes: bool = False
    is_large_run: bool = False
    role_is_missing: Event = attrs.field(factory=Event, eq=False, repr=False)

    def run(
        self,
        step: RemediationStep,
        executor: FixExecutor,
        *,
        log: RunLog,
        recorded: StepState | None = None,
        is_redacted: bool = False,
    ) -> Waits[RemediationResult]:
        """Execute one step. Returns a result for every outcome and never raises.

        Args:
            step: What was planned.
            executor: How it is sent.
            log: Where each intent is recorded before it is acted upon.
            recorded: What the log of an interrupted run says of the step: execution continues from there.
            is_redacted: Whether that log does not have the request, because it contained a secret.
        """
        started = self.session.clock.now()
        execution = StepExecution(
            shared=self, step=step, executor=executor, log=log, recorded=recorded, is_redacted=is_redacted
        )
        try:
            result = yield from execution.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other steps and their results must not be lost
            outcome = Outcome.IN_DOUBT if execution.attempts else Outcome.FAILED
            result = result_of(step, outcome, error=step_error(error))
        return attrs.evolve(result, started=started, finished=self.session.clock.now())


@attrs.define(kw_only=True)
class StepExecution:
    """The execution of one step. Its methods are generators that yield a pause whenever it has to wait.

    Attributes:
        attempts: How many times the request was sent.
        may_be_in_effect: Whether one of them may have taken effect, late or unseen: then nothing that comes after it
            decides before the target was read.
        last_error: What went wrong with the last of them; while nothing has, that the run was interrupted.
        before: The target as it was read before the last of them.
        deadline: When the step has taken too long, on the session's clock; each request starts it again.
    """

    shared: StepRunner
    step: RemediationStep
    executor: FixExecutor
    log: RunLog
    recorded: StepState | None
    is_redacted: bool
    attempts: int = 0
    may_be_in_effect: bool = False
    last_error: Exception = attrs.field(factory=lambda: RunInterruptedError("the run was interrupted during a request"))
    request_id: str | None = None
    before: TargetState | None = None
    deadline: float = 0.0
    unknown_word: str = ""
    unknown_since: float = 0.0

    def run(self) -> Waits[RemediationResult]:
        """Send the request if the target is as it was planned, and prove the outcome by reading the target."""
        self._allow_time()
        answer = self._recorded_answer() or (yield from self.attempt())
        while True:
            if isinstance(answer, Submitted):
                answer = yield from self.wait(answer.submission)
            if isinstance(answer, Accepted):
                return (yield from self.confirm(answer))
            if isinstance(answer, Ended):
                return answer.result
            reaction = self._reaction(answer.error)
            if isinstance(answer, Rejected) and self._is_being_changed(reaction, answer.error):
                reaction = attrs.evolve(reaction, action=NextAction.RETRY, wait=POLL_SECONDS)
            is_last = reaction.stops_after(self.attempts) or self.clock.monotonic() >= self.deadline
            # Also after a refusal: an earlier request of unknown effect may be the reason for it.
            must_reconcile = isinstance(answer, Unknown) or (is_last and self.may_be_in_effect)
            if must_reconcile and (result := (yield from self.reconcile(answer))):
                return result
            if is_last:
                return self.give_up(reaction, answer.error)
            yield from self.back_off(reaction)
            answer = yield from self.attempt()

    def attempt(self) -> Waits[Answer]:
        """Read the target and, if it is as it was planned, record the intent and send the request."""
        try:
            # The rate limiter is waited for first: nothing comes between the last read and the request.
            permit = yield from self.session.permitted(self.step.request.method, self.step.request.path)
            with span("attempt", number=self.attempts + 1), permit:
                try:
                    protecting = self.shared.tags.on_resource(self.step)
                    existing = None if self.may_be_in_effect else existing_creation(self.session, self.step)
                    target = read_target(self.session, self.step)
                except DefenderRemediateError as error:
                    return Ended(self._unreadable(error))
                if self._is_in_motion(target):
                    busy = f"{self.step.target_id} is being changed by another operation: {target.word!r}"
                    hint = "nothing was sent; create a new plan when that operation has ended"
                    return Rejected(BusyError(busy, code="StillChanging", retry_after=POLL_SECONDS, hint=hint))
                protecting = protecting or self.shared.tags.on_target(target.body)
                if result := self.precondition_failure(target, protecting=protecting, existing=existing):
                    return Ended(self._counted(result))
                intent = StepIntended(
                    at=self.clock.now(),
                    step_id=self.step.id,
                    attempt=self.attempts + 1,
                    before=planned_before(self.step),
                    fingerprint=target.fingerprint,
                )
                self.log.append(intent)
                return self.send(target)
        except DefenderRemediateError as error:
            # The rate limiter gives no permit, or the journal does not take the intent.
            return Rejected(error)

    @property
    def session(self) -> ArmSession:
        """What reads and sends."""
        return self.shared.session

    @property
    def clock(self) -> Clock:
        """What waits."""
        return self.shared.session.clock

    def _allow_time(self) -> None:
        self.deadline = self.clock.monotonic() + self.shared.timeout

    def _recorded_answer(self) -> Submitted | Unknown | None:
        """What an interrupted run left behind: an operation to wait for, or a request whose effect is unknown."""
        recorded = self.recorded
        if recorded is None or recorded.phase is Phase.NEW:
            return None
        self.attempts = recorded.attempts
        self.may_be_in_effect = recorded.accepted is None or recorded.attempts > 1
        if recorded.accepted is not None and recorded.accepted.poll_kind != HIDDEN_POLL:
            return Submitted(Submission(response=recorded_response(self.step, recorded.accepted)))
        return Unknown(error=self.last_error, may_resend=recorded.accepted is None)

    def _unreadable(self, error: DefenderRemediateError) -> RemediationResult:
        if not self.attempts:
            return self._counted(not_readable(self.step, error))
        outcome = Outcome.IN_DOUBT if self.may_be_in_effect else self._reaction(self.last_error).outcome
        return self._end(outcome, error=unread_after(self.last_error, error))

    def _is_in_motion(self, target: TargetState) -> bool:
        """Whether the target has to come to rest first. A word that is not known is watched for a while."""
        if target.provisioning is not ProvisioningState.UNKNOWN:
            return target.is_in_motion
        if target.word != self.unknown_word:
            self.unknown_word, self.unknown_since = target.word, self.clock.monotonic()
        return self.clock.monotonic() < self.unknown_since + UNKNOWN_WORD_SECONDS

    def precondition_failure(
        self, target: TargetState, *, protecting: str | None, existing: str | None
    ) -> RemediationResult | None:
        """The result if the request must not be sent; None if it may.

        Args:
            target: The target as it was read last.
            protecting: Why the resource must not be changed by now.
            existing: The id of something that the step creates and that exists already.
        """
        step = self.step
        if self.may_be_in_effect:
            # What has changed may be the effect of an earlier request.
            if result := self._verdict(target, self.last_error, may_resend=True):
                return result
        elif target.satisfies(step.compliant_when):
            return result_of(step, Outcome.ALREADY_COMPLIANT, state=target)
        if protecting:
            return protected(step, protecting, target)
        if target.fingerprint != step.fingerprint:
            return drifted(step, target)
        if existing:
            return already_exists(step, existing, target)
        if self.is_redacted:
            return withheld(step)
        if not (step.is_removal or step.executor == FixKind.TEMPLATE) and (
            paths := unshown_effects(step.request, step.changes, target.body)
        ):
            return not_as_shown(step, paths, target)
        return None

    def send(self, target: TargetState) -> Answer:
        """Send the request, exactly once, and record that Azure took it."""
        self.attempts += 1
        self.before = target
        self._allow_time()
        send = self.executor.undo if self.shared.undoes or self.step.is_removal else self.executor.submit
        try:
            submission = send(self._context(None))
        except DefenderRemediateError as error:
            self._note(error)
            if self.step.is_removal and isinstance(error, NotFoundError):
                # It is gone, no matter who removed it; that is proven next.
                return Accepted(None)
            if reaction_to(error).action is NextAction.RECONCILE:
                return Unknown(error=error)
            return Rejected(error)
        except Exception as error:  # noqa: BLE001 - an executor that breaks its contract must not stop the other steps
            return self._broken_executor(error)
        # If this cannot be recorded, the intent is: a resume reads the target.
        with suppress(JournalError):
            self.log.append(accepted_record(self.step, submission.response, at=self.clock.now()))
        return Submitted(submission)

    def wait(self, submission: Submission) -> Waits[Accepted | Unknown]:
        """Wait until the operation that the request began has ended."""
        self.request_id = submission.response.request_id
        try:
            response = yield from followed(self.executor, self._context(submission))
        except DefenderRemediateError as error:
            self._note(error)
            has_failed = isinstance(error, BusyError) or reaction_to(error).action is NextAction.GIVE_UP
            return Unknown(error=error, may_resend=has_failed, has_failed=has_failed)
        except Exception as error:  # noqa: BLE001 - an executor that breaks its contract must not stop the other steps
            return self._broken_executor(error)
        return Accepted(response)

    def _context(self, submission: Submission | None) -> StepContext:
        return StepContext(
            step=self.step,
            before=None if self.before is None else self.before.body,
            submission=submission,
            session=self.session,
            timeout=self.shared.timeout,
        )

    def _note(self, error: DefenderRemediateError) -> None:
        self.last_error = error
        self.request_id = getattr(error, "request_id", None) or self.request_id

    def _broken_executor(self, error: Exception) -> Unknown:
        # What it has sent is unknown, so nothing is sent again.
        text = f"the executor {self.step.executor!r} raised {type(error).__name__}: {error}"
        self.last_error = ConnectionCutError(redact_text(text))
        return Unknown(error=self.last_error, may_resend=False)

    def confirm(self, accepted: Accepted) -> Waits[RemediationResult]:
        """The result of a request that Azure reports as successful: success only if the target shows it."""
        before = None if self.before is None else self.before.body
        try:
            state = shown_by(accepted.response, self.step, before, may_be_write=self.shared.is_large_run)
            state = state or (yield from read_back(self.session, self.step, deadline=self.deadline))
        except DefenderRemediateError as error:
            return self._end(Outcome.IN_DOUBT, error=step_error(error))
        is_satisfied = state.satisfies(self.step.compliant_when)
        answered = None if accepted.response is None else accepted.response.body
        parts = [failed_parts(body, before, self.step.changes) for body in (answered, state.body)]
        if error_of_parts := next(filter(None, parts), None):
            if is_satisfied or self._shows_a_change(state):
                return self._partially_applied(state, error_of_parts)
            return self._end(Outcome.FAILED, state=state, error=error_of_parts)
        if is_satisfied:
            return self._end(Outcome.APPLIED, state=state)
        if state.is_in_motion:
            return self._counted(still_changing(self.step, state))
        return self._counted(not_in_effect(self.step, state))

    def reconcile(self, answer: Rejected | Unknown) -> Waits[RemediationResult | None]:
        """Read the target after an answer that leaves open what happened; None if the target is as before."""
        has_failed = isinstance(answer, Unknown) and answer.has_failed
        self.may_be_in_effect = self.may_be_in_effect or not has_failed
        may_resend = isinstance(answer, Unknown) and answer.may_resend and self.step.request.method == "PATCH"
        pauses = AT_ONCE if self.shared.is_large_run and may_resend else PATIENT
        try:
            state = yield from read_back(self.session, self.step, deadline=self.deadline, pauses=pauses)
            # One that shows the change may be in motion yet, and fail.
            state = yield from wait_until_provisioned(self.session, self.step, state, deadline=self.deadline)
        except DefenderRemediateError as unread:
            return self._end(Outcome.IN_DOUBT, error=unread_after(answer.error, unread))
        if has_failed:
            return self._effect_of_failure(state, answer.error)
        return self._verdict(state, answer.error, may_resend=not isinstance(answer, Unknown) or answer.may_resend)

    def _verdict(self, state: TargetState, error: Exception, *, may_resend: bool) -> RemediationResult | None:
        """The result if the target shows what became of a request of unknown effect; None if it is as before."""
        if state.satisfies(self.step.compliant_when) and not (state.is_in_motion or state.has_failed):
            return self._end(Outcome.APPLIED, state=state)
        if may_resend and state.fingerprint == self.step.fingerprint and not state.is_in_motion:
            return None
        return self._end(Outcome.IN_DOUBT, state=state, error=step_error(error))

    def _effect_of_failure(self, state: TargetState, error: Exception) -> RemediationResult | None:
        """The result if an operation that failed has left something behind; None if the target is as before."""
        if self.step.is_removal and not state.exists:
            return self._end(Outcome.APPLIED, state=state)
        if not state.is_in_motion:
            if (
                state.satisfies(self.step.compliant_when)
                or self._shows_a_change(state)
                or created_by(self.session, self.step, state)
            ):
                return self._partially_applied(state, step_error(error))
            if state.fingerprint == self.step.fingerprint:
                return None
        return self._end(Outcome.IN_DOUBT, state=state, error=step_error(error))

    def _shows_a_change(self, state: TargetState) -> bool:
        return any(is_in_effect(change, state.body) for change in self.step.changes)

    def _partially_applied(self, state: TargetState, error: StepError) -> RemediationResult:
        result = partially_applied(self.step, state, error)
        return self._counted(attrs.evolve(result, created=created_by(self.session, self.step, state)))

    def _reaction(self, error: Exception) -> Reaction:
        waived = any(str(found.check) == "permission" for found in self.step.check_results)
        role_was_seen = bool(self.step.permissions) and not waived and not self.shared.role_is_missing.is_set()
        return reaction_to(error, attempt=self.attempts, role_was_seen=role_was_seen)

    def _is_being_changed(self, reaction: Reaction, error: Exception) -> bool:
        """Whether a conflict that says nothing more is that with another operation, which the target itself shows.

        A message in another language, or without a reason, is not understood. What is known to forbid the request counts.
        """
        is_general = isinstance(error, ConflictError) and fold(error.code or "") in GENERAL_CONFLICTS
        if not is_general or reaction.action is not NextAction.GIVE_UP or is_blocking(error):
            return False
        try:
            return read_target(self.session, self.step).is_in_motion
        except DefenderRemediateError:
            return False

    def give_up(self, reaction: Reaction, error: Exception) -> RemediationResult:
        """The result of a step that is not attempted again."""
        if isinstance(error, ForbiddenError):
            self.shared.role_is_missing.set()
        outcome = Outcome.FAILED if reaction.action is NextAction.RECONCILE else reaction.outcome
        return self._end(outcome, error=step_error(error))

    def back_off(self, reaction: Reaction) -> Waits[None]:
        """Wait before the next attempt."""
        yield Pause(reaction.seconds_to_wait(self.attempts, self.shared.jitter()))

    def _end(
        self, outcome: Outcome, *, state: TargetState | None = None, error: StepError | None = None
    ) -> RemediationResult:
        result = result_of(self.step, outcome, state=state, error=error)
        if outcome is Outcome.APPLIED and state is not None:
            result = attrs.evolve(result, created=created_by(self.session, self.step, state))
        return self._counted(result)

    def _counted(self, result: RemediationResult) -> RemediationResult:
        return attrs.evolve(result, attempts=self.attempts, request_id=self.request_id)
