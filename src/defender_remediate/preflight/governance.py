"""Who owns what a step fixes, and until when. Not made unless a client asks for it: most tenants use no governance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from defender_remediate.casing import fold
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.governance import GovernanceAssignment
from defender_remediate.models.id_parts import subscription_of
from defender_remediate.models.ids import id_key
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject

Facts = tuple[datetime, StepFacts[list[GovernanceAssignment]]]
_VERSIONS = ("2022-01-01-preview",)


class GovernanceCheck:
    """Shows the owner, the due date and the ticket of what a step fixes; an overdue one is a warning.

    Pass it to the client: ``checks=[GovernanceCheck()]``. It makes one request for each subscription and recommendation.
    What the caller may not read leaves the step unchecked; a cloud without the API is a warning.
    """

    name = "governance"
    permissions = ("Microsoft.Security/assessments/governanceAssignments/read",)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> Facts:
        """The time, and the assignments of each step."""

        def read(subject: Subject) -> list[GovernanceAssignment]:
            resource = id_key(subject.step.resource_id)
            scope = f"/subscriptions/{subscription_of(subject.step.resource_id)}"
            found = []
            for key in subject.keys:
                listed = reader.list(
                    f"{scope}/providers/Microsoft.Security/assessments/{key}/governanceAssignments",
                    api_versions=_VERSIONS,
                    parse=GovernanceAssignment.from_rest,
                    collection="governanceAssignments",
                )
                found += [one for one in listed if id_key(one.resource_id) == resource]
            return sorted(found, key=lambda one: fold(one.id))

        return reader.now(), reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: Facts) -> Iterator[CheckResult]:
        """One result for each assignment."""
        now, assigned = facts
        for one in assigned[subject]:
            is_late = one.is_overdue(now)
            yield CheckResult(
                check=self.name,
                status=CheckStatus.WARNING if is_late else CheckStatus.PASSED,
                message=f"{one.summary}{' (overdue)' if is_late else ''}",
                evidence=(one.id,),
                advice="tell the owner before the change" if is_late else None,
            )
