"""Limits the rate of requests to Azure's published limits, for all threads of a client.

Azure Resource Manager keeps a token bucket per subscription, principal and kind of request. This module keeps a copy of
each bucket, takes a token when a request is sent, lowers the bucket to the remaining number in each response, and pauses it for
all threads after a 429 for as long as Azure asks. A request sent earlier would be refused and would restart the wait.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from urllib.parse import unquote, urlsplit

import attrs

from defender_remediate.arm.clock import Clock
from defender_remediate.casing import fold
from defender_remediate.errors import ThrottledError

LONGEST_WAIT = 120.0
"""Seconds that a paused bucket is waited for. A longer pause raises ThrottledError at once."""
_SHORTEST_SLEEP = 0.001
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)", re.IGNORECASE)
_PROVIDER = re.compile(r"/providers/([^/]+)", re.IGNORECASE)
_READ_POSTS = ("/providers/microsoft.authorization/checkaccess",)
_GRAPH = "/providers/microsoft.resourcegraph/resources"
# A server may send anything; a number that is longer means nothing.
_COUNT = re.compile(r"[0-9]{1,9}")
_DURATION = re.compile(r"([0-9]{1,4}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,9})?)")


class RequestKind(str, Enum):
    """The kinds of request that Azure counts separately."""

    READ = "reads"
    WRITE = "writes"
    DELETE = "deletes"
    GRAPH = "graph"


@attrs.frozen(kw_only=True)
class Limit:
    """A published limit.

    Attributes:
        size: Requests that may be sent at once.
        per_second: Tokens that come back each second, up to ``size``; 0 for a window.
        window: Seconds after which all of ``size`` comes back together; 0 for a bucket that refills steadily.
    """

    size: int
    per_second: float = 0.0
    window: float = 0.0


LIMITS = {
    RequestKind.READ: Limit(size=250, per_second=25.0),
    RequestKind.WRITE: Limit(size=200, per_second=10.0),
    RequestKind.DELETE: Limit(size=200, per_second=10.0),
    RequestKind.GRAPH: Limit(size=15, window=5.0),
}


@attrs.frozen
class BucketKey:
    """Requests that Azure counts together, and the resource provider they go to."""

    subscription: str | None
    kind: RequestKind
    provider: str | None = attrs.field(default=None, eq=False)


def bucket_of(method: str, url: str) -> BucketKey:
    """The bucket that a request is counted in, from its method and URL."""
    path = fold(unquote(urlsplit(url).path)).rstrip("/")
    if path.endswith(_GRAPH):
        return BucketKey(None, RequestKind.GRAPH)
    if method in ("GET", "HEAD") or path.endswith(_READ_POSTS):
        kind = RequestKind.READ
    else:
        kind = RequestKind.DELETE if method == "DELETE" else RequestKind.WRITE
    subscription = _SUBSCRIPTION.search(path)
    providers = _PROVIDER.findall(path)
    return BucketKey(subscription[1] if subscription else None, kind, providers[-1] if providers else None)


@attrs.frozen(kw_only=True)
class TokenBucket:
    """How many requests may be sent. Each takes a ticket; ticket ``n`` may be used once ``allowed`` reaches ``n``.

    Attributes:
        issued: Tickets given out.
        allowed: Tickets that may be used; can be a fraction.
        at: The moment at which ``allowed`` was computed; for a window, when it began.
        paused_until: Nothing is sent before this moment.
    """

    issued: int = 0
    allowed: float
    at: float
    paused_until: float = -math.inf

    def refilled(self, limit: Limit, now: float) -> TokenBucket:
        """The same bucket at a later moment. Never more than ``size`` requests can be sent at once."""
        elapsed = now - self.at
        used = min(float(self.issued), self.allowed)
        if limit.window:
            return attrs.evolve(self, allowed=used + limit.size, at=now) if elapsed >= limit.window else self
        if elapsed <= 0:
            return self
        return attrs.evolve(self, allowed=min(self.allowed + elapsed * limit.per_second, used + limit.size), at=now)

    def seconds_until(self, ticket: int, limit: Limit, now: float) -> float:
        """Seconds until this ticket may be used, as currently known; 0 if it may be used now."""
        current = self.refilled(limit, now)
        missing = ticket - current.allowed
        if missing <= 0:
            own = 0.0
        elif limit.window:
            own = current.at + limit.window * math.ceil(missing / limit.size) - now
        else:
            own = missing / limit.per_second
        return max(0.0, own, current.paused_until - now)

    def lowered_to(self, ticket: int, remaining: int) -> TokenBucket:
        """The bucket after a response to this ticket reported the remaining number of requests. The bucket never grows."""
        return attrs.evolve(self, allowed=min(self.allowed, float(ticket + remaining)))

    def with_returned_token(self, limit: Limit) -> TokenBucket:
        """The bucket after a ticket was given back without a request."""
        most = min(float(self.issued), self.allowed) + limit.size
        return attrs.evolve(self, allowed=min(self.allowed + 1, most))


class RateLimiter:
    """Lets requests be sent at the rate that Azure allows. Shared by all threads of a client."""

    def __init__(self, clock: Clock, limits: Mapping[RequestKind, Limit] | None = None) -> None:
        self._clock = clock
        self._limits = limits or LIMITS
        self._lock = threading.Lock()
        self._buckets: dict[BucketKey, TokenBucket] = {}
        self._paused_providers: dict[tuple[BucketKey, str], float] = {}

    def acquire(self, key: BucketKey, *, sleep: Callable[[float], None] | None = None) -> int:
        """Wait until a request of this bucket may be sent; gives its ticket.

        Args:
            key: The bucket.
            sleep: How to wait; the clock's ``sleep`` by default.

        Raises:
            ThrottledError: Azure paused the bucket for longer than ``LONGEST_WAIT``; nothing was sent.
        """
        with self._lock:
            bucket = self._refilled(key, self._clock.monotonic())
            ticket = bucket.issued + 1
            self._buckets[key] = attrs.evolve(bucket, issued=ticket)
        try:
            while (seconds := self._seconds_until(key, ticket)) > 0:
                (sleep or self._clock.sleep)(max(seconds, _SHORTEST_SLEEP))
        except BaseException:
            self.give_back(key)
            raise
        return ticket

    def give_back(self, key: BucketKey) -> None:
        """Return the ticket of a request that was not sent."""
        with self._lock:
            bucket = self._refilled(key, self._clock.monotonic())
            self._buckets[key] = bucket.with_returned_token(self._limits[key.kind])

    def update(self, key: BucketKey, ticket: int, headers: Mapping[str, str]) -> None:
        """Lower the bucket to the remaining number in a response."""
        if key.kind is RequestKind.GRAPH:
            names = ["x-ms-user-quota-remaining"]
        else:
            level = "subscription" if key.subscription else "tenant"
            names = [f"x-ms-ratelimit-remaining-{level}-{part}{key.kind.value}" for part in ("", "global-")]
        found = [int(text) for name in names if _COUNT.fullmatch(text := str(headers.get(name, "")).strip())]
        if not found:
            return
        with self._lock:
            now = self._clock.monotonic()
            bucket = self._refilled(key, now).lowered_to(ticket, min(found))
            ends_in = duration(headers.get("x-ms-user-quota-resets-after"))
            window = self._limits[key.kind].window
            if ends_in is not None and window:
                bucket = attrs.evolve(bucket, at=now + min(ends_in, window) - window)
            self._buckets[key] = bucket

    def pause(self, key: BucketKey, seconds: float, *, provider: str | None = None) -> None:
        """Pause the bucket for this number of seconds; with ``provider``, only for that resource provider."""
        with self._lock:
            now = self._clock.monotonic()
            until = now + seconds
            if provider:
                paused = (key, provider)
                self._paused_providers[paused] = max(until, self._paused_providers.get(paused, until))
            else:
                bucket = self._refilled(key, now)
                self._buckets[key] = attrs.evolve(bucket, paused_until=max(until, bucket.paused_until))

    def _refilled(self, key: BucketKey, now: float) -> TokenBucket:
        limit = self._limits[key.kind]
        bucket = self._buckets.get(key) or TokenBucket(allowed=float(limit.size), at=now)
        return bucket.refilled(limit, now)

    def _seconds_until(self, key: BucketKey, ticket: int) -> float:
        with self._lock:
            now = self._clock.monotonic()
            bucket = self._buckets[key] = self._refilled(key, now)
            provider_until = self._paused_providers.get((key, key.provider), now) if key.provider else now
            paused = max(bucket.paused_until, provider_until) - now
            seconds = max(paused, bucket.seconds_until(ticket, self._limits[key.kind], now))
        if paused > LONGEST_WAIT:
            raise ThrottledError(
                f"Azure asked to send no {key.kind.value} of {key.subscription or 'this tenant'} for {paused:.0f} s",
                status=429,
                code="RateLimiterPaused",
                retry_after=paused,
                hint="this request was not sent; try again after retry_after seconds",
            )
        return seconds if seconds > 1e-6 else 0.0


@attrs.define(kw_only=True)
class WritePermit:
    """One write that may be sent without waiting, because the rate limit was waited for in advance.

    Attributes:
        ticket: What the rate limiter gave for it.
        is_used: Whether the write has been sent.
    """

    limiter: RateLimiter
    key: BucketKey
    method: str
    ticket: int
    is_used: bool = False


_PERMIT: ContextVar[WritePermit | None] = ContextVar("defender_remediate_write_permit", default=None)


@contextmanager
def write_permit(limiter: RateLimiter, method: str, url: str) -> Iterator[None]:
    """Wait for the rate limit in advance, so that there is no wait between the read of a target and its write.

    The next request of this thread with the same method and bucket is sent at once. Reads inside wait as usual. An
    unused permit is returned.

    Raises:
        ThrottledError: Azure paused the bucket for longer than ``LONGEST_WAIT``; nothing was sent.
    """
    key = bucket_of(method, url)
    permit = WritePermit(limiter=limiter, key=key, method=method, ticket=limiter.acquire(key))
    token = _PERMIT.set(permit)
    try:
        yield
    finally:
        _PERMIT.reset(token)
        if not permit.is_used:
            limiter.give_back(key)


def ticket_for(
    limiter: RateLimiter, key: BucketKey, method: str, *, sleep: Callable[[float], None] | None = None
) -> int:
    """The ticket of a request: that of this thread's write permit, or else a new one."""
    permit = _PERMIT.get()
    if permit is None or permit.is_used or permit.limiter is not limiter:
        return limiter.acquire(key, sleep=sleep)
    if (permit.key, permit.method) != (key, method):
        return limiter.acquire(key, sleep=sleep)
    permit.is_used = True
    return permit.ticket


def duration(text: object) -> float | None:
    """Seconds in a string of the form ``hh:mm:ss``; None for anything else."""
    found = _DURATION.fullmatch(str(text).strip())
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None
