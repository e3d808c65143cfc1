"""Defender plans that Microsoft has deprecated in favour of another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight.member_reads import MemberReads
from defender_remediate.preflight.reader import CheckReader
from defender_remediate.preflight.subject import Subject


class DefenderPlanCheck:
    """Finds steps that write a plan whose body says that it is deprecated. Reads nothing."""

    name = "defender_plan"
    permissions: tuple[str, ...] = ()
    reads = (MemberReads(paths=("properties.deprecated",), types=("microsoft.security/pricings",)),)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> None:
        """Nothing."""

    def judge(self, subject: Subject, facts: None) -> Iterator[CheckResult]:
        """Whether the plan is deprecated, and what replaces it."""
        if fold(subject.target_type) != "microsoft.security/pricings":
            return
        properties = wire.pick(subject.before, "properties")
        if wire.flag(properties, "deprecated"):
            replaced_by = ", ".join(wire.strings(properties, "replacedBy"))
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message=f"the Defender plan is deprecated, and replaced by {replaced_by or 'another plan'}",
                evidence=("deprecated: true", f"replacedBy: {replaced_by or 'not given'}"),
                advice=f"enable {replaced_by or 'the plan that replaces it'} instead; exempt the recommendation",
            )
