"""Assessments counted into recommendations, one at a time, so that no listing is ever held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from defender_remediate.casing import fold
from defender_remediate.discovery.ranking import Tally, group_of
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.control import SecurityControl
from defender_remediate.models.individual import RecommendationCategory, is_individual
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import RecommendationMetadata, fields_of
from defender_remediate.models.risk import Risk, worse

if TYPE_CHECKING:
    from defender_remediate.catalog import Catalog


_NO_CONTROL: frozenset[str] = frozenset()


@attrs.define
class AssessmentCounts:
    """What was counted for one recommendation.

    Attributes:
        key: The assessment key; of an individual recommendation the first of its keys.
        category: None while it is not known.
        metadata: What came with its assessments; None when nothing did.
        controls: The display names of the security controls that one of its keys belongs to.
    """

    key: str
    display_name: str | None = None
    category: RecommendationCategory | None = None
    source: str | None = None
    healthy: int = 0
    unhealthy: int = 0
    not_applicable: int = 0
    risk: Risk | None = None
    on_attack_paths: int = 0
    metadata: RecommendationMetadata | None = None
    controls: frozenset[str] = frozenset()

    @property
    def is_individual(self) -> bool:
        """Whether it has a category and generated keys."""
        return is_individual(self.category)

    def add(self, assessment: Assessment) -> None:
        """Count one assessment. A status that is not known here counts as none of the three."""
        self.key = min(self.key, assessment.key, key=fold)
        self.display_name = self.display_name or assessment.display_name
        # Resources in several places have no advice in common.
        self.source = assessment.source if self.source in (None, assessment.source) else ""
        self.healthy += assessment.status == AssessmentStatus.HEALTHY
        self.not_applicable += assessment.status == AssessmentStatus.NOT_APPLICABLE
        if assessment.status == AssessmentStatus.UNHEALTHY:
            self.unhealthy += 1
            if assessment.risk is not None:
                self.risk = worse(self.risk, assessment.risk)
                self.on_attack_paths += bool(assessment.risk.attack_paths)

    def merge(self, other: AssessmentCounts) -> None:
        """Take over what was counted for another key of the same individual recommendation."""
        self.key = min(self.key, other.key, key=fold)
        self.healthy += other.healthy
        self.unhealthy += other.unhealthy
        self.not_applicable += other.not_applicable
        self.risk = worse(self.risk, other.risk)
        self.on_attack_paths += other.on_attack_paths
        self.controls |= other.controls

    def has(self, status: AssessmentStatus | None) -> bool:
        """Whether any resource has this status."""
        counts = {
            AssessmentStatus.HEALTHY: self.healthy,
            AssessmentStatus.UNHEALTHY: self.unhealthy,
            AssessmentStatus.NOT_APPLICABLE: self.not_applicable,
        }
        return status is None or counts[status] > 0


def names_by_key(controls: Iterable[SecurityControl]) -> dict[str, frozenset[str]]:
    """The display names of the controls that each folded assessment key belongs to."""
    names: dict[str, frozenset[str]] = {}
    for control in controls:
        for key in {fold(key) for key in control.recommendation_keys}:
            names[key] = names.get(key, frozenset()) | {control.display_name}
    return names


def count(
    assessments: Iterable[Assessment], tally: Tally, names: Mapping[str, frozenset[str]]
) -> dict[str, AssessmentCounts]:
    """What was counted, by ``group_of``; what is unhealthy together goes into the tally.

    The generated keys of an individual recommendation count as one: there may be as many of them as assessments.

    Args:
        assessments: Read once, as a stream.
        tally: Where the unhealthy ones are added.
        names: The display names of the controls of each folded key.
    """
    found: dict[str, AssessmentCounts] = {}
    for assessment in assessments:
        group = group_of(assessment)
        counts = found.get(group)
        if counts is None:
            counts = AssessmentCounts(assessment.key, category=assessment.category)
            counts.metadata = assessment.metadata if assessment.is_individual else None
            found[group] = counts
        counts.add(assessment)
        counts.controls |= names.get(fold(assessment.key), _NO_CONTROL)
        if assessment.status == AssessmentStatus.UNHEALTHY:
            tally.add(assessment.key, assessment.resource_id, group)
    return found


def with_metadata(
    found: Iterable[AssessmentCounts], metadata: Mapping[str, RecommendationMetadata], tally: Tally
) -> dict[str, AssessmentCounts]:
    """The counts with their metadata, again by ``group_of``: over REST the category is known only now.

    Args:
        found: What was counted.
        metadata: The metadata by folded key, as far as Azure has any.
        tally: Told which keys count as one.
    """
    grouped: dict[str, AssessmentCounts] = {}
    for counts in found:
        before = group_of(counts)
        about = counts.metadata or metadata.get(fold(counts.key))
        if about is not None and counts.category is None:
            counts.category = about.category
        counts.metadata = about
        if counts.display_name is None and about is not None:
            counts.display_name = about.display_name
        group = group_of(counts)
        tally.rename(before, group)
        known = grouped.setdefault(group, counts)
        if known is not counts:
            known.merge(counts)
    return grouped


def recommendations(found: Iterable[AssessmentCounts], catalog: Catalog) -> Iterator[Recommendation]:
    """The counts with what Azure says about their types, and their fixes; not ranked yet."""
    for counts in found:
        about = counts.metadata or RecommendationMetadata(key=counts.key, category=counts.category)
        # The keys of an individual recommendation count as one because they share the title of their assessments.
        titles = (counts.display_name, about.display_name)
        first, second = titles if counts.is_individual else reversed(titles)
        title = first or second
        fix = catalog.get_for_recommendation(counts.key, about.policy_definition_id, title=title)
        guidance = None if fix else catalog.get_guidance(counts.key, about.policy_definition_id, title)
        if fix is None and guidance is None and counts.category is not None:
            guidance = catalog.guidance_for_category(counts.category)
        if fix is None and guidance is None:
            guidance = catalog.guidance_for_source(counts.source or "")
        yield Recommendation(
            key=counts.key,
            display_name=title or counts.key,
            risk=counts.risk,
            on_attack_paths=counts.on_attack_paths,
            controls=tuple(sorted(counts.controls)),
            unhealthy_count=counts.unhealthy,
            healthy_count=counts.healthy,
            not_applicable_count=counts.not_applicable,
            fix=fix,
            guidance=guidance,
            **fields_of(about),
        )
