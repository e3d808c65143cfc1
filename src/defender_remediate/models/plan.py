"""A plan: what will be sent, to which resources, and what is skipped and why. Planning is the dry run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from difflib import get_close_matches
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeVar

import attrs

from defender_remediate import serialization
from defender_remediate.casing import fold
from defender_remediate.display import counted, quoted
from defender_remediate.errors import InvalidInputError, PlanAlteredError, ShardError, UnknownRecommendationError
from defender_remediate.json_values import ABSENT, Absent, FrozenMap, freeze, sha256, sha256_of_parts
from defender_remediate.models.check import CheckResult
from defender_remediate.models.estimate import RunEstimate, estimate
from defender_remediate.models.forecast import ScoreFacts, ScoreForecast, forecast, forecast_text
from defender_remediate.models.ids import id_key
from defender_remediate.models.named import Choice, ResourceChoice, named, resource_named, several
from defender_remediate.models.plan_diff import PlanDiff, diff
from defender_remediate.models.plan_groups import PlanSummary, summarize
from defender_remediate.models.plan_text import details, printed
from defender_remediate.models.shard import PlanShard, ShardSummary, check_complete, divided, in_order, summaries_of
from defender_remediate.models.step import (
    PRESERVED,
    CreatedResource,
    PlannedRequest,
    PropertyChange,
    RemediationStep,
    SkippedResource,
    SkipReason,
)
from defender_remediate.notebook import preformatted, rendered
from defender_remediate.serialization import Value
from defender_remediate.validation import instances, one_of, optional_text, tuple_of

_T = TypeVar("_T")


def _aware(_plan: Any, _field: Any, at: datetime) -> None:
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise InvalidInputError("created_at of a plan has no time zone", hint="use datetime.now(timezone.utc)")


def _listed(argument: str, given: Iterable[_T]) -> tuple[_T, ...]:
    """The values of an argument, at least one; a single string is refused, as it is in all lists."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InvalidInputError(
            f"{argument}: expected a list of strings, got {quoted(given)}", hint=f"pass [{quoted(given)}]"
        )
    return several(given, argument)


def _not_in_the_plan(noun: str, unknown: list[Any], hint: str) -> InvalidInputError:
    shown = unknown[0] if len(unknown) == 1 else sorted(map(str, unknown))
    return InvalidInputError(f"the plan has no {noun} {quoted(shown)}", hint=hint)


