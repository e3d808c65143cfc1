"""Carrying out an approved plan: many resources at once, one result for each of them."""

from __future__ import annotations

import queue
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import zip_longest

import attrs

from defender_remediate.engine.step import StepRunner
from defender_remediate.errors import GuardError, PlanError, PlanNotApprovedError
from defender_remediate.executors.protocol import FixExecutor
from defender_remediate.models.events import RemediationEvent, RunFinished, RunStarted, StepFinished, StepStarted
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import RemediationPlan, RemediationStep, SkippedResource, SkipReason
from defender_remediate.models.result import Outcome, RemediationReport, RemediationResult, StepError
from defender_remediate.planning.targets import lock_name

Hook = Callable[[RemediationEvent], None]


@attrs.frozen(kw_only=True)
class Terms:
    """What a plan has to agree with before it is carried out."""

    endpoint: str
    scope: tuple[str, ...]
    executors: Mapping[str, FixExecutor]
    guards: Guards


def check(plan: RemediationPlan, *, approve: str, terms: Terms) -> None:
    """Refuse a plan that may not be carried out here. Makes no request.

    Raises:
        PlanNotApprovedError: ``approve`` is not this plan's digest.
        PlanError: It was made for another endpoint or scope, or needs an executor that is not there.
        GuardError: It goes beyond a guard.
    """
    if not isinstance(approve, str) or approve.strip().casefold() != plan.digest:
        raise PlanNotApprovedError(
            f"the plan's digest is {plan.digest[:12]}…, but {str(approve)[:12]!r} was approved",
            hint="look at the plan, then pass approve=plan.digest",
        )
    _check_same("endpoint", [plan.endpoint], [terms.endpoint])
    _check_same("scope", plan.scope, terms.scope)
    unknown = sorted({step.executor for step in plan.steps} - set(terms.executors))
    if unknown:
        raise PlanError(f"the plan needs an executor {unknown[0]!r}", hint="pass it with executors={…}")
    _check_guards(plan, terms.guards)


def check_tenants(planned: Sequence[str], here: Sequence[str]) -> None:
    """Refuse a plan of another tenant. A plan without a tenant was made by somebody who may not read it.

    Raises:
        PlanError: A subscription of the plan is in a tenant that the plan does not name.
    """
    others = {tenant.casefold() for tenant in here} - {tenant.casefold() for tenant in planned}
    if planned and others:
        _check_same("tenant", planned, here)


def _check_same(name: str, planned: Sequence[str], here: Sequence[str]) -> None:
    if sorted(text.casefold() for text in planned) != sorted(text.casefold() for text in here):
        places = f"{', '.join(planned)}, not {', '.join(here)}"
        raise PlanError(f"the plan was made for another {name}: {places}", hint="plan again here")


def _check_guards(plan: RemediationPlan, guards: Guards) -> None:
    if len(plan.steps) > guards.max_changes:
        raise GuardError(
            f"the plan has {len(plan.steps)} changes, the guard max_changes allows {guards.max_changes}",
            guard="max_changes",
            hint=f"apply plan.limit({guards.max_changes}), or pass guards=Guards(max_changes={len(plan.steps)})",
        )
    for step in plan.steps:
        for key in step.irreversible_keys:
            if not guards.allows(key):
                raise GuardError(
                    f"the change of {step.target_id} cannot be undone and was not consented to",
                    guard="allow_irreversible",
                    hint=f'pass guards=Guards(allow_irreversible=["{key}"])',
                )


@attrs.frozen(kw_only=True)
class Run:
    """One run of one plan."""

    run_id: str
    runner: StepRunner
    executors: Mapping[str, FixExecutor]
    hooks: tuple[Hook, ...]
    workers: int

    def carry_out(self, plan: RemediationPlan) -> RemediationReport:
        """Apply every step; never raises for one of them. Hooks are called on the calling thread."""
        clock = self.runner.session.clock
        started = clock.now()
        warnings: list[str] = []
        self._tell(
            RunStarted(run_id=self.run_id, correlation_id=self.runner.session.correlation_id, plan=plan), warnings
        )
        results: dict[str, RemediationResult] = {}
        for event in self._events(plan):
            if isinstance(event, StepFinished):
                results[event.step.id] = event.result
            self._tell(event, warnings)
        report = RemediationReport(
            run_id=self.run_id,
            correlation_id=self.runner.session.correlation_id,
            plan=plan,
            results=(*(results[step.id] for step in plan.steps), *map(_left_alone, plan.skipped)),
            warnings=tuple(warnings),
            started=started,
            finished=clock.now(),
        )
        self._tell(RunFinished(report=report), warnings)
        return attrs.evolve(report, warnings=tuple(warnings))

    def _events(self, plan: RemediationPlan) -> Iterator[RemediationEvent]:
        waiting = lanes(plan.steps)
        if not waiting:
            return
        told: queue.SimpleQueue[RemediationEvent | Future[None]] = queue.SimpleQueue()
        done = 0
        with ThreadPoolExecutor(min(self.workers, len(waiting)), "defender-remediate") as pool:
            try:
                for lane in waiting:
                    pool.submit(self._lane, lane, told.put).add_done_callback(told.put)
                for _ in range(2 * len(plan.steps) + len(waiting)):
                    item = told.get()
                    if isinstance(item, Future):
                        item.result()
                        continue
                    if isinstance(item, StepFinished):
                        done += 1
                        item = attrs.evolve(item, done=done, total=len(plan.steps))
                    yield item
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _lane(self, steps: Sequence[RemediationStep], tell: Callable[[RemediationEvent], None]) -> None:
        for step in steps:
            tell(StepStarted(run_id=self.run_id, step=step))
            result = self.runner.run(step, self.executors[step.executor])
            tell(StepFinished(run_id=self.run_id, step=step, result=result, done=0, total=0))

    def _tell(self, event: RemediationEvent, warnings: list[str]) -> None:
        warnings.extend(filter(None, (_tell(hook, event) for hook in self.hooks)))


def _tell(hook: Hook, event: RemediationEvent) -> str:
    try:
        hook(event)
    except Exception as error:  # noqa: BLE001 - a user's hook that fails must neither stop a run nor go unnoticed
        return f"a hook failed at {type(event).__name__}: {type(error).__name__}: {error}"
    return ""


def lanes(steps: Sequence[RemediationStep]) -> list[tuple[RemediationStep, ...]]:
    """Steps that must follow one another, because they write to one resource; lanes of all subscriptions interleaved.

    In the order of the plan the first subscription's write limit would be used up while the others wait.
    """
    by_resource: dict[str, list[RemediationStep]] = defaultdict(list)
    for step in steps:
        by_resource[lock_name(step.resource_id)].append(step)
    by_subscription: dict[str, list[tuple[RemediationStep, ...]]] = defaultdict(list)
    for lane in by_resource.values():
        by_subscription[(ResourceId.parse(lane[0].resource_id).subscription_id or "").casefold()].append(tuple(lane))
    rounds = zip_longest(*by_subscription.values())
    return [lane for turn in rounds for lane in turn if lane is not None]


_NOTHING_TO_DO = {SkipReason.ALREADY_COMPLIANT: Outcome.ALREADY_COMPLIANT}


def _left_alone(skip: SkippedResource) -> RemediationResult:
    outcome = _NOTHING_TO_DO.get(skip.reason, Outcome.SKIPPED)
    why = StepError(code=str(skip.reason), message=skip.message or str(skip.reason))
    return RemediationResult(
        resource_id=skip.resource_id,
        keys=skip.keys,
        outcome=outcome,
        error=None if outcome is Outcome.ALREADY_COMPLIANT else why,
    )
