"""The governance assignments of a client: listed, and planned. Nothing here writes; ``client.apply`` does."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.discovery.governance import GOVERNANCE, list_governance
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError, NotFoundError, RequestError
from defender_remediate.json_values import sha256
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.governance import GovernanceAssignment
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.posture import DEFENDER_CSPM, DefenderPlan
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.step import SkippedResource, SkipReason
from defender_remediate.planning.decisions import Decision, Removal, check_free_text
from defender_remediate.planning.requested import requested_resources
from defender_remediate.validation import aware_datetime, instance, positive_integer
from defender_remediate.workflow import Workflow

_TYPE = "Microsoft.Security/assessments/governanceAssignments"
_PRICINGS = "2024-01-01"


class Governance:
    """Owners, due dates and tickets of assessments. ``client.governance`` has it. Needs Defender CSPM, which costs money.

    What is assigned or removed is a ``RemediationPlan``: print it, apply it with its digest, roll it back.

    Permissions: ``Microsoft.Security/assessments/governanceAssignments/read``, ``/write`` and ``/delete``, and
    ``Microsoft.Security/pricings/read``.
    """

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow

    def list_assignments(self, recommendation: Recommendation | Assessment | str) -> tuple[GovernanceAssignment, ...]:
        """List the assignments of a recommendation in scope. Makes one listing per subscription.

        Raises:
            UnknownRecommendationError: Azure has no such recommendation.
            ForbiddenError: The caller may not read them.
            NotFoundError, UnsupportedApiVersionError: This cloud does not have the API: it is missing, not empty.
        """
        return tuple(self._assignments(self._workflow.discovery.get_metadata(recommendation).key))

    def plan_assign(
        self,
        recommendation: Recommendation | Assessment | str,
        resources: Iterable[str] | None = None,
        *,
        owner: str,
        due: datetime,
        eta: datetime | None = None,
        eta_reason: str | None = None,
        grace_period: bool = False,
        ticket_number: int | None = None,
        ticket_link: str | None = None,
        ticket_status: str | None = None,
    ) -> RemediationPlan:
        """Plan to assign assessments to an owner with a due date, or to change the assignments that exist.

        Args:
            recommendation: A recommendation, one of its assessments, or its key.
            resources: The ids of the assessed resources; that of the assessment by default.
            owner: Who has to fix it: an e-mail address.
            due: When it is to be fixed, with a time zone.
            eta: When the owner expects to fix it; needs ``eta_reason``.
            eta_reason: Why then.
            grace_period: Whether the resources do not lower the secure score until ``due``.
            ticket_number: The number of a ticket.
            ticket_link: Its URL.
            ticket_status: Its status.

        Raises:
            InvalidInputError: An argument is invalid.
            UnknownRecommendationError: Azure has no such recommendation.
            RequestError: The assignments that exist could not be read.
        """
        properties = _properties(owner, due, eta, eta_reason, grace_period=grace_period)
        ticket = _ticket(ticket_number, ticket_link, ticket_status)
        if ticket:
            properties["additionalData"] = ticket
        ids = requested_resources(recommendation, resources)
        about = self._workflow.discovery.get_metadata(recommendation)
        existing = {id_key(one.resource_id): one for one in self._assignments(about.key)}
        titles = (about.display_name,) if about.display_name else ()
        decisions: list[Decision] = []
        skipped: list[SkippedResource] = []
        for resource in ids:
            problem = self._problem(resource, about.key)
            if problem is not None:
                reason, message = problem
                skip = SkippedResource(
                    resource_id=resource, keys=(about.key,), titles=titles, reason=reason, message=message
                )
                skipped.append(skip)
                continue
            found = existing.get(id_key(resource))
            name = _name(resource, about.key) if found is None else found.id.rpartition("/")[2]
            decisions.append(
                Decision(
                    key=about.key,
                    title=f"Assign: {about.display_name or about.key}",
                    resource_id=resource,
                    target=f"providers/Microsoft.Security/assessments/{about.key}/governanceAssignments/{name}",
                    api_version=GOVERNANCE,
                    properties=properties,
                    permissions=(f"{_TYPE}/read", f"{_TYPE}/write"),
                    effect="Defender may send the owner an e-mail",
                )
            )
        return self._workflow.plan_decisions(decisions, skipped=skipped)

    def plan_remove(self, assignments: Iterable[GovernanceAssignment]) -> RemediationPlan:
        """Plan to remove assignments. A rollback of that brings them back as they were.

        Raises:
            InvalidInputError: There is none, or one is not a GovernanceAssignment in the scope of the client.
        """
        if not isinstance(assignments, Iterable):
            raise InvalidInputError(
                f"expected governance assignments, got {quoted(assignments)}",
                hint="pass those of list_assignments(...)",
            )
        removals = []
        for one in assignments:
            if not isinstance(one, GovernanceAssignment) or not self._workflow.discovery.covers(one.resource_id):
                raise InvalidInputError(
                    f"{quoted(one)} is not a governance assignment in scope", hint="pass those of list_assignments(...)"
                )
            removals.append(
                Removal(
                    keys=(one.key,),
                    title=f"Remove the owner {one.owner}",
                    resource_id=one.resource_id,
                    target_id=one.id,
                    api_version=GOVERNANCE,
                    permissions=(f"{_TYPE}/read", f"{_TYPE}/delete"),
                    effect="no one has to fix it until a date any more",
                )
            )
        if not removals:
            raise InvalidInputError("no assignments were passed", hint="pass those of list_assignments(...)")
        return self._workflow.plan_decisions((), removals=removals)

    def _assignments(self, key: str) -> Iterable[GovernanceAssignment]:
        discovery = self._workflow.discovery
        for subscription in discovery.subscriptions():
            for one in list_governance(self._workflow.session, subscription, key):
                if discovery.covers(one.resource_id):
                    yield one

    def _problem(self, resource: str, key: str) -> tuple[SkipReason, str] | None:
        """Why nothing can be assigned on a resource."""
        if not self._workflow.discovery.covers(resource):
            return SkipReason.NOT_APPLICABLE, "it is outside the scope of this client"
        subscription = ResourceId.parse(resource).subscription
        try:
            self._workflow.discovery.get_assessment(resource, key)
        except NotFoundError:
            return SkipReason.NOT_APPLICABLE, "Defender for Cloud has no assessment of this recommendation on it"
        except RequestError as error:
            return SkipReason.NOT_READABLE, str(error)
        try:
            path = f"{subscription}/providers/Microsoft.Security/pricings/{DEFENDER_CSPM}"
            plan = DefenderPlan.from_rest(wire.mapping(self._workflow.session.get(path, api_version=_PRICINGS).body))
        except RequestError as error:
            return SkipReason.NOT_READABLE, f"whether Defender CSPM is on could not be read: {error}"
        if not plan.is_on:
            return SkipReason.NOT_APPLICABLE, "governance needs the plan Defender CSPM, which is off and costs money"
        return None


def _properties(
    owner: str, due: datetime, eta: datetime | None, eta_reason: str | None, *, grace_period: bool
) -> dict[str, Any]:
    """What is written about the owner and the dates.

    Raises:
        InvalidInputError: One of them is invalid.
    """
    check_free_text(owner=owner)
    aware_datetime("due", due)
    if (eta is None) != (eta_reason is None):
        raise InvalidInputError("eta and eta_reason go together", hint="pass both, or none of them")
    properties: dict[str, Any] = {
        "owner": owner,
        "remediationDueDate": wire.utc_text(due),
        "isGracePeriod": instance("grace_period", grace_period, bool),
    }
    if eta is not None:
        aware_datetime("eta", eta)
        check_free_text(eta_reason=eta_reason)
        properties["remediationEta"] = {"eta": wire.utc_text(eta), "justification": eta_reason}
    return properties


def _ticket(number: int | None, link: str | None, status: str | None) -> dict[str, Any]:
    """What is written about the ticket: the members that were given.

    Raises:
        InvalidInputError: One of them is invalid.
    """
    if number is not None:
        positive_integer("ticket_number", number)
    for name, text in (("ticket_link", link), ("ticket_status", status)):
        if text is not None:
            check_free_text(**{name: text})
    if link is not None and not link.startswith(("https://", "http://")):
        raise InvalidInputError(f"ticket_link must be a URL, got {quoted(link)}", hint="pass https://...")
    ticket = {"ticketNumber": number, "ticketLink": link, "ticketStatus": status}
    return {name: value for name, value in ticket.items() if value is not None}


def _name(resource: str, key: str) -> str:
    """A GUID that is the same for the same assessment, so that planning it again finds it."""
    return str(uuid.UUID(hex=sha256(["governance", id_key(resource), fold(key)])[:32]))
