"""One step: read the target again, and when it is as it was planned, carry it out. Ends in a result, always."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.execution.attempts import Attempts
from defender_remediate.execution.created import already_there
from defender_remediate.execution.outcomes import ended, moved, not_read, protected, there_already
from defender_remediate.execution.protected_tags import TagWatch
from defender_remediate.execution.retry import step_error
from defender_remediate.execution.target_state import read
from defender_remediate.executors.protocol import FixExecutor
from defender_remediate.fixes.drift import fingerprint
from defender_remediate.journal import Phase, RunLog, StepState
from defender_remediate.models.plan import RemediationStep
from defender_remediate.models.result import Outcome, RemediationResult


@attrs.frozen(kw_only=True)
class StepRunner:
    """Carries out steps; holds nothing of any of them, so threads share it.

    Attributes:
        timeout: Seconds that one long-running operation may take.
        jitter: Gives a number from 0 to 1, to spread retries.
        watch: Looks for protected tags before anything is sent.
        undoes: Whether the steps belong to a plan that rolls back.
    """

    session: ArmSession
    timeout: float
    jitter: Callable[[], float]
    watch: TagWatch
    undoes: bool = False

    def run(
        self,
        step: RemediationStep,
        executor: FixExecutor,
        *,
        log: RunLog,
        known: StepState | None = None,
        redacted_steps: bool = False,
    ) -> RemediationResult:
        """Carry out one step. Every way it can end is in the result, and nothing is raised for it.

        Args:
            step: What was planned.
            executor: How it is written.
            log: Where each intent is written down before it is acted upon.
            known: What the log of an earlier attempt says of it: it is gone on with from there.
            redacted_steps: Whether that log does not have the request.
        """
        started = self.session.clock.now()
        attempts = Attempts(
            session=self.session,
            step=step,
            executor=executor,
            log=log,
            timeout=self.timeout,
            jitter=self.jitter,
            redacted_steps=redacted_steps,
            watch=self.watch,
            undoes=self.undoes,
        )
        try:
            begun = known is not None and known.phase is not Phase.NEW
            result = attempts.go_on(known) if known is not None and begun else self._begin(step, attempts)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other steps and their results must not be lost
            outcome = Outcome.IN_DOUBT if attempts.sent else Outcome.FAILED
            result = ended(step, outcome, error=step_error(error))
        return attrs.evolve(result, started=started, finished=self.session.clock.now())

    def _begin(self, step: RemediationStep, attempts: Attempts) -> RemediationResult:
        try:
            attempts.before = self.read(step)
            if fingerprint(attempts.before, step.dependencies) != step.fingerprint:
                return self._moved(step, attempts.before)
            found = already_there(self.session, step)
        except DefenderRemediateError as error:
            return not_read(step, error)
        return there_already(step, found, attempts.before) if found else attempts.result()

    def _moved(self, step: RemediationStep, body: Any) -> RemediationResult:
        """The result of a step whose target moved. What moved may be that it is protected now."""
        result = moved(step, body)
        why = "" if result.outcome is Outcome.ALREADY_COMPLIANT else self.watch.why_not(step, body)
        return protected(step, why, body) if why else result

    def read(self, step: RemediationStep) -> Any:
        """The target's body now; None when it does not exist."""
        return read(self.session, step)
