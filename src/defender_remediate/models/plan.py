"""A plan: what will be sent, to which resources, and what is skipped and why. Planning is the dry run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

import attrs

from defender_remediate import serialization
from defender_remediate.casing import fold
from defender_remediate.display import counted, one_line, quoted
from defender_remediate.errors import InvalidInputError, PlanAlteredError
from defender_remediate.json_values import ABSENT, Absent, FrozenMap, freeze, sha256
from defender_remediate.models.check import CheckResult, Remark, grouped_lines
from defender_remediate.models.ids import id_key
from defender_remediate.models.step import (
    PRESERVED,
    CreatedResource,
    PlannedRequest,
    PropertyChange,
    RemediationStep,
    SkippedResource,
    SkipReason,
)
from defender_remediate.notebook import preformatted
from defender_remediate.validation import optional_text, strings


def _aware(_plan: Any, _field: Any, at: datetime) -> None:
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise InvalidInputError("created_at of a plan has no time zone", hint="use datetime.now(timezone.utc)")


@attrs.frozen(kw_only=True, str=False)
class RemediationPlan:
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
        removable: In a rollback: the resources that the run created and this plan keeps. To remove some of them, pass
            ``plan_rollback(run_id, remove=[...])``.
        not_evaluated: When nothing was found: why that does not mean healthy, a sentence for each subscription and reason.
    """

    steps: tuple[RemediationStep, ...]
    skipped: tuple[SkippedResource, ...] = ()
    scope: tuple[str, ...]
    endpoint: str
    tenants: tuple[str, ...] = ()
    catalog_version: str
    created_at: datetime = attrs.field(validator=_aware)
    rolls_back: str | None = optional_text()
    assessed: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze)
    removable: tuple[str, ...] = ()
    not_evaluated: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal over everything that is shown of a step and everything that will be sent."""
        bound = [self.endpoint, self.tenants, self.scope, self.catalog_version, self.rolls_back, self.assessed]
        made = [self.created_at.astimezone(timezone.utc).isoformat(), self.removable]
        return sha256([*bound, *made, serialization.encode(self.steps)])

    @property
    def check_results(self) -> tuple[tuple[str, CheckResult], ...]:
        """What the checks found, with the id of the resource: on the steps first, then on the skips."""
        items: tuple[RemediationStep | SkippedResource, ...] = (*self.steps, *self.skipped)
        return tuple((item.resource_id, found) for item in items for found in item.check_results)

    def __len__(self) -> int:
        """How many steps it has."""
        return len(self.steps)

    def __iter__(self) -> Iterator[RemediationStep]:
        return iter(self.steps)

    def __bool__(self) -> bool:
        """Always True: also a plan without steps says something."""
        return True

    def only(self, *, keys: Iterable[str] | None = None, resources: Iterable[str] | None = None) -> RemediationPlan:
        """A plan with just the steps that close one of these recommendations and touch one of these resources.

        The other steps become skips with the reason ``not_selected``. The result has another digest.

        Raises:
            InvalidInputError: It is a single string, or names a recommendation or a resource that is not in the plan.
        """
        items: tuple[RemediationStep | SkippedResource, ...] = (*self.steps, *self.skipped)
        steps = self.steps
        if keys is not None:
            by_key = {fold(key): key for key in strings("keys", keys)}
            unknown = by_key.keys() - {fold(key) for item in items for key in item.keys}
            if items and (unknown or not by_key):
                named = quoted(sorted(by_key[key] for key in unknown)) if unknown else "that is named in keys"
                raise InvalidInputError(f"the plan has no recommendation {named}", hint="see step.keys")
            steps = tuple(step for step in steps if by_key.keys() & {fold(key) for key in step.keys})
        if resources is not None:
            by_id = {id_key(one): one for one in strings("resources", resources)}
            known = {id_key(item.resource_id) for item in items} | {id_key(step.target_id) for step in self.steps}
            unknown = by_id.keys() - known
            if items and (unknown or not by_id):
                named = quoted(sorted(by_id[one] for one in unknown)) if unknown else "that is named in resources"
                raise InvalidInputError(f"the plan has no resource {named}", hint="see step.resource_id")
            steps = tuple(step for step in steps if by_id.keys() & {id_key(step.resource_id), id_key(step.target_id)})
        return self._select(steps)

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
        return attrs.evolve(self, steps=steps, skipped=self.skipped + dropped)

    def to_json(self) -> str:
        """The whole plan as JSON text, with nothing hidden: it is what is sent once it is approved.

        It contains secrets that a fix writes or replaces, and no other secrets of the target. Treat it like the
        configuration that it describes.
        """
        return serialization.dumps({"kind": "RemediationPlan", "digest": self.digest, **serialization.encode(self)})

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

    def __str__(self) -> str:
        title = f"Rollback plan for run {self.rolls_back}" if self.rolls_back else "Plan"
        lines = [one_line(f"{title}: {counted(len(self.steps), 'change')}, {len(self.skipped)} skipped")]
        lines.append(f"digest: {self.digest}")
        lines += [one_line(f"{'scope: ' if i == 0 else '       '} {text}") for i, text in enumerate(self.scope)]
        for step in self.steps:
            lines += ["", *step.lines(with_checks=False)]
        warned = [
            Remark(subject=step.resource_id, results=(result,)) for step in self.steps for result in step.check_results
        ]
        if warned:
            lines += ["", "Check results to read before you approve:", *grouped_lines(warned, mark="!")]
        if self.skipped:
            lines += ["", "Skipped:", *grouped_lines([skip.remark for skip in self.skipped], mark="-")]
        if self.not_evaluated:
            lines += ["", "Nothing was found, and that does not mean healthy:"]
            lines += [one_line(f"- {reason}") for reason in self.not_evaluated]
        if self.removable:
            lines += [
                "",
                "Created by the run and kept; plan_rollback(run_id, remove=[...]) removes those that you name:",
            ]
            lines += [one_line(f"    {resource}") for resource in self.removable]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return preformatted(str(self))


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
