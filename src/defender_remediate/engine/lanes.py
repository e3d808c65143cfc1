"""Which steps may go at the same time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest

from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import RemediationStep
from defender_remediate.planning.targets import lock_name


def lanes(steps: Sequence[RemediationStep]) -> list[tuple[RemediationStep, ...]]:
    """Steps that must follow one another, because they write to one resource; lanes of all subscriptions interleaved.

    In the order of the plan the first subscription's write limit would be used up while the others wait.
    """
    by_resource: dict[str, list[RemediationStep]] = defaultdict(list)
    for step in steps:
        by_resource[lock_name(step.resource_id)].append(step)
    by_subscription: dict[str, list[tuple[RemediationStep, ...]]] = defaultdict(list)
    for lane in by_resource.values():
        by_subscription[(ResourceId.parse(lane[0].resource_id).subscription_id or "").casefold()].append(tuple(lane))
    rounds = zip_longest(*by_subscription.values())
    return [lane for turn in rounds for lane in turn if lane is not None]
