"""What is known of a result when it is verified: the facts that a diagnosis is made from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import attrs

from defender_remediate.casing import fold
from defender_remediate.enums import StrEnum
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.recommendation_metadata import RecommendationMetadata
from defender_remediate.models.result import Outcome, RemediationResult
from defender_remediate.models.step import SkippedResource
from defender_remediate.verification.freshness_interval import FreshnessInterval, freshness_interval


class ReadBack(StrEnum):
    """What reading the target of a step for its verification has shown."""

    COMPLIANT = "compliant"
    NOT_COMPLIANT = "not_compliant"
    GONE = "gone"
    UNREADABLE = "unreadable"
    NOT_READ = "not_read"


@attrs.frozen(kw_only=True)
class VerifiedStep:
    """One result and what its target is like now.

    Attributes:
        read_back: What reading the target has shown.
        target_id: What the step wrote; None when the plan had no step for the resource.
        skip: Why the plan had no step for the resource.
        error: Why the target could not be read.
        since: When the resource was known to be compliant. What Defender reported before then means nothing.
        now: When the target was read.
        rolls_back: Whether the run undid another one, so that Unhealthy is what it was to bring about.
    """

    result: RemediationResult
    read_back: ReadBack
    target_id: str | None = None
    skip: SkippedResource | None = None
    error: str | None = None
    since: datetime
    now: datetime
    rolls_back: bool = False

    @property
    def elapsed(self) -> timedelta:
        """How long the resource is known to be compliant."""
        return self.now - self.since

    def is_compliant(self, status: DefenderStatus) -> bool:
        """Whether the condition of the fix holds.

        For a resource that was not read: whether it held when it was planned, and Defender has reported nothing new since.
        """
        if self.rolls_back:
            return False
        if self.read_back is not ReadBack.NOT_READ:
            return self.read_back is ReadBack.COMPLIANT
        changed = status.assessment.changed if status.assessment else None
        return self.result.outcome is Outcome.ALREADY_COMPLIANT and not (changed and changed > self.since)


@attrs.frozen(kw_only=True)
class DefenderStatus:
    """What Defender reports for one recommendation on one resource.

    Attributes:
        key: The assessment key.
        assessment: None when there is none, or it could not be read.
        error: Why it could not be read; None when it was read, or does not exist.
    """

    key: str
    assessment: Assessment | None = None
    error: str | None = None

    @property
    def is_unhealthy(self) -> bool:
        """Whether it is Unhealthy."""
        return self.assessment is not None and self.assessment.status == AssessmentStatus.UNHEALTHY


@attrs.frozen(kw_only=True)
class VerificationContext:
    """What is known beside a step and its status.

    Attributes:
        about: Metadata by folded assessment key, as far as it was read.
        others: Unhealthy assessments of the resource and of what is below it, as far as they were read.
        unread: What could not be read, a sentence each.
    """

    about: Mapping[str, RecommendationMetadata] = attrs.field(factory=dict)
    others: tuple[Assessment, ...] = ()
    unread: tuple[str, ...] = ()

    def metadata(self, key: str) -> RecommendationMetadata | None:
        """The metadata of a recommendation; None when it was not read."""
        return self.about.get(fold(key))

    def freshness_interval(self, key: str) -> FreshnessInterval:
        """How old Defender's assessment of a recommendation may be."""
        return freshness_interval(key, self.metadata(key))
