"""One step: read the target again, send, wait, read back. Ends in a result, never in an exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from defender_remediate.arm.session import ArmSession
from defender_remediate.engine.verdicts import Next, Verdict, step_error, verdict_on
from defender_remediate.errors import (
    ConnectionCutError,
    DefenderRemediateError,
    NotFoundError,
    ProviderNotRegisteredError,
)
from defender_remediate.executors.protocol import FixExecutor, StepContext
from defender_remediate.models._json import ABSENT
from defender_remediate.models.condition import Test
from defender_remediate.models.plan import RemediationStep
from defender_remediate.models.result import Outcome, RemediationResult, StepError
from defender_remediate.planning.changes import fingerprint
from defender_remediate.planning.compliance import holds
from defender_remediate.planning.paths import look_up

MAX_ATTEMPTS = 8
MAX_WAIT = 300.0
_READ_BACK_WAITS = (0.0, 2.0, 8.0, 20.0)


@attrs.frozen(kw_only=True)
class StepRunner:
    """Carries out steps; holds nothing of any of them, so threads share it.

    Attributes:
        timeout: Seconds that one long-running operation may take.
        jitter: Gives a number from 0 to 1, to spread retries.
    """

    session: ArmSession
    timeout: float
    jitter: Callable[[], float]

    def run(self, step: RemediationStep, executor: FixExecutor) -> RemediationResult:
        """Carry out one step. Every way it can end is in the result, and nothing is raised for it."""
        started = self.session.clock.now()
        result = self._run(step, executor)
        return attrs.evolve(result, started=started, finished=self.session.clock.now())

    def _run(self, step: RemediationStep, executor: FixExecutor) -> RemediationResult:
        try:
            before = self.read(step)
        except DefenderRemediateError as error:
            # Nothing was sent, so nothing is in doubt.
            blocked = verdict_on(error).outcome is Outcome.BLOCKED
            return _ended(step, Outcome.BLOCKED if blocked else Outcome.FAILED, error=step_error(error))
        if fingerprint(before) != step.fingerprint:
            return _moved(step, before)
        return _Attempts(runner=self, step=step, executor=executor, before=before).result()

    def read(self, step: RemediationStep) -> Any:
        """The target's body now; None when it does not exist."""
        try:
            return self.session.get(step.target_id, api_version=step.api_version).body
        except ProviderNotRegisteredError:
            raise
        except NotFoundError:
            return None

    def read_back(self, step: RemediationStep) -> Any:
        """The target's body after a write, read until it shows the change or the last wait is over."""
        body: Any = None
        for seconds in _READ_BACK_WAITS:
            if seconds:
                self.session.clock.sleep(seconds)
            body = self.read(step)
            if holds(step.compliant_when, body):
                break
        return body


@attrs.frozen(kw_only=True)
class _Failure:
    """Why an attempt did not end well.

    Attributes:
        accepted: Whether Azure had taken the write: then it goes on there, and must not be sent again.
    """

    error: DefenderRemediateError
    accepted: bool


