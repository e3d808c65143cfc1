"""Plan, apply, verify, resume, roll back, over one scope."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs

from defender_remediate.arm.providers import offered_api_versions
from defender_remediate.arm.session import ArmSession
from defender_remediate.catalog import Catalog
from defender_remediate.discovery import Discovery
from defender_remediate.engine.approval import check_approved, check_guards, check_place, check_tenants
from defender_remediate.engine.backward import backward
from defender_remediate.engine.prepare import prepare
from defender_remediate.engine.run import Hook, Run
from defender_remediate.engine.step import StepRunner
from defender_remediate.engine.targets import TargetReader
from defender_remediate.engine.verify import Verifier
from defender_remediate.engine.wanted import (
    Choice,
    check_given,
    check_parameters,
    choose,
    collect,
    given_values,
    resource_filter,
)
from defender_remediate.errors import (
    InvalidInputError,
    InvalidResourceIdError,
    MalformedResponseError,
    NotFoundError,
    ProviderNotRegisteredError,
    RequestError,
)
from defender_remediate.executors.protocol import FixExecutor
from defender_remediate.journal import Journal, RunKind, RunLog, RunOpened, fold
from defender_remediate.models._arguments import maybe
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
from defender_remediate.planning.guards import check_waivers

_SUBSCRIPTIONS_VERSION = "2022-12-01"
# Beyond so many pairs of a recommendation and a resource, one listing costs less than a request each.
_FEW = 20


@attrs.frozen(kw_only=True)
class Cycle:
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
    ) -> RemediationPlan:
        """Read, compare and write down what would be sent."""
        only = resource_filter(resources)
        given = given_values(parameters)
        if recommendations is None:
            check_given(self.catalog, given)
            choices = choose(self.discovery.list_recommendations(fixable=True), self.catalog)
        else:
            choices = self._known(choose(recommendations, self.catalog))
            check_parameters(choices, given)
        wanted = collect(
            choices,
            self._assessments(choices, only),
            only=only,
            covers=self.discovery.covers,
            given=given,
            guards=self.guards,
        )
        prepared = prepare(
            wanted,
            executors=self.executors,
            reader=self.session,
            targets=TargetReader(self.session, self._versions, tags_matter=bool(self.guards.protected_tags)),
            guards=self.guards,
            workers=self.workers,
        )
        return RemediationPlan(
            steps=prepared.steps,
            skipped=prepared.skipped,
            scope=tuple(scope.text for scope in self.scopes),
            endpoint=self.session.endpoint.base_url,
            tenants=self._tenants(prepared.steps),
            catalog_version=self.catalog.version,
            created_at=self.session.clock.now(),
        )

    def apply(
        self, plan: RemediationPlan, approve: str, *, waves: Waves | None, waive: Mapping[str, str]
    ) -> RemediationReport:
        """Carry out an approved plan."""
        maybe("waves", waves, Waves)
        waivers = check_waivers(waive)
        check_approved(plan, approve)
        self._check_place(plan)
        check_guards(plan, self.guards, now=self.session.clock.now(), waive=waive)
        check_tenants(plan.tenants, self._tenants(plan.steps))
        run_id, correlation_id = self.new_id(), self.new_id()
        opened = RunOpened(
            at=self.session.clock.now(),
            run_id=run_id,
            kind=RunKind.ROLLBACK if plan.rolls_back else RunKind.APPLY,
            correlation_id=correlation_id,
            plan=plan,
            of_run=plan.rolls_back,
            waivers=waivers,
        )
        with self.journal.create(run_id) as log:
            log.append(opened)
            return self._run(log, opened, waves=waves).carry_out()

    def resume(self, run_id: str, *, waves: Waves | None) -> RemediationReport:
        """Go on with a run that was interrupted or stopped; nothing is sent for one that is over."""
        maybe("waves", waves, Waves)
        with self.journal.open(run_id) as log:
            state = fold(log.records)
            self._check_place(state.opened.plan)
            check_tenants(state.opened.plan.tenants, self._tenants(state.opened.plan.steps))
            run = self._run(log, state.opened, waves=waves)
            withheld = frozenset(state.opened.withheld)
            return attrs.evolve(run, known=state.steps, over=state.ended is not None, withheld=withheld).carry_out()

    def plan_rollback(self, run_id: str, steps: Iterable[str] | None) -> RemediationPlan:
        """Plan the way back of a run."""
        state = fold(self.journal.read(run_id))
        self._check_place(state.opened.plan)
        prepared = backward(state, only=steps, runner=self._runner(self.session), workers=self.workers)
        return attrs.evolve(
            state.opened.plan,
            steps=prepared.steps,
            skipped=prepared.skipped,
            tenants=self._tenants(prepared.steps),
            created_at=self.session.clock.now(),
            rolls_back=run_id,
        )

    def _check_place(self, plan: RemediationPlan) -> None:
        scope = tuple(scope.text for scope in self.scopes)
        check_place(plan, endpoint=self.session.endpoint.base_url, scope=scope, executors=self.executors)

    def _run(self, log: RunLog, opened: RunOpened, *, waves: Waves | None) -> Run:
        return Run(
            run_id=opened.run_id,
            plan=opened.plan,
            runner=self._runner(self.session.correlated(opened.correlation_id)),
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
    ) -> RemediationReport:
        """Plan, apply and verify. What only the last of them would refuse is refused before the first write."""
        _check_timeout(timeout)
        if resources is None:
            raise InvalidResourceIdError("fix takes the ids of the resources, got None", hint="there is no 'all'")
        plan = self.plan([recommendation], resources, parameters)
        return self.verify(self.apply(plan, plan.digest, waves=None, waive={}), timeout)

    def verify(self, report: RemediationReport, timeout: float) -> RemediationReport:
        """Look again at what a run left behind."""
        _check_timeout(timeout)
        runner = self._runner(self.session)
        return Verifier(runner=runner, assessments=self.discovery, workers=self.workers).verify(report, timeout=timeout)

    def _runner(self, session: ArmSession) -> StepRunner:
        return StepRunner(session=session, timeout=self.timeout, jitter=self.jitter)

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

    def _assessments(self, choices: tuple[Choice, ...], only: Mapping[str, str] | None) -> Iterator[Assessment]:
        keys = [choice.key for choice in choices]
        if not keys:
            return iter(())
        if only is not None and len(only) * len(keys) <= _FEW:
            # A listing looks at the client's scope only, and so does this.
            return self._one_by_one(filter(self.discovery.covers, only.values()), keys)
        if len(keys) == 1:
            status = None if only is not None else AssessmentStatus.UNHEALTHY
            return self.discovery.list_assessments(keys[0], status=status)
        return self.discovery.list_assessments(status=None if only is not None else AssessmentStatus.UNHEALTHY)

    def _one_by_one(self, resources: Iterable[str], keys: list[str]) -> Iterator[Assessment]:
        missing = set()
        for resource, key in itertools.product(resources, keys):
            found = self._assessment(resource, key)
            if found is None:
                missing.add((resource.casefold(), key.casefold()))
            else:
                yield found
        if missing:
            # An assessment made a moment ago is in the listing before it can be read by its id, and the other way round.
            for assessment in self.discovery.list_assessments(keys[0] if len(keys) == 1 else None):
                if (assessment.resource_id.casefold(), assessment.key.casefold()) in missing:
                    yield assessment

    def _assessment(self, resource: str, key: str) -> Assessment | None:
        try:
            return self.discovery.get_assessment(resource, key)
        except ProviderNotRegisteredError:
            raise
        except (NotFoundError, MalformedResponseError):
            return None

    def _versions(self, subscription_id: str, resource_type: str) -> tuple[str, ...]:
        return offered_api_versions(self.session, subscription_id, resource_type)

    def _tenants(self, steps: Iterable[RemediationStep]) -> tuple[str, ...]:
        """The tenants that the steps' subscriptions belong to, as far as Azure tells this caller."""
        subscriptions = {(ResourceId.parse(step.resource_id).subscription_id or "").casefold() for step in steps}
        return tuple(sorted(set(filter(None, map(self._tenant, sorted(subscriptions))))))

    def _tenant(self, subscription: str) -> str:
        try:
            found = self.session.get(f"/subscriptions/{subscription}", api_version=_SUBSCRIPTIONS_VERSION).body
        except RequestError:
            # A caller with rights on a group only may not read the subscription; its id is bound by the steps.
            return ""
        return str(found.get("tenantId") or "").casefold() if isinstance(found, Mapping) else ""


def _check_timeout(timeout: float) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise InvalidInputError(f"timeout must be a number of seconds from 0 up, got {timeout!r}")


def _as_recommendation(metadata: RecommendationMetadata) -> Recommendation:
    return Recommendation(
        key=metadata.key,
        display_name=metadata.display_name,
        policy_definition_id=metadata.policy_definition_id,
    )
