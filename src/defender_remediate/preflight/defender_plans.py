"""Defender plans that Azure no longer lets anyone enable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.freshness import BlockedPlan
from defender_remediate.models.ids import ResourceId
from defender_remediate.preflight.check import Check
from defender_remediate.preflight.member_reads import MemberReads
from defender_remediate.preflight.reader import CheckReader
from defender_remediate.preflight.subject import Subject

_PRICINGS = "microsoft.security/pricings"


FindBlocked = Callable[[str, str], BlockedPlan | None]


def _none_known(plan: str, sub_plan: str) -> None:
    del plan, sub_plan


@attrs.frozen
class DefenderPlanCheck:
    """Finds steps that enable a plan, or a sub-plan, that is deprecated or that Azure refuses. Reads nothing.

    Attributes:
        find_blocked: Says of a plan and a sub-plan why Azure refuses it, and None if it does not. The catalog knows; it is
            asked for a step that enables a plan only.
    """

    name: ClassVar[str] = "defender_plan"
    permissions: ClassVar[tuple[str, ...]] = ()
    find_blocked: FindBlocked = _none_known
    reads: ClassVar[tuple[MemberReads, ...]] = (
        MemberReads(
            paths=("properties.deprecated", "properties.pricingTier", "properties.subPlan"),
            types=("microsoft.security/pricings",),
        ),
    )

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> None:
        """Nothing."""

    def judge(self, subject: Subject, facts: None) -> Iterator[CheckResult]:
        """Whether Azure takes each plan that the step enables, and what replaces it."""
        if subject.is_deployment:
            for plan, wanted in _deployed(subject):
                yield from self._blocked(plan, {}, wanted)
        if fold(subject.target_type) != _PRICINGS:
            return
        plan = ResourceId.parse(subject.step.target_id).name
        before, wanted = wire.pick(subject.before, "properties"), wire.pick(subject.after, "properties")
        if wire.flag(before, "deprecated"):
            replaced_by = ", ".join(wire.strings(before, "replacedBy"))
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message=f"the Defender plan is deprecated, and replaced by {replaced_by or 'another plan'}",
                evidence=("deprecated: true", f"replacedBy: {replaced_by or 'not given'}"),
                advice=f"enable {replaced_by or 'the plan that replaces it'} instead; exempt the recommendation",
            )
        else:
            yield from self._blocked(plan, before, wanted)

    def _blocked(self, plan: str, before: Any, wanted: Any) -> Iterator[CheckResult]:
        sub_plan = wire.text(wanted, "subPlan")
        blocked = self.find_blocked(plan, sub_plan) if _is_on(wanted) else None
        is_the_same = blocked is None or not blocked.sub_plan or fold(wire.text(before, "subPlan")) == fold(sub_plan)
        if blocked is None or (_is_on(before) and is_the_same):
            return
        yield CheckResult(
            check=self.name,
            status=CheckStatus.BLOCKED,
            message=f"Azure refuses to enable the Defender plan {blocked} since {blocked.blocked_on}",
            evidence=(f"replaced by: {blocked.replaced_by}", f"source: {blocked.source}"),
            advice=f"enable {blocked.replaced_by} instead",
        )


def with_blocked_plans(checks: Iterable[Check], find_blocked: FindBlocked) -> tuple[Check, ...]:
    """The checks, of which the one about Defender plans knows what Azure refuses."""
    return tuple(
        attrs.evolve(check, find_blocked=find_blocked) if isinstance(check, DefenderPlanCheck) else check
        for check in checks
    )


def _is_on(properties: Any) -> bool:
    return fold(wire.text(properties, "pricingTier")) == "standard"


def _deployed(subject: Subject) -> Iterator[tuple[str, Any]]:
    """The plans that a template enables, by name, as far as it names them outright."""
    resources = wire.pick(wire.pick(wire.pick(subject.step.request.body, "properties"), "template"), "resources")
    for resource in resources if isinstance(resources, (list, tuple)) else ():
        if isinstance(resource, Mapping) and fold(wire.text(resource, "type")) == _PRICINGS:
            yield wire.text(resource, "name").rpartition("/")[2], wire.pick(resource, "properties")