@attrs.define
class _Attempts:
    """The attempts of one step. Lives in one thread."""

    runner: StepRunner
    step: RemediationStep
    executor: FixExecutor
    before: Any
    sent: int = 0
    request_id: str = ""

    def result(self) -> RemediationResult:
        while True:
            failure = self._try()
            if failure is None:
                return self._proven()
            verdict = verdict_on(failure.error)
            error = step_error(failure.error)
            if verdict.next is Next.GIVE_UP:
                return self._end(verdict.outcome, error=error)
            if failure.accepted or verdict.next is Next.LOOK:
                seen = self._look(error, resend=not failure.accepted)
                if seen is not None:
                    return seen
            if not self._may_retry(verdict):
                return self._end(Outcome.FAILED, error=error)
            self._wait(verdict)

    def _try(self) -> _Failure | None:
        context = StepContext(
            step=self.step, before=self.before, session=self.runner.session, timeout=self.runner.timeout
        )
        accepted = False
        self.sent += 1
        try:
            submission = self.executor.submit(context)
            accepted = True
            self.request_id = submission.response.request_id
            self.executor.wait(attrs.evolve(context, submission=submission))
        except DefenderRemediateError as error:
            self.request_id = getattr(error, "request_id", "") or self.request_id
            return _Failure(error=error, accepted=accepted)
        except Exception as error:  # noqa: BLE001 - an executor that breaks its contract must not stop the other steps
            # What it did is unknown.
            text = f"the executor {self.step.executor!r} raised {type(error).__name__}: {error}"
            return _Failure(error=ConnectionCutError(text), accepted=True)
        return None

    def _look(self, error: StepError, *, resend: bool) -> RemediationResult | None:
        """Read the target after an answer that leaves it open; None when the write may be sent again."""
        try:
            body = self.runner.read_back(self.step)
        except DefenderRemediateError as unread:
            hint = f"the target could not be read either: {unread.message}"
            return self._end(Outcome.IN_DOUBT, error=attrs.evolve(error, hint=hint))
        if holds(self.step.compliant_when, body):
            return self._end(Outcome.APPLIED, body=body)
        if resend and fingerprint(body) == self.step.fingerprint:
            return None
        return self._end(Outcome.IN_DOUBT, body=body, error=error)

    def _proven(self) -> RemediationResult:
        """The result of a write that Azure says has succeeded: success only when the target shows it."""
        try:
            body = self.runner.read_back(self.step)
        except DefenderRemediateError as error:
            return self._end(Outcome.IN_DOUBT, error=step_error(error))
        if holds(self.step.compliant_when, body):
            return self._end(Outcome.APPLIED, body=body)
        missing = StepError(
            code="NotInEffect",
            message=f"Azure answered success, but it is not true that {_unmet(self.step, body)}",
            hint="the provider ignored the change, or something put it back at once; see the activity log",
        )
        return self._end(Outcome.FAILED, body=body, error=missing)

    def _may_retry(self, verdict: Verdict) -> bool:
        return self.sent < MAX_ATTEMPTS and (verdict.wait or 0.0) <= MAX_WAIT

    def _wait(self, verdict: Verdict) -> None:
        backoff = min(60.0, 2.0**self.sent) * (0.5 + self.runner.jitter() / 2)
        self.runner.session.clock.sleep(backoff if verdict.wait is None else verdict.wait)

    def _end(self, outcome: Outcome, *, body: Any = ABSENT, error: StepError | None = None) -> RemediationResult:
        result = _ended(self.step, outcome, error=error, body=body)
        return attrs.evolve(result, attempts=self.sent, request_id=self.request_id)


def _moved(step: RemediationStep, body: Any) -> RemediationResult:
    if holds(step.compliant_when, body):
        return _ended(step, Outcome.ALREADY_COMPLIANT, body=body)
    drifted = StepError(
        code="Drifted",
        message=f"{step.target_id} changed since it was planned",
        hint="plan again and approve the new plan",
    )
    return _ended(step, Outcome.SKIPPED, body=body, error=drifted)


def _ended(
    step: RemediationStep, outcome: Outcome, *, body: Any = ABSENT, error: StepError | None = None
) -> RemediationResult:
    read = body is not ABSENT
    return RemediationResult(
        step_id=step.id,
        resource_id=step.resource_id,
        keys=step.keys,
        outcome=outcome,
        before={change.path: change.before for change in step.changes if change.before is not ABSENT},
        after=_shown(step, body) if read else None,
        error=error,
        compliant=holds(step.compliant_when, body) if read else None,
    )


def _unmet(step: RemediationStep, body: Any) -> str:
    condition = step.compliant_when
    parts = condition.of if condition.test is Test.ALL else (condition,)
    return ", or that ".join(str(part) for part in parts if not holds(part, body))


def _shown(step: RemediationStep, body: Any) -> dict[str, Any]:
    found = ((change.path, _at(body, change.path)) for change in step.changes)
    return {path: value for path, value in found if value is not ABSENT}


def _at(body: Any, path: str) -> Any:
    try:
        return look_up(body, path)
    except ValueError:
        # The what-if of a template names resources, not members of the target.
        return ABSENT
