"""The client of the library: creates its layers and passes each call to them."""

from __future__ import annotations

import random
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar
from weakref import WeakSet

import attrs

from defender_remediate.arm.clock import Clock, SystemClock
from defender_remediate.arm.cloud import resolve_endpoint
from defender_remediate.arm.paging import Listing
from defender_remediate.arm.pipeline import pipeline_options
from defender_remediate.arm.session import ArmSession
from defender_remediate.display import quoted
from defender_remediate.errors import DefenderRemediateError, InvalidInputError, ShardError
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import Scope, parse_scopes
from defender_remediate.models.individual import RecommendationCategory
from defender_remediate.models.named import Choice, PlanChoice, ResourceChoice, RunChoice, StepChoice, run_named
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.posture import PostureWarning, SubscriptionPosture
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import Severity
from defender_remediate.models.result import RemediationReport
from defender_remediate.redaction import redact_text
from defender_remediate.validation import (
    callables,
    instance,
    instance_or_none,
    one_of,
    positive_integer,
    positive_number,
)

if TYPE_CHECKING:
    from azure.core import AzureClouds
    from azure.core.credentials import TokenCredential
    from azure.core.paging import ItemPaged
    from azure.core.pipeline.transport import HttpTransport

    from defender_remediate.activity import ActivityLog
    from defender_remediate.arm.providers import Providers
    from defender_remediate.catalog import Catalog
    from defender_remediate.discovery import Discovery
    from defender_remediate.execution.shards import ShardPool
    from defender_remediate.executors import FixExecutor
    from defender_remediate.exemptions import Exemptions
    from defender_remediate.governance import Governance
    from defender_remediate.hooks import RemediationHook
    from defender_remediate.journal import Journal
    from defender_remediate.models.attack_path import AttackPath
    from defender_remediate.models.cve import Cve, CveAssessment
    from defender_remediate.models.fix import FixParameter
    from defender_remediate.models.watch import WatchReport
    from defender_remediate.models.waves import Waves
    from defender_remediate.preflight import Check
    from defender_remediate.threads import Executor
    from defender_remediate.workflow import Workflow


_T = TypeVar("_T")

# For a journal that the caller passed; the default one is shared by all clients of a user.
_HOLD_DAYS = 7


@attrs.frozen(kw_only=True)
class Randomness:
    """The source of a client's ids and jitter; ``testing.seeded_client`` replaces it.

    Attributes:
        new_id: Returns a new GUID.
        jitter: Returns a number from 0 to 1.
    """

    new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    jitter: Callable[[], float] = random.random


