"""Policy exemptions: someone decided to accept what a recommendation reports, so the resource is not changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import NotFoundError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight.policy_assignments import (
    ASSIGNMENT_VERSIONS,
    AssignedPolicy,
    members_of,
    policy_assignments,
)
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.scopes import covers, scope_of
from defender_remediate.preflight.subject import Subject

_VERSIONS = ("2022-07-01-preview", "2020-07-01-preview")


@attrs.frozen(kw_only=True)
class Exemption:
    """An exemption, and what it exempts from.

    Attributes:
        references: The parts of an initiative that it is for; empty for the whole assignment.
        expires: None for never.
        has_selectors: Whether it holds for some locations or types only; which ones is not evaluated.
    """

    id: str
    assignment_id: str
    category: str = ""
    name: str = ""
    references: tuple[str, ...] = ()
    expires: datetime | None = None
    has_selectors: bool = False

    @classmethod
    def from_rest(cls, item: Any) -> Exemption:
        """Read one item of a listing."""
        properties = wire.mapping(wire.pick(item, "properties"))
        return cls(
            id=wire.text(item, "id"),
            assignment_id=wire.text(properties, "policyAssignmentId"),
            category=wire.text(properties, "exemptionCategory"),
            name=wire.text(properties, "displayName") or wire.name(item),
            references=wire.strings(properties, "policyDefinitionReferenceIds"),
            expires=wire.timestamp(properties, "expiresOn"),
            has_selectors=bool(wire.pick(properties, "resourceSelectors")),
        )


def exemptions_in_force(reader: CheckReader, resource_id: str) -> tuple[Exemption, ...]:
    """The exemptions on a resource or above it that have not expired, sorted by id.

    Raises:
        RequestError, ConnectionFailedError, MalformedResponseError: They cannot be read.
    """
    listed = reader.list_attached("policyExemptions", resource_id, api_versions=_VERSIONS, parse=Exemption.from_rest)
    now = reader.now()
    found = [
        exemption
        for exemption in listed
        if covers(scope_of(exemption.id), resource_id) and (exemption.expires is None or exemption.expires > now)
    ]
    return tuple(sorted(found, key=lambda exemption: fold(exemption.id)))


class ExemptionCheck:
    """Finds exemptions from the policies behind a recommendation. A rollback is not checked: it has no policies."""

    name = "exemption"
    permissions = (
        "Microsoft.Authorization/policyAssignments/read",
        "Microsoft.Authorization/policyExemptions/read",
        "Microsoft.Authorization/policySetDefinitions/read",
    )

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[list[Exemption]]:
        """The exemptions in force from the policies of each step."""

        def read(subject: Subject) -> list[Exemption]:
            if not subject.policies:
                return []
            policies = {fold(policy) for policy in subject.policies}
            resource_id = subject.step.resource_id
            found = exemptions_in_force(reader, resource_id)
            assigned = {fold(one.id): one for one in policy_assignments(reader, resource_id)} if found else {}
            concerned = []
            for exemption in found:
                assignment = assigned.get(fold(exemption.assignment_id)) or _unlisted(reader, exemption.assignment_id)
                if assignment is None:
                    continue
                references = {fold(reference) for reference in exemption.references}
                for reference, definition in members_of(reader, assignment):
                    if fold(definition) in policies and (not references or fold(reference) in references):
                        concerned.append(exemption)
                        break
            return concerned

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[list[Exemption]]) -> Iterator[CheckResult]:
        """One result for each exemption."""
        for exemption in facts[subject]:
            until = f"until {exemption.expires:%Y-%m-%d}" if exemption.expires else "without an expiry date"
            selectors = ("it has resource selectors, which were not evaluated",) if exemption.has_selectors else ()
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message=f"the exemption {exemption.name!r} ({exemption.category or 'no category'}) accepts this {until}",
                evidence=(exemption.id, *selectors),
                advice="ask the owner of the exemption; remove it when the decision no longer holds",
            )


def _unlisted(reader: CheckReader, assignment_id: str) -> AssignedPolicy | None:
    """An assignment that is not listed; None when it was deleted: an exemption can outlive it and has no effect then."""
    try:
        return reader.get(assignment_id, api_versions=ASSIGNMENT_VERSIONS, parse=AssignedPolicy.from_rest)
    except NotFoundError as error:
        if fold(error.code or "") != "policyassignmentnotfound":
            raise
        return None
