"""The division of a plan by subscription: what a shard knows of the others, so that the digest of the whole covers it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import attrs

from defender_remediate import serialization
from defender_remediate.casing import fold
from defender_remediate.display import counted, one_line
from defender_remediate.errors import InvalidInputError, ShardError
from defender_remediate.json_values import FrozenMap, freeze, sha256_of_parts, strings_in
from defender_remediate.models.ids import contains, id_key
from defender_remediate.models.step import RemediationStep, SkippedResource
from defender_remediate.serialization import Value

_T = TypeVar("_T")
_WHOLE = "apply the plan as a whole, or leave the step out with plan.exclude(resources=[...])"


@attrs.frozen(kw_only=True)
class ShardSummary(Value):
    """What the digest of a plan covers of the steps in one subscription.

    Attributes:
        subscription_id: In lower case.
        steps: How many steps there are.
        resources: How many resources of each type, in lower case, they change.
        digest: SHA-256 over the steps and their places in the plan.
    """

    subscription_id: str
    steps: int
    resources: FrozenMap = attrs.field(converter=freeze)
    digest: str


@attrs.frozen(kw_only=True)
class PlanShard(Value):
    """Which part of a plan a shard is.

    Attributes:
        number: 1 for the first.
        shards: All of them, in the order of their numbers.
        positions, skipped_positions: The places of the steps and skips of this shard in the whole plan, from 0.
        score_digest: SHA-256 of what the whole plan carries of the score, which only the first shard repeats.
    """

    number: int
    shards: tuple[ShardSummary, ...]
    positions: tuple[int, ...] = attrs.field(repr=False)
    skipped_positions: tuple[int, ...] = attrs.field(default=(), repr=False)
    score_digest: str | None = None

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.number <= len(self.shards):
            raise InvalidInputError(f"number must be from 1 to {len(self.shards)}, got {self.number}")

    @property
    def subscription_id(self) -> str:
        """The subscription whose steps it has."""
        return self.shards[self.number - 1].subscription_id

    @property
    def total_steps(self) -> int:
        """How many steps the whole plan has."""
        return sum(one.steps for one in self.shards)

    @property
    def resources(self) -> Mapping[str, int]:
        """How many resources of each type, in lower case, the whole plan changes."""
        return sum((Counter(dict(one.resources)) for one in self.shards), Counter())

    def summaries(self, steps: Sequence[RemediationStep]) -> tuple[ShardSummary, ...]:
        """The shards, with these steps as those of this one. What was stored of it counts too if it says something else.

        The guards go by what is stored: an edited count must change the digest.
        """
        own, stored = summary_of(steps, self.positions), self.shards[self.number - 1]
        told = (own,) if stored == own else (own, stored)
        return (*self.shards[: self.number - 1], *told, *self.shards[self.number :])

    @property
    def text(self) -> str:
        """What it is a part of, on one line."""
        changes = counted(self.total_steps, "change")
        return one_line(
            f"{self.number} of {len(self.shards)}, for subscription {self.subscription_id}; "
            f"the digest is that of the whole plan with {changes}, and approves all of them"
        )


def subscription_of(resource_id: str) -> str:
    """The subscription in an id, folded; an empty string for an id without one. Any string will do."""
    first, _, rest = resource_id.strip("/").partition("/")
    return fold(rest.partition("/")[0]) if fold(first) == "subscriptions" else ""


def summary_of(steps: Sequence[RemediationStep], positions: Sequence[int]) -> ShardSummary:
    """What the digest of a plan covers of the steps of one subscription, which are at these places of the plan."""
    changed = {(fold(step.resource_type), id_key(step.resource_id)) for step in steps}
    return ShardSummary(
        subscription_id=subscription_of(steps[0].resource_id) if steps else "",
        steps=len(steps),
        resources=FrozenMap(dict(sorted(Counter(kind for kind, _ in changed).items()))),
        digest=sha256_of_parts([list(positions), map(serialization.encode, steps)]),
    )


def positions_by_subscription(steps: Iterable[RemediationStep]) -> dict[str, list[int]]:
    """The places of the steps of each subscription, in the order in which the subscriptions come up."""
    found: dict[str, list[int]] = {}
    for position, step in enumerate(steps):
        found.setdefault(subscription_of(step.resource_id), []).append(position)
    return found


def summaries_of(steps: Sequence[RemediationStep]) -> tuple[ShardSummary, ...]:
    """What the digest of a whole plan covers of its steps, by subscription."""
    divided = positions_by_subscription(steps).values()
    return tuple(summary_of([steps[place] for place in places], places) for places in divided)


def check_divisible(steps: Sequence[RemediationStep]) -> None:
    """Refuse steps of which one subscription's cannot be applied without regard to those of another.

    Raises:
        ShardError: A step belongs to no subscription, writes to two of them, or uses what a step of another one creates.
    """
    creator: dict[str, str] = {}
    for step in steps:
        own = subscription_of(step.resource_id)
        if not own:
            raise ShardError(f"step {step.id} is about {step.resource_id}, which is in no subscription", hint=_WHOLE)
        for written in (step.target_id, *(created.resource_id for created in step.creates)):
            if not contains(f"/subscriptions/{own}", written):
                raise ShardError(
                    f"step {step.id} is about {step.resource_id} and writes to {written} in another subscription",
                    hint=_WHOLE,
                )
        creator |= {id_key(created.resource_id): own for created in step.creates}
    for step in steps if creator else ():
        own = subscription_of(step.resource_id)
        for text in strings_in(step.request.body):
            if text.startswith("/") and creator.get(id_key(text), own) != own:
                raise ShardError(
                    f"step {step.id} for {step.target_id} uses {text}, which a step in another subscription creates",
                    hint=_WHOLE,
                )


def divided(
    steps: Sequence[RemediationStep],
    skipped: Sequence[SkippedResource],
    summaries: tuple[ShardSummary, ...],
    score_digest: str | None,
) -> tuple[PlanShard, ...]:
    """The shards of a plan with these steps, skips and summaries. A skip goes with its subscription, or else with the first shard.

    Raises:
        ShardError: The plan cannot be divided.
    """
    if not steps:
        raise ShardError("the plan has no steps, so there is nothing to divide")
    check_divisible(steps)
    places = positions_by_subscription(steps)
    skips: dict[str, list[int]] = {subscription: [] for subscription in places}
    first = next(iter(places))
    for position, skip in enumerate(skipped):
        skips.get(subscription_of(skip.resource_id), skips[first]).append(position)
    return tuple(
        PlanShard(
            number=number,
            shards=summaries,
            positions=tuple(places[subscription]),
            skipped_positions=tuple(skips[subscription]),
            score_digest=score_digest,
        )
        for number, subscription in enumerate(places, start=1)
    )


def check_complete(shards: Sequence[tuple[str, PlanShard | None]]) -> None:
    """Refuse shards that are not those of one plan, each once.

    Args:
        shards: The digest of each with what it is a part of.

    Raises:
        ShardError: One is a whole plan or belongs to another plan, is there twice, or is missing.
    """
    digest, first = shards[0]
    numbers: Counter[int] = Counter()
    for one, shard in shards:
        if shard is None or first is None:
            raise ShardError(f"the plan with the digest {one[:12]}… is not a shard", hint="pass plan.shards()")
        if one != digest:
            raise ShardError(
                f"shard {shard.number} is of the plan with the digest {one[:12]}…, and shard {first.number} of another, {digest[:12]}…",
                hint="pass the shards of one plan, as plan.shards() made them",
            )
        numbers[shard.number] += 1
        if numbers[shard.number] > 1:
            raise ShardError(f"shard {shard.number} of {len(shard.shards)} was passed twice", hint="pass each once")
    missing = [] if first is None else [n for n in range(1, len(first.shards) + 1) if n not in numbers]
    if missing:
        count = len(numbers) + len(missing)
        raise ShardError(
            f"shard {', '.join(map(str, missing[:10]))} of {count} is missing", hint="pass all of plan.shards()"
        )


def in_order(parts: Iterable[tuple[Sequence[int], Sequence[_T]]]) -> tuple[_T, ...]:
    """What shards have, in the order of the whole plan.

    Args:
        parts: The places in the plan, and what is there, of each shard.

    Raises:
        ShardError: The places are not those of one plan.
    """
    found: dict[int, _T] = {}
    total = 0
    for positions, items in parts:
        total += len(items)
        if len(positions) != len(items):
            raise ShardError(f"a shard has {len(items)} steps or skips and {len(positions)} places for them")
        found.update(zip(positions, items, strict=True))
    if sorted(found) != list(range(total)):
        raise ShardError("the places of the steps or skips of the shards are not those of one plan")
    return tuple(found[position] for position in range(total))


def run_id_of(digest: str) -> str:
    """The id of the run in which the shards of a plan are applied: two processes cannot begin two runs of one plan."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"run of the shards of {digest}"))


def correlation_id_of(digest: str) -> str:
    """The correlation id of that run, in whichever process a shard is applied."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"correlation of the shards of {digest}"))


def shard_run_id(digest: str, number: int) -> str:
    """The id of the run of one shard: each has a journal of its own."""
    return f"{run_id_of(digest)}-{number}"
