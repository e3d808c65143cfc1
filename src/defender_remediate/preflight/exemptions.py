"""Policy exemptions: somebody decided to accept what a recommendation finds, so it is not for us to change it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.preflight.scopes import covers, scope_of


@attrs.frozen(kw_only=True)
class Exemption:
    """An exemption, and of what it exempts.

    Attributes:
        references: The parts of an initiative that it is for; empty for all of the assignment.
        expires: None for never.
        is_selective: Whether it holds for some locations or types only; which ones is not looked at.
    """

    id: str
    assignment_id: str
    category: str = ""
    name: str = ""
    references: tuple[str, ...] = ()
    expires: datetime | None = None
    is_selective: bool = False

    @classmethod
    def from_rest(cls, item: Any) -> Exemption:
        """Read one item of a list."""
        properties = wire.mapping(wire.pick(item, "properties"))
        return cls(
            id=wire.text(item, "id"),
            assignment_id=wire.text(properties, "policyAssignmentId"),
            category=wire.text(properties, "exemptionCategory"),
            name=wire.text(properties, "displayName") or wire.name(item),
            references=wire.texts(properties, "policyDefinitionReferenceIds"),
            expires=wire.timestamp(properties, "expiresOn"),
            is_selective=bool(wire.pick(properties, "resourceSelectors")),
        )


def in_force(exemptions: Iterable[Exemption], place: str, now: datetime) -> tuple[Exemption, ...]:
    """The exemptions on a place or above it that have not expired."""
    return tuple(
        sorted(
            (
                exemption
                for exemption in exemptions
                if covers(scope_of(exemption.id), place) and (exemption.expires is None or exemption.expires > now)
            ),
            key=lambda exemption: fold(exemption.id),
        )
    )


def judge(
    policies: Iterable[str],
    exemptions: Iterable[Exemption],
    members: Mapping[str, Sequence[tuple[str, str]]],
) -> tuple[CheckResult, ...]:
    """Which of the exemptions in force are for the policies behind a step.

    Args:
        policies: Bare names of policy definitions.
        exemptions: Those in force at the step's resource.
        members: What each assignment, by its id in lower case, is made of: reference ids, with the bare names of the
            definitions they stand for.
    """
    wanted = {fold(policy) for policy in policies}
    found = []
    for exemption in exemptions:
        references = {fold(reference) for reference in exemption.references}
        ours = (
            fold(reference)
            for reference, definition in members[fold(exemption.assignment_id)]
            if fold(definition) in wanted
        )
        if any(not references or reference in references for reference in ours):
            found.append(_finding(exemption))
    return tuple(found)


def _finding(exemption: Exemption) -> CheckResult:
    until = f"until {exemption.expires:%Y-%m-%d}" if exemption.expires else "without an end"
    limits = ("it has resource selectors, which were not looked at",) if exemption.is_selective else ()
    return CheckResult(
        check=CheckName.EXEMPTION,
        status=CheckStatus.BLOCKED,
        message=f"the exemption {exemption.name!r} ({exemption.category or 'of no category'}) accepts this {until}",
        evidence=(exemption.id, *limits),
        advice="ask whoever made the exemption; remove it when the decision no longer holds",
    )
