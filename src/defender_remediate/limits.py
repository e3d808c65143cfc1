"""Azure's published request limits, as data with their sources."""

from __future__ import annotations

import math
from enum import Enum

import attrs

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError


class RequestKind(str, Enum):
    """The kinds of request that Azure counts separately."""

    READ = "reads"
    WRITE = "writes"
    DELETE = "deletes"
    GRAPH = "graph"


@attrs.frozen(kw_only=True)
class Limit:
    """A limit on requests: a bucket of tokens, or a window of time.

    Attributes:
        size: Requests that may be sent at once.
        per_second: Tokens that come back each second, up to ``size``; 0 for a window.
        window: Seconds after which all of ``size`` comes back together; 0 for a bucket that refills steadily.

    Raises:
        InvalidInputError: The size is not a positive integer, or not exactly one of the others is a positive number.
    """

    size: int
    per_second: float = 0.0
    window: float = 0.0

    def __attrs_post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise InvalidInputError(f"the size of a limit must be a positive integer, got {quoted(self.size)}")
        refills = [self.per_second, self.window]
        for number in refills:
            is_number = isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)
            if not is_number or number < 0:
                raise InvalidInputError(f"a limit must refill by a positive number, got {quoted(number)}")
        if sum(number > 0 for number in refills) != 1:
            raise InvalidInputError(
                f"a limit of {self.size} has per_second={self.per_second:g} and window={self.window:g}",
                hint="give exactly one of them, as a positive number",
            )


LIMITS = {
    RequestKind.READ: Limit(size=250, per_second=25.0),
    RequestKind.WRITE: Limit(size=200, per_second=10.0),
    RequestKind.DELETE: Limit(size=200, per_second=10.0),
    RequestKind.GRAPH: Limit(size=15, window=5.0),
}
"""The limits of Azure Resource Manager, per principal and subscription, or per principal and tenant for requests outside of
subscriptions; and those of Resource Graph, per principal. Sources:
https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling and
https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests"""


@attrs.frozen(kw_only=True)
class ProviderLimit:
    """The limit of a resource provider, per subscription and region.

    Attributes:
        provider: Its namespace, folded.
        requests: So many in any ``seconds``.
        source: Where it is published.
    """

    provider: str
    kind: RequestKind
    requests: int
    seconds: float
    source: str

    @property
    def pace(self) -> Limit:
        """The same limit spread over its time, so that a client which was refused is not refused again."""
        size = self.requests if self.seconds <= 1 else max(1, self.requests // 10)
        return Limit(size=size, per_second=self.requests / self.seconds)

    def __str__(self) -> str:
        times = {1.0: "a second", 300.0: "in 5 minutes", 3600.0: "an hour"}
        return f"{self.requests} {self.kind.value} {times[self.seconds]}"


_STORAGE = "https://learn.microsoft.com/azure/storage/common/scalability-targets-resource-provider"
_NETWORK = "https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling#network-throttling"

PROVIDER_LIMITS = tuple(
    ProviderLimit(provider=provider, kind=kind, requests=requests, seconds=seconds, source=source)
    for provider, kind, requests, seconds, source in (
        ("microsoft.storage", RequestKind.WRITE, 10, 1.0, _STORAGE),
        ("microsoft.storage", RequestKind.WRITE, 1200, 3600.0, _STORAGE),
        ("microsoft.storage", RequestKind.READ, 800, 300.0, _STORAGE),
        ("microsoft.network", RequestKind.WRITE, 1000, 300.0, _NETWORK),
        ("microsoft.network", RequestKind.DELETE, 1000, 300.0, _NETWORK),
        ("microsoft.network", RequestKind.READ, 10_000, 300.0, _NETWORK),
    )
)
"""The limits that providers publish. Compute publishes none in numbers of its own per subscription that stay valid: its answers
tell what remains, see ``arm.rate_limiter``. Authorization, Key Vault and most others publish none for management requests."""
