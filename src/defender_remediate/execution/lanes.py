"""Which steps may go at the same time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest

from defender_remediate.casing import fold
from defender_remediate.fixes.candidates import lock_name
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import RemediationStep


def lanes(steps: Sequence[RemediationStep]) -> list[tuple[RemediationStep, ...]]:
    """Steps that must follow one another, because they write to one resource; lanes of all subscriptions interleaved.

    A step that writes elsewhere than to the resource it is about must not run beside the steps of either. In the order
    of the plan the first subscription's write limit would be used up while the others wait.
    """
    met: dict[str, str] = {}
    for step in steps:
        own = lock_name(step.resource_id)
        # What is below the resource may be a listing, whose id is that of no resource.
        is_inside = ResourceId.parse(step.resource_id).contains(step.target_id)
        target = own if is_inside else lock_name(step.target_id)
        met.setdefault(own, own)
        met.setdefault(target, target)
        met[_first(met, own)] = _first(met, target)
    by_lane: dict[str, list[RemediationStep]] = defaultdict(list)
    for step in steps:
        by_lane[_first(met, lock_name(step.resource_id))].append(step)
    by_subscription: dict[str, list[tuple[RemediationStep, ...]]] = defaultdict(list)
    for lane in by_lane.values():
        by_subscription[fold(ResourceId.parse(lane[0].resource_id).subscription_id or "")].append(tuple(lane))
    rounds = zip_longest(*by_subscription.values())
    return [lane for turn in rounds for lane in turn if lane is not None]


def _first(met: dict[str, str], lock: str) -> str:
    """What stands for all locks that were met together with this one."""
    while met[lock] != lock:
        met[lock] = met[met[lock]]
        lock = met[lock]
    return lock
