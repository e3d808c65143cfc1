"""Assessments and recommendations of Defender for Cloud."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold, fold_or_none
from defender_remediate.display import one_line
from defender_remediate.enums import OpenEnum
from defender_remediate.html_text import plain_text
from defender_remediate.json_values import FrozenMap, freeze
from defender_remediate.models.fix import FixAction
from defender_remediate.models.guidance import Guidance
from defender_remediate.models.ids import resource_of_assessment
from defender_remediate.models.priority import Priority
from defender_remediate.notebook import notebook
from defender_remediate.validation import optional_text


class AssessmentStatus(OpenEnum):
    """What Defender for Cloud reports for one resource. Exempt resources are NotApplicable, with a cause."""

    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"
    NOT_APPLICABLE = "NotApplicable"


class Severity(OpenEnum):
    """The severity of a recommendation, the same for all its resources."""

    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class RiskLevel(OpenEnum):
    """The risk of a recommendation on one resource; known only where Defender CSPM assessed its context."""

    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"
    NONE = "None"


class Effort(OpenEnum):
    """Azure's levels of user impact and implementation effort."""

    LOW = "Low"
    MODERATE = "Moderate"
    HIGH = "High"


@notebook
@attrs.frozen(kw_only=True)
class Assessment:
    """One recommendation assessed on one resource.

    Two assessments are equal when they report the same for the same resource, whichever API returned them. Ids compare
    without regard to case, and ``portal_url`` (which the REST list does not return) is ignored.

    Attributes:
        id: The resource id of the assessment.
        key: The assessment key: a GUID that all resources share.
        resource_id: The assessed resource.
        status: Healthy, Unhealthy or NotApplicable.
        cause: The reason for the status, such as ``Exempt`` or ``OffByPolicy``; None when Azure gives none.
        source: Where the resource lives, such as ``Azure``, ``OnPremise`` or ``Aws``.
        risk_level: None unless Defender CSPM rated it.
        risk_factors: The risk factors, as Azure names them.
        first_evaluated, changed: UTC, or None where Azure sends no time.
        additional_data: More data, depending on the assessment type.
    """

    id: str = attrs.field(eq=fold)
    key: str = attrs.field(eq=fold)
    resource_id: str = attrs.field(eq=fold)
    display_name: str | None = optional_text()
    status: AssessmentStatus
    cause: str | None = optional_text()
    description: str | None = optional_text()
    source: str = "Azure"
    risk_level: RiskLevel | None = None
    risk_factors: tuple[str, ...] = ()
    first_evaluated: datetime | None = None
    changed: datetime | None = None
    portal_url: str | None = attrs.field(default=None, eq=False, repr=False)
    additional_data: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, repr=False)

    def __str__(self) -> str:
        cause = f" ({self.cause})" if self.cause else ""
        return one_line(
            f"{self.resource_id}: {self.display_name or 'no display name'} [{self.key}]: {self.status}{cause}"
        )

    @property
    def is_exempt(self) -> bool:
        """Whether the resource is exempt; Azure reports it as NotApplicable."""
        return fold_or_none(self.cause) == "exempt"

    @classmethod
    def from_rest(cls, json: Mapping[str, Any]) -> Assessment:
        """Decode one item of ``Microsoft.Security/assessments`` as Azure Resource Manager sends it."""
        return _assessment(json)

    @classmethod
    def from_graph(cls, row: Mapping[str, Any]) -> Assessment:
        """Decode one row of the Resource Graph table ``securityresources``, which uses a different casing."""
        return _assessment(row)


def _assessment(item: Mapping[str, Any]) -> Assessment:
    properties = wire.mapping(wire.pick(item, "properties"))
    status = wire.mapping(properties.get("status"))
    details = wire.mapping(wire.pick(properties, "resourceDetails"))
    risk = wire.mapping(properties.get("risk"))
    links = wire.mapping(properties.get("links"))
    identifier = wire.text(item, "id")
    level = wire.text(risk, "level")
    return Assessment(
        id="/" + identifier.strip("/"),
        key=wire.name(item),
        resource_id=_resource_id(details, identifier),
        display_name=wire.text(properties, "displayName"),
        status=AssessmentStatus(wire.text(status, "code")),
        cause=wire.text(status, "cause"),
        description=wire.text(status, "description"),
        source=wire.text(details, "source") or "Azure",
        risk_level=RiskLevel(level) if level else None,
        risk_factors=wire.strings(risk, "riskFactors"),
        first_evaluated=wire.timestamp(status, "firstEvaluationDate"),
        changed=wire.timestamp(status, "statusChangeDate"),
        portal_url=_portal_url(wire.text(links, "azurePortalUri", "azurePortal")),
        additional_data=FrozenMap(wire.mapping(properties.get("additionalData"))),
    )


def _resource_id(details: Mapping[str, Any], assessment_id: str) -> str:
    # Aws and Gcp resources carry their Azure mirror apart; machines outside Azure carry no id at all.
    named = wire.text(details, "azureResourceId") or wire.text(details, "id")
    return "/" + named.strip("/") if named else resource_of_assessment(assessment_id)


def _portal_url(link: str) -> str | None:
    # Resource Graph leaves the scheme out.
    return None if not link else link if "://" in link else f"https://{link.lstrip('/')}"


