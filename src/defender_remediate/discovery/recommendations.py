"""Assessments counted into recommendations, one at a time, so that no listing is ever held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from defender_remediate.casing import fold
from defender_remediate.discovery.ranking import Tally
from defender_remediate.models.control import SecurityControl
from defender_remediate.models.recommendation import (
    Assessment,
    AssessmentStatus,
    Recommendation,
    RecommendationMetadata,
    RiskLevel,
)

if TYPE_CHECKING:
    from defender_remediate.catalog import Catalog

# A level that is not known here is worse than any known one, and better than none.
_RISKS: dict[RiskLevel | None, int] = {
    None: -1,
    RiskLevel.NONE: 1,
    RiskLevel.LOW: 2,
    RiskLevel.MEDIUM: 3,
    RiskLevel.HIGH: 4,
    RiskLevel.CRITICAL: 5,
}


@attrs.define
class AssessmentCounts:
    """What was counted for one key."""

    key: str
    display_name: str | None = None
    healthy: int = 0
    unhealthy: int = 0
    not_applicable: int = 0
    risk_level: RiskLevel | None = None

    def add(self, assessment: Assessment) -> None:
        """Count one assessment. A status that is not known here counts as none of the three."""
        self.display_name = self.display_name or assessment.display_name
        self.healthy += assessment.status == AssessmentStatus.HEALTHY
        self.not_applicable += assessment.status == AssessmentStatus.NOT_APPLICABLE
        if assessment.status == AssessmentStatus.UNHEALTHY:
            self.unhealthy += 1
            if _RISKS.get(assessment.risk_level, 0) > _RISKS.get(self.risk_level, 0):
                self.risk_level = assessment.risk_level

    def has(self, status: AssessmentStatus | None) -> bool:
        """Whether any resource has this status."""
        counts = {
            AssessmentStatus.HEALTHY: self.healthy,
            AssessmentStatus.UNHEALTHY: self.unhealthy,
            AssessmentStatus.NOT_APPLICABLE: self.not_applicable,
        }
        return status is None or counts[status] > 0


def count(assessments: Iterable[Assessment], tally: Tally) -> dict[str, AssessmentCounts]:
    """The findings per key in lower case; what is unhealthy together goes into the tally."""
    findings: dict[str, AssessmentCounts] = {}
    for assessment in assessments:
        finding = findings.setdefault(fold(assessment.key), AssessmentCounts(assessment.key))
        finding.add(assessment)
        if assessment.status == AssessmentStatus.UNHEALTHY:
            tally.add(assessment.key, assessment.resource_id)
    return findings


def recommendations(
    findings: Iterable[AssessmentCounts],
    metadata: Mapping[str, RecommendationMetadata],
    controls: Iterable[SecurityControl],
    catalog: Catalog,
) -> Iterator[Recommendation]:
    """The findings with what Azure says about their types, the controls they are in, and their fixes; not ranked yet."""
    names: dict[str, list[str]] = {}
    for control in controls:
        for key in {fold(key) for key in control.recommendation_keys}:
            names.setdefault(key, []).append(control.display_name)
    for finding in findings:
        folded = fold(finding.key)
        about = metadata.get(folded) or RecommendationMetadata(key=finding.key, display_name=finding.display_name)
        title = about.display_name or finding.display_name
        fix = catalog.get_for_recommendation(finding.key, about.policy_definition_id, title=title)
        yield Recommendation(
            key=finding.key,
            display_name=title or finding.key,
            description=about.description,
            remediation_steps=about.remediation_steps,
            severity=about.severity,
            risk_level=finding.risk_level,
            categories=about.categories,
            user_impact=about.user_impact,
            implementation_effort=about.implementation_effort,
            threats=about.threats,
            tactics=about.tactics,
            techniques=about.techniques,
            preview=about.preview,
            policy_definition_id=about.policy_definition_id,
            controls=tuple(sorted(names.get(folded, ()))),
            unhealthy_count=finding.unhealthy,
            healthy_count=finding.healthy,
            not_applicable_count=finding.not_applicable,
            fix=fix,
            guidance=None if fix else catalog.get_guidance(finding.key, about.policy_definition_id, title),
        )
