"""What Defender for Cloud says about an assessment type, whatever the resource."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold, fold_or_none
from defender_remediate.enums import OpenEnum
from defender_remediate.html_text import plain_text
from defender_remediate.models.individual import RecommendationCategory
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text


class Severity(OpenEnum):
    """The severity of a recommendation, the same for all its resources."""

    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class Effort(OpenEnum):
    """Azure's levels of user impact and implementation effort."""

    LOW = "Low"
    MODERATE = "Moderate"
    HIGH = "High"


# Individual recommendations of a category share much of their text.
_plain_text = lru_cache(maxsize=256)(plain_text)


@notebook
@attrs.frozen(kw_only=True)
class RecommendationMetadata(Value):
    """The metadata of an assessment type, independent of any resource.

    Attributes:
        remediation_steps: The manual steps as plain text; Azure sends HTML.
        category: Of individual recommendations, and of those that replaced a grouped one; None for all others.
        policy_definition_id: The policy definition that it comes from; None for those that are not policies.
    """

    key: str = attrs.field(eq=fold)
    display_name: str | None = optional_text()
    description: str | None = optional_text(repr=False)
    remediation_steps: str | None = optional_text(repr=False)
    severity: Severity | None = None
    assessment_type: str | None = optional_text()
    category: RecommendationCategory | None = None
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
        return metadata_from(wire.name(json), wire.mapping(wire.pick(json, "properties")))

    @classmethod
    def from_graph(cls, row: Mapping[str, Any]) -> RecommendationMetadata:
        """Decode the metadata that Resource Graph puts inside each assessment row."""
        properties = wire.mapping(wire.pick(row, "properties"))
        inlined = wire.mapping(properties.get("metadata"))
        name = wire.text(inlined, "displayName") or wire.text(properties, "displayName")
        return metadata_from(wire.name(row), {**inlined, "displayName": name})


_SHARED = (
    "description",
    "remediation_steps",
    "severity",
    "category",
    "categories",
    "user_impact",
    "implementation_effort",
    "threats",
    "tactics",
    "techniques",
    "preview",
    "policy_definition_id",
)


def fields_of(metadata: RecommendationMetadata) -> dict[str, Any]:
    """The fields that a ``Recommendation`` takes over from its metadata, by name."""
    return {name: getattr(metadata, name) for name in _SHARED}


def metadata_from(key: str, properties: Mapping[str, Any]) -> RecommendationMetadata:
    """Decode the properties of an assessment type, which an assessment has too."""
    severity, impact, effort, category = (
        wire.text(properties, name)
        for name in ("severity", "userImpact", "implementationEffort", "recommendationCategory")
    )
    return RecommendationMetadata(
        key=key,
        display_name=wire.text(properties, "displayName"),
        description=_plain_text(wire.text(properties, "description")),
        remediation_steps=_plain_text(wire.text(properties, "remediationDescription")),
        severity=Severity(severity) if severity else None,
        assessment_type=wire.text(properties, "assessmentType"),
        category=RecommendationCategory(category) if category else None,
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
