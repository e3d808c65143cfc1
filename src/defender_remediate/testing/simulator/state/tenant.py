"""One simulated tenant: its clock, its resource types and the state of each service."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from defender_remediate.testing.simulator.arm.embedded import EmbeddedChildren
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import OperationForm, Operations, usual_form
from defender_remediate.testing.simulator.arm.private_endpoints import Connections
from defender_remediate.testing.simulator.arm.strictness import Creations
from defender_remediate.testing.simulator.arm.throttling import Quota
from defender_remediate.testing.simulator.authorization.state import Access
from defender_remediate.testing.simulator.compute.disks import ManagedDisks
from defender_remediate.testing.simulator.defender.compliance import Compliance
from defender_remediate.testing.simulator.defender.exposure import Exposure
from defender_remediate.testing.simulator.defender.state import Assessor
from defender_remediate.testing.simulator.deployments.state import DeploymentHistory
from defender_remediate.testing.simulator.directory.state import Directory
from defender_remediate.testing.simulator.graph.change_records import ChangeRecords
from defender_remediate.testing.simulator.graph.kept import Kept
from defender_remediate.testing.simulator.graph.kql.run import Limits
from defender_remediate.testing.simulator.keyvault.objects import VaultObjects
from defender_remediate.testing.simulator.monitor.metric_state import MetricRecords
from defender_remediate.testing.simulator.monitor.state import ActivityRecords
from defender_remediate.testing.simulator.policy.effects import Policies
from defender_remediate.testing.simulator.policy.state import PolicyState
from defender_remediate.testing.simulator.sql.failover_groups import FailoverGroups
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.revisions import CountingLock
from defender_remediate.testing.simulator.state.store import Store
from defender_remediate.testing.simulator.state.times import ResourceTimes
from defender_remediate.testing.simulator.state.types import ResourceType, ResourceTypes
from defender_remediate.testing.simulator.transport.exchange import Call, Reply
from defender_remediate.testing.simulator.web.host_name_bindings import HostNames


class Tenant:
    """One tenant.

    Attributes:
        lock: Held while a request is answered or a control changes something; its count of changes is part of the revision.
        page_size: Items per page of a listing that Azure pages.
        graph_page_size: Rows per page of Resource Graph.
        graph_limits: How many operators of a kind a query of Resource Graph may have.
        graph_kept: Results of its last queries.
        governance: The governance assignments by the key of their id: the id and the properties.
        key_generations: How often each access key was replaced, by the key of its account and its name.
        directory: Users, groups, applications and policies of Microsoft Entra ID.
        secret_values: The values of secrets, by the key of the id.
        service_settings: Settings of the services of storage accounts that only their data plane has: XML by section, by the
            key of the account and the service.
        failing_extensions: Extensions of Defender plans that cannot be enabled: (plan, extension), folded.
    """

    def __init__(
        self,
        *,
        assessment_lag: float,
        activity_delay: float,
        change_delay: float,
        page_size: int,
        graph_page_size: int,
    ) -> None:
        self.lock = CountingLock()
        self.clock = VirtualClock()
        self.types = ResourceTypes()
        self.store = Store(self.types)
        self.connections = Connections(self.store)
        EmbeddedChildren(self.store, self.types)
        ManagedDisks(self.store, self.types)
        VaultObjects(self.store, self.clock)
        FailoverGroups(self.store)
        HostNames(self.store)
        self.access = Access(self.store)
        self.activity = ActivityRecords(self.clock, activity_delay)
        self.metrics = MetricRecords()
        self.changes = ChangeRecords(self.clock, change_delay)
        self.store.record(self.changes.wrote)
        self.times = ResourceTimes(self.clock)
        self.store.record(self.times.wrote)
        self.creations = Creations(self.store, self.times, self.clock)
        self.operations = Operations(self.clock)
        self.policies = PolicyState(self.store, self.clock)
        self.policy_effects = Policies(self.policies, self.store, self.clock)
        self.assessor = Assessor(self.store, self.clock, self.policies, assessment_lag)
        self.exposure = Exposure()
        self.compliance = Compliance(self.assessor, self.policies)
        self.governance: dict[str, tuple[str, dict[str, Any]]] = {}
        self.deployments = DeploymentHistory()
        self.stacks: list[Any] = []
        self.key_generations: dict[tuple[str, str], int] = {}
        self.directory = Directory(self.store)
        self.secret_values: dict[str, str] = {}
        self.service_settings: dict[tuple[str, str], dict[str, str]] = {}
        self.page_size = page_size
        self.graph_page_size = graph_page_size
        self.graph_quota = Quota()
        self.graph_limits = Limits()
        self.graph_kept = Kept()
        self.failing_extensions: set[tuple[str, str]] = set()
        self._forms: list[tuple[re.Pattern[str], tuple[str, ...], OperationForm]] = []
        self._serial = 0
        self.store.listen(self._count)

    def _count(self, resource_id: str) -> None:
        del resource_id
        self.lock.changes += 1

    def revision(self) -> tuple[int, ...]:
        """Returns what differs after each change of the tenant, also after one that time brings about."""
        return (self.lock.changes, self.operations.ended, self.assessor.changes())

    def new_id(self) -> str:
        """Returns a GUID; the sequence is the same in every run."""
        self._serial += 1
        digest = hashlib.sha256(f"defender-remediate:{self._serial}".encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"

    def set_operation_form(self, pattern: str, methods: tuple[str, ...], form: OperationForm) -> None:
        """Makes writes to a type or a path (a regular expression for either) take this form."""
        self._forms.append((re.compile(pattern, re.IGNORECASE), methods, form))

    def operation_form(
        self, method: str, resource_id: str, resource_type: ResourceType, answer: list[str] | None = None
    ) -> OperationForm | None:
        """Returns how a request becomes a long-running operation; None if it ends at once.

        What a test set wins over the ``answer`` of Azure to such a write.
        """
        for pattern, methods, form in reversed(self._forms):
            if method in methods and (pattern.fullmatch(resource_type.name) or pattern.search(resource_id)):
                return form if form.seconds > 0 or form.at_once else None
        return None if answer is None else usual_form(resource_type, answer)

    def page(
        self, call: Call, items: Iterable[Any], *, size: int | None = None, shown: Callable[[Any], Any] | None = None
    ) -> Reply:
        """Returns one page of a listing, with an absolute ``nextLink`` if there is another page.

        Args:
            call: The request, whose ``$skiptoken`` says how many items were read before.
            items: Everything in the list. No more is read than the page needs.
            size: Items per page; None for that of the tenant.
            shown: Renders an item that is on the page; it returns None for one that the caller does not see.
        """
        start = call.start
        if start is None:
            raise refusal("InvalidQueryOption", name="$skiptoken", value=call.query["$skiptoken"])
        limit = size or self.page_size
        value: list[Any] = []
        link = None
        for number, item in enumerate(islice(items, start, None), start):
            one = item if shown is None else shown(item)
            if one is None:
                continue
            if len(value) == limit:
                head, _, query = call.url.partition("?")
                tokens = ("%24skiptoken=", "$skiptoken=")
                kept = [part for part in query.split("&") if not part.lower().startswith(tokens)]
                link = f"{head}?{'&'.join(kept)}&%24skiptoken={call.token(number)}"
                break
            value.append(one)
        return Reply.json({"value": value} if link is None else {"value": value, "nextLink": link})
