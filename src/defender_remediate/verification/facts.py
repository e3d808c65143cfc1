"""What is known of a result when it is verified: the facts that a diagnosis is made from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import attrs

from defender_remediate.casing import fold
from defender_remediate.enums import StrEnum
from defender_remediate.models.recommendation import Assessment, AssessmentStatus, RecommendationMetadata
from defender_remediate.models.result import Outcome, RemediationResult
from defender_remediate.verification.freshness import Freshness, freshness_of


class TargetState(StrEnum):
    """A step's target, as it was read to verify it."""

    COMPLIANT = "compliant"
    NOT_COMPLIANT = "not_compliant"
    GONE = "gone"
    UNREADABLE = "unreadable"
    NOT_READ = "not_read"


@attrs.frozen(kw_only=True)
class Case:
    """One result, looked at again.

    Attributes:
        target_id: What the step wrote; empty when the plan had no step for the resource.
        error: Why the target could not be read.
        since: When the resource was known to be compliant; Defender's word from before says nothing.
        rolls_back: Whether the run undid another: then Unhealthy is where it was to lead.
    """

    result: RemediationResult
    state: TargetState
    target_id: str = ""
    error: str = ""
    since: datetime
    now: datetime
    rolls_back: bool = False

    def is_compliant(self, answer: Answer) -> bool:
        """Whether the fix's condition holds.

        For a resource that was not read again: whether it did when it was planned, and Defender has said nothing since.
        """
        if self.rolls_back:
            return False
        if self.state is not TargetState.NOT_READ:
            return self.state is TargetState.COMPLIANT
        changed = answer.assessment.changed if answer.assessment else None
        return self.result.outcome is Outcome.ALREADY_COMPLIANT and not (changed and changed > self.since)

    @property
    def elapsed(self) -> timedelta:
        """How long the resource is known to be compliant."""
        return self.now - self.since


@attrs.frozen(kw_only=True)
class Answer:
    """What Defender says of one recommendation on one resource.

    Attributes:
        assessment: None when it has none, or could not be asked.
        error: Why it could not be asked; empty when it simply has none.
    """

    key: str
    assessment: Assessment | None = None
    error: str = ""

    @property
    def is_unhealthy(self) -> bool:
        """Whether it says Unhealthy."""
        return self.assessment is not None and self.assessment.status == AssessmentStatus.UNHEALTHY


@attrs.frozen(kw_only=True)
class Known:
    """What is known beside the case itself.

    Attributes:
        about: Metadata by assessment key in lower case, as far as it was read.
        others: Unhealthy assessments of the resource and of what is below it, as far as they were looked for.
        unread: What could not be read of it, in words.
    """

    about: Mapping[str, RecommendationMetadata] = attrs.field(factory=dict)
    others: tuple[Assessment, ...] = ()
    unread: tuple[str, ...] = ()

    def freshness(self, key: str) -> Freshness:
        """How fresh Defender's word on a recommendation is."""
        return freshness_of(key, self.about.get(fold(key)))
