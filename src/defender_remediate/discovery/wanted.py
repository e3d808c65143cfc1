"""Which assessments a listing is about."""

from __future__ import annotations

import attrs

from defender_remediate.casing import fold, fold_or_none
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.individual import RecommendationCategory


@attrs.frozen(kw_only=True)
class Wanted:
    """The assessments that a listing is about; all of them by default.

    Attributes:
        key: Of this assessment key.
        status: With this status.
        categories: Of one of these categories.
        title: With this display name: the keys of an individual recommendation are generated.
    """

    key: str | None = None
    status: AssessmentStatus | None = None
    categories: tuple[RecommendationCategory, ...] = ()
    title: str | None = None

    def covers(self, assessment: Assessment) -> bool:
        """Whether an assessment is wanted, apart from its category."""
        return (
            (self.status is None or assessment.status == self.status)
            and (self.key is None or fold(assessment.key) == fold(self.key))
            and (self.title is None or fold_or_none(assessment.display_name) == fold(self.title))
        )

    def has(self, category: RecommendationCategory | None) -> bool:
        """Whether this is one of the categories. Azure may spell one that is not known here in several cases."""
        return category is not None and (category in self.categories or fold(category) in map(fold, self.categories))
