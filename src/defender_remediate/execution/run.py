"""One run of one plan: in waves, on several threads, recorded as it goes, with a result for each resource."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import attrs

from defender_remediate.arm.tracing import count_step, span, trace_context
from defender_remediate.errors import JournalError, JournalLockLostError
from defender_remediate.execution.outcomes import not_attempted, skipped_result, step_error
from defender_remediate.execution.sequences import independent_sequences, subscription_of
from defender_remediate.execution.shards import ShardedSteps
from defender_remediate.execution.step import StepRunner
from defender_remediate.execution.target_state import read_back
from defender_remediate.executors.protocol import FixExecutor
from defender_remediate.hooks import RunFinished, RunStarted, StepFinished, StepStarted, WaveStarted
from defender_remediate.journal import Note, RunEnded, RunLog, StepEnded, StepReviewed, StepState
from defender_remediate.json_values import FrozenMap
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.result import Outcome, RemediationReport, RemediationResult, StepError
from defender_remediate.models.step import RemediationStep
from defender_remediate.models.waves import WaveFinished, Waves
from defender_remediate.pauses import Pause, wait_out
from defender_remediate.progress import Announcer, Pace
from defender_remediate.redaction import redact_text
from defender_remediate.threads import Task, in_parallel, run_side_by_side


@attrs.define(kw_only=True)
class Run:
    """The execution of a plan. Hooks and gates are called on the thread that calls ``execute``; steps are not.

    Attributes:
        recorded: What the journal of an interrupted run says of the steps, by id; empty for a new run.
        has_ended: Whether that journal says that the run had ended: then it is only reported.
        redacted_steps: The ids of the steps whose requests that journal does not have.
        only: The ids of the steps to execute now; None for all that have no result.
        shards: What executes steps in other processes; None to execute them here.
    """

    run_id: str
    plan: RemediationPlan
    runner: StepRunner
    executors: Mapping[str, FixExecutor]
    announcer: Announcer
    workers: int
    log: RunLog
    waves: Waves | None = None
    recorded: Mapping[str, StepState] = attrs.field(factory=dict)
    has_ended: bool = False
    redacted_steps: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    shards: ShardedSteps | None = None
    _results: dict[str, RemediationResult] = attrs.field(factory=dict, init=False)
    _warnings: list[str] = attrs.field(factory=list, init=False)

    def execute(self) -> RemediationReport:
        """Apply every step that has no result yet; never raises for one of them.

        Raises:
            JournalLockLostError: Another process may continue the run, so this one sends nothing further.
        """
        clock = self.runner.session.clock
        started = clock.now()
        correlation_id = self.runner.session.correlation_id
        self._results = {step: state.result for step, state in self.recorded.items() if state.result is not None}
        self.announcer.tell(RunStarted(run_id=self.run_id, correlation_id=correlation_id, plan=self.plan))
        with span("run", run_id=self.run_id, correlation_id=correlation_id, steps=len(self.plan.steps)):
            left = [step for step in self.plan.steps if step.id not in self._results]
            begun = left if self.only is None else [step for step in left if step.id in self.only]
            stopped = self._execute_in_waves(begun)
            if stopped is None and begun != left:
                stopped = "they are executed later"
        if stopped is None and not self.has_ended:
            self._record(
                RunEnded(
                    at=clock.now(), counts=FrozenMap(Counter(str(result.outcome) for result in self._results.values()))
                )
            )
        for step in self.plan.steps:
            self._results.setdefault(step.id, not_attempted(step, stopped or ""))
        report = RemediationReport(
            run_id=self.run_id,
            correlation_id=correlation_id,
            plan=self.plan,
            results=(*(self._results[step.id] for step in self.plan.steps), *map(skipped_result, self.plan.skipped)),
            warnings=self._all_warnings(),
            started=started,
            finished=clock.now(),
        )
        self.announcer.tell(RunFinished(report=report))
        return attrs.evolve(report, warnings=self._all_warnings())

    def _all_warnings(self) -> tuple[str, ...]:
        from_workers = () if self.shards is None else self.shards.warnings
        return (*self._warnings, *from_workers, *self.announcer.warnings)

    def _execute_in_waves(self, steps: list[RemediationStep]) -> str | None:
        """Execute the steps; gives why the run stopped before the last of them, or None."""
        if self.waves is None:
            self._execute_side_by_side(steps)
            return None
        sizes = self.waves.sizes(len(steps))
        for number, size in enumerate(sizes, start=1):
            wave, steps = steps[:size], steps[size:]
            self.announcer.tell(WaveStarted(run_id=self.run_id, number=number, waves=len(sizes), size=size))
            with span("wave", number=number, steps=size):
                self._execute_side_by_side(wave)
            results = self._review(wave, self.waves.pause)
            failed = sum(not result.outcome.succeeded for result in self._results.values())
            stopped = self.waves.reason_to_stop(failed, len(self._results))
            finished = WaveFinished(number=number, waves=len(sizes), results=results, remaining=len(steps))
            self.announcer.tell(finished)
            if stopped is None and steps and self.waves.gate is not None:
                stopped = f"the gate failed after wave {number}"
                with self._as_warning(stopped):
                    stopped = None if self.waves.gate(finished) is True else f"the gate said no after wave {number}"
            if stopped is not None and steps:
                now = self.runner.session.clock.now()
                self._record(Note(at=now, message=f"stopped after wave {number}: {stopped}"))
                return stopped
        return None

    def _execute_side_by_side(self, steps: Sequence[RemediationStep]) -> None:
        clock = self.runner.session.clock
        before = done = len(self._results)
        pace = Pace(clock.now(), len(self.plan.steps) - before)
        # Closed at once when a hook raises or the caller is interrupted: no step begins then, and none goes on alone.
        with closing(self._executed_here(steps) if self.shards is None else self.shards.execute(steps)) as progress:
            for step, result in progress:
                if result is None:
                    self.announcer.tell(StepStarted(run_id=self.run_id, step=step))
                    continue
                self._results[step.id] = result
                done += 1
                rate, ends_at = pace.at(done - before, clock.now())
                self.announcer.tell(
                    StepFinished(
                        run_id=self.run_id,
                        step=step,
                        result=result,
                        done=done,
                        total=len(self.plan.steps),
                        rate=rate,
                        ends_at=ends_at,
                    )
                )

    def _executed_here(
        self, steps: Sequence[RemediationStep]
    ) -> Generator[tuple[RemediationStep, RemediationResult | None], None, None]:
        parent = trace_context()
        tasks = [
            Task(subscription_of(sequence[0]), self._execute_in_sequence(sequence, parent))
            for sequence in independent_sequences(steps)
        ]
        return run_side_by_side(tasks, workers=self.workers, clock=self.runner.session.clock)

    def _execute_in_sequence(
        self, steps: Iterable[RemediationStep], parent: Mapping[str, str]
    ) -> Generator[tuple[RemediationStep, RemediationResult | None] | Pause, None, None]:
        """Yields each step before it begins, and again with its result; in between a pause whenever the step has to wait.

        The result is recorded before it is yielded: an interrupted caller may never see it.
        """
        for step in steps:
            yield step, None
            with span("step", parent=parent, id=step.id, target=step.target_id) as traced:
                result = yield from self.runner.run(
                    step,
                    self.executors[step.executor],
                    log=self.log,
                    recorded=self.recorded.get(step.id),
                    is_redacted=step.id in self.redacted_steps,
                )
                traced["outcome"] = str(result.outcome)
            if self.plan.rolls_back and result.outcome is Outcome.APPLIED:
                result = attrs.evolve(result, outcome=Outcome.ROLLED_BACK)
            count_step(str(result.outcome))
            self._results[step.id] = result
            self._record(StepEnded(at=self.runner.session.clock.now(), result=result))
            yield step, result

    def _review(self, wave: Sequence[RemediationStep], pause: float) -> tuple[RemediationResult, ...]:
        """The results of a wave after a pause, in which something may have reverted the changes."""
        clock = self.runner.session.clock
        clock.sleep(pause)

        def review(step: RemediationStep) -> RemediationResult:
            result = self._results[step.id]
            if result.outcome not in (Outcome.APPLIED, Outcome.ROLLED_BACK):
                return result
            try:
                deadline = clock.monotonic() + self.runner.timeout
                target = wait_out(read_back(self.runner.session, step, deadline=deadline), clock.sleep)
            except Exception as error:  # noqa: BLE001 - whatever it is, the results there are must not be lost
                return attrs.evolve(result, outcome=Outcome.IN_DOUBT, error=step_error(error))
            if target.satisfies(step.compliant_when):
                return result
            reverted = StepError(code="Reverted", message="the change was reverted during the pause after the wave")
            return attrs.evolve(result, outcome=Outcome.FAILED, error=reverted, compliant=False)

        results = tuple(in_parallel(review, wave, workers=self.workers))
        for step, result in zip(wave, results, strict=True):
            if result != self._results[step.id]:
                self._results[step.id] = result
                self._record(StepReviewed(at=self.runner.session.clock.now(), result=result))
        return results

    def _record(self, record: StepEnded | StepReviewed | RunEnded | Note) -> None:
        # What it says has happened already, and its intent is recorded: without it, a resume reads the target.
        with self._as_warning("the journal could not be written"):
            self.log.append(record)

    @contextmanager
    def _as_warning(self, text: str) -> Iterator[None]:
        """Turns an exception of someone else's code into a warning of the report: it must neither stop a run nor be lost."""
        try:
            yield
        except JournalLockLostError:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            found = error.message if isinstance(error, JournalError) else f"{type(error).__name__}: {error}"
            self._warnings.append(f"{text}: {redact_text(found)}")
