"""Defender's own exemptions and attestations: Microsoft.Security/standardAssignments."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Store

TYPE = "Microsoft.Security/standardAssignments"
RULE_KEY = "00000000-0000-0000-0000-000000000000"
"""Stands for the recommendation in a rule, which is about vulnerabilities of any recommendation."""
EXEMPT, ATTEST, AUDIT = "Exempt", "Attest", "Audit"
LIMIT = 5000
"""How many resources of a subscription can be exempt."""


@attrs.frozen(kw_only=True)
class StandardAssignment:
    """An exemption, an attestation, or a standard assigned to a scope.

    Attributes:
        expires: When it ends; None for never.
        properties: As they were written.
    """

    scope: str
    name: str
    expires: datetime | None
    properties: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.scope}/providers/{TYPE}/{self.name}"

    @property
    def effect(self) -> str:
        """``Exempt``, ``Attest`` or ``Audit``."""
        return str(self.properties.get("effect", ""))

    @property
    def data(self) -> Mapping[str, Any]:
        """What it says of the recommendation."""
        found = self.properties.get("exemptionData" if self.effect == EXEMPT else "attestationData")
        return found if isinstance(found, Mapping) else {}

    @property
    def key(self) -> str:
        """The key of the recommendation."""
        return fold(str((self.data.get("assignedAssessment") or {}).get("assessmentKey", "")))

    def holds(self, now: datetime) -> bool:
        """Whether it is still in effect."""
        return self.expires is None or now < self.expires

    def render(self) -> dict[str, Any]:
        """Returns it as the API shows it."""
        return {"id": self.id, "name": self.name, "type": TYPE, "properties": dict(self.properties)}


class StandardAssignments:
    """Those of a tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._items: dict[str, StandardAssignment] = {}

    def __iter__(self) -> Iterator[StandardAssignment]:
        return iter(list(self._items.values()))

    def find(self, assignment_id: str) -> StandardAssignment | None:
        """Returns the one with an id; None if there is none."""
        return self._items.get(ids.key(assignment_id))

    def put(self, assignment: StandardAssignment) -> None:
        """Adds or replaces one."""
        self._items[ids.key(assignment.id)] = assignment

    def remove(self, assignment_id: str) -> None:
        """Removes one."""
        del self._items[ids.key(assignment_id)]

    def about(self, key: str, resource_id: str, now: datetime) -> StandardAssignment | None:
        """Returns what exempts a resource from a recommendation, or attests it; None if nothing does."""
        for one in self:
            if one.key == fold(key) and one.holds(now) and self._store.covers(one.scope, resource_id):
                return one
        return None

    def ended(self, since: datetime, until: datetime) -> list[tuple[datetime, StandardAssignment]]:
        """Returns those that expired in a period."""
        found = [(one.expires, one) for one in self if one.expires is not None]
        return [(end, one) for end, one in found if since < end <= until]

    def check_room(self, subscription: str, exempted: Collection[str]) -> None:
        """Refuses more exempted resources than a subscription can have.

        Args:
            subscription: The subscription.
            exempted: The keys of the scopes that Azure Policy exempts, with the one to add.

        Raises:
            ArmError: 400 ExemptionLimitReached.
        """
        scopes = {ids.key(one.scope) for one in self if one.effect == EXEMPT} | set(exempted)
        here = sum(fold(ids.subscription_of(scope)) == fold(subscription) for scope in scopes)
        if here > LIMIT:
            raise refusal("ExemptionLimitReached", limit=LIMIT, subscription=subscription)