class RemediationClient:
    """Reads, ranks and remediates the recommendations of Defender for Cloud in its scopes, and verifies the result.

    Only ``apply``, ``fix``, ``resume`` and ``rollback`` write. Methods may be called from several threads. Creating a
    client sends no request and acquires no token.

    Permissions: ``Microsoft.Security/*/read`` to list (the role Security Reader has it); each fix names what it needs to
    read and write its resources in ``fix.permissions``.

    Args:
        credential: An object with azure-core's ``get_token``, such as ``azure.identity.DefaultAzureCredential()``.
        scope: A ``Scope``, the GUID of a subscription, or the id of a subscription, resource group, resource or management
            group; or several of them.
        endpoint: The base URL of Azure Resource Manager; by default the cloud's own. Plain http only for a loopback
            address.
        cloud: A member of ``azure.core.AzureClouds``; the public cloud by default.
        catalog: The fixes to use; ``Catalog.bundled()`` by default.
        executors: Executors that replace the built-in ones, by kind of fix: ``{"patch": MyExecutor()}``.
        guards: The limits of a run; ``Guards()`` by default: 25 changes, nothing irreversible.
        checks: Custom preflight checks, made in addition to the built-in ones: see ``preflight.Check``.
        journal: Where runs are recorded before their requests are sent; ``FileJournal()`` by default, which keeps one file
            per run in the platform's state directory. A ``MemoryJournal()`` is lost when the process ends.
        hooks: Called with every event of a run, on the thread that called ``apply``.
        transport: Any azure-core transport, such as ``defender_remediate.testing.ArmSimulator``.
        source: ``"rest"`` reads the assessments of each subscription; ``"graph"`` queries Azure Resource Graph, which filters
            on the server but may lag by minutes. Both return equal objects.
        clock: The source of the time; the system clock by default.
        workers: The number of threads that plan, apply and verify in parallel.
        operation_timeout: Seconds to wait for one long-running operation. After that its step is in doubt.
        proxies: Proxies by scheme, such as ``{"https": "http://proxy:8080"}``; by default those in the environment variables.
        connection_verify: False to accept any certificate, or the path of a file with trusted certificates; True by default.
        connection_timeout, read_timeout: Seconds to wait for a connection (30) and for each part of a response (120).
        retry_total, retry_backoff_factor, retry_backoff_max: How reads are retried: the number of retries (4),
            the first delay in seconds (0.8, doubled for each retry), and the longest delay (30). Writes are not retried.
        logging_enable: Log each request at INFO with azure-core's ``HttpLoggingPolicy``; secret values are redacted.
        user_agent: Text to add to the ``User-Agent`` of every request.
        per_call_policies, per_retry_policies: Custom azure-core policies. The first run before all others, the second
            immediately before authentication. Both run once for each request, because retries are new requests.

    Methods that read take ``timeout``, ``headers`` and ``client_request_id``. ``timeout`` limits the whole call in seconds,
    including all requests, retries and waits; CallTimeoutError is raised when it is exceeded. For a listing the time starts
    with the call and includes the time that the caller spends between two items. Methods that write take no ``timeout``,
    because an interrupted run would leave steps in doubt; ``operation_timeout`` limits each operation instead. ``headers``
    and ``client_request_id`` (``x-ms-client-request-id``) are sent with every request of the call.

    Raises:
        InvalidScopeError: A scope is not one of the four kinds.
        InvalidEndpointError: The endpoint is not a URL, or http and not a loopback address.
        InvalidInputError: Another argument is invalid.
    """

    _randomness: ClassVar[Randomness] = Randomness()

    def __init__(
        self,
        credential: TokenCredential,
        scope: str | Scope | Sequence[str | Scope],
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
        workers: int = 64,
        operation_timeout: float = 3600.0,
        proxies: Mapping[str, str] | None = None,
        connection_verify: bool | str | None = None,
        connection_timeout: float | None = None,
        read_timeout: float | None = None,
        retry_total: int = 4,
        retry_backoff_factor: float = 0.8,
        retry_backoff_max: float = 30.0,
        logging_enable: bool = False,
        user_agent: str | None = None,
        per_call_policies: Sequence[Any] = (),
        per_retry_policies: Sequence[Any] = (),
    ) -> None:
        self._scopes = parse_scopes(scope)
        self._guards = instance_or_none("guards", guards, Guards) or Guards()
        if isinstance(clock, type) or not all(
            hasattr(clock or SystemClock, name) for name in ("now", "monotonic", "sleep")
        ):
            raise InvalidInputError(f"clock must have now, monotonic and sleep, got {quoted(clock)}")
        if transport is not None and not callable(getattr(transport, "send", None)):
            raise InvalidInputError(
                f"transport must have a method send, got {quoted(transport)}",
                hint="pass an azure-core transport, such as ArmSimulator.demo()",
            )
        if isinstance(journal, str):
            raise InvalidInputError(
                f"journal must be a Journal, got {quoted(journal)}",
                hint="pass FileJournal(folder) to choose the folder",
            )
        if isinstance(catalog, str):
            raise InvalidInputError(
                f"catalog must be a Catalog, got {quoted(catalog)}", hint="pass Catalog.bundled().with_fixes(path)"
            )
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
        self._workers = positive_integer("workers", workers)
        self._operation_timeout = positive_number("operation_timeout", operation_timeout)
        self._session = ArmSession.open(
            credential,
            resolve_endpoint(endpoint, cloud),
            clock=clock or SystemClock(),
            transport=transport,
            new_id=self._randomness.new_id,
            random=self._randomness.jitter,
            options=pipeline_options(
                proxies=proxies,
                connection_verify=connection_verify,
                connection_timeout=connection_timeout,
                read_timeout=read_timeout,
                retry_total=retry_total,
                retry_backoff_factor=retry_backoff_factor,
                retry_backoff_max=retry_backoff_max,
                logging_enable=logging_enable,
                user_agent=user_agent,
                per_call_policies=per_call_policies,
                per_retry_policies=per_retry_policies,
            ),
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
        """The catalog of fixes that this client uses."""
        from defender_remediate.catalog import Catalog

        given = instance_or_none("catalog", self._catalog, Catalog)
        return given if given is not None else Catalog.bundled()

    @cached_property
    def journal(self) -> Journal:
        """The journal in which this client records its runs."""
        from defender_remediate.journal import FileJournal, Journal

        return instance_or_none("journal", self._journal, Journal) or FileJournal()

    @cached_property
    def exemptions(self) -> Exemptions:
        """The exemptions and attestations in scope, on both of Azure's APIs: listed, and planned like any change."""
        from defender_remediate.exemptions import Exemptions
        from defender_remediate.exemptions.reader import ExemptionReader

        def reader() -> ExemptionReader:
            return ExemptionReader(
                session=self._session,
                discovery=self._layers.discovery,
                providers=self._providers,
                workers=self._workers,
            )

        return Exemptions(self._layers.workflow, reader)

    @cached_property
    def governance(self) -> Governance:
        """The owners, due dates and tickets of assessments: listed, and planned like any change."""
        from defender_remediate.governance import Governance

        return Governance(self._layers.workflow)

    @cached_property
    def activity(self) -> ActivityLog:
        """The Azure activity log of the subscriptions in scope."""
        from defender_remediate.activity import ActivityLog

        return ActivityLog(self._session, self._layers.discovery.subscriptions, self._correlation_of)

    def _correlation_of(self, run_id: str) -> str | None:
        from defender_remediate.journal import correlation_of

        return correlation_of(self.journal, run_id)

    def get_secure_score(
        self,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> SecureScore:
        """Get the secure score of the subscriptions in scope; for several the weighted average, as the portal shows it.

        Makes one request per subscription.

        Raises:
            ProviderNotRegisteredError: Defender for Cloud is not enabled on a subscription.
        """
        return self._layers_for(timeout, headers, client_request_id).discovery.get_secure_score()

    def get_posture(
        self,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> tuple[SubscriptionPosture, ...]:
        """Get, for each subscription in scope, whether Defender for Cloud evaluates it at all, and what to do if not.

        An empty list means healthy only where ``posture.is_evaluated`` is True. A part that cannot be read, such as the
        plans after a 403, is one of ``posture.reasons`` and not an error. Pass the result to ``plan`` to turn on
        foundational posture management where it is off.

        Makes about six requests per subscription, and one for each further page of its assessments.
        """
        return tuple(self._layers_for(timeout, headers, client_request_id).discovery.list_postures())

    def list_controls(
        self,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> ItemPaged[SecurityControl]:
        """List the security controls of the subscriptions in scope, highest potential increase first.

        A control of several subscriptions is listed once: its resources are summed, and its points are on the scale of one
        subscription, so ``max_score`` stays what it is in Azure. The forecast of a plan and the points of ``get_secure_score``
        are sums over the subscriptions.

        Makes one request per subscription and page.
        """
        return Listing(self._layers_for(timeout, headers, client_request_id).discovery.list_controls)

    def list_recommendations(
        self,
        *,
        status: AssessmentStatus | str | None = "Unhealthy",
        severity: Severity | str | None = None,
        control: str | SecurityControl | None = None,
        fixable: bool | None = None,
        category: RecommendationCategory | str | Iterable[RecommendationCategory | str] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> ItemPaged[Recommendation]:
        """List the recommendations, ranked by what they add to the secure score; ``priority`` explains the rank.

        Reads all assessments of the scope before it returns the first item, because the ranking needs them. It keeps
        counts in memory, not assessments.

        Args:
            status: Only recommendations with a resource in this state; None for all.
            severity: A ``Severity``: ``Critical``, ``High``, ``Medium`` or ``Low``.
            control: A control, its name or its display name.
            fixable: True for those that the catalog can fix, False for the others.
            category: Individual recommendations of one ``RecommendationCategory`` or several, each title once: the view by
                title. A category that this library does not know is passed on.

        Raises:
            InvalidInputError: The status or the severity does not exist in Azure, no subscription has the control, or a
                category is not a string.
            NotAvailableError: The REST API of this cloud names no category; use ``source="graph"``.
        """
        name = control.name if isinstance(control, SecurityControl) else control
        categories = _reread(category)
        discovery = self._layers_for(timeout, headers, client_request_id).discovery
        return Listing(
            lambda: discovery.list_recommendations(
                status=status, severity=severity, control=name, fixable=fixable, category=categories
            )
        )

    def get_recommendation(
        self,
        key: Choice,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> Recommendation:
        """Get one recommendation by its assessment key. Makes as many requests as the list, because the rank depends on all.

        Raises:
            UnknownRecommendationError: Azure has no such assessment type.
        """
        return self._layers_for(timeout, headers, client_request_id).discovery.get_recommendation(key)

    def list_assessments(
        self,
        key: Choice | None = None,
        *,
        status: AssessmentStatus | str | None = None,
        category: RecommendationCategory | str | Iterable[RecommendationCategory | str] | None = None,
        governance: bool = False,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> ItemPaged[Assessment]:
        """List the assessments of each resource. Holds at most one page of each of eight subscriptions in memory.

        Args:
            key: A recommendation, one of its assessments, its key, an assessment id, or its display name in the catalog;
                None for all recommendations. For an individual recommendation, all assessments with its title.
            status: ``Unhealthy``, ``Healthy`` or ``NotApplicable``; exempt resources are NotApplicable.
            category: Individual recommendations of one ``RecommendationCategory`` or several: the view by resource.
            governance: Whether to read owner, due date and ticket of each as well, with one request per subscription and
                recommendation; see ``Assessment.governance``.

        Raises:
            InvalidInputError: The status does not exist in Azure, or a category is not a string.
            NotAvailableError: The REST API of this cloud names no category; use ``source="graph"``.
            RequestError: The owners cannot be read, or this cloud does not have them.
        """
        discovery = self._layers_for(timeout, headers, client_request_id).discovery
        categories = _reread(category)

        def listed() -> Iterator[Assessment]:
            found = discovery.list_assessments(key, status=status, category=categories)
            return discovery.with_governance(found) if governance else found

        return Listing(listed)

    def list_cves(
        self,
        ids: Iterable[str] | None = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> ItemPaged[Cve]:
        """List what Azure says about the CVEs in the tenant, from Resource Graph. Rejected CVEs are omitted.

        Makes one query per 1000 CVEs, or per 100 ids. Without Security Reader at the management group Azure lists none.

        Args:
            ids: Only these, such as ``CVE-2026-0001``; None for all.

        Raises:
            InvalidScopeError: The scope of this client is not a management group, the only scope with these details.
            InvalidInputError: An id is not the id of a CVE.
        """
        discovery = self._layers_for(timeout, headers, client_request_id).discovery
        listed = _reread(ids)
        return Listing(lambda: discovery.list_cves(listed))

    def list_cve_assessments(
        self,
        *,
        status: AssessmentStatus | str | None = "Unhealthy",
        category: RecommendationCategory | str | Iterable[RecommendationCategory | str] | None = "SoftwareUpdate",
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> ItemPaged[CveAssessment]:
        """List each CVE of each assessment, joined with its details. No row is lost for want of details.

        At a management group, ``cve`` holds the details of ``list_cves``; at other scopes Azure gives none and it is None.
        Holds the details in memory, about 1 KiB for each CVE, and streams the assessments.

        Args:
            status: As for ``list_assessments``.
            category: As for ``list_assessments``.
        """
        discovery = self._layers_for(timeout, headers, client_request_id).discovery
        categories = _reread(category)
        return Listing(lambda: discovery.list_cve_assessments(status=status, category=categories))

    def list_attack_paths(
        self,
        resource: ResourceChoice | None = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> ItemPaged[AttackPath]:
        """List the attack paths in scope, from Resource Graph.

        Azure looks for attack paths only with the plan Defender CSPM: without it, none listed does not mean that there is
        none. Makes one query per 1000 attack paths.

        Args:
            resource: Only the attack paths that pass through this resource.

        Raises:
            InvalidResourceIdError: The resource is not a resource id.
        """
        discovery = self._layers_for(timeout, headers, client_request_id).discovery
        return Listing(lambda: discovery.list_attack_paths(resource))

    def list_parameter_choices(
        self,
        parameter: FixParameter,
        *,
        location: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> ItemPaged[str]:
        """List the resource ids that a parameter accepts, such as the workspaces in ``location``.

        Makes one listing per subscription, and one per parent for a child type.

        Raises:
            ParameterError: The parameter does not take the id of a resource of one type.
        """
        discovery = self._layers_for(timeout, headers, client_request_id).discovery
        return Listing(lambda: discovery.list_parameter_choices(parameter, location=location))

    def plan(
        self,
        recommendations: PlanChoice | Iterable[PlanChoice] | None = None,
        *,
        resources: Iterable[ResourceChoice] | None = None,
        parameters: Mapping[str, object] | None = None,
        waive: Mapping[str, str] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> RemediationPlan:
        """Plan the changes: what would be sent, and what is skipped and why. Reads only: planning is the dry run.

        Reads the assessments, and every resource that would change. A template is previewed by Azure's what-if. Preflight
        checks look for blockers: missing permissions, locks, policies, blocked network access; see
        ``plan.check_results``. The steps are in the order in which the recommendations were passed, or else in which
        they are ranked.

        Args:
            recommendations: Recommendations, assessments, security controls, fixes, keys or display names, one or several;
                None for everything the catalog can fix. The postures of ``get_posture`` stand for turning on foundational
                posture management, which Defender does not assess.
            resources: Only these resource ids. The plan has a step or a skip for each of them.
            parameters: Values by parameter name: one for all resources, or one for each as ``{resource id: value}``.
            waive: Checks to waive: their names, each with a reason that the plan and the journal keep.

        Raises:
            ParameterError: A parameter is missing, unknown or invalid; nothing was sent. If no recommendations were
                passed, those with missing parameters are skipped instead.
            UnknownRecommendationError: Neither Azure nor the catalog has the key.
            RequestError, ConnectionFailedError: The assessments could not be read. A single resource that cannot be
                read is skipped.
        """
        call = self._layers_for(timeout, headers, client_request_id)
        plan = call.workflow.plan(recommendations, resources, parameters, waive)
        call.session.deadline.check()
        return plan

    def apply(
        self,
        plan: RemediationPlan | Sequence[RemediationPlan],
        *,
        approve: str,
        waves: Waves | None = None,
        waive: Mapping[str, str] | None = None,
        executor: Executor | None = None,
        make_client: Callable[[], RemediationClient] | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> RemediationReport:
        """Send the requests of a plan and nothing else. Does not raise for a single step: see the report.

        Each target is read again first, and skipped if it has drifted since it was planned. Each change is read back
        before it counts as applied. The journal records each request before it is sent.

        With an executor, the workers apply the plan shard by shard, see ``plan.shards``. Guards, waves and their failures count
        for the whole plan, and the report is the same. Hooks of this client hear of a step when its shard has ended.

        Args:
            plan: The result of ``plan`` or of ``RemediationPlan.from_json``; one shard of a plan, or all of them in a list.
            approve: The digest of the plan that was reviewed: ``plan.digest``.
            waves: Roll out in waves and stop when too many steps fail; all at once by default.
            waive: Guards to waive for this run: their names, each with a reason that the journal keeps.
            executor: A ``concurrent.futures.Executor`` for the shards, such as a ``ProcessPoolExecutor`` or the ``get_executor()``
                of a Dask client.
            make_client: Makes the client of a worker: with the same scope, a credential of its own, and a journal that the other
                workers can open too. A function of a module, which workers can import; a new client in each call.

        Raises:
            PlanNotApprovedError: ``approve`` is not this plan's digest; nothing was sent.
            PlanAlteredError: A request in the plan is not what the plan shows; nothing was sent.
            PlanError: The plan was created for another endpoint, scope or tenant, or contains a step twice.
            GuardError: The plan exceeds a guard; nothing was sent.
            JournalError: The journal cannot be written; nothing was sent.
            JournalLockLostError: In the middle of the run, this process lost the lock of its journal; nothing further was sent.
            RunExistsError: The shards of this plan are, or were, applied before; nothing was sent.
            ShardError: The plan cannot be divided, or the shards are not those of one plan; nothing was sent.
            ShardsUnfinishedError: The executor or a worker died. ``resume`` continues the run.
        """
        pool = self._pool(executor, make_client, headers, client_request_id)
        return self._layers_for(None, headers, client_request_id).workflow.apply(
            plan, approve, waves=waves, waive=waive or {}, pool=pool
        )

    def merge_shards(
        self, plan: RemediationPlan | Sequence[RemediationPlan], *, journals: Sequence[Journal] | None = None
    ) -> RemediationReport:
        """Merge the runs of shards that were applied one by one into one run of the whole plan. Sends nothing.

        The report is that of the whole plan, and ``plan_rollback``, ``verify`` and ``watch`` work with its run. Merging again
        returns the same.

        Args:
            plan: The plan, or all its shards.
            journals: The journals in which the shards were recorded; by default that of this client.

        Raises:
            ShardError: A shard was not applied, has not ended or lacks a result, or the shards are not those of one plan.
            InvalidInputError: ``journals`` is not a list of journals.
            JournalError: A journal cannot be read or written.
        """
        return self._layers.workflow.merge(plan, journals)

    def resume(
        self,
        run: RunChoice,
        *,
        waves: Waves | None = None,
        waive: Mapping[str, str] | None = None,
        executor: Executor | None = None,
        make_client: Callable[[], RemediationClient] | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> RemediationReport:
        """Resume a run that was interrupted or was stopped between waves, on this machine or another one.

        Steps that have ended according to the journal are not repeated. If the outcome of a write is unknown, its target is
        read or the operation that Azure started is polled. For a run that has ended, only the report is returned. The
        guards are checked again for the remaining steps. Earlier waivers stay valid, and the plan may be of any age.

        Args:
            run: The report of the run or its ``run_id``; after a crash, the newest of ``journal.list_runs()``.
            waves: As for ``apply``, for the remaining steps; without it, all of them are sent at once.
            waive: As for ``apply``, for the remaining steps.
            executor, make_client: As for ``apply``, for a run that was divided into shards. Without them its shards are
                continued in this process, one after the other.

        Raises:
            UnknownRunError: The journal has no such run.
            JournalLockedError: Another process has locked the run.
            JournalLockLostError: As for ``apply``.
            JournalTamperedError: The journal was edited.
            PlanError: The run was started for another endpoint, scope or tenant.
            GuardError: The remaining steps exceed a guard; nothing was sent.
            ShardError: An executor was passed for a run that was not divided into shards.
            ShardsUnfinishedError: As for ``apply``.
        """
        pool = self._pool(executor, make_client, headers, client_request_id)
        return self._layers_for(None, headers, client_request_id).workflow.resume(
            run_named(run), waves=waves, waive=waive or {}, pool=pool
        )

    def plan_rollback(
        self,
        run: RunChoice,
        *,
        steps: Iterable[StepChoice] | None = None,
        remove: Iterable[str] = (),
        waive: Mapping[str, str] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> RemediationPlan:
        """Plan the rollback of a run, newest step first. Reads only; apply the result like any plan.

        The value of each member before the run, after the run and now are compared. A member that someone changed since is
        preserved, and the plan names it. So is a resource that was deleted and recreated, if Azure returns its creation
        time. Resources that the run created are kept as well; ``plan.removable`` names them.

        Args:
            run: The report of the run, or its ``run_id``.
            steps: Only these steps: their ids, the steps themselves, or their results.
            remove: Ids of resources that the run created and that are to be deleted with their child resources. A resource
                that has changed since is kept. Applying such a plan needs ``waive={"removal": "why"}``.
            waive: Checks to waive, as for ``plan``.

        Raises:
            UnknownRunError: The journal has no such run.
            JournalLockedError: The run has not ended yet.
            InvalidInputError: The run has no such step, or did not create a resource in ``remove``.
        """
        call = self._layers_for(timeout, headers, client_request_id)
        plan = call.workflow.plan_rollback(run_named(run), steps, remove, waive)
        call.session.deadline.check()
        return plan

    def rollback(
        self,
        run: RunChoice,
        *,
        steps: Iterable[StepChoice] | None = None,
        waive: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> RemediationReport:
        """Roll back a run: ``plan_rollback`` and ``apply`` in one call, which is the approval. The report contains the plan.

        The arguments and errors are those of the two methods. The guards apply to the rollback as well; GuardError names
        the guard.
        """
        return self._layers_for(None, headers, client_request_id).workflow.rollback(run_named(run), steps, waive)

    def verify(
        self,
        report: RemediationReport | RunChoice,
        *,
        timeout: float = 0.0,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> RemediationReport:
        """Verify a report: how far each change is proven, its health in Defender for Cloud, and why it is not healthy.

        Defender assesses a resource again after 30 minutes to 24 hours, so results are usually pending at first;
        ``diagnosis`` says when to check again. Does not raise for a single resource: a failed read becomes a diagnosis.

        Makes one request per target and one per recommendation and resource, or one listing if there are many. Pending
        results are polled at most about 30 times in two days, whatever the timeout.

        Args:
            report: The result of ``apply`` or of ``RemediationReport.from_json``; or the id of a run in the journal that has ended.
            timeout: Seconds to wait for Defender; 0 checks once.
        """
        return self._layers_for(None, headers, client_request_id).workflow.verify(report, timeout)

    def watch(
        self,
        report: RemediationReport,
        *,
        limit: int = 3,
        parameters: Mapping[str, object] | None = None,
        waive: Mapping[str, str] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> WatchReport:
        """Find out which changes of a run were undone since, and by whom, and plan them again. Reads only.

        Whether a change is undone is decided by reading its target. Who undid it is in Azure's change history, which lags by
        about 5 minutes and goes back 14 days. A change that the journal has ``limit`` times in 90 days is not planned again:
        someone else owns the setting.

        Makes one request per changed target and one query per 250 undone changes, and for the plan those of ``plan``.

        Args:
            report: The result of ``apply`` or of ``RemediationReport.from_json``.
            limit: How many times a change is made before it is given up.
            parameters: Values by parameter name, as for ``plan``.
            waive: Checks to waive in the plan, as for ``plan``.

        Raises:
            PlanError: The run was made for another endpoint or scope.
            JournalError: The journal cannot be read.
        """
        call = self._layers_for(timeout, headers, client_request_id)
        found = call.workflow.watch(report, limit=limit, parameters=parameters, waive=waive)
        call.session.deadline.check()
        return found

    def fix(
        self,
        recommendation: PlanChoice,
        *,
        resources: Iterable[ResourceChoice],
        parameters: Mapping[str, object] | None = None,
        timeout: float = 0.0,
        waive: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> RemediationReport:
        """Plan, apply and verify one recommendation on the given resources, like the Fix button in the portal.

        The call is the approval; the report contains the plan. Raises the errors of ``plan`` and ``apply``.

        Args:
            recommendation: A recommendation, its key or its display name.
            resources: The ids of the resources to fix. There is no "all".
            parameters: Values by parameter name.
            timeout: Seconds to wait for Defender; 0 checks once.
            waive: Checks and guards to waive: their names, each with a reason.
        """
        return self._layers_for(None, headers, client_request_id).workflow.fix(
            recommendation, resources, parameters, timeout, waive
        )

    def _pool(
        self,
        executor: Executor | None,
        make_client: Callable[[], RemediationClient] | None,
        headers: Mapping[str, str] | None,
        client_request_id: str | None,
    ) -> ShardPool | None:
        """What applies shards; None to apply a plan in this process."""
        if executor is None and make_client is None:
            return None
        from defender_remediate.execution.shards import shard_pool

        if headers is not None or client_request_id is not None:
            raise InvalidInputError(
                "headers and client_request_id are not passed to workers",
                hint="pass per_call_policies to the client that make_client makes",
            )
        _IN_USE.add(self)
        return shard_pool(executor, make_client, _run_shard)

    def _layers_for(
        self, timeout: float | None, headers: Mapping[str, str] | None, client_request_id: str | None
    ) -> _Layers:
        """The layers for one call: those of the client, or new ones over a session with the options of the call."""
        if timeout is None and headers is None and client_request_id is None:
            return self._layers
        session = self._session.with_options(timeout=timeout, headers=headers, client_request_id=client_request_id)
        return _Layers(session, self._make_discovery, self._make_workflow)

    @cached_property
    def _layers(self) -> _Layers:
        return _Layers(self._session, self._make_discovery, self._make_workflow)

    @cached_property
    def _providers(self) -> Providers:
        from defender_remediate.arm.providers import Providers

        return Providers(self._session)

    def _make_discovery(self, session: ArmSession) -> Discovery:
        from defender_remediate.discovery import Discovery
        from defender_remediate.threads import interleave

        return Discovery(
            session, self._scopes, self.catalog, self._providers.over(session), self._source, interleave, _warn
        )

    def _make_workflow(self, session: ArmSession, discovery: Discovery) -> Workflow:
        from defender_remediate.executors import PatchExecutor, TemplateExecutor
        from defender_remediate.preflight import BUILT_IN_CHECKS, with_blocked_plans
        from defender_remediate.workflow import Workflow

        write = PatchExecutor()
        bundled: dict[str, FixExecutor] = {"patch": write, "put": write, "template": TemplateExecutor()}
        return Workflow(
            session=session,
            scopes=self._scopes,
            # A plan says itself why nothing was found.
            discovery=discovery.telling(None),
            providers=self._providers.over(session),
            catalog=self.catalog,
            executors={**bundled, **self._executors},
            guards=self._guards,
            checks=with_blocked_plans(
                BUILT_IN_CHECKS if self._checks is None else self._checks,
                lambda plan, sub_plan: self.catalog.freshness.blocked_plan(plan, sub_plan),
            ),
            hooks=self._hooks,
            new_id=self._randomness.new_id,
            jitter=self._randomness.jitter,
            timeout=self._operation_timeout,
            workers=self._workers,
            journal=self.journal,
            default_hold_days=0 if self._journal is None else _HOLD_DAYS,
        )


class _Layers:
    """The layers that a client's methods use over one session; each is created on first use."""

    def __init__(
        self,
        session: ArmSession,
        make_discovery: Callable[[ArmSession], Discovery],
        make_workflow: Callable[[ArmSession, Discovery], Workflow],
    ) -> None:
        self.session = session
        self._make_discovery = make_discovery
        self._make_workflow = make_workflow

    @cached_property
    def discovery(self) -> Discovery:
        """Reads Defender for Cloud."""
        return self._make_discovery(self.session)

    @cached_property
    def workflow(self) -> Workflow:
        """Plans, applies, verifies and undoes."""
        return self._make_workflow(self.session, self.discovery)


# Clients that apply a divided plan, and those that were made for one shard of it.
_IN_USE: WeakSet[RemediationClient] = WeakSet()


def _run_shard(make_client: Callable[[], RemediationClient], task: str) -> str:
    """Execute a task in a worker, with a client of the caller's making.

    Raises:
        DefenderRemediateError: Anything else is told in one: an error that cannot be read back breaks a process pool.
    """
    try:
        client = instance("make_client()", make_client(), RemediationClient)
        if client in _IN_USE:
            raise InvalidInputError(
                "make_client returned a client that is used already",
                hint="make a new one in each call: it is closed when its shard has ended",
            )
        _IN_USE.add(client)
        with client:
            return client._layers.workflow.run_shard(task)  # noqa: SLF001 - what RemediationClient.run_shard would be
    except DefenderRemediateError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        told = f"the worker raised {type(error).__name__}: {redact_text(str(error))}"
    raise ShardError(told)


def _warn(warning: PostureWarning) -> None:
    warnings.warn(warning, stacklevel=2)


def _reread(given: _T) -> _T | tuple[Any, ...]:
    """An iterator as a tuple, because a listing may begin several times; anything else as it is."""
    return tuple(given) if isinstance(given, Iterator) else given
