"""The contract of an executor, as rules that a test runs one by one.

Parametrize a test over ``EXECUTOR_CONTRACT`` and call ``rule.check(executor, fix)``; a rule that is broken raises an
AssertionError that says which, and with what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import attrs

from defender_remediate import Catalog, FixAction, Guards, MemoryJournal, Outcome, RemediationClient, RemediationPlan
from defender_remediate.arm.clock import Clock
from defender_remediate.arm.session import ArmResponse
from defender_remediate.casing import fold
from defender_remediate.executors import FixExecutor, StepContext, Submission
from defender_remediate.testing.seeded_client import seeded_client
from defender_remediate.testing.simulator.simulator import ArmSimulator

_FORMS = ("azure-async", "location", "body", "bare")
_SLOW = 45.0


class _Stopwatch:
    """Measures how long an executor waits for what it has submitted."""

    def __init__(self, executor: FixExecutor, clock: Clock) -> None:
        self._executor, self._clock = executor, clock
        self._since = self.waited = 0.0

    def watched(self) -> Any:
        """Returns the executor with its waiting measured."""
        whole = self._executor
        return SimpleNamespace(preview=whole.preview, submit=self._submit, wait=self._wait, undo=whole.undo)

    def _submit(self, context: StepContext, /) -> Submission:
        self._since = self._clock.monotonic()
        return self._executor.submit(context)

    def _wait(self, context: StepContext, /) -> ArmResponse:
        try:
            return self._executor.wait(context)
        finally:
            self.waited = self._clock.monotonic() - self._since


@attrs.frozen(kw_only=True)
class Bench:
    """An executor on a fresh demo tenant, with the fix that it is tried on.

    Attributes:
        parameters: The values of the fix's parameters.
    """

    executor: FixExecutor
    fix: FixAction
    parameters: Mapping[str, object]
    sim: ArmSimulator = attrs.field(factory=ArmSimulator.demo)

    def client(self) -> RemediationClient:
        """Returns a client that writes with the executor."""
        return seeded_client(
            self.sim.credential,
            self.sim.scopes,
            transport=self.sim,
            clock=self.sim.clock,
            catalog=Catalog.bundled().with_fixes(self.fix),
            executors={str(self.fix.kind): self.executor},
            guards=Guards(allow_irreversible=[self.fix.key]),
            journal=MemoryJournal(),
            jitter=lambda: 0.0,
        )

    def plan(self) -> RemediationPlan:
        """Returns a plan for one resource of the demo tenant.

        Raises:
            AssertionError: The demo tenant has nothing to fix.
        """
        with self.client() as client:
            plan = client.plan([self.fix.key], parameters=self.parameters).limit(1)
        assert plan.steps, f"the demo tenant has nothing to fix for {self.fix.key}: {plan}"
        return plan

    def outcome(self, plan: RemediationPlan) -> Outcome:
        """Applies the plan and returns its outcome."""
        with self.client() as client:
            return client.apply(plan, approve=plan.digest).results[0].outcome

    def undone(
        self, plan: RemediationPlan, *, remove: Iterable[str] = ()
    ) -> tuple[RemediationPlan, tuple[Outcome, ...]]:
        """Applies the plan and rolls it back; returns the rollback plan and the outcome of each of its steps.

        Afterwards the simulator's list of requests contains only those of the rollback.
        """
        with self.client() as client:
            report = client.apply(plan, approve=plan.digest)
            back = client.plan_rollback(report.run_id, remove=remove)
            self.sim.requests.clear()
            done = client.apply(back, approve=back.digest, waive={"removal": "the contract asks for it"})
        return back, tuple(result.outcome for result in done if result.step_id)

    def sent(self) -> list[tuple[str, str]]:
        """Returns the method and the path of every write in the simulator's list of requests."""
        writes = (request for request in self.sim.requests if request.method not in ("GET", "HEAD"))
        return [(request.method, fold(request.path)) for request in writes]


@attrs.frozen(kw_only=True)
class ExecutorRule:
    """One rule of the contract."""

    name: str
    body: Callable[[Bench], None] = attrs.field(repr=False)

    def check(self, executor: FixExecutor, fix: FixAction, *, parameters: Mapping[str, object] | None = None) -> None:
        """Checks the rule with an executor.

        Args:
            executor: What is tried.
            fix: A fix that the demo tenant has a finding for, such as ``Catalog.bundled().get(key)``.
            parameters: Values for the fix's parameters.

        Raises:
            AssertionError: The rule is broken.
        """
        self.body(Bench(executor=executor, fix=fix, parameters=dict(parameters or {})))

    def __str__(self) -> str:
        return self.name


_RULES: list[ExecutorRule] = []


def _rule(name: str) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    """Adds a function to the contract."""

    def add(body: Callable[[Bench], None]) -> Callable[[Bench], None]:
        _RULES.append(ExecutorRule(name=name, body=body))
        return body

    return add


@_rule("has the methods of the protocol")
def _has_the_methods(bench: Bench) -> None:
    assert isinstance(bench.executor, FixExecutor), (
        "an executor has the methods preview, submit, wait and undo; this one lacks some"
    )


