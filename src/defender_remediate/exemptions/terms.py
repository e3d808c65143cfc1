"""The terms of an exemption or an attestation: why, by whom and until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.exemption import AttestationEvidence, ComplianceState, Exemption, ExemptionCategory
from defender_remediate.planning.decisions import check_free_text
from defender_remediate.validation import aware_datetime


@attrs.frozen(kw_only=True)
class Terms:
    """Why, by whom, and until when something is exempt.

    Attributes:
        category: None for an attestation.
        state, evidence: Of an attestation.
        rule: Of an exemption of vulnerabilities, as Azure writes it.
    """

    reason: str
    owner: str
    expires: datetime
    ticket: str | None = None
    category: ExemptionCategory | None = None
    state: ComplianceState | None = None
    evidence: tuple[AttestationEvidence, ...] = ()
    rule: Mapping[str, Any] | None = None

    @property
    def expiry(self) -> str:
        """When it ends, as Azure writes times."""
        return wire.utc_text(self.expires)

    @property
    def description(self) -> str:
        """The reason with the owner and the ticket, for the API that has no place for them."""
        ticket = f" [ticket: {self.ticket}]" if self.ticket else ""
        return f"{self.reason} [owner: {self.owner}]{ticket}"

    def are_those_of(self, exemption: Exemption) -> bool:
        """Whether an exemption has the same terms already; a time counts to the second."""
        expires = exemption.expires
        same_end = expires is not None and expires.replace(microsecond=0) == self.expires.replace(microsecond=0)
        told = (exemption.reason, exemption.owner, exemption.ticket, exemption.category, exemption.state)
        return same_end and told == (self.reason, self.owner, self.ticket, self.category, self.state)


def checked_terms(
    *,
    reason: str,
    owner: str,
    expires: datetime,
    ticket: str | None = None,
    category: str | None = None,
    state: str | None = None,
    evidence: Iterable[AttestationEvidence] = (),
    rule: Mapping[str, Any] | None = None,
) -> Terms:
    """The terms as a caller or a file gave them.

    Raises:
        InvalidInputError: One is missing or invalid.
    """
    check_free_text(reason=reason, owner=owner)
    if ticket is not None:
        check_free_text(ticket=ticket)
    aware_datetime("expires", expires)
    given_category = None if category is None else ExemptionCategory(category)
    if given_category is not None and not given_category.is_known:
        raise InvalidInputError(f"category must be Waiver or Mitigated, got {quoted(category)}")
    given_state = None if state is None else ComplianceState(state)
    if given_state is not None and not given_state.is_known:
        known = ", ".join(str(one) for one in ComplianceState)
        raise InvalidInputError(f"state must be one of {known}, got {quoted(state)}")
    proofs = tuple(evidence)
    if given_state is not None and not proofs:
        raise InvalidInputError("an attestation needs evidence", hint="pass [AttestationEvidence(...)]")
    for one in proofs:
        check_free_text(description=one.description)
        check_free_text(url=one.url)
        if not one.url.startswith("https://"):
            raise InvalidInputError(f"the url of evidence must begin with https://, got {quoted(one.url)}")
    return Terms(
        reason=reason.strip(),
        owner=owner.strip(),
        expires=expires.replace(microsecond=0),
        ticket=ticket,
        category=given_category,
        state=given_state,
        evidence=proofs,
        rule=rule,
    )
