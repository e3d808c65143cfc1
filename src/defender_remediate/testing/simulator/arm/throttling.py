"""Token buckets with the published limits: one per subscription (or tenant) and kind of request."""

from __future__ import annotations

import math

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.transport.exchange import Call

READS, WRITES, DELETES = "reads", "writes", "deletes"
_SIZES = {READS: (250.0, 25.0), WRITES: (200.0, 10.0), DELETES: (200.0, 10.0)}
_SINGULAR = {READS: "read", WRITES: "write", DELETES: "delete"}
_GLOBAL = 15


@attrs.define
class RequestBucket:
    """The tokens that are left for one kind of request."""

    size: float
    refill: float
    level: float
    at: float
    closed_until: float = 0.0

    def take(self, now: float) -> float:
        """Takes a token; returns the seconds to wait if the bucket is empty. Asking too early restarts the wait."""
        self.level = min(self.size, self.level + (now - self.at) * self.refill)
        self.at = now
        if now < self.closed_until or self.level < 1.0:
            wait = max(1.0, math.ceil((1.0 - self.level) / self.refill))
            self.closed_until = now + wait
            return wait
        self.level -= 1.0
        return 0.0


class Throttle:
    """Counts requests.

    Attributes:
        enabled: Switch off to let a test send as fast as it likes.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], RequestBucket] = {}
        self.enabled = True

    def drain(self, scope: str, kind: str) -> None:
        """Empties a bucket, as other callers with the same identity would."""
        bucket = self._bucket(fold(ids.subscription_of(scope)), kind)
        bucket.level, bucket.at = 0.0, self._clock.monotonic()

    def check(self, call: Call, *, reads: bool) -> dict[str, str]:
        """Takes a token for a call; returns the headers that say how many are left.

        Raises:
            ArmError: 429 with Retry-After.
        """
        if not self.enabled:
            return {}
        kind = READS if reads else DELETES if call.method == "DELETE" else WRITES
        subscription = ids.subscription_of(call.path)
        bucket = self._bucket(fold(subscription), kind)
        wait = bucket.take(self._clock.monotonic())
        word = "subscription" if subscription else "tenant"
        headers = {f"x-ms-ratelimit-remaining-{word}-{kind}": str(int(bucket.level))}
        if subscription:
            total = self._bucket(fold(subscription), kind, _GLOBAL)
            total.take(self._clock.monotonic())
            headers[f"x-ms-ratelimit-remaining-subscription-global-{kind}"] = str(int(total.level))
        if not wait:
            return headers
        seconds = str(int(wait))
        raise refusal(
            "SubscriptionRequestsThrottled" if subscription else "TenantRequestsThrottled",
            headers={**headers, "Retry-After": seconds},
            kind=_SINGULAR[kind],
            subscription=subscription,
            client=CALLER_ID,
            seconds=seconds,
        )

    def _bucket(self, subscription: str, kind: str, factor: int = 1) -> RequestBucket:
        size, refill = (number * factor for number in _SIZES[kind])
        place = (subscription, kind if factor == 1 else f"global {kind}")
        if place not in self._buckets:
            self._buckets[place] = RequestBucket(size, refill, size, self._clock.monotonic())
        return self._buckets[place]


class Quota:
    """Counts queries per window. A window starts with its first query."""

    def __init__(self, size: int = 15, seconds: float = 5.0) -> None:
        self._size = size
        self._seconds = seconds
        self._used = 0
        self._ends = 0.0

    def take(self, now: float) -> tuple[int, float]:
        """Counts a query; returns how many are left (negative if it is refused) and when the window resets."""
        if now >= self._ends:
            self._used, self._ends = 0, now + self._seconds
        self._used += 1
        return self._size - self._used, max(1.0, self._ends - now)