@attrs.frozen(kw_only=True, str=False)
class RemediationPlan(Value):
    """An immutable list of steps and skips, with a digest. Nothing was written to make it.

    ``print(plan)`` shows every change before and after. ``apply`` takes it only together with its digest, which covers
    the endpoint, tenants, scope, catalog version and all of every step: the executor, the resource, the state it was
    planned on, what is shown of the change, the exact request and the undo request. Any edit of them changes the digest.

    Attributes:
        steps: What will be sent.
        skipped: The resources that are not changed, and why.
        scope: The ids of the scopes that were planned.
        endpoint: The base URL of Azure Resource Manager.
        tenants: The tenant ids of the subscriptions involved, as far as they could be read.
        created_at: UTC.
        rolls_back: The run that this plan rolls back; None for a plan of fixes.
        assessed: How many resources of each type, in lower case, the recommendations assess, when they were counted:
            see ``Guards.max_share``.
        score: What the expected gain of the score is computed from; None in a rollback.
        removable: In a rollback: the resources that the run created and this plan keeps. To remove some of them, pass
            ``plan_rollback(run_id, remove=[...])``.
        not_evaluated: Where nothing was found: why that does not mean healthy, a sentence for each subscription and reason.
        shard: Which part of a plan it is, if ``shards`` made it; None for a whole plan.
    """

    _computed: ClassVar[tuple[str, ...]] = ("digest",)

    steps: tuple[RemediationStep, ...] = attrs.field(validator=tuple_of(RemediationStep))
    skipped: tuple[SkippedResource, ...] = attrs.field(default=(), validator=tuple_of(SkippedResource))
    scope: tuple[str, ...] = attrs.field(validator=tuple_of(str))
    endpoint: str
    tenants: tuple[str, ...] = ()
    catalog_version: str
    created_at: datetime = attrs.field(validator=_aware)
    rolls_back: str | None = optional_text()
    assessed: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze)
    removable: tuple[str, ...] = ()
    not_evaluated: tuple[str, ...] = ()
    score: ScoreFacts | None = attrs.field(default=None, repr=False)
    shard: PlanShard | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hexadecimal over everything that is shown of a step and everything that will be sent.

        That of a shard is that of the whole plan, computed from the steps of the shard and the digests of the others.
        """
        bound = [self.endpoint, self.tenants, self.scope, self.catalog_version, self.rolls_back, self.assessed]
        made = [self.created_at.astimezone(timezone.utc).isoformat(), self.removable]
        return sha256_of_parts([*bound, *made, map(serialization.encode, self._summaries), self._score_digest])

    @cached_property
    def _summaries(self) -> tuple[ShardSummary, ...]:
        return summaries_of(self.steps) if self.shard is None else self.shard.summaries(self.steps)

    @property
    def _score_digest(self) -> str | None:
        if self.score is not None:
            return sha256(serialization.encode(self.score))
        return None if self.shard is None else self.shard.score_digest

    @property
    def summary(self) -> PlanSummary:
        """How many changes and skips there are of each kind."""
        return summarize(self.steps, self.skipped)

    @property
    def forecast(self) -> ScoreForecast | None:
        """The secure score as it is expected after this plan; None when that is not known: ``print(plan)`` says why."""
        return None if self.score is None else forecast(self.score, self.steps, self.skipped)

    @property
    def check_results(self) -> tuple[tuple[str, CheckResult], ...]:
        """What the checks found, with the id of the resource: on the steps first, then on the skips."""
        items: tuple[RemediationStep | SkippedResource, ...] = (*self.steps, *self.skipped)
        return tuple((item.resource_id, found) for item in items for found in item.check_results)

    def estimate(self) -> RunEstimate:
        """How many requests applying it makes, and how long Azure's published limits make it take. Sends nothing."""
        return estimate(self.steps)

    def __repr__(self) -> str:
        """Short, because it is what a prompt shows; ``print`` shows the plan."""
        changes = counted(len(self.steps), "change")
        part = "" if self.shard is None else f"shard {self.shard.number} of {len(self.shard.shards)}, "
        return f"RemediationPlan({part}{changes}, {len(self.skipped)} skipped, created {self.created_at:%Y-%m-%d %H:%M} UTC)"

    def __len__(self) -> int:
        """How many steps it has."""
        return len(self.steps)

    def __iter__(self) -> Iterator[RemediationStep]:
        return iter(self.steps)

    def __bool__(self) -> bool:
        """Always True: also a plan without steps says something."""
        return True

    def only(
        self, *, keys: Iterable[Choice] | None = None, resources: Iterable[ResourceChoice] | None = None
    ) -> RemediationPlan:
        """A plan with just the steps that close one of these recommendations and touch one of these resources.

        The other steps become skips with the reason ``not_selected``. The result has another digest.

        Raises:
            InvalidInputError: It is a single string, or names a recommendation or a resource that is not in the plan.
        """
        steps = self.steps
        if keys is not None:
            steps = self._closing(keys)
        if resources is not None:
            touching = {step.id for step in self._touching(resources)}
            steps = tuple(step for step in steps if step.id in touching)
        return self._select(steps)

    def exclude(
        self, *, keys: Iterable[Choice] | None = None, resources: Iterable[ResourceChoice] | None = None
    ) -> RemediationPlan:
        """A plan without the steps that close one of these recommendations or touch one of these resources.

        They become skips with the reason ``not_selected``. A step that closes two recommendations is excluded with
        either of them, because it is one request. The result has another digest.

        Raises:
            InvalidInputError: Nothing is named, it is a single string, or it names a recommendation or a resource that is
                not in the plan.
        """
        if keys is None and resources is None:
            raise InvalidInputError("nothing was named to exclude", hint="pass keys=[...] or resources=[...]")
        closing = () if keys is None else self._closing(keys)
        touching = () if resources is None else self._touching(resources)
        excluded = {step.id for step in (*closing, *touching)}
        return self._select(tuple(step for step in self.steps if step.id not in excluded))

    def diff(self, other: RemediationPlan) -> PlanDiff:
        """What the other plan changes that this one does not, and the reverse; ``print`` shows it.

        Two steps are compared if they write to the same target. Makes no request.

        Raises:
            InvalidInputError: The other value is not a plan.
        """
        if not isinstance(other, RemediationPlan):
            raise InvalidInputError(f"expected a RemediationPlan, got {quoted(other)}", hint="pass client.plan(...)")
        return diff(self.steps, other.steps)

    def _closing(self, keys: Iterable[Choice]) -> tuple[RemediationStep, ...]:
        """The steps that close one of these recommendations."""
        items: tuple[RemediationStep | SkippedResource, ...] = (*self.steps, *self.skipped)
        known = {fold(key) for item in items for key in item.keys}
        wanted: set[str] = set()
        unknown, hint = [], None
        for given in _listed("keys", keys):
            try:
                found = {fold(one.key) for one in named(given, self._titles)}
            except UnknownRecommendationError as error:
                found, hint = set(), error.hint
            if not found & known:
                unknown.append(given)
            wanted |= found
        if unknown:
            raise _not_in_the_plan("recommendation", unknown, hint or "see step.keys")
        return tuple(step for step in self.steps if wanted & {fold(key) for key in step.keys})

    def _titles(self) -> Iterator[tuple[str, str]]:
        """The key and the display name of each recommendation in the plan."""
        items: tuple[RemediationStep | SkippedResource, ...] = (*self.steps, *self.skipped)
        for item in items:
            titles = item.titles if len(item.titles) == len(item.keys) else item.keys
            yield from zip(item.keys, titles, strict=True)

    def _touching(self, resources: Iterable[ResourceChoice]) -> tuple[RemediationStep, ...]:
        """The steps that touch one of these resources."""
        items: tuple[RemediationStep | SkippedResource, ...] = (*self.steps, *self.skipped)
        known = {id_key(item.resource_id): item.resource_id for item in items}
        known |= {id_key(step.target_id): step.target_id for step in self.steps}
        ids = [one if isinstance(one, str) else resource_named(one).text for one in _listed("resources", resources)]
        unknown = [one for one in ids if id_key(one) not in known]
        if unknown:
            close = get_close_matches(id_key(unknown[0])[:500], known, n=1, cutoff=0.9)
            hint = f"did you mean {known[close[0]]}?" if close else "see step.resource_id"
            raise _not_in_the_plan("resource", unknown, hint)
        wanted = set(map(id_key, ids))
        return tuple(step for step in self.steps if wanted & {id_key(step.resource_id), id_key(step.target_id)})

    def limit(self, n: int) -> RemediationPlan:
        """A plan with the first ``n`` steps; the others become skips with the reason ``not_selected``.

        Raises:
            InvalidInputError: It is not an integer, or negative.
        """
        if not isinstance(n, int) or isinstance(n, bool) or n < 0:
            raise InvalidInputError(f"n must be an integer of at least 0, got {quoted(n)}")
        return self._select(self.steps[:n])

    def _select(self, steps: tuple[RemediationStep, ...]) -> RemediationPlan:
        kept = {step.id for step in steps}
        dropped = tuple(
            SkippedResource(
                resource_id=step.resource_id, keys=step.keys, titles=step.titles, reason=SkipReason.NOT_SELECTED
            )
            for step in self.steps
            if step.id not in kept
        )
        # What was taken out of a shard is no part of the approved plan any more: it has a digest of its own.
        return attrs.evolve(self, steps=steps, skipped=self.skipped + dropped, shard=None)

    def shards(self, *, by: Literal["subscription"] = "subscription") -> tuple[RemediationPlan, ...]:
        """Divide the plan, so that several processes or machines can apply it: a plan for each subscription.

        Each shard has the digest of this plan, so approving this plan approves every shard. A shard that is edited has
        another digest. No two shards send requests under the limits of one subscription. Makes no request.

        Raises:
            ShardError: The plan is empty or a shard itself, or a step belongs to no subscription, writes to two of them, or
                uses what a step of another one creates.
            InvalidInputError: ``by`` is another word.
        """
        one_of("by", by, ("subscription",))
        if self.shard is not None:
            raise ShardError(f"this is shard {self.shard.number} of a plan already", hint="apply it as it is")
        return tuple(
            attrs.evolve(
                self,
                steps=tuple(self.steps[place] for place in shard.positions),
                skipped=tuple(self.skipped[place] for place in shard.skipped_positions),
                score=self.score if shard.number == 1 else None,
                shard=shard,
            )
            for shard in divided(self.steps, self.skipped, self._summaries, self._score_digest)
        )

    @classmethod
    def from_shards(cls, shards: Iterable[RemediationPlan]) -> RemediationPlan:
        """The plan that was divided into these shards, which may come in any order.

        Raises:
            ShardError: A shard is missing, was passed twice or belongs to another plan.
            InvalidInputError: It is not a list of plans, or empty.
        """
        parts = instances("shards", several(shards, "shards"), RemediationPlan)
        check_complete([(part.digest, part.shard) for part in parts])
        places = [(part, part.shard) for part in parts if part.shard is not None]
        whole: RemediationPlan = attrs.evolve(
            parts[0],
            steps=in_order((shard.positions, part.steps) for part, shard in places),
            skipped=in_order((shard.skipped_positions, part.skipped) for part, shard in places),
            score=next((part.score for part in parts if part.score is not None), None),
            shard=None,
        )
        if whole.digest != parts[0].digest:
            raise ShardError("the shards are not those of one plan: together they have another digest")
        return whole

    def to_json(self) -> str:
        """The whole plan as JSON text, with nothing hidden: it is what is sent once it is approved.

        It contains secrets that a fix writes or replaces, and no other secrets of the target. Treat it like the
        configuration that it describes.
        """
        return serialization.dumps({"kind": "RemediationPlan", "digest": self.digest, **serialization.members_of(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> RemediationPlan:
        """Read a plan back.

        Raises:
            InvalidInputError: The text is not a plan; the message names the member.
            PlanAlteredError: The content does not match the digest stored with it.
        """
        document = serialization.loads(text, "RemediationPlan")
        digest = document.pop("digest", None)
        plan = serialization.decode(cls, document)
        if digest != plan.digest:
            raise PlanAlteredError(
                f"the digest of the plan's content is {plan.digest[:12]}…, but the stored digest is {str(digest)[:12]}…",
                hint="create and approve a new plan",
            )
        return plan

    def details(self) -> str:
        """The text of every step, check result and skip, with whole ids, however long that is."""
        return details(
            title=self._title,
            digest=self.digest,
            scope=self.scope,
            score=self._score_text,
            steps=self.steps,
            skipped=self.skipped,
            not_evaluated=self.not_evaluated,
            removable=self.removable,
            shard=None if self.shard is None else self.shard.text,
        )

    @property
    def _title(self) -> str:
        title = f"Rollback plan for run {self.rolls_back}" if self.rolls_back else "Plan"
        title = f"Shard of a {title[0].lower()}{title[1:]}" if self.shard is not None else title
        return f"{title}: {counted(len(self.steps), 'change')}, {len(self.skipped)} skipped"

    @property
    def _score_text(self) -> str | None:
        """What is expected of the score; None for a plan that is not about it."""
        is_about_score = self.steps and not self.rolls_back and self.shard is None
        return None if not is_about_score else forecast_text(self.score, self.forecast)

    def __str__(self) -> str:
        return printed(
            title=self._title,
            digest=self.digest,
            scope=self.scope,
            score=self._score_text,
            summary=self.summary,
            steps=self.steps,
            skipped=self.skipped,
            not_evaluated=self.not_evaluated,
            removable=self.removable,
            shard=None if self.shard is None else self.shard.text,
        )

    def _repr_html_(self) -> str:
        return rendered(self) or preformatted(str(self))


__all__ = [
    "ABSENT",
    "PRESERVED",
    "Absent",
    "CreatedResource",
    "PlannedRequest",
    "PropertyChange",
    "RemediationPlan",
    "RemediationStep",
    "SkipReason",
    "SkippedResource",
]