@_rule("preview writes nothing")
def _previews_without_writing(bench: Bench) -> None:
    bench.plan()
    assert not bench.sim.writes, f"preview wrote: {bench.sim.writes[0]}"


@_rule("preview is repeatable")
def _previews_the_same_again(bench: Bench) -> None:
    assert bench.plan().steps == bench.plan().steps, "two previews of one target differ"


@_rule("submit sends the planned request once")
def _sends_what_was_planned_once(bench: Bench) -> None:
    plan = bench.plan()
    bench.sim.requests.clear()
    outcome = bench.outcome(plan)
    assert outcome is Outcome.APPLIED, f"a plan that nothing hinders was reported as {outcome}"
    planned, found = plan.steps[0].request, bench.sent()
    assert found == [(planned.method, fold(planned.path))], f"sent {found}, planned {planned.method} {planned.path}"


@_rule("nothing else changes")
def _changes_nothing_else(bench: Bench) -> None:
    plan = bench.plan()
    resource = fold(plan.steps[0].resource_id)
    others = {found: bench.sim.resources.get(found) for found in _others(bench.sim, resource)}
    bench.outcome(plan)
    for found, body in others.items():
        assert bench.sim.resources.get(found) == body, f"{found} changed as well"


def _others(sim: ArmSimulator, resource: str) -> list[str]:
    return [found for found in sim.resources.list_ids() if not f"{fold(found)}/".startswith(f"{resource}/")]


@_rule("wait follows every form of long-running operation")
def _waits_for_every_form(bench: Bench) -> None:
    for form in _FORMS:
        for ends, expected in (("Succeeded", Outcome.APPLIED), ("Failed", Outcome.FAILED)):
            sim = ArmSimulator.demo()
            stopwatch = _Stopwatch(bench.executor, sim.clock)
            fresh = attrs.evolve(bench, sim=sim, executor=stopwatch.watched())
            plan = fresh.plan()
            sim.faults.slow(".*", form=form, seconds=_SLOW, ends=ends)
            outcome = fresh.outcome(plan)
            assert stopwatch.waited >= _SLOW, f"wait returned before an operation of the form {form} had ended"
            assert outcome is expected, f"an operation of the form {form} that ended {ends} was reported as {outcome}"


@_rule("a refused write is reported")
def _reports_what_is_forbidden(bench: Bench) -> None:
    plan = bench.plan()
    for scope in bench.sim.scopes:
        bench.sim.access.lock(scope)
    outcome = bench.outcome(plan)
    assert outcome in (Outcome.BLOCKED, Outcome.FAILED), f"a locked resource was reported as {outcome}"
    assert not bench.sim.writes, "a locked resource changed"


@_rule("a broken connection is reported truthfully")
def _survives_a_cut(bench: Bench) -> None:
    plan = bench.plan()
    path = plan.steps[0].request.path.rpartition("/")[2]
    bench.sim.faults.fail("PUT|PATCH|POST", path, when="after")
    outcome = bench.outcome(plan)
    assert outcome in (Outcome.APPLIED, Outcome.IN_DOUBT), f"a cut after the effect was reported as {outcome}"


@_rule("undo restores the target")
def _undoes_what_it_did(bench: Bench) -> None:
    plan = bench.plan()
    step = plan.steps[0]
    if step.undo_request is None:
        return
    before = bench.sim.resources.get(step.target_id)
    back, outcomes = bench.undone(plan)
    assert outcomes == (Outcome.ROLLED_BACK,), f"a rollback that nothing hinders was reported as {outcomes}"
    _sent_what_was_planned(bench, back)
    assert _still(bench.sim.resources.get(step.target_id)) == _still(before), "undo left the target other than it was"


@_rule("undo removes created resources")
def _removes_what_it_created(bench: Bench) -> None:
    plan = bench.plan()
    step = plan.steps[0]
    if not step.creates:
        return
    there = {found: bench.sim.resources.get(found) for found in bench.sim.resources.list_ids()}
    created = [one.resource_id for one in step.creates]
    early = [one for one in created if fold(one) in map(fold, there)]
    assert not early, f"{early[0]} is to be created, and exists"
    back, outcomes = bench.undone(plan, remove=created)
    assert outcomes == (Outcome.ROLLED_BACK,) * len(created), f"the removal of {created} was reported as {outcomes}"
    _sent_what_was_planned(bench, back)
    now = {fold(found) for found in bench.sim.resources.list_ids()}
    assert not now & {fold(one) for one in created}, "undo did not remove what was created"
    assert now >= {fold(found) for found in there}, "undo removed something else as well"


def _sent_what_was_planned(bench: Bench, plan: RemediationPlan) -> None:
    planned = [(step.request.method, fold(step.request.path)) for step in plan.steps]
    assert bench.sent() == planned, f"sent {bench.sent()}, planned {planned}"


def _still(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("etag", "eTag", "systemData")}


EXECUTOR_CONTRACT = tuple(_RULES)
"""The rules that every executor obeys."""
