"""One run of one plan: in waves, on many threads, written down as it goes, with a result for each resource."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import attrs

from defender_remediate.errors import JournalError
from defender_remediate.execution.lanes import lanes
from defender_remediate.execution.outcomes import not_tried, preserved
from defender_remediate.execution.retry import step_error
from defender_remediate.execution.step import StepRunner
from defender_remediate.executors.protocol import FixExecutor
from defender_remediate.fixes.conditions import holds
from defender_remediate.journal import Note, RunEnded, RunLog, StepEnded, StepReviewed, StepState
from defender_remediate.json_values import FrozenMap
from defender_remediate.models.events import RemediationEvent, RunFinished, RunStarted, StepFinished, StepStarted
from defender_remediate.models.plan import RemediationPlan, RemediationStep
from defender_remediate.models.result import Outcome, RemediationReport, RemediationResult, StepError
from defender_remediate.models.waves import WaveFinished, Waves
from defender_remediate.redaction import redact_text
from defender_remediate.threads import in_parallel

Hook = Callable[[RemediationEvent], None]


@attrs.define(kw_only=True)
class Run:
    """A plan on its way. Lives on the calling thread; its steps do not.

    Attributes:
        known: What the journal of an earlier attempt says of the steps, by id; empty for a new run.
        over: Whether that journal says that the run had ended: then it is only reported.
        redacted_steps: The steps whose requests that journal does not have.
    """

    run_id: str
    plan: RemediationPlan
    runner: StepRunner
    executors: Mapping[str, FixExecutor]
    hooks: tuple[Hook, ...]
    workers: int
    log: RunLog
    waves: Waves | None = None
    known: Mapping[str, StepState] = attrs.field(factory=dict)
    over: bool = False
    redacted_steps: frozenset[str] = frozenset()
    _results: dict[str, RemediationResult] = attrs.field(factory=dict, init=False)
    _warnings: list[str] = attrs.field(factory=list, init=False)
    _halted: threading.Event = attrs.field(factory=threading.Event, init=False)

    def carry_out(self) -> RemediationReport:
        """Apply every step that has no result yet; never raises for one of them."""
        clock = self.runner.session.clock
        started = clock.now()
        self._results = {step: state.result for step, state in self.known.items() if state.result is not None}
        correlation_id = self.runner.session.correlation_id
        self._tell(RunStarted(run_id=self.run_id, correlation_id=correlation_id, plan=self.plan))
        stopped = self._in_waves([step for step in self.plan.steps if step.id not in self._results])
        if not stopped and not self.over:
            self._write(RunEnded(at=clock.now(), counts=_counts(self._results.values())))
        for step in self.plan.steps:
            self._results.setdefault(step.id, not_tried(step, stopped))
        report = RemediationReport(
            run_id=self.run_id,
            correlation_id=correlation_id,
            plan=self.plan,
            results=(*(self._results[step.id] for step in self.plan.steps), *map(preserved, self.plan.skipped)),
            warnings=tuple(self._warnings),
            started=started,
            finished=clock.now(),
        )
        self._tell(RunFinished(report=report))
        return attrs.evolve(report, warnings=tuple(self._warnings))

    def _in_waves(self, steps: list[RemediationStep]) -> str:
        """Go about the steps; gives why it stopped before the last, or an empty text."""
        sizes = (len(steps),) if self.waves is None else self.waves.sizes(len(steps))
        for number, size in enumerate(sizes, start=1):
            wave, steps = steps[:size], steps[size:]
            self._one_wave(wave)
            stopped = "" if self.waves is None else self._judge(self.waves, wave, number, len(sizes), len(steps))
            if stopped and steps:
                self._write(Note(at=self.runner.session.clock.now(), message=f"stopped after wave {number}: {stopped}"))
                return stopped
        return ""

    def _one_wave(self, wave: Sequence[RemediationStep]) -> None:
        with closing(self._events(wave)) as events:
            for event in events:
                if isinstance(event, StepFinished):
                    self._results[event.step.id] = event.result
                    self._write(StepEnded(at=self.runner.session.clock.now(), result=event.result))
                self._tell(event)

    def _judge(self, waves: Waves, wave: Sequence[RemediationStep], number: int, count: int, remaining: int) -> str:
        self.runner.session.clock.sleep(waves.pause)
        results = tuple(in_parallel(self._seen_again, wave, workers=self.workers))
        for result in results:
            if result != self._results[result.step_id]:
                self._results[result.step_id] = result
                self._write(StepReviewed(at=self.runner.session.clock.now(), result=result))
        failed = sum(not result.outcome.succeeded for result in self._results.values())
        stop = waves.must_stop(failed, len(self._results))
        if stop or waves.gate is None or not remaining:
            return stop
        return self._ask(waves.gate, WaveFinished(number=number, waves=count, results=results, remaining=remaining))

    def _ask(self, gate: Callable[[WaveFinished], bool], wave: WaveFinished) -> str:
        try:
            return "" if gate(wave) is True else f"the gate said no after wave {wave.number}"
        except Exception as error:  # noqa: BLE001 - a gate that fails is a gate that did not say yes
            self._warnings.append(f"the gate failed after wave {wave.number}: {_told(error)}")
            return f"the gate failed after wave {wave.number}"

    def _seen_again(self, step: RemediationStep) -> RemediationResult:
        result = self._results[step.id]
        if result.outcome not in (Outcome.APPLIED, Outcome.ROLLED_BACK):
            return result
        try:
            body = self.runner.read(step)
        except Exception as error:  # noqa: BLE001 - whatever it is, the results there are must not be lost
            return attrs.evolve(result, outcome=Outcome.IN_DOUBT, error=step_error(error))
        if holds(step.compliant_when, body):
            return result
        undone = StepError(code="Reverted", message="somebody put it back while the wave was being watched")
        return attrs.evolve(result, outcome=Outcome.FAILED, error=undone, compliant=False)

    def _events(self, steps: Sequence[RemediationStep]) -> Generator[RemediationEvent, None, None]:
        waiting = lanes(steps)
        if not waiting:
            return
        told: queue.SimpleQueue[RemediationEvent | Future[None]] = queue.SimpleQueue()
        with ThreadPoolExecutor(min(self.workers, len(waiting)), "defender-remediate") as pool:
            try:
                for lane in waiting:
                    pool.submit(self._lane, lane, told.put).add_done_callback(told.put)
                for _ in range(2 * len(steps) + len(waiting)):
                    item = told.get()
                    if isinstance(item, Future):
                        item.result()
                        continue
                    if isinstance(item, StepFinished):
                        item = attrs.evolve(item, done=len(self._results) + 1, total=len(self.plan.steps))
                    yield item
            except BaseException:
                # Whoever interrupts a run waits for what is under way, and for nothing else.
                self._halted.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _lane(self, steps: Sequence[RemediationStep], tell: Callable[[RemediationEvent], None]) -> None:
        for step in steps:
            if self._halted.is_set():
                return
            tell(StepStarted(run_id=self.run_id, step=step))
            result = self.runner.run(
                step,
                self.executors[step.executor],
                log=self.log,
                known=self.known.get(step.id),
                redacted_steps=step.id in self.redacted_steps,
            )
            if self.plan.rolls_back and result.outcome is Outcome.APPLIED:
                result = attrs.evolve(result, outcome=Outcome.ROLLED_BACK)
            tell(StepFinished(run_id=self.run_id, step=step, result=result, done=0, total=0))

    def _write(self, record: StepEnded | StepReviewed | RunEnded | Note) -> None:
        try:
            self.log.append(record)
        except Exception as error:  # noqa: BLE001 - a store that breaks its contract must not lose the results
            # What it tells has happened already, and its intent is on record: a resume finds out by looking.
            why = error.message if isinstance(error, JournalError) else _told(error)
            self._warnings.append(f"the journal could not be written: {why}")

    def _tell(self, event: RemediationEvent) -> None:
        self._warnings.extend(filter(None, (_tell(hook, event) for hook in self.hooks)))


def _tell(hook: Hook, event: RemediationEvent) -> str:
    try:
        hook(event)
    except Exception as error:  # noqa: BLE001 - a user's hook that fails must neither stop a run nor go unnoticed
        return f"a hook failed at {type(event).__name__}: {_told(error)}"
    return ""


def _told(error: Exception) -> str:
    return redact_text(f"{type(error).__name__}: {error}")


def _counts(results: Iterable[RemediationResult]) -> FrozenMap:
    return FrozenMap(Counter(str(result.outcome) for result in results))