@notebook
@attrs.frozen(kw_only=True)
class RecommendationMetadata:
    """The metadata of an assessment type, independent of any resource.

    Attributes:
        remediation_steps: The manual steps as plain text; Azure sends HTML.
        policy_definition_id: The policy definition that it comes from; None for those that are not policies.
    """

    key: str = attrs.field(eq=fold)
    display_name: str | None = optional_text()
    description: str | None = optional_text(repr=False)
    remediation_steps: str | None = optional_text(repr=False)
    severity: Severity | None = None
    assessment_type: str | None = optional_text()
    categories: tuple[str, ...] = ()
    user_impact: Effort | None = None
    implementation_effort: Effort | None = None
    threats: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    preview: bool = False
    policy_definition_id: str | None = optional_text(eq=fold_or_none)
    planned_deprecation: str | None = optional_text()

    @classmethod
    def from_rest(cls, json: Mapping[str, Any]) -> RecommendationMetadata:
        """Decode one item of ``Microsoft.Security/assessmentMetadata``."""
        return _metadata(wire.name(json), wire.mapping(wire.pick(json, "properties")))

    @classmethod
    def from_graph(cls, row: Mapping[str, Any]) -> RecommendationMetadata:
        """Decode the metadata that Resource Graph puts inside each assessment row."""
        properties = wire.mapping(wire.pick(row, "properties"))
        inlined = wire.mapping(properties.get("metadata"))
        name = wire.text(inlined, "displayName") or wire.text(properties, "displayName")
        return _metadata(wire.name(row), {**inlined, "displayName": name})


def _metadata(key: str, properties: Mapping[str, Any]) -> RecommendationMetadata:
    severity, impact, effort = (
        wire.text(properties, name) for name in ("severity", "userImpact", "implementationEffort")
    )
    return RecommendationMetadata(
        key=key,
        display_name=wire.text(properties, "displayName"),
        description=plain_text(wire.text(properties, "description")),
        remediation_steps=plain_text(wire.text(properties, "remediationDescription")),
        severity=Severity(severity) if severity else None,
        assessment_type=wire.text(properties, "assessmentType"),
        categories=wire.strings(properties, "categories"),
        user_impact=Effort(impact) if impact else None,
        implementation_effort=Effort(effort) if effort else None,
        threats=wire.strings(properties, "threats"),
        tactics=wire.strings(properties, "tactics"),
        techniques=wire.strings(properties, "techniques"),
        preview=wire.flag(properties, "preview"),
        policy_definition_id=wire.text(properties, "policyDefinitionId"),
        planned_deprecation=wire.text(properties, "plannedDeprecationDate"),
    )


@notebook
@attrs.frozen(kw_only=True)
class Recommendation:
    """An assessment type with its metadata, the number of affected resources, and its fix.

    Attributes:
        key: The assessment key.
        remediation_steps: The manual steps, as plain text.
        risk_level: The highest risk among its unhealthy resources; None where Defender rated none.
        controls: Display names of the security controls it belongs to.
        unhealthy_count, healthy_count, not_applicable_count: Resources in the client's scope.
        fix: How this library fixes it; None when it has to be fixed by hand.
        guidance: Why there is no fix and what can be done instead, where that is known; None when there is a fix.
        potential_increase: Points that the secure score gains when only this recommendation is fixed on all its resources. It
            is often 0: a resource adds points to a control only when its last unhealthy recommendation is fixed.
        priority: Its rank; ``str(priority)`` explains it.
    """

    key: str = attrs.field(eq=fold)
    display_name: str
    description: str | None = optional_text(repr=False)
    remediation_steps: str | None = optional_text(repr=False)
    severity: Severity | None = None
    risk_level: RiskLevel | None = None
    categories: tuple[str, ...] = attrs.field(default=(), repr=False)
    user_impact: Effort | None = None
    implementation_effort: Effort | None = None
    threats: tuple[str, ...] = attrs.field(default=(), repr=False)
    tactics: tuple[str, ...] = attrs.field(default=(), repr=False)
    techniques: tuple[str, ...] = attrs.field(default=(), repr=False)
    preview: bool = False
    policy_definition_id: str | None = optional_text(eq=fold_or_none)
    controls: tuple[str, ...] = ()
    unhealthy_count: int = 0
    healthy_count: int = 0
    not_applicable_count: int = 0
    fix: FixAction | None = attrs.field(default=None, repr=False)
    guidance: Guidance | None = attrs.field(default=None, repr=False)
    priority: Priority = attrs.field(factory=Priority, repr=False)

    @property
    def is_fixable(self) -> bool:
        """Whether the catalog has a fix for it."""
        return self.fix is not None

    @property
    def potential_increase(self) -> float:
        """Points gained when this recommendation alone is fixed on all its resources."""
        return self.priority.points

    def __str__(self) -> str:
        fix = "manual"
        if self.fix:
            fix = str(self.fix.kind)
        elif self.guidance:
            fix = f"manual: {self.guidance.reason.label}"
        severity = self.severity or "no severity"
        return one_line(f"{self.display_name} [{severity}, {self.unhealthy_count} unhealthy, {fix}] {self.key}")
