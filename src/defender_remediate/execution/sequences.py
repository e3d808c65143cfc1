"""Which steps may be executed at the same time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest

from defender_remediate.casing import fold_or_none
from defender_remediate.fixes.candidates import resource_or_parent
from defender_remediate.models.ids import ResourceId, contains
from defender_remediate.models.step import RemediationStep


def independent_sequences(steps: Sequence[RemediationStep]) -> list[tuple[RemediationStep, ...]]:
    """Sequences of steps that may be executed side by side; the steps of one must follow one another.

    Steps share a sequence if they write to one top-level resource or to its children, also through a third step: a step
    that writes elsewhere than to the resource it is about belongs to both. The sequences of all subscriptions take
    turns: in the order of the plan, the write limit of the first would be used up while the others wait.
    """
    neighbours: dict[str, set[str]] = defaultdict(set)
    for step in steps:
        own = written = _own_root(step)
        # What is below the resource may be a collection, whose path is not the id of a resource.
        if not contains(step.resource_id, step.target_id):
            written = resource_or_parent(step.target_id).root.key
        neighbours[own].add(written)
        neighbours[written].add(own)

    group_of: dict[str, int] = {}
    for number, start in enumerate(neighbours):
        pending = [start]
        while pending:
            root = pending.pop()
            if root not in group_of:
                group_of[root] = number
                pending.extend(neighbours[root])

    sequences: dict[int, list[RemediationStep]] = defaultdict(list)
    for step in steps:
        sequences[group_of[_own_root(step)]].append(step)

    by_subscription: dict[str | None, list[tuple[RemediationStep, ...]]] = defaultdict(list)
    for sequence in sequences.values():
        by_subscription[subscription_of(sequence[0])].append(tuple(sequence))
    turns = zip_longest(*by_subscription.values())
    return [sequence for turn in turns for sequence in turn if sequence is not None]


def subscription_of(step: RemediationStep) -> str | None:
    """The subscription whose limits count for a step, folded; None if it is in none."""
    return fold_or_none(ResourceId.parse(step.resource_id).subscription_id)


def _own_root(step: RemediationStep) -> str:
    return ResourceId.parse(step.resource_id).root.key
