"""Reads the owners and due dates of assessments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.governance import GovernanceAssignment
from defender_remediate.models.ids import ResourceId, id_key

GOVERNANCE = "2022-01-01-preview"


def list_governance(session: ArmSession, subscription: str, key: str) -> Iterator[GovernanceAssignment]:
    """The assignments of one recommendation on the resources of a subscription.

    Raises:
        ForbiddenError: The caller may not read them.
        NotFoundError, UnsupportedApiVersionError: This cloud does not have the API.
    """
    path = f"subscriptions/{subscription}/providers/Microsoft.Security/assessments/{key}/governanceAssignments"
    return map(GovernanceAssignment.from_rest, session.list(path, api_version=GOVERNANCE))


def with_governance(session: ArmSession, assessments: Iterable[Assessment]) -> Iterator[Assessment]:
    """The assessments with their owner and due date. Makes one listing for each subscription and recommendation.

    Raises:
        RequestError: They cannot be read: an assessment without an owner would look the same.
    """
    known: dict[tuple[str, str], dict[str, GovernanceAssignment]] = {}
    for one in assessments:
        subscription = ResourceId.parse(one.id).subscription_id or ""
        place = (fold(subscription), fold(one.key))
        if place not in known:
            listed = list_governance(session, subscription, one.key)
            known[place] = {id_key(found.resource_id): found for found in listed}
        yield attrs.evolve(one, governance=known[place].get(id_key(one.resource_id)))
