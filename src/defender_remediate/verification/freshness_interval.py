"""The freshness interval of a recommendation: when Defender assesses a resource again, and when reading its status is worth it."""

from __future__ import annotations

import attrs

from defender_remediate.casing import fold
from defender_remediate.models.recommendation_metadata import RecommendationMetadata

MINUTE, HOUR = 60.0, 3600.0
_SECURE_TRANSFER = ("1c5de8e1-f68d-6a17-e0d2-ec259c42768c", "404c3081-a854-4457-ae30-26a93ef643f9")
_IDENTITY = "identityandaccess"
# Seconds after the write. The portal speaks of several minutes, each recommendation of its freshness interval, and none of
# more than a day: so a few times in the first half hour, each hour of the first day, and every six hours of the second.
_MARKS = (
    *(n * MINUTE for n in (2, 5, 15, 30)),
    *(n * HOUR for n in range(1, 25)),
    *(n * HOUR for n in (30, 36, 42)),
)


@attrs.frozen(kw_only=True)
class FreshnessInterval:
    """How old Defender's assessment of a resource may be, in seconds.

    Azure documents these intervals and promises none of them.

    Attributes:
        usual: What is documented for such a recommendation. Before this is over nothing can be concluded.
        latest: After this Defender should have assessed the resource again, whatever the recommendation.
    """

    usual: float = 30 * MINUTE
    latest: float = 24 * HOUR

    @property
    def deadline(self) -> float:
        """After this it counts as assessed again.

        Azure tells when Defender's status last changed, not when Defender last assessed the resource. Where the status never
        changes only time can tell, so a late assessment gets another interval.
        """
        return 2 * self.latest

    def __str__(self) -> str:
        usual = f"{self.usual / HOUR:.0f}" if self.usual >= HOUR else f"{self.usual / MINUTE:.0f} minutes"
        return f"{usual} to {self.latest / HOUR:.0f} hours"


def freshness_interval(key: str, about: RecommendationMetadata | None) -> FreshnessInterval:
    """How old Defender's assessment of a recommendation may be.

    Args:
        key: The assessment key.
        about: Its metadata; None when it could not be read.
    """
    policy = (about.policy_definition_id or "").rpartition("/")[2] if about else ""
    # Its interval is documented by itself: half an hour.
    if fold(key) == _SECURE_TRANSFER[0] or fold(policy) == _SECURE_TRANSFER[1]:
        return FreshnessInterval()
    # Policies are evaluated every 12 to 24 hours; identity recommendations every 12 since they no longer take 24.
    if policy or (about and _IDENTITY in (fold(category) for category in about.categories)):
        return FreshnessInterval(usual=12 * HOUR)
    return FreshnessInterval()


def poll_schedule(*, elapsed: float, timeout: float, interval: FreshnessInterval) -> tuple[float, ...]:
    """When to read Defender's status again, in seconds from now: rising, never beyond the timeout, about 30 times at most.

    The last one is the timeout itself, or the time after which reading again tells nothing new.

    Args:
        elapsed: Seconds since the write.
        timeout: Seconds that the caller is willing to wait; infinity is fine.
        interval: Of the recommendation that takes longest.
    """
    # One minute more, so that the last read is not a microsecond too early.
    end = min(timeout, interval.deadline + MINUTE - elapsed)
    if end <= 0:
        return ()
    return (*sorted({mark - elapsed for mark in _MARKS if 0 < mark - elapsed < end}), end)
