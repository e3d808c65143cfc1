"""What applying a plan takes, by Azure's published limits, before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import counted, one_line
from defender_remediate.limits import LIMITS, PROVIDER_LIMITS, Limit, RequestKind
from defender_remediate.models.fix import FixKind
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.step import RemediationStep
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value

MANY_STEPS = 25
"""In runs of more steps an answer to a write may take the place of a read. In smaller ones a second read costs no time."""

WHOLE_ANSWERS = frozenset(
    {
        "microsoft.appconfiguration/configurationstores",
        "microsoft.authorization/locks",
        "microsoft.batch/batchaccounts",
        "microsoft.cache/redis",
        "microsoft.containerregistry/registries",
        "microsoft.dashboard/grafana",
        "microsoft.insights/components",
        "microsoft.keyvault/vaults",
        "microsoft.logic/workflows",
        "microsoft.operationalinsights/clusters",
        "microsoft.operationalinsights/workspaces",
        "microsoft.recoveryservices/vaults",
        "microsoft.resources/resourcegroups",
        "microsoft.search/searchservices",
        "microsoft.storage/storageaccounts",
        "microsoft.storagesync/storagesyncservices",
    }
)
"""Types, folded, that answer 200 with the resource as it is afterwards: recorded traffic shows it at least twice for each, and
the next read never shows anything else. Other types echo the request, or were not recorded often enough: they are read again.
``Microsoft.Web/sites``, for one, answers with settings that the next read does not show."""


@attrs.frozen(kw_only=True)
class SubscriptionEstimate(Value):
    """What the steps of one subscription take.

    Attributes:
        steps: How many there are.
        reads, writes, deletes: The requests, if each is answered at once: without retries and long-running operations.
        seconds: The time that the limits alone impose; 0 if everything may be sent at once.
    """

    subscription_id: str
    steps: int
    reads: int
    writes: int
    deletes: int
    seconds: float

    def __str__(self) -> str:
        requests = self.reads + self.writes + self.deletes
        return one_line(
            f"{self.subscription_id}: {counted(self.steps, 'step')}, {counted(requests, 'request')}, {self.seconds:.0f} s"
        )


@notebook
@attrs.frozen(kw_only=True)
class RunEstimate(Value):
    """What applying a plan takes.

    Attributes:
        requests: All of them together.
        seconds: The time that Azure's published limits alone impose. Subscriptions have limits of their own, so it is that
            of the slowest. The time that Azure takes for each request, long-running operations, the pauses of waves and the
            requests of other programs come on top.
        subscriptions: The subscriptions, the slowest first.
        notes: What else may make it slower, a sentence each.
    """

    requests: int
    seconds: float
    subscriptions: tuple[SubscriptionEstimate, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        steps = sum(one.steps for one in self.subscriptions)
        total = f"{counted(steps, 'step')}: {counted(self.requests, 'request')}"
        lines = [f"{total}, at least {self.seconds:.0f} s by Azure's published limits"]
        lines += [f"  {one}" for one in self.subscriptions]
        return "\n".join([*lines, *(f"  {one_line(note)}" for note in self.notes)])


def estimate(steps: Iterable[RemediationStep]) -> RunEstimate:
    """What these steps take when they are applied together."""
    steps = tuple(steps)
    counts: dict[str, Counter[str]] = {}
    of_providers: Counter[tuple[str, str, RequestKind]] = Counter()
    for step in steps:
        subscription = fold(ResourceId.parse(step.resource_id).subscription_id or "")
        # The tenant of a subscription is read once.
        count = counts.setdefault(subscription, Counter(reads=1))
        count["steps"] += 1
        written = RequestKind.DELETE if step.is_removal else RequestKind.WRITE
        reads = _reads(step, is_large_run=len(steps) > MANY_STEPS)
        count[written.value] += 1
        count["reads"] += reads
        if step.executor != FixKind.TEMPLATE:
            provider = fold(step.resource_type).partition("/")[0]
            of_providers[subscription, provider, written] += 1
            of_providers[subscription, provider, RequestKind.READ] += reads
    subscriptions = [
        SubscriptionEstimate(
            subscription_id=name,
            steps=count["steps"],
            reads=count["reads"],
            writes=count["writes"],
            deletes=count["deletes"],
            seconds=max(
                _seconds(count[kind.value], LIMITS[kind])
                for kind in (RequestKind.READ, RequestKind.WRITE, RequestKind.DELETE)
            ),
        )
        for name, count in counts.items()
    ]
    subscriptions.sort(key=lambda one: (-one.seconds, one.subscription_id))
    return RunEstimate(
        requests=sum(one.reads + one.writes + one.deletes for one in subscriptions),
        seconds=max((one.seconds for one in subscriptions), default=0.0),
        subscriptions=tuple(subscriptions),
        notes=tuple(
            f"{name}: {limit.provider} takes {limit} per region, and {number} are planned"
            for (name, provider, kind), number in sorted(of_providers.items())
            for limit in PROVIDER_LIMITS
            # What is spread over minutes anyway stays below a limit per second.
            if (limit.provider, limit.kind) == (provider, kind) and limit.seconds > 1 and number > limit.requests
        ),
    )


def _reads(step: RemediationStep, *, is_large_run: bool) -> int:
    """The reads of one step: right before the write, after it unless the answer counts, and one question about a deployment."""
    created = sum(id_key(one.resource_id) != id_key(step.target_id) for one in step.creates)
    if step.executor == FixKind.TEMPLATE:
        return 3 + 2 * created
    is_on_resource = id_key(step.resource_id) == id_key(step.target_id)
    answers = is_large_run and is_on_resource and fold(step.resource_type) in WHOLE_ANSWERS
    return (1 if answers and not step.is_removal else 2) + 2 * created


def _seconds(requests: int, limit: Limit) -> float:
    return max(0.0, (requests - limit.size) / limit.per_second)
