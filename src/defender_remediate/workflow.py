"""Plan, apply, verify, resume, roll back, over one scope."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import attrs

from defender_remediate.arm.providers import offered_api_versions
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.catalog import Catalog
from defender_remediate.discovery import Discovery
from defender_remediate.errors import (
    InvalidInputError,
    InvalidResourceIdError,
    MalformedResponseError,
    NotFoundError,
)
from defender_remediate.execution.admission import (
    check_approved,
    check_distinct,
    check_guards,
    check_place,
    check_tenants,
)
from defender_remediate.execution.protection import ProtectedTags
from defender_remediate.execution.run import Hook, Run
from defender_remediate.execution.step import StepRunner
from defender_remediate.executors.protocol import FixExecutor
from defender_remediate.fixes.placeholders import named_resources
from defender_remediate.journal import GuardsWaived, Journal, RunKind, RunLog, RunOpened, RunState, replay
from defender_remediate.json_values import FrozenMap
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import ResourceId, Scope
from defender_remediate.models.plan import RemediationPlan, RemediationStep
from defender_remediate.models.recommendation import (
    Assessment,
    AssessmentStatus,
    Recommendation,
    RecommendationMetadata,
)
from defender_remediate.models.result import RemediationReport
from defender_remediate.models.waves import Waves
from defender_remediate.planning.builder import Prepared, prepare
from defender_remediate.planning.counts import Census
from defender_remediate.planning.selection import (
    Choice,
    Wanted,
    asked_for,
    check_given,
    check_parameters,
    choose,
    collect,
    given_values,
    resource_filter,
)
from defender_remediate.planning.targets import TargetReader
from defender_remediate.planning.waivers import parse_waivers
from defender_remediate.preflight import Check, CheckReader, Subject, run_checks
from defender_remediate.preflight.subscriptions import tenant_of
from defender_remediate.rollback.removal import check_removals
from defender_remediate.rollback.rollback import backward
from defender_remediate.validation import maybe
from defender_remediate.verification.defender_status import FEW_PAIRS
from defender_remediate.verification.verifier import Verifier


@attrs.frozen(kw_only=True)
class Workflow:
    """What the client's verbs do.

    Attributes:
        timeout: Seconds that one long-running operation may take.
        workers: Threads at most.
        journal: Where runs are written down before they happen.
    """

    session: ArmSession
    scopes: tuple[Scope, ...]
    discovery: Discovery
    catalog: Catalog
    executors: Mapping[str, FixExecutor]
    guards: Guards
    checks: tuple[Check, ...]
    hooks: tuple[Hook, ...]
    new_id: Callable[[], str]
    jitter: Callable[[], float]
    timeout: float
    workers: int
    journal: Journal

    def plan(
        self,
        recommendations: Recommendation | str | Iterable[Recommendation | str] | None,
        resources: Iterable[str] | None,
        parameters: Mapping[str, object] | None,
        waive: Mapping[str, str] | None = None,
    ) -> RemediationPlan:
        """Read, compare, check and write down what would be sent."""
        waivers = parse_waivers(waive, checks=self._check_names, guards=None)
        only = resource_filter(resources)
        given = given_values(parameters)
        if recommendations is None:
            check_given(self.catalog, given)
            choices = choose(self.discovery.list_recommendations(fixable=True), self.catalog)
        else:
            choices = self._known(choose(recommendations, self.catalog))
            check_parameters(choices, given)
        named = named_resources(given)
        census = None if self.guards.max_share is None else Census(choice.key for choice in choices)
        wanted = collect(
            choices,
            self._assessments(choices, only, named) if census is None else self._counted(choices, only, named, census),
            only=only,
            covers=self.discovery.covers,
            given=given,
            guards=self.guards,
        )
        prepared, tenants = self._inspected(self._prepared(wanted), waivers.checks)
        return RemediationPlan(
            steps=prepared.steps,
            skipped=prepared.skipped,
            scope=tuple(scope.text for scope in self.scopes),
            endpoint=self.session.endpoint.base_url,
            tenants=tenants,
            catalog_version=self.catalog.version,
            created_at=self.session.clock.now(),
            assessed=FrozenMap() if census is None else census.counts(),
        )

    def _prepared(self, wanted: Wanted) -> Prepared:
        return prepare(
            wanted,
            executors=self.executors,
            reader=self.session,
            targets=TargetReader(
                self.session,
                self._versions,
                covers=self.discovery.covers,
                tags_matter=bool(self.guards.protected_tags),
            ),
            guards=self.guards,
            workers=self.workers,
        )

    def apply(
        self, plan: RemediationPlan, approve: str, *, waves: Waves | None, waive: Mapping[str, str]
    ) -> RemediationReport:
        """Carry out an approved plan."""
        maybe("waves", waves, Waves)
        waivers = parse_waivers(waive, checks=None)
        check_approved(plan, approve)
        check_distinct(plan)
        self._check_place(plan)
        check_guards(plan, self.guards, now=self.session.clock.now(), waive=waivers.guards)
        check_tenants(plan.tenants, self._tenants(plan.steps))
        self._check_removals(plan)
        run_id, correlation_id = self.new_id(), self.new_id()
        opened = RunOpened(
            at=self.session.clock.now(),
            run_id=run_id,
            kind=RunKind.ROLLBACK if plan.rolls_back else RunKind.APPLY,
            correlation_id=correlation_id,
            plan=plan,
            rolls_back=plan.rolls_back or None,
            waivers=waivers.recorded_guards,
        )
        with self.journal.create(run_id) as log:
            log.append(opened)
            return self._run(log, opened, waves=waves).execute()

    def _check_removals(self, plan: RemediationPlan) -> None:
        # Whatever the plan says of itself: what may go stands in the journal of the run that it undoes.
        if any(step.is_removal for step in plan.steps):
            undone = replay(self.journal.read(plan.rolls_back)).steps.values() if plan.rolls_back else ()
            check_removals(plan, undone)

    def resume(self, run_id: str, *, waves: Waves | None, waive: Mapping[str, str]) -> RemediationReport:
        """Go on with a run that was interrupted or stopped; nothing is sent for one that is over."""
        maybe("waves", waves, Waves)
        waivers = parse_waivers(waive, checks=None)
        with self.journal.open(run_id) as log:
            state = replay(log.records)
            self._check_place(state.opened.plan)
            check_tenants(state.opened.plan.tenants, self._tenants(state.opened.plan.steps))
            if state.unfinished:
                self._check_what_is_left(state, waivers.guards)
                if waivers.guards:
                    log.append(GuardsWaived(at=self.session.clock.now(), waivers=waivers.recorded_guards))
            run = self._run(log, state.opened, waves=waves)
            redacted_steps = frozenset(state.opened.redacted_steps)
            return attrs.evolve(
                run, recorded=state.steps, has_ended=state.ended is not None, redacted_steps=redacted_steps
            ).execute()

    def _check_what_is_left(self, state: RunState, waive: Mapping[str, str]) -> None:
        left = frozenset(one.step.id for one in state.unfinished)
        waived = {*waive, *(waiver.partition(":")[0] for waiver in state.waivers)}
        check_guards(state.opened.plan, self.guards, now=self.session.clock.now(), waive=waived, left=left)

    def plan_rollback(
        self,
        run_id: str,
        steps: Iterable[str] | None,
        remove: Iterable[str],
        waive: Mapping[str, str] | None = None,
    ) -> RemediationPlan:
        """Plan the way back of a run, and check it like any plan."""
        waivers = parse_waivers(waive, checks=self._check_names, guards=None)
        state = self._idle(run_id)
        self._check_place(state.opened.plan)
        runner = self._runner(self.session)
        prepared = backward(state, only=steps, remove=remove, runner=runner, workers=self.workers)
        prepared, tenants = self._inspected(prepared, waivers.checks)
        return attrs.evolve(
            state.opened.plan,
            steps=prepared.steps,
            skipped=prepared.skipped,
            tenants=tenants,
            created_at=self.session.clock.now(),
            rolls_back=run_id,
            removable=prepared.removable,
        )

    def _idle(self, run_id: str) -> RunState:
        """The state of a run that nobody is at."""
        state = replay(self.journal.read(run_id))
        if state.ended is not None:
            return state
        # Whoever is at it has the journal locked: what is in flight would be missed.
        with self.journal.open(run_id) as log:
            return replay(log.records)

    def rollback(self, run_id: str, steps: Iterable[str] | None, waive: Mapping[str, str] | None) -> RemediationReport:
        """Plan the way back and apply it."""
        waivers = parse_waivers(waive, checks=self._check_names)
        plan = self.plan_rollback(run_id, steps, (), waivers.checks)
        return self.apply(plan, plan.digest, waves=None, waive=waivers.guards)

    def _inspected(self, prepared: Prepared, waive: Mapping[str, str]) -> tuple[Prepared, tuple[str, ...]]:
        """What is left after the checks, and its tenants: a subscription is read once for both."""
        known = {subject.step.id: subject for subject in prepared.subjects}
        subjects = [known.get(step.id) or Subject(step=step) for step in prepared.steps]
        reader = CheckReader(self.session, workers=self.workers)
        checked = run_checks(subjects, checks=self.checks, reader=reader, waivers=waive)
        inspected = attrs.evolve(
            prepared, steps=checked.steps, skipped=(*prepared.skipped, *checked.skipped), subjects=()
        )
        return inspected, self._tenants(inspected.steps, reader)

    @property
    def _check_names(self) -> tuple[str, ...]:
        return tuple(check.name for check in self.checks)

    def _check_place(self, plan: RemediationPlan) -> None:
        scope = tuple(scope.text for scope in self.scopes)
        check_place(plan, endpoint=self.session.endpoint.base_url, scope=scope, executors=self.executors)

    def _run(self, log: RunLog, opened: RunOpened, *, waves: Waves | None) -> Run:
        return Run(
            run_id=opened.run_id,
            plan=opened.plan,
            runner=attrs.evolve(
                self._runner(self.session.correlated(opened.correlation_id)), undoes=bool(opened.plan.rolls_back)
            ),
            executors=self.executors,
            hooks=self.hooks,
            workers=self.workers,
            log=log,
            waves=waves,
        )

    def fix(
        self,
        recommendation: Recommendation | str,
        resources: Iterable[str],
        parameters: Mapping[str, object] | None,
        timeout: float,
        waive: Mapping[str, str] | None = None,
    ) -> RemediationReport:
        """Plan, apply and verify. What only the last of them would refuse is refused before the first write."""
        _check_timeout(timeout)
        if resources is None:
            raise InvalidResourceIdError("fix takes the ids of the resources, got None", hint="there is no 'all'")
        waivers = parse_waivers(waive, checks=self._check_names)
        plan = self.plan([recommendation], resources, parameters, waivers.checks)
        return self.verify(self.apply(plan, plan.digest, waves=None, waive=waivers.guards), timeout)

    def verify(self, report: RemediationReport, timeout: float) -> RemediationReport:
        """Look again at what a run left behind."""
        _check_timeout(timeout)
        runner = self._runner(self.session)
        return Verifier(runner=runner, assessments=self.discovery, workers=self.workers).verify(report, timeout=timeout)

    def _runner(self, session: ArmSession) -> StepRunner:
        tags = ProtectedTags(guards=self.guards, reader=session, versions=self._versions)
        return StepRunner(session=session, timeout=self.timeout, jitter=self.jitter, tags=tags)

    def _known(self, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
        """Look up what the catalog does not know by its key: its fix may be known by its policy definition.

        Makes no request for the others.
        """
        known = []
        for choice in choices:
            if choice.fixes or choice.policy_definition_id:
                known.append(choice)
            else:
                metadata = self.discovery.get_metadata(choice.key)
                known.extend(choose([_as_recommendation(metadata)], self.catalog))
        return tuple(known)

    def _counted(
        self, choices: tuple[Choice, ...], only: Mapping[str, str] | None, named: Collection[str], census: Census
    ) -> Iterator[Assessment]:
        """The same assessments as without counting, which needs to read more of them."""
        keys = [choice.key for choice in choices]
        found = census.passing(self.discovery.list_assessments(keys[0] if len(keys) == 1 else None)) if keys else ()
        return (one for one in found if only is not None or asked_for(one, named))

    def _assessments(
        self, choices: tuple[Choice, ...], only: Mapping[str, str] | None, named: Collection[str]
    ) -> Iterator[Assessment]:
        keys = [choice.key for choice in choices]
        if not keys:
            return iter(())
        if only is not None and len(only) * len(keys) <= FEW_PAIRS:
            # A listing looks at the client's scope only, and so does this.
            return self._one_by_one(filter(self.discovery.covers, only.values()), keys)
        status = None if only is not None or named else AssessmentStatus.UNHEALTHY
        found = self.discovery.list_assessments(keys[0] if len(keys) == 1 else None, status=status)
        return (one for one in found if only is not None or asked_for(one, named))

    def _one_by_one(self, resources: Iterable[str], keys: list[str]) -> Iterator[Assessment]:
        missing = set()
        for resource, key in itertools.product(resources, keys):
            found = self._assessment(resource, key)
            if found is None:
                missing.add((fold(resource), fold(key)))
            else:
                yield found
        if missing:
            # An assessment made a moment ago is in the listing before it can be read by its id, and the other way round.
            for assessment in self.discovery.list_assessments(keys[0] if len(keys) == 1 else None):
                if (fold(assessment.resource_id), fold(assessment.key)) in missing:
                    yield assessment

    def _assessment(self, resource: str, key: str) -> Assessment | None:
        try:
            return self.discovery.get_assessment(resource, key)
        except (NotFoundError, MalformedResponseError):
            return None

    def _versions(self, subscription_id: str, resource_type: str) -> tuple[str, ...]:
        return offered_api_versions(self.session, subscription_id, resource_type)

    def _tenants(self, steps: Iterable[RemediationStep], reader: CheckReader | None = None) -> tuple[str, ...]:
        """The tenants that the steps' subscriptions belong to, as far as Azure tells this caller."""
        known = reader or CheckReader(self.session, workers=self.workers)
        ids = {fold(ResourceId.parse(step.resource_id).subscription_id or "") for step in steps}
        tenants = {tenant_of(known, subscription_id) for subscription_id in sorted(ids)}
        return tuple(sorted(tenant for tenant in tenants if tenant))


def _check_timeout(timeout: float) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise InvalidInputError(f"timeout must be a number of seconds from 0 up, got {timeout!r}")


def _as_recommendation(metadata: RecommendationMetadata) -> Recommendation:
    return Recommendation(
        key=metadata.key,
        display_name=metadata.display_name,
        policy_definition_id=metadata.policy_definition_id,
    )
