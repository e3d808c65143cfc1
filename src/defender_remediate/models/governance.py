"""Who has to fix an assessment, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.notebook import notebook
from defender_remediate.redaction import redact_text
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text

_PART = "/providers/microsoft.security/assessments/"


@notebook
@attrs.frozen(kw_only=True, str=False)
class GovernanceAssignment(Value):
    """The owner of one assessment and the date until which it is to be fixed. Needs Defender CSPM.

    Attributes:
        id: Its resource id.
        key: The assessment key.
        resource_id: The assessed resource.
        owner: Who has to fix it, usually an e-mail address; None when no one was named.
        due: When it is to be fixed; None when Azure sends no date.
        eta, eta_reason: When the owner expects to fix it, and why then.
        is_grace_period: Whether the resource does not lower the secure score until then.
        ticket_number, ticket_link, ticket_status: A ticket of another system.
    """

    id: str = attrs.field(eq=fold)
    key: str = attrs.field(eq=fold)
    resource_id: str = attrs.field(eq=fold)
    owner: str | None = optional_text()
    due: datetime | None = None
    eta: datetime | None = None
    eta_reason: str | None = optional_text()
    is_grace_period: bool = False
    ticket_number: int | None = None
    ticket_link: str | None = optional_text()
    ticket_status: str | None = optional_text()

    @classmethod
    def from_rest(cls, item: Mapping[str, Any]) -> GovernanceAssignment:
        """Decode one item of ``Microsoft.Security/assessments/governanceAssignments``."""
        properties = wire.pick(item, "properties")
        eta, more = wire.pick(properties, "remediationEta"), wire.pick(properties, "additionalData")
        identifier = "/" + wire.text(item, "id").strip("/")
        cut = fold(identifier).rfind(_PART)
        number = wire.count(more, "ticketNumber")
        return cls(
            id=identifier,
            key=identifier[cut + len(_PART) :].partition("/")[0] if cut > 0 else "",
            resource_id=identifier[:cut] if cut > 0 else identifier,
            owner=wire.text(properties, "owner"),
            due=wire.timestamp(properties, "remediationDueDate"),
            eta=wire.timestamp(eta, "eta"),
            eta_reason=wire.text(eta, "justification"),
            is_grace_period=wire.flag(properties, "isGracePeriod"),
            ticket_number=number or None,
            ticket_link=wire.text(more, "ticketLink"),
            ticket_status=wire.text(more, "ticketStatus"),
        )

    def is_overdue(self, now: datetime) -> bool:
        """Whether the due date has passed."""
        return self.due is not None and self.due < now

    def __str__(self) -> str:
        return one_line(redact_text(f"{self.resource_id} [{self.key}]: {self.summary}"))

    @property
    def summary(self) -> str:
        """The owner, the dates and the ticket, as text."""
        parts = [f"owner {self.owner or 'none'}", f"due {self.due:%Y-%m-%d}" if self.due else "no due date"]
        if self.is_grace_period:
            parts.append("grace period")
        if self.eta is not None:
            parts.append(f"expected {self.eta:%Y-%m-%d}")
        if self.ticket_link or self.ticket_number:
            parts.append(f"ticket {self.ticket_link or self.ticket_number}")
        return ", ".join(parts)
