"""The client: it wires the layers together and has no logic of its own."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from defender_remediate.arm.clock import Clock, SystemClock
from defender_remediate.arm.cloud import resolve_endpoint
from defender_remediate.arm.session import ArmSession
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import parse_scopes
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.recommendation import Assessment, Recommendation
from defender_remediate.models.result import RemediationReport
from defender_remediate.validation import callables, maybe, one_of, positive, whole

if TYPE_CHECKING:
    from azure.core import AzureClouds
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import HttpTransport

    from defender_remediate.activity import ActivityLog
    from defender_remediate.arm.providers import Providers
    from defender_remediate.catalog import Catalog
    from defender_remediate.discovery import Discovery
    from defender_remediate.executors import FixExecutor
    from defender_remediate.hooks import RemediationHook
    from defender_remediate.journal import Journal
    from defender_remediate.models.fix import FixParameter
    from defender_remediate.models.waves import Waves
    from defender_remediate.preflight import Check
    from defender_remediate.workflow import Workflow


class RemediationClient:
    """Defender for Cloud's recommendations for one scope: read them, rank them, fix them, and see that they are fixed.

    Only ``apply``, ``fix``, ``resume`` and ``rollback`` write. Methods may be called from several threads. Making a
    client sends no request and asks for no token.

    Permissions: ``Microsoft.Security/*/read`` to list (the role Security Reader has it); each fix names what it needs to
    read and write its resources in ``fix.permissions``.

    Args:
        credential: Anything with azure-core's ``get_token``, such as ``azure.identity.DefaultAzureCredential()``.
        scope: The id of a subscription, resource group, resource or management group; or several of them.
        endpoint: The base URL of Azure Resource Manager; by default the cloud's own. Plain http only for a loopback
            address.
        cloud: A member of ``azure.core.AzureClouds``; the public cloud by default.
        catalog: The fixes to use; ``Catalog.bundled()`` by default.
        executors: Replaces how fixes of a kind are written: ``{"patch": MyExecutor()}``.
        guards: The limits of a run; ``Guards()`` by default: 25 changes, nothing irreversible.
        checks: Preflight checks of your own, made beside the built-in ones: see ``preflight.Check``.
        journal: Where runs are written down before they happen; ``FileJournal()`` by default, which keeps one file per
            run in the platform's state directory. ``MemoryJournal()`` forgets them with the process.
        hooks: Called with every event of a run, on the thread that called ``apply``.
        transport: Any azure-core transport, such as ``defender_remediate.testing.ArmSimulator``.
        source: ``"rest"`` reads assessments subscription by subscription; ``"graph"`` asks Azure Resource Graph, which
            filters on its side but may lag by minutes. Both give equal objects.
        clock: Where the time comes from.
        new_id: Gives a new GUID, for runs and requests.
        jitter: Gives a number from 0 to 1, to spread retries.
        workers: Threads that plan, apply and verify at once.
        operation_timeout: Seconds that one long-running operation may take before its step is left in doubt.

    Raises:
        InvalidScopeError: A scope is none of the four.
        InvalidEndpointError: The endpoint is http and not a loopback address, or no URL.
        InvalidInputError: Another argument is wrong.
    """

    def __init__(
        self,
        credential: TokenCredential,
        scope: str | Sequence[str],
        *,
        endpoint: str | None = None,
        cloud: AzureClouds | None = None,
        catalog: Catalog | None = None,
        executors: Mapping[str, FixExecutor] | None = None,
        guards: Guards | None = None,
        checks: Sequence[Check] = (),
        journal: Journal | None = None,
        hooks: Sequence[RemediationHook] = (),
        transport: HttpTransport[Any, Any] | None = None,
        source: Literal["rest", "graph"] = "rest",
        clock: Clock | None = None,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        jitter: Callable[[], float] = random.random,
        workers: int = 16,
        operation_timeout: float = 3600.0,
    ) -> None:
        self._scopes = parse_scopes(scope)
        self._guards = maybe("guards", guards, Guards) or Guards()
        self._journal = journal
        self._catalog = catalog
        self._executors: Mapping[str, FixExecutor] = {}
        if executors:
            from defender_remediate.executors.protocol import executors_by_kind

            self._executors = executors_by_kind(executors)
        self._checks: tuple[Check, ...] | None = None
        if checks:
            from defender_remediate.preflight import BUILT_IN_CHECKS, checks_with

            self._checks = checks_with(BUILT_IN_CHECKS, checks)
        self._hooks = callables("hooks", hooks)
        self._source: Literal["rest", "graph"] = one_of("source", source, ("rest", "graph"))
        self._new_id = new_id
        self._jitter = jitter
        self._workers = whole("workers", workers)
        self._operation_timeout = positive("operation_timeout", operation_timeout)
        self._session = ArmSession.open(
            credential,
            resolve_endpoint(endpoint, cloud),
            clock=clock or SystemClock(),
            transport=transport,
            new_id=new_id,
            random=jitter,
        )

    def __enter__(self) -> RemediationClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __repr__(self) -> str:
        return f"<RemediationClient {', '.join(map(str, self._scopes))} at {self._session.endpoint.base_url}>"

    @cached_property
    def catalog(self) -> Catalog:
        """Every fix: by key, by policy definition, by resource type."""
        from defender_remediate.catalog import Catalog

        return self._catalog if self._catalog is not None else Catalog.bundled()

    @cached_property
    def journal(self) -> Journal:
        """Where this client's runs are written down."""
        from defender_remediate.journal import FileJournal, Journal

        return maybe("journal", self._journal, Journal) or FileJournal()

    @cached_property
    def activity(self) -> ActivityLog:
        """What the Azure activity log says happened."""
        from defender_remediate.activity import ActivityLog

        return ActivityLog(self._session, self._discovery.subscriptions)

    def get_secure_score(self) -> SecureScore:
        """The secure score of whole subscriptions; of several the weighted average, as the portal shows it.

        Makes one request per subscription.

        Raises:
            ProviderNotRegisteredError: Defender for Cloud is not enabled on a subscription.
        """
        return self._discovery.get_secure_score()

    def list_controls(self) -> Iterator[SecurityControl]:
        """The security controls of the whole subscriptions in scope, added up, highest potential increase first.

        Makes one request per subscription and page.
        """
        return self._discovery.list_controls()

    def list_recommendations(
        self,
        *,
        status: str | None = "Unhealthy",
        severity: str | None = None,
        control: str | SecurityControl | None = None,
        fixable: bool | None = None,
    ) -> Iterator[Recommendation]:
        """The recommendations, ranked by what they add to the secure score; ``priority`` says why each stands there.

        Reads all assessments of the scope before it gives the first, because the ranking needs them; it keeps counts,
        not assessments.

        Args:
            status: Only those with a resource in this state; None for all.
            severity: ``Critical``, ``High``, ``Medium`` or ``Low``.
            control: A control, its name or its display name.
            fixable: True for those that the catalog can fix, False for the others.

        Raises:
            InvalidInputError: A status or severity that Azure does not have, or a control that no subscription has.
        """
        name = control.name if isinstance(control, SecurityControl) else control
        return self._discovery.list_recommendations(status=status, severity=severity, control=name, fixable=fixable)

    def get_recommendation(self, key: str) -> Recommendation:
        """One recommendation by its assessment key; as many requests as the list, because its rank depends on all.

        Raises:
            UnknownRecommendationError: Azure has no such assessment type.
        """
        return self._discovery.get_recommendation(key)

    def list_assessments(self, key: str | None = None, *, status: str | None = None) -> Iterator[Assessment]:
        """What was found on each resource, as a stream: no more is held than a page of each of four subscriptions.

        Args:
            key: One recommendation's assessment key; None for all.
            status: ``Unhealthy``, ``Healthy`` or ``NotApplicable``; exempt resources are NotApplicable.
        """
        return self._discovery.list_assessments(key, status=status)

    def list_parameter_choices(self, parameter: FixParameter, *, location: str | None = None) -> Iterator[str]:
        """The ids of what a parameter could be given, such as the workspaces in ``location``; one listing each.

        Raises:
            ParameterError: It does not take the id of a resource of one type.
        """
        return self._discovery.list_parameter_choices(parameter, location=location)

    def plan(
        self,
        recommendations: Recommendation | str | Iterable[Recommendation | str] | None = None,
        *,
        resources: Iterable[str] | None = None,
        parameters: Mapping[str, object] | None = None,
        waive: Mapping[str, str] | None = None,
    ) -> RemediationPlan:
        """What would be sent, and what is left out and why. Reads only: planning is the dry run.

        Reads the assessments, and every resource that would change. A template is previewed by Azure's what-if. What
        stands in the way of a step is looked for as well: roles, locks, policies, hazards; see ``plan.check_results``. The
        steps come in the order of the recommendations: as they were named, else as they are ranked.

        Args:
            recommendations: Recommendations or their keys; None for everything the catalog can fix.
            resources: Only these resource ids; each of them is in the plan, as a step or as a skip.
            parameters: Values by parameter name: one for all resources, or one for each as ``{resource id: value}``.
            waive: Checks to go past: names of checks, each with a reason that the plan and the journal keep.

        Raises:
            ParameterError: A parameter is missing, unknown or wrong; nothing was sent. When no recommendations are
                named, those whose parameters are missing are skipped instead.
            UnknownRecommendationError: A key that neither Azure nor the catalog knows.
            RequestError, ConnectionFailedError: The assessments could not be read. A single resource that cannot be
                read is skipped.
        """
        return self._cycle.plan(recommendations, resources, parameters, waive)

    def apply(
        self,
        plan: RemediationPlan,
        *,
        approve: str,
        waves: Waves | None = None,
        waive: Mapping[str, str] | None = None,
    ) -> RemediationReport:
        """Send what the plan says, and nothing else. Never raises for a single step: see the report.

        Each target is read again first and skipped when it moved since it was planned; what was written is read back
        before it counts as applied. Every intent is in the journal before its request leaves.

        Args:
            plan: What ``plan`` gave, or ``RemediationPlan.from_json`` read back.
            approve: ``plan.digest``, as you have seen it.
            waves: Go about it in waves and stop when it goes wrong; all at once by default.
            waive: Guards that this run may go beyond: their names, each with a reason that the journal keeps.

        Raises:
            PlanNotApprovedError: ``approve`` is not this plan's digest; nothing was sent.
            PlanError: The plan was made for another endpoint, scope or tenant, or has a step twice.
            GuardError: The plan goes beyond a guard; nothing was sent.
            JournalError: The run could not be written down; nothing was sent.
        """
        return self._cycle.apply(plan, approve, waves=waves, waive=waive or {})

    def resume(
        self, run_id: str, *, waves: Waves | None = None, waive: Mapping[str, str] | None = None
    ) -> RemediationReport:
        """Go on with a run that was interrupted, on this machine or another, or that was stopped between waves.

        What the journal says has ended is not done again. A write whose end is unknown is settled by reading its
        target, or by asking for the operation that Azure had begun. A run that is over is only reported. The guards
        are looked at again for what is left; what was waived stays waived, and the plan may be of any age.

        Args:
            run_id: ``report.run_id``; after a crash, the newest of ``journal.list_runs()``.
            waves: As for ``apply``, for what is left; without them all of that goes at once, however the run began.
            waive: As for ``apply``, for what is left.

        Raises:
            UnknownRunError: The journal has no such run.
            JournalLockedError: Another process is at it.
            JournalTamperedError: The journal was edited.
            PlanError: The run was for another endpoint, scope or tenant.
            GuardError: What is left goes beyond a guard; nothing was sent.
        """
        return self._cycle.resume(run_id, waves=waves, waive=waive or {})

    def plan_rollback(
        self,
        run_id: str,
        *,
        steps: Iterable[str] | None = None,
        remove: Iterable[str] = (),
        waive: Mapping[str, str] | None = None,
    ) -> RemediationPlan:
        """Plan the way back of a run, newest step first. Reads only; apply it like any plan.

        Every member is compared three ways: as it was, as the run left it, as it is now. What somebody changed since
        stays as it is, and is named; so does a resource that was deleted and made anew, where Azure tells its age. What
        the run created stays as well; ``plan.removable`` names it.

        Args:
            run_id: ``report.run_id``.
            steps: Only these step ids.
            remove: Ids of resources that the run created, to be deleted with all that is below them, while they are
                as the run left them. Applying such a plan needs ``waive={"removal": "why"}``.
            waive: Checks to go past, as for ``plan``.

        Raises:
            UnknownRunError: The journal has no such run.
            JournalLockedError: The run is under way.
            InvalidInputError: The run has no such step, or did not create what is to be removed.
        """
        return self._cycle.plan_rollback(run_id, steps, remove, waive)

    def rollback(
        self, run_id: str, *, steps: Iterable[str] | None = None, waive: Mapping[str, str] | None = None
    ) -> RemediationReport:
        """Undo a run: ``plan_rollback`` and ``apply`` in one. Calling it is the approval; the plan is in the report.

        Takes and raises what those two do. The guards hold for the way back as well: GuardError says which.
        """
        return self._cycle.rollback(run_id, steps, waive)

    def verify(self, report: RemediationReport, *, timeout: float = 0.0) -> RemediationReport:
        """Look again: each result says how far it is ``verified``, Defender's own ``health``, and why it is not healthy.

        Defender looks at a resource again after 30 minutes to 24 hours, so PENDING is what to expect at first;
        ``diagnosis`` says when to look again. Nothing raises for one resource: what cannot be read is a diagnosis, too.

        Makes one request per target and one per recommendation and resource, or one listing when these are many; those
        that are pending are asked about some thirty times in two days at most, whatever the timeout.

        Args:
            report: What ``apply`` gave, or ``RemediationReport.from_json`` read back.
            timeout: Seconds to wait for Defender; 0 looks once.
        """
        return self._cycle.verify(report, timeout)

    def fix(
        self,
        recommendation: Recommendation | str,
        *,
        resources: Iterable[str],
        parameters: Mapping[str, object] | None = None,
        timeout: float = 0.0,
        waive: Mapping[str, str] | None = None,
    ) -> RemediationReport:
        """The Fix button: plan, apply and verify one recommendation on the resources named.

        Calling it is the approval; the plan is in the report. Everything that ``plan`` and ``apply`` raise applies.

        Args:
            recommendation: A recommendation or its key.
            resources: The ids of the resources to fix. There is no "all".
            parameters: Values by parameter name.
            timeout: Seconds to wait for Defender's own word; 0 looks once.
            waive: Checks and guards to go past: their names, each with a reason.
        """
        return self._cycle.fix(recommendation, resources, parameters, timeout, waive)

    @cached_property
    def _discovery(self) -> Discovery:
        from defender_remediate.discovery import Discovery
        from defender_remediate.threads import interleave

        return Discovery(self._session, self._scopes, self.catalog, self._providers, self._source, interleave)

    @cached_property
    def _providers(self) -> Providers:
        from defender_remediate.arm.providers import Providers

        return Providers(self._session)

    @cached_property
    def _cycle(self) -> Workflow:
        from defender_remediate.executors import PatchExecutor, TemplateExecutor
        from defender_remediate.preflight import BUILT_IN_CHECKS
        from defender_remediate.workflow import Workflow

        write = PatchExecutor()
        bundled: dict[str, FixExecutor] = {"patch": write, "put": write, "template": TemplateExecutor()}
        return Workflow(
            session=self._session,
            scopes=self._scopes,
            discovery=self._discovery,
            providers=self._providers,
            catalog=self.catalog,
            executors={**bundled, **self._executors},
            guards=self._guards,
            checks=BUILT_IN_CHECKS if self._checks is None else self._checks,
            hooks=self._hooks,
            new_id=self._new_id,
            jitter=self._jitter,
            timeout=self._operation_timeout,
            workers=self._workers,
            journal=self.journal,
        )
