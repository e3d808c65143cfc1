"""Exemptions from recommendations and attestations of manual ones, whichever of Azure's two APIs has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.display import counted, one_line
from defender_remediate.enums import OpenEnum, StrEnum
from defender_remediate.json_values import FrozenMap, freeze
from defender_remediate.notebook import notebook
from defender_remediate.public_path import show_in
from defender_remediate.redaction import redact_text
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text

RULE_KEY = "00000000-0000-0000-0000-000000000000"
"""The key that stands for "any recommendation" in a rule about vulnerabilities."""
_POLICY = re.compile(r"(.*)/providers/Microsoft\.Authorization/policyExemptions/[^/]+\Z", re.IGNORECASE)
_DEFENDER = re.compile(r"(.*)/providers/Microsoft\.Security/standardAssignments/[^/]+\Z", re.IGNORECASE)
# The second API has no place for an owner: it stands at the end of the description.
_OWNER = re.compile(
    r"(?P<reason>.*?)\s*\[owner: (?P<owner>[^\]]*)\](?:\s*\[ticket: (?P<ticket>[^\]]*)\])?\s*\Z", re.DOTALL
)


class ExemptionApi(StrEnum):
    """Where an exemption is kept: Azure Policy, or Defender for Cloud itself."""

    POLICY = "policy"
    DEFENDER = "defender"


class ExemptionCategory(OpenEnum):
    """Why a resource is exempt: the risk is accepted, or something else takes care of it."""

    WAIVER = "Waiver"
    MITIGATED = "Mitigated"


class ComplianceState(OpenEnum):
    """What an attestation says of a manual recommendation."""

    COMPLIANT = "compliant"
    NON_COMPLIANT = "nonCompliant"
    UNKNOWN = "unknown"


@notebook
@attrs.frozen(kw_only=True)
class AttestationEvidence(Value):
    """What proves an attestation.

    Attributes:
        description: What it shows.
        url: Where it is.
    """

    description: str
    url: str


@notebook
@attrs.frozen(kw_only=True, str=False)
class Exemption(Value):
    """An exemption of a scope from recommendations, or an attestation.

    Attributes:
        id: Its resource id.
        api: Where it is kept.
        scope: The id of what is exempt.
        category: Waiver or Mitigated; None for an attestation.
        keys: The assessment keys that it is for, as far as they are known; a policy exemption names policies.
        assignment_id: The policy assignment that it exempts from; None for one of Defender.
        references: The parts of the initiative that it is for; empty for the whole assignment.
        name: The display name.
        reason: Why; None when it has no description.
        owner, ticket: Who answers for it, and the ticket; None when it does not say.
        expires: None for never.
        has_selectors: Whether it holds for some locations or types only; which ones is not evaluated.
        rule: For vulnerabilities: which of them it is for, as Azure writes it.
        state: What an attestation says; None for an exemption.
        evidence: What proves an attestation.
        note: What a listing says about it, such as why it is orphaned; None otherwise.
    """

    id: str = attrs.field(eq=fold)
    api: ExemptionApi = attrs.field(converter=ExemptionApi)
    scope: str = attrs.field(eq=fold)
    category: ExemptionCategory | None = None
    keys: tuple[str, ...] = ()
    assignment_id: str | None = optional_text()
    references: tuple[str, ...] = ()
    name: str | None = optional_text()
    reason: str | None = optional_text()
    owner: str | None = optional_text()
    ticket: str | None = optional_text()
    expires: datetime | None = None
    has_selectors: bool = False
    rule: FrozenMap | None = attrs.field(default=None, converter=attrs.converters.optional(freeze), repr=False)
    state: ComplianceState | None = None
    evidence: tuple[AttestationEvidence, ...] = ()
    note: str | None = attrs.field(default=None, eq=False)

    @property
    def is_attestation(self) -> bool:
        """Whether it attests a manual recommendation."""
        return self.state is not None

    def holds_at(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires

    @classmethod
    def from_policy(cls, item: Mapping[str, Any]) -> Exemption:
        """Decode one item of ``Microsoft.Authorization/policyExemptions``."""
        properties = wire.mapping(wire.pick(item, "properties"))
        metadata = wire.pick(properties, "metadata")
        category = wire.text(properties, "exemptionCategory")
        return cls(
            id=wire.text(item, "id"),
            api=ExemptionApi.POLICY,
            scope=_scope(_POLICY, wire.text(item, "id")),
            category=ExemptionCategory(category) if category else None,
            assignment_id=wire.text(properties, "policyAssignmentId"),
            references=wire.strings(properties, "policyDefinitionReferenceIds"),
            name=wire.text(properties, "displayName") or wire.name(item),
            reason=wire.text(properties, "description"),
            owner=wire.text(metadata, "owner"),
            ticket=wire.text(metadata, "ticket"),
            expires=wire.timestamp(properties, "expiresOn"),
            has_selectors=bool(wire.pick(properties, "resourceSelectors")),
        )

    @classmethod
    def from_defender(cls, item: Mapping[str, Any]) -> Exemption | None:
        """Decode one item of ``Microsoft.Security/standardAssignments``; None for one that assigns a standard."""
        properties = wire.mapping(wire.pick(item, "properties"))
        effect = fold(wire.text(properties, "effect"))
        if effect not in ("exempt", "attest"):
            return None
        data = wire.pick(properties, "exemptionData" if effect == "exempt" else "attestationData")
        key = wire.text(wire.pick(data, "assignedAssessment"), "assessmentKey") or wire.text(data, "assessmentKey")
        category, state = wire.text(data, "exemptionCategory"), wire.text(data, "complianceState")
        rule = wire.pick(data, "subAssessmentExemptionRule")
        told = _OWNER.match(wire.text(properties, "description"))
        evidence = wire.pick(data, "evidence")
        return cls(
            id=wire.text(item, "id"),
            api=ExemptionApi.DEFENDER,
            scope=_scope(_DEFENDER, wire.text(item, "id")),
            category=ExemptionCategory(category) if category else None,
            keys=(key,) if key and key != RULE_KEY else (),
            name=wire.text(properties, "displayName") or wire.name(item),
            reason=told["reason"] if told else wire.text(properties, "description"),
            owner=told["owner"] if told else None,
            ticket=told["ticket"] if told else None,
            expires=wire.timestamp(properties, "expiresOn"),
            rule=rule if isinstance(rule, Mapping) else None,
            state=ComplianceState(state or "unknown") if effect == "attest" else None,
            evidence=tuple(
                AttestationEvidence(description=wire.text(one, "description"), url=wire.text(one, "sourceUrl"))
                for one in (evidence if isinstance(evidence, list) else ())
            ),
        )

    def __str__(self) -> str:
        kind = f"attested as {self.state}" if self.state is not None else str(self.category or "no category")
        until = f"until {self.expires:%Y-%m-%d}" if self.expires else "without an expiry date"
        about = ", ".join(self.keys or self.references) or (
            "a rule" if self.rule is not None else "everything assigned"
        )
        parts = [f"{self.scope}: {kind} {until}", f"for {about}", f"owner {self.owner or 'unknown'}"]
        parts += [self.reason] if self.reason else []
        parts += [self.note] if self.note else []
        return one_line(redact_text("; ".join(parts)))


@notebook
@attrs.frozen(kw_only=True, str=False)
class ExemptionListing(Value):
    """What was found, and what could not be read. Iterating gives the exemptions.

    Attributes:
        exemptions: What was found.
        not_checked: What could not be read and why, a sentence each: the list may be incomplete.
    """

    exemptions: tuple[Exemption, ...]
    not_checked: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Exemption]:
        return iter(self.exemptions)

    def __len__(self) -> int:
        return len(self.exemptions)

    def __bool__(self) -> bool:
        """Always True: also an empty listing says what was not read."""
        return True

    def __str__(self) -> str:
        lines = [counted(len(self.exemptions), "exemption"), *(f"- {one}" for one in self.exemptions)]
        lines += [one_line(f"could not be checked: {text}") for text in self.not_checked]
        return "\n".join(lines)


def _scope(pattern: re.Pattern[str], exemption_id: str) -> str:
    found = pattern.match(exemption_id)
    return found[1] if found else exemption_id


show_in(
    "defender_remediate.models",
    AttestationEvidence,
    ComplianceState,
    Exemption,
    ExemptionApi,
    ExemptionCategory,
    ExemptionListing,
)
