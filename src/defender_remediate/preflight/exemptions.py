"""Exemptions on both APIs: someone decided to accept what a recommendation reports, so the resource is not changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from defender_remediate.casing import fold
from defender_remediate.errors import NotFoundError, RequestError
from defender_remediate.fixes.decisions import is_decision
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.exemption import Exemption
from defender_remediate.models.id_parts import subscription_of
from defender_remediate.preflight.policy_assignments import (
    ASSIGNMENT_VERSIONS,
    AssignedPolicy,
    members_of,
    policy_assignments,
)
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.scopes import covers
from defender_remediate.preflight.subject import Subject
from defender_remediate.preflight.unreadable import is_not_offered

_VERSIONS = ("2022-07-01-preview", "2020-07-01-preview")
_DEFENDER_VERSIONS = ("2024-08-01",)


def exemptions_in_force(reader: CheckReader, resource_id: str) -> tuple[Exemption, ...]:
    """The policy exemptions on a resource or above it that have not expired, sorted by id.

    Raises:
        RequestError, ConnectionFailedError, MalformedResponseError: They cannot be read.
    """
    listed = reader.list_attached("policyExemptions", resource_id, api_versions=_VERSIONS, parse=Exemption.from_policy)
    now = reader.now()
    found = [exemption for exemption in listed if covers(exemption.scope, resource_id) and exemption.holds_at(now)]
    return tuple(sorted(found, key=lambda exemption: fold(exemption.id)))


def defender_exemptions_in_force(
    reader: CheckReader, resource_id: str, keys: Collection[str], *, by_policy: bool
) -> tuple[Exemption, ...]:
    """Defender's own exemptions of a resource from recommendations that have not expired, sorted by id.

    Those of the subscription are listed. A recommendation without a policy can be exempt here only, so those of the
    resource are listed as well: whether a listing shows what is below its scope is not documented. A cloud without the
    API has none.

    Raises:
        RequestError, ConnectionFailedError, MalformedResponseError: They cannot be read.
    """
    wanted, now = {fold(key) for key in keys}, reader.now()
    found: dict[str, Exemption] = {}
    subscription = f"/subscriptions/{subscription_of(resource_id)}"
    for scope in (subscription,) if by_policy else (subscription, resource_id):
        try:
            listed = reader.list(
                f"{scope}/providers/Microsoft.Security/standardAssignments",
                api_versions=_DEFENDER_VERSIONS,
                parse=Exemption.from_defender,
                collection="standardAssignments",
            )
        except RequestError as error:
            if not is_not_offered(error):
                raise
            break
        for one in listed:
            is_meant = one is not None and not one.is_attestation and bool(wanted & {fold(key) for key in one.keys})
            if one is not None and is_meant and covers(one.scope, resource_id) and one.holds_at(now):
                found[fold(one.id)] = one
    return tuple(found[key] for key in sorted(found))


def exemptions_from(
    reader: CheckReader, resource_id: str, keys: Collection[str], policies: Collection[str]
) -> list[Exemption]:
    """What exempts a resource from recommendations, on either API.

    Args:
        reader: What to read with.
        resource_id: The resource.
        keys: The recommendations; empty to look at the policies only.
        policies: The bare names of the policy definitions behind them.

    Raises:
        RequestError, ConnectionFailedError, MalformedResponseError: They cannot be read.
    """
    wanted = {fold(policy) for policy in policies}
    found: list[Exemption] = []
    if keys:
        found += defender_exemptions_in_force(reader, resource_id, keys, by_policy=bool(wanted))
    exemptions = exemptions_in_force(reader, resource_id) if wanted else ()
    assigned = {fold(one.id): one for one in policy_assignments(reader, resource_id)} if exemptions else {}
    for exemption in exemptions:
        assignment_id = exemption.assignment_id or ""
        assignment = assigned.get(fold(assignment_id)) or unlisted_assignment(reader, assignment_id)
        if assignment is None:
            continue
        references = {fold(reference) for reference in exemption.references}
        for reference, definition in members_of(reader, assignment):
            if fold(definition) in wanted and (not references or fold(reference) in references):
                found.append(exemption)
                break
    return found


class ExemptionCheck:
    """Finds exemptions from a recommendation, and from the policies behind it. A rollback is not checked.

    A recommendation with a policy is exempt by Azure Policy, one without by Defender itself.
    """

    name = "exemption"
    permissions = (
        "Microsoft.Authorization/policyAssignments/read",
        "Microsoft.Authorization/policyExemptions/read",
        "Microsoft.Authorization/policySetDefinitions/read",
        "Microsoft.Security/standardAssignments/read",
    )

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[list[Exemption]]:
        """The exemptions in force from the policies of each step."""

        def read(subject: Subject) -> list[Exemption]:
            if is_decision(subject.step.target_id):
                return []
            return exemptions_from(reader, subject.step.resource_id, subject.keys, subject.policies)

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


def unlisted_assignment(reader: CheckReader, assignment_id: str) -> AssignedPolicy | None:
    """An assignment that is not listed; None when it was deleted: an exemption can outlive it and has no effect then."""
    try:
        return reader.get(assignment_id, api_versions=ASSIGNMENT_VERSIONS, parse=AssignedPolicy.from_rest)
    except NotFoundError as error:
        if fold(error.code or "") != "policyassignmentnotfound":
            raise
        return None
