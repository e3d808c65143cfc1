"""Plans, applies, verifies, resumes and rolls back: each verb as one story."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import attrs

from defender_remediate.arm.providers import Providers
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.catalog import Catalog
from defender_remediate.discovery import Discovery
from defender_remediate.discovery.score_watch import ScoreWatch
from defender_remediate.display import quoted
from defender_remediate.errors import (
    InvalidInputError,
    InvalidResourceIdError,
    JournalError,
    ShardError,
)
from defender_remediate.execution.admission import (
    check_approved,
    check_distinct,
    check_guards,
    check_place,
    check_tenants,
)
from defender_remediate.execution.integrity import check_integrity
from defender_remediate.execution.protection import ProtectedTags
from defender_remediate.execution.run import Run
from defender_remediate.execution.shard_journals import (
    begun_or_new,
    check_same_shard,
    counted_by_step,
    ended_records,
    merge_records,
)
from defender_remediate.execution.shard_messages import ShardAnswer, ShardTask, check_no_secrets
from defender_remediate.execution.shards import ShardedSteps, ShardPool
from defender_remediate.execution.step import StepRunner
from defender_remediate.executors.protocol import FixExecutor
from defender_remediate.fixes.decisions import is_decision
from defender_remediate.fixes.placeholders import named_resources
from defender_remediate.hooks import (
    PlanningFinished,
    ProgressPhase,
    RemediationHook,
    VerificationFinished,
)
from defender_remediate.journal import (
    GuardsWaived,
    Journal,
    RunKind,
    RunLog,
    RunOpened,
    RunState,
    replay,
)
from defender_remediate.journal.past_outcomes import past_outcomes
from defender_remediate.json_values import FrozenMap
from defender_remediate.models.estimate import MANY_STEPS
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import Scope, id_key
from defender_remediate.models.named import PlanChoice, ResourceChoice, RunChoice, StepChoice, run_named
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.posture import reasons_of
from defender_remediate.models.result import RemediationReport
from defender_remediate.models.shard import correlation_id_of, run_id_of, shard_run_id
from defender_remediate.models.step import SkippedResource
from defender_remediate.models.watch import WatchReport
from defender_remediate.models.waves import Waves
from defender_remediate.planning.assessments import assessed_counts, read_assessments
from defender_remediate.planning.builder import PlanDraft, draft_plan
from defender_remediate.planning.decisions import Decision, Removal, draft_removals
from defender_remediate.planning.draft_checks import checked_draft, with_check_dependencies
from defender_remediate.planning.holds import HOLD, Holds, holds_at
from defender_remediate.planning.requested import read_requested
from defender_remediate.planning.score import score_facts, start_watch
from defender_remediate.planning.selection import (
    SelectedRecommendation,
    Selection,
    given_values,
    resource_filter,
    select,
)
from defender_remediate.planning.targets import TargetReader
from defender_remediate.planning.waivers import Waivers, parse_waivers
from defender_remediate.preflight import Check, CheckReader
from defender_remediate.preflight.subscriptions import tenants_of
from defender_remediate.progress import Announcer, Phases
from defender_remediate.rollback.removal import check_removals
from defender_remediate.rollback.rollback import plan_undo
from defender_remediate.validation import instance, instance_or_none, instances, is_number, positive_integer
from defender_remediate.verification.change_history import with_change_records
from defender_remediate.verification.exemptions import exemption_finder
from defender_remediate.verification.verifier import Verifier
from defender_remediate.verification.watcher import Watcher

# A run that began earlier may have ended in the period that counts.
_LONGEST_RUN = timedelta(days=2)
# Over which time the attempts of one change are counted.
_COUNTED = timedelta(days=90)


_LOG = logging.getLogger("defender_remediate")


@attrs.frozen(kw_only=True)
class Workflow:
    """The verbs of the client, over its scopes.

    Attributes:
        timeout: Seconds that one long-running operation may take.
        workers: Threads at most.
        journal: Where runs are recorded before they happen.
        default_hold_days: How long a plan leaves out what failed or was rolled back, if the guards do not say.
    """

    session: ArmSession
    scopes: tuple[Scope, ...]
    discovery: Discovery
    providers: Providers
    catalog: Catalog
    executors: Mapping[str, FixExecutor]
    guards: Guards
    checks: tuple[Check, ...]
    hooks: tuple[RemediationHook, ...]
    new_id: Callable[[], str]
    jitter: Callable[[], float]
    timeout: float
    workers: int
    journal: Journal
    default_hold_days: float = 0

    def plan(
        self,
        recommendations: PlanChoice | Iterable[PlanChoice] | None,
        resources: Iterable[ResourceChoice] | None,
        parameters: Mapping[str, object] | None,
        waive: Mapping[str, str] | None = None,
    ) -> RemediationPlan:
        """Select what to fix, read the targets, and plan a request for each of them. Sends no write."""
        waivers = parse_waivers(waive, checks=(*self._check_names, HOLD), guards=None)
        only, given = resource_filter(resources), given_values(parameters)
        phases = Phases(announcer=Announcer(self.hooks), now=self.session.clock.now)
        phases.begin(ProgressPhase.READING_ASSESSMENTS)
        requested = read_requested(recommendations, given, discovery=self.discovery, catalog=self.catalog)
        selected = requested.recommendations
        counts_all = self.guards.max_share is not None
        watch = start_watch(self.discovery, selected, only=only, reads_all=counts_all)
        assessments = read_assessments(
            self.discovery,
            selected,
            only=only,
            named=named_resources(given),
            reads_all=counts_all,
            watch=watch if isinstance(watch, ScoreWatch) else None,
        )
        selection = select(
            selected, assessments, only=only, covers=self.discovery.covers, given=given, guards=self.guards
        )
        holds = self._holds(waivers.checks.get(HOLD))
        assessed = assessed_counts(assessments) if counts_all else FrozenMap()
        found_nothing = not assessments
        selection = holds.applied_to(selection)
        # What follows needs memory for each step too, and nothing of these.
        del assessments
        draft = self._drafted(selection, phases)
        del selection
        plan = self._planned(draft, waivers.checks, phases)
        del draft
        plan = attrs.evolve(
            plan,
            steps=tuple(map(holds.noted_on, plan.steps)),
            assessed=assessed,
            not_evaluated=self._reasons_for_nothing(selected) if found_nothing else requested.not_evaluated,
            score=score_facts(watch, self.discovery, plan.steps),
        )
        phases.announcer.tell(PlanningFinished(plan=plan))
        for warning in phases.announcer.warnings:
            # A plan has no warnings: it is what will be sent.
            _LOG.warning("%s", warning)
        return plan

    def plan_decisions(
        self,
        decisions: Sequence[Decision],
        *,
        removals: Sequence[Removal] = (),
        skipped: Sequence[SkippedResource] = (),
    ) -> RemediationPlan:
        """Plan exemptions, attestations and owners like any change, and the removal of such. Sends no write."""
        candidates = tuple(decision.candidate() for decision in decisions)
        draft = self._drafted(Selection(candidates=candidates, skipped=tuple(skipped)))
        removed = draft_removals(removals, self.session)
        draft = attrs.evolve(draft, steps=(*draft.steps, *removed.steps), skipped=(*draft.skipped, *removed.skipped))
        return self._planned(draft, {})

    def _drafted(self, selection: Selection, phases: Phases | None = None) -> PlanDraft:
        draft = draft_plan(
            selection,
            executors=self.executors,
            reader=self.session,
            targets=TargetReader(
                self.session,
                self.providers.api_versions,
                covers=self.discovery.covers,
                tags_matter=bool(self.guards.protected_tags),
            ),
            guards=self.guards,
            workers=self.workers,
            phases=phases,
        )
        return with_check_dependencies(draft, self.checks)

    def _planned(self, draft: PlanDraft, waive: Mapping[str, str], phases: Phases | None = None) -> RemediationPlan:
        if phases is not None:
            phases.begin(ProgressPhase.CHECKING)
        draft, tenants = self._checked(draft, waive)
        return RemediationPlan(
            steps=draft.steps,
            skipped=draft.skipped,
            scope=tuple(scope.text for scope in self.scopes),
            endpoint=self.session.endpoint.base_url,
            tenants=tenants,
            catalog_version=self.catalog.version,
            created_at=self.session.clock.now(),
        )

    def _checked(self, draft: PlanDraft, waive: Mapping[str, str]) -> tuple[PlanDraft, tuple[str, ...]]:
        """The draft without the steps that a check blocks, and the tenants of the rest; a subscription is read once for both."""
        reader = CheckReader(self.session, workers=self.workers)
        checked = checked_draft(draft, checks=self.checks, reader=reader, waivers=waive)
        return checked, tenants_of(reader, checked.steps)

    @property
    def _check_names(self) -> tuple[str, ...]:
        return tuple(check.name for check in self.checks)

    def _reasons_for_nothing(self, selected: tuple[SelectedRecommendation, ...]) -> tuple[str, ...]:
        """Why nothing was found, as far as Defender does not evaluate the subscriptions."""
        about = selected[0].key if len(selected) == 1 else None
        return reasons_of(self.discovery.list_postures(about=about))

    def _holds(self, waived_because: str | None) -> Holds:
        """What earlier runs say about the resources that they failed on, or that were rolled back."""
        days = self.guards.hold_days
        period = timedelta(days=self.default_hold_days if days is None else days)
        if not period:
            return Holds()
        try:
            runs = tuple(self.journal.list_runs())
        except JournalError:
            # Nothing was recorded in such a place, and apply refuses it.
            return Holds()
        now = self.session.clock.now()
        outcomes = past_outcomes(self.journal, runs, since=now - period - _LONGEST_RUN)
        return holds_at(outcomes, now=now, period=period, waived_because=waived_because)

    def apply(
        self,
        plan: RemediationPlan | Iterable[RemediationPlan],
        approve: str,
        *,
        waves: Waves | None,
        waive: Mapping[str, str],
        pool: ShardPool | None = None,
    ) -> RemediationReport:
        """Apply an approved plan, after checking its integrity and the guards; on a pool, shard by shard."""
        plan = _whole(plan)
        instance_or_none("waves", waves, Waves)
        waivers = parse_waivers(waive, checks=None)
        _check_alone(plan, waves, pool)
        self._admit(plan, approve, waivers, self.session.clock.now())
        opened = self._opened(plan, waivers, shards=0 if pool is None else len(plan.shards()))
        if pool is not None:
            check_no_secrets(opened)
        with self.journal.create(opened.run_id) as log:
            log.append(opened)
            return self._run(log, opened, waves=waves, pool=pool, waive=waive).execute()

    def _admit(self, plan: RemediationPlan, approve: str, waivers: Waivers, now: datetime) -> None:
        """Refuse a plan that is not approved, not for this client, not what it shows, or not within the guards."""
        check_approved(plan, approve)
        check_distinct(plan)
        self._check_place(plan)
        check_integrity(plan, covers=self.discovery.covers, catalog=self.catalog, now=now)
        check_guards(plan, self.guards, now=now, waive=waivers.guards)
        self._check_tenants(plan)
        self._check_removals(plan)

    def _check_place(self, plan: RemediationPlan) -> None:
        scope = tuple(scope.text for scope in self.scopes)
        check_place(plan, endpoint=self.session.endpoint.base_url, scope=scope, executors=self.executors)

    def _check_tenants(self, plan: RemediationPlan) -> None:
        reader = CheckReader(self.session, workers=self.workers)
        check_tenants(plan.tenants, tenants_of(reader, plan.steps))

    def _check_removals(self, plan: RemediationPlan) -> None:
        # What may be removed is in the journal of the run that is rolled back, whatever the plan says.
        if any(step.is_removal for step in plan.steps):
            undone = replay(self.journal.read(plan.rolls_back)).steps.values() if plan.rolls_back else ()
            check_removals(plan, undone)

    def _opened(self, plan: RemediationPlan, waivers: Waivers, *, shards: int = 0) -> RunOpened:
        """The first record of a new run. A plan that is applied in shards has one run only, in whichever process it begins."""
        is_sharded = shards or plan.shard is not None
        run_id = run_id_of(plan.digest) if is_sharded else self.new_id()
        return RunOpened(
            at=self.session.clock.now(),
            run_id=run_id if plan.shard is None else shard_run_id(plan.digest, plan.shard.number),
            kind=RunKind.ROLLBACK if plan.rolls_back else RunKind.APPLY,
            correlation_id=correlation_id_of(plan.digest) if is_sharded else self.new_id(),
            plan=plan,
            rolls_back=plan.rolls_back or None,
            waivers=waivers.recorded_guards,
            shards=shards,
        )

    def _run(
        self,
        log: RunLog,
        opened: RunOpened,
        *,
        waves: Waves | None,
        pool: ShardPool | None = None,
        waive: Mapping[str, str] | None = None,
    ) -> Run:
        """The execution of all steps of a run."""
        plan, session = opened.plan, self.session.correlated(opened.correlation_id)
        shards = None
        if pool is not None:
            shards = ShardedSteps(pool=pool, plan=plan, opened=opened, log=log, clock=session.clock, waive=waive or {})
        return Run(
            run_id=opened.run_id,
            plan=plan,
            runner=StepRunner(
                session=session,
                timeout=self.timeout,
                jitter=self.jitter,
                tags=ProtectedTags(guards=self.guards, reader=session, versions=self.providers.api_versions),
                undoes=bool(plan.rolls_back),
                is_large_run=(len(plan) if plan.shard is None else plan.shard.total_steps) > MANY_STEPS,
            ),
            executors=self.executors,
            announcer=Announcer(self.hooks),
            workers=self.workers,
            log=log,
            waves=waves,
            shards=shards,
        )

    def resume(
        self, run_id: str, *, waves: Waves | None, waive: Mapping[str, str], pool: ShardPool | None = None
    ) -> RemediationReport:
        """Continue a run that was interrupted or stopped; sends nothing for a run that has ended."""
        instance_or_none("waves", waves, Waves)
        waivers = parse_waivers(waive, checks=None)
        with self.journal.open(run_id) as log:
            state = replay(log.records)
            if pool is not None and not state.opened.shards:
                raise ShardError(f"run {run_id} was not divided into shards", hint="resume it without an executor")
            _check_alone(state.opened.plan, waves, None)
            self._check_place(state.opened.plan)
            self._check_tenants(state.opened.plan)
            if state.unfinished:
                self._check_what_is_left(state, waivers.guards)
                if waivers.guards:
                    log.append(GuardsWaived(at=self.session.clock.now(), waivers=waivers.recorded_guards))
            return self._resumed(log, state, waves=waves, pool=pool, waive={**state.waived_guards, **waive}).execute()

    def _resumed(
        self,
        log: RunLog,
        state: RunState,
        *,
        waves: Waves | None,
        pool: ShardPool | None = None,
        waive: Mapping[str, str] | None = None,
    ) -> Run:
        """The execution of what a run has left to do. Shards go on as shards, also in one process."""
        if state.opened.shards and pool is None:
            pool = ShardPool(executor=None, run=self.run_shard)
        return attrs.evolve(
            self._run(log, state.opened, waves=waves, pool=pool, waive=waive),
            recorded=state.steps,
            has_ended=state.ended is not None,
            redacted_steps=frozenset(state.opened.redacted_steps),
        )

    def _check_what_is_left(self, state: RunState, waive: Mapping[str, str]) -> None:
        left = frozenset(one.step.id for one in state.unfinished)
        check_integrity(
            state.opened.plan,
            covers=self.discovery.covers,
            catalog=self.catalog,
            now=None,
            ignored=(set(state.steps) - left) | set(state.opened.redacted_steps),
        )
        waived = {**state.waived_guards, **waive}
        check_guards(state.opened.plan, self.guards, now=self.session.clock.now(), waive=waived, left=left)

    def run_shard(self, text: str) -> str:
        """Execute a task of another process, from wherever the journal of the shard says that its steps are."""
        task = ShardTask.from_json(text)
        waivers = parse_waivers(task.waive, checks=None)
        self._admit(task.shard, task.approve, waivers, task.began)
        opened = self._opened(task.shard, waivers)
        with begun_or_new(self.journal, opened.run_id) as log:
            if not log.records:
                log.append(opened)
            state = replay(log.records)
            check_same_shard(state.opened, task.shard)
            run = attrs.evolve(self._resumed(log, state, waves=None), only=frozenset(task.steps))
            report = run.execute()
            return ShardAnswer.of(task, log.records, report.results, report.warnings).to_json()

    def merge(
        self, plan: RemediationPlan | Iterable[RemediationPlan], journals: Sequence[Journal] | None
    ) -> RemediationReport:
        """Merge the runs of the shards of a plan, which have ended, into one run. Sends no write."""
        plan = _whole(plan)
        if plan.shard is not None:
            raise ShardError(
                f"this is shard {plan.shard.number} of a plan", hint="pass the whole plan, or all its shards"
            )
        self._check_place(plan)
        given = (self.journal,) if journals is None else instances("journals", journals, Journal)
        first, records = ended_records(plan, given)
        opened = attrs.evolve(first, run_id=run_id_of(plan.digest), plan=plan, shards=len(plan.shards()))
        with begun_or_new(self.journal, opened.run_id) as log:
            if not log.records:
                log.append(opened)
            merge_records(log, records, counted_by_step(log.records))
            state = replay(log.records)
            # With a result for each step, nothing is left to send.
            return self._resumed(log, state, waves=None).execute()

    def plan_rollback(
        self,
        run_id: str,
        steps: Iterable[StepChoice] | None,
        remove: Iterable[str],
        waive: Mapping[str, str] | None = None,
    ) -> RemediationPlan:
        """Plan the rollback of a run, and check it like any plan."""
        waivers = parse_waivers(waive, checks=self._check_names, guards=None)
        state = self._idle(run_id)
        self._check_place(state.opened.plan)
        undo = plan_undo(state, only=steps, remove=remove, reader=self.session, workers=self.workers)
        draft = with_check_dependencies(undo, self.checks)
        draft, tenants = self._checked(draft, waivers.checks)
        return attrs.evolve(
            state.opened.plan,
            steps=draft.steps,
            skipped=draft.skipped,
            tenants=tenants,
            created_at=self.session.clock.now(),
            rolls_back=run_id,
            removable=draft.removable,
            score=None,
            shard=None,
        )

    def _idle(self, run_id: str) -> RunState:
        """The state of a run that is not being executed."""
        state = replay(self.journal.read(run_id))
        if state.ended is not None:
            return state
        # A process that executes it has the journal locked: what is in flight there would be missed.
        with self.journal.open(run_id) as log:
            return replay(log.records)

    def rollback(
        self, run_id: str, steps: Iterable[StepChoice] | None, waive: Mapping[str, str] | None
    ) -> RemediationReport:
        """Plan a rollback and apply it."""
        waivers = parse_waivers(waive, checks=self._check_names)
        plan = self.plan_rollback(run_id, steps, (), waivers.checks)
        return self.apply(plan, plan.digest, waves=None, waive=waivers.guards)

    def fix(
        self,
        recommendation: PlanChoice,
        resources: Iterable[ResourceChoice],
        parameters: Mapping[str, object] | None,
        timeout: float,
        waive: Mapping[str, str] | None = None,
    ) -> RemediationReport:
        """Plan, apply and verify. An invalid timeout is refused before the first write."""
        _check_timeout(timeout)
        if resources is None:
            raise InvalidResourceIdError(
                "fix takes the ids of the resources, got None", hint="pass the ids of the resources; there is no 'all'"
            )
        waivers = parse_waivers(waive, checks=self._check_names)
        plan = self.plan([recommendation], resources, parameters, waivers.checks)
        return self.verify(self.apply(plan, plan.digest, waves=None, waive=waivers.guards), timeout)

    def verify(self, run: RemediationReport | RunChoice, timeout: float) -> RemediationReport:
        """Read the targets of a run again, and ask Defender for Cloud for their status."""
        _check_timeout(timeout)
        report = run if isinstance(run, RemediationReport) else self._report_of(run_named(run))
        announcer = Announcer(self.hooks)
        phases = Phases(announcer=announcer, now=self.session.clock.now, run_id=report.run_id)
        verifier = Verifier(
            reader=self.session,
            assessments=self.discovery,
            workers=self.workers,
            phases=phases,
            find_exemptions=exemption_finder(
                CheckReader(self.session, workers=self.workers), self.discovery.get_metadata
            ),
        )
        verified = with_change_records(self.session, verifier.verify(report, timeout=timeout))
        announcer.tell(VerificationFinished(report=verified))
        warnings = dict.fromkeys((*verified.warnings, *announcer.warnings))
        return attrs.evolve(verified, warnings=tuple(warnings))

    def _report_of(self, run_id: str) -> RemediationReport:
        """The report of a run that has ended, from the journal. Sends no write."""
        if replay(self.journal.read(run_id)).ended is None:
            raise InvalidInputError(f"run {run_id} has not ended", hint="resume it first: client.resume(run_id)")
        return self.resume(run_id, waves=None, waive={})

    def watch(
        self,
        report: RemediationReport,
        *,
        limit: int,
        parameters: Mapping[str, object] | None,
        waive: Mapping[str, str] | None,
    ) -> WatchReport:
        """Find out which changes of a run are undone, and plan those again that were not made too often."""
        instance(
            "report", report, RemediationReport, hint="pass client.apply(...), or RemediationReport.from_json(text)"
        )
        positive_integer("limit", limit)
        self._check_place(report.plan)
        since = self.session.clock.now() - _COUNTED
        past = past_outcomes(self.journal, self.journal.list_runs(), since=since)
        found = Watcher(session=self.session, workers=self.workers, limit=limit).watch(report, past)
        decided = sum(is_decision(one.target_id) for one in found.undone)
        if decided:
            # Planning the recommendation would fix what someone decided to leave.
            told = f"{decided} of them are exemptions, attestations or owners: plan those with client.exemptions or client.governance"
            found = attrs.evolve(found, warnings=(*found.warnings, told))
        again = [one for one in found.undone if not (one.is_given_up or is_decision(one.target_id))]
        if not again:
            return found
        keys = tuple(dict.fromkeys(key for one in again for key in one.keys))
        resources = tuple(dict.fromkeys(one.resource_id for one in again))
        plan = self.plan(keys, resources, parameters, waive)
        undone = {(fold(key), id_key(one.resource_id)) for one in again for key in one.keys}
        kept = [
            step for step in plan.steps if any((fold(key), id_key(step.resource_id)) in undone for key in step.keys)
        ]
        return attrs.evolve(found, plan=attrs.evolve(plan, steps=tuple(kept)))


def _whole(plan: RemediationPlan | Iterable[RemediationPlan]) -> RemediationPlan:
    """The plan, also if its shards were passed."""
    if isinstance(plan, (list, tuple)):
        return RemediationPlan.from_shards(plan)
    hint = "pass client.plan(...), or RemediationPlan.from_json(text)"
    whole: RemediationPlan = instance("plan", plan, RemediationPlan, hint=hint)  # type: ignore[assignment]
    return whole


def _check_alone(plan: RemediationPlan, waves: Waves | None, pool: ShardPool | None) -> None:
    """Refuse for one shard what holds for a whole plan."""
    if plan.shard is not None and (waves is not None or pool is not None):
        raise ShardError(
            f"waves and an executor are for a whole plan, and this is shard {plan.shard.number} of {len(plan.shard.shards)}",
            hint="pass the whole plan, or all its shards",
        )


def _check_timeout(timeout: float) -> None:
    if not is_number(timeout) or not timeout >= 0:
        raise InvalidInputError(f"timeout must be a number of seconds from 0 up, got {quoted(timeout)}")
