"""Everything one simulated tenant is made of, in one place that the routes are given."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from defender_remediate.testing.simulator.arm.operations import Operations, Slow
from defender_remediate.testing.simulator.arm.private_endpoints import Connections
from defender_remediate.testing.simulator.arm.throttling import Quota
from defender_remediate.testing.simulator.authorization.state import Access
from defender_remediate.testing.simulator.defender.state import Assessor
from defender_remediate.testing.simulator.monitor.state import ActivityLog
from defender_remediate.testing.simulator.policy.state import Policies
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.store import Store
from defender_remediate.testing.simulator.state.types import Kind, Kinds
from defender_remediate.testing.simulator.transport.exchange import Answer, Call

if TYPE_CHECKING:
    from defender_remediate.testing.simulator.deployments.state import Deployment


class World:
    """One tenant.

    Attributes:
        page_size: Items per page of a listing that Azure pages.
        graph_page_size: Rows per page of Resource Graph.
        deployments: The deployment history, by id in lower case.
        plan_failures: Extensions of Defender plans that cannot be switched on: (plan, extension), in lower case.
    """

    def __init__(self, *, lag: float, ingestion: float, page_size: int, graph_page_size: int) -> None:
        self.clock = VirtualClock()
        self.kinds = Kinds()
        self.store = Store(self.kinds)
        self.connections = Connections(self.store)
        self.access = Access(self.store)
        self.activity = ActivityLog(self.clock, ingestion)
        self.operations = Operations(self.clock)
        self.policies = Policies(self.store, self.clock)
        self.assessor = Assessor(self.store, self.clock, self.policies, lag)
        self.page_size = page_size
        self.graph_page_size = graph_page_size
        self.graph_quota = Quota()
        self.plan_failures: set[tuple[str, str]] = set()
        self._slow: list[tuple[re.Pattern[str], tuple[str, ...], Slow]] = []
        self.deployments: dict[str, Deployment] = {}
        self._serial = 0

    def new_id(self) -> str:
        """A GUID; the same sequence in every run."""
        self._serial += 1
        digest = hashlib.sha256(f"defender-remediate:{self._serial}".encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"

    def timestamp(self, at: float | None = None) -> str:
        """The present (or another moment) as Azure writes it, with seven fractional digits."""
        return self.clock.at(self.clock.monotonic() if at is None else at).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")

    def make_slow(self, pattern: str, methods: tuple[str, ...], slow: Slow) -> None:
        """Let writes to a type or a path (a regular expression on either) take their time."""
        self._slow.append((re.compile(pattern, re.IGNORECASE), methods, slow))

    def slowness(self, method: str, resource_id: str, kind: Kind) -> Slow | None:
        """How a write takes its time; None when it does not. The latest arrangement wins over the type's habit."""
        for pattern, methods, slow in reversed(self._slow):
            if method in methods and (pattern.fullmatch(kind.name) or pattern.search(resource_id)):
                return slow if slow.seconds > 0 or slow.at_once else None
        habit = kind.slow.get(method)
        return Slow(**habit) if habit else None

    def page(self, call: Call, items: Iterable[Any], *, size: int | None = None) -> Answer:
        """One page of a listing, with an absolute ``nextLink`` when there is more."""
        everything = list(items)
        start = int(call.query.get("$skiptoken", "0") or 0)
        stop = start + (size or self.page_size)
        body: dict[str, Any] = {"value": everything[start:stop]}
        if stop < len(everything):
            body["nextLink"] = f"{_without_token(call.url)}&%24skiptoken={stop}"
        return Answer.json(body)


def _without_token(url: str) -> str:
    head, _, query = url.partition("?")
    kept = [part for part in query.split("&") if not part.lower().startswith(("%24skiptoken=", "$skiptoken="))]
    return f"{head}?{'&'.join(kept)}"
