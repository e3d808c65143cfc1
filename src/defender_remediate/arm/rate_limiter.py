"""Limits the rate of requests to what Azure allows, for all threads of a client.

Azure Resource Manager keeps a token bucket per subscription, principal and kind of request. This module keeps a copy of
each bucket, which begins with the published limit, and takes a token when a request is sent. It learns from the answers:

- The remaining number in a response corrects the copy in both directions, between what it proves and what is likely.
- A 429 pauses the bucket for all threads for as long as Azure asks: a request sent earlier would be refused and would restart
  the wait. Where responses say what remains, less is expected to come back from then on, until that proves wrong. A provider
  that refuses is held to its own published limit for a while.
- Where no response says what remains, requests beyond the estimate are tried: four, then four more for each success,
  until the first refusal. Then the published limit counts again, and the next try is minutes away.

The arithmetic is in ``token_bucket``. A write waits in advance, see ``write_permit``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

import attrs

from defender_remediate.arm.clock import Clock
from defender_remediate.arm.token_bucket import TokenBucket, Tries
from defender_remediate.casing import fold
from defender_remediate.errors import ThrottledError
from defender_remediate.limits import LIMITS, PROVIDER_LIMITS, Limit, RequestKind
from defender_remediate.pauses import Pause, Waits, wait_out

LONGEST_WAIT = 120.0
"""Seconds that a paused bucket is waited for. A longer pause raises ThrottledError at once."""

# Seconds: a request that arrives at the very moment at which its token does may be refused.
_MARGIN = 0.001
# The answer to another request may open the bucket earlier than was expected: a waiting request checks it after this part of what
# it has to wait, and after so many seconds at least. Where responses say what remains, surprises are rare.
_RECHECKED, _RECHECKED_IF_TOLD = (0.25, 0.25), (0.5, 0.5)
# Requests that may be under way beyond the published limit.
_TRIES_AT_ONCE = 64
# Seconds: a request whose answer takes longer may have been counted late, on its way.
_COUNTED_WITHIN = 0.2
# Seconds for which a provider that refused a request is held to its own limit.
_PROVIDER_HELD = 60.0
# Seconds after which a provider that has nothing left has a token again.
_UNTIL_TOKEN_OF_PROVIDER = 1.0
# A refusal lowers the expected refill by a part, and each success raises it by so much of the published one.
_LESS, _MORE, _SMALLEST_SHARE = 0.7, 0.002, 0.01
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)", re.IGNORECASE)
_PROVIDER = re.compile(r"/providers/([^/]+)", re.IGNORECASE)
_READ_POSTS = ("/providers/microsoft.authorization/checkaccess",)
_GRAPH = "/providers/microsoft.resourcegraph/resources"
# A server may send anything; a number that is longer means nothing.
_COUNT = re.compile(r"[0-9]{1,9}")
_POLICY = re.compile(r"[\w./-]{1,200};([0-9]{1,9})")
# The shortest of several limits of a provider: after a refusal because of a longer one, Azure says how long to wait.
_PACES = {(one.provider, one.kind): one.pace for one in sorted(PROVIDER_LIMITS, key=lambda one: -one.seconds)}
_DURATION = re.compile(r"([0-9]{1,4}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,9})?)")


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


@attrs.frozen
class _Departure:
    """A request that has left: its place, what had been answered, and when."""

    place: int
    answered: int
    at: float


class RateLimiter:
    """Lets requests be sent at the rate that Azure allows. Shared by all threads of a client."""

    def __init__(self, clock: Clock, limits: Mapping[RequestKind, Limit] | None = None) -> None:
        self._clock = clock
        self._limits = limits or LIMITS
        self._lock = threading.Lock()
        self._buckets: dict[BucketKey, TokenBucket] = {}
        self._tries: dict[BucketKey, Tries] = {}
        self._departures: dict[tuple[BucketKey, int], _Departure] = {}
        self._provider_buckets: dict[tuple[BucketKey, str], TokenBucket] = {}

    def acquire(self, key: BucketKey, *, sleep: Callable[[float], None] | None = None) -> int:
        """Wait on this thread until a request of this bucket may be sent; gives its ticket.

        Args:
            key: The bucket.
            sleep: How to wait; the clock's ``sleep`` by default.

        Raises:
            ThrottledError: Azure paused the bucket for longer than ``LONGEST_WAIT``; nothing was sent.
        """
        ticket = wait_out(self.acquiring(key), sleep or self._clock.sleep)
        self.depart(key, ticket)
        return ticket

    def depart(self, key: BucketKey, ticket: int) -> None:
        """Note that the request with this ticket leaves now."""
        with self._lock:
            bucket = self._buckets[key]
            self._buckets[key] = bucket = attrs.evolve(bucket, sent_off=bucket.sent_off + 1)
            now = self._clock.monotonic()
            self._departures[key, ticket] = _Departure(bucket.sent_off, bucket.answered, now)

    def acquiring(self, key: BucketKey) -> Waits[int]:
        """The same as ``acquire``, without a thread that waits. Closing the generator gives the ticket back."""
        with self._lock:
            bucket = self._refilled(key, self._clock.monotonic())
            ticket = bucket.issued + 1
            self._buckets[key] = attrs.evolve(bucket, issued=ticket)
            of_provider = self._provider_ticket(key)
        try:
            while (seconds := self._seconds_until(key, ticket, of_provider)) > 0:
                tries = self._tries.get(key)
                part, least = _RECHECKED_IF_TOLD if tries is not None and tries.is_told else _RECHECKED
                yield Pause(min(seconds, max(least, seconds * part)) + _MARGIN, is_for_limit=True)
        except BaseException:
            self.give_back(key, ticket)
            raise
        with self._lock:
            tries = self._tries.setdefault(key, Tries(self._full(key)))
            tries.published = attrs.evolve(
                tries.published.refilled(self._limits[key.kind], self._clock.monotonic()), issued=ticket
            )
            if ticket > tries.published.allowed:
                tries.under_way.add(ticket)
        return ticket

    def give_back(self, key: BucketKey, ticket: int) -> None:
        """Return the ticket of a request that was not sent."""
        with self._lock:
            if (tries := self._tries.get(key)) is not None:
                tries.under_way.discard(ticket)
            bucket = self._refilled(key, self._clock.monotonic())
            self._buckets[key] = bucket.with_returned_token(self._limits[key.kind])

    def update(
        self, key: BucketKey, ticket: int, headers: Mapping[str, str] | None, *, is_refused: bool = False
    ) -> None:
        """Correct the bucket after a request.

        Args:
            key: The bucket.
            ticket: That of the request.
            headers: Those of the response; None if none came.
            is_refused: Whether Azure refused the request because of a limit.
        """
        own, shared = _remaining(key, headers or {})
        with self._lock:
            now = self._clock.monotonic()
            bucket = self._refilled(key, now)
            tries = self._tries.setdefault(key, Tries(self._full(key)))
            left = self._departures.pop((key, ticket), _Departure(ticket, 0, now))
            tries.is_told = tries.is_told or own is not None
            if is_refused:
                tries.refused(now)
                if tries.is_told:
                    bucket = attrs.evolve(bucket, share=max(_SMALLEST_SHARE, bucket.share * _LESS))
                bucket = attrs.evolve(bucket, allowed=min(bucket.allowed, max(bucket.sent, tries.published.allowed)))
            elif headers is not None:
                share = min(1.0, bucket.share + _MORE)
                bucket = attrs.evolve(bucket, answered=bucket.answered + 1, share=share)
                beyond = bucket.sent + _TRIES_AT_ONCE
                granted = tries.granted(bucket, ticket, now)
                bucket = attrs.evolve(bucket, allowed=max(bucket.allowed, min(bucket.allowed + granted, beyond)))
            tries.under_way.discard(ticket)
            for remaining, is_own in ((own, not is_refused), (shared, False)):
                if remaining is not None:
                    since = min(now - left.at, _COUNTED_WITHIN)
                    refilled = since * self._limits[key.kind].per_second * bucket.share
                    bucket = bucket.corrected(left.place, left.answered, remaining, is_own=is_own, refilled=refilled)
            ends_in = duration((headers or {}).get("x-ms-user-quota-resets-after"))
            window = self._limits[key.kind].window
            if own is not None and ends_in is not None and window:
                bucket = attrs.evolve(bucket, at=now + min(ends_in, window) - window)
            self._buckets[key] = bucket
        if key.provider and _is_provider_drained(headers or {}):
            # Compute counts for each of its policies what remains: the next request would be refused.
            self.pause(key, _UNTIL_TOKEN_OF_PROVIDER, provider=key.provider)

    def pause(self, key: BucketKey, seconds: float, *, provider: str | None = None) -> None:
        """Pause the bucket for this number of seconds; with ``provider``, only for that resource provider."""
        with self._lock:
            now = self._clock.monotonic()
            until = now + seconds
            if provider:
                held = self._provider_buckets.get((key, provider)) or TokenBucket(allowed=0.0, at=until)
                # What it allows begins to come back when it has to be asked again.
                held = attrs.evolve(held, allowed=held.sent + 1, at=max(until, held.at))
                self._provider_buckets[key, provider] = attrs.evolve(held, paused_until=max(until, held.paused_until))
            else:
                bucket = self._refilled(key, now)
                self._buckets[key] = attrs.evolve(bucket, paused_until=max(until, bucket.paused_until))

    def _full(self, key: BucketKey) -> TokenBucket:
        return TokenBucket(allowed=float(self._limits[key.kind].size), at=self._clock.monotonic())

    def _refilled(self, key: BucketKey, now: float) -> TokenBucket:
        limit = self._limits[key.kind]
        bucket = self._buckets.get(key) or TokenBucket(allowed=float(limit.size), at=now)
        return bucket.refilled(limit, now)

    def _provider_ticket(self, key: BucketKey) -> int | None:
        """The ticket of a provider that has refused a request lately; None for any other."""
        provider = key.provider or ""
        held = self._provider_buckets.get((key, provider))
        if held is None or self._clock.monotonic() > held.paused_until + _PROVIDER_HELD:
            self._provider_buckets.pop((key, provider), None)
            return None
        self._provider_buckets[key, provider] = attrs.evolve(held, issued=held.issued + 1)
        return held.issued + 1

    def _seconds_until(self, key: BucketKey, ticket: int, of_provider: int | None) -> float:
        with self._lock:
            now = self._clock.monotonic()
            bucket = self._buckets[key] = self._refilled(key, now)
            paused = bucket.paused_until - now
            seconds = max(paused, bucket.seconds_until(ticket, self._limits[key.kind], now))
            provider = key.provider or ""
            held = self._provider_buckets.get((key, provider))
            if held is not None:
                paused = max(paused, held.paused_until - now)
                limit = _PACES.get((provider, key.kind))
                if of_provider is not None and limit is not None:
                    held = self._provider_buckets[key, provider] = held.refilled(limit, now)
                    seconds = max(seconds, held.seconds_until(of_provider, limit, now))
            seconds = max(seconds, paused)
        if paused > LONGEST_WAIT:
            raise ThrottledError(
                f"Azure asked to send no {key.kind.value} of {key.subscription or 'this tenant'} for {paused:.0f} s",
                status=429,
                code="RateLimiterPaused",
                retry_after=paused,
                hint="this request was not sent; try again after retry_after seconds",
            )
        return seconds if seconds > 1e-6 else 0.0


def _remaining(key: BucketKey, headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """What remains for this principal, and what remains for all principals together."""
    if key.kind is RequestKind.GRAPH:
        names = ["x-ms-user-quota-remaining", ""]
    else:
        level = "subscription" if key.subscription else "tenant"
        names = [f"x-ms-ratelimit-remaining-{level}-{part}{key.kind.value}" for part in ("", "global-")]
    values = [str(headers.get(name, "")).strip() for name in names]
    own, shared = (int(text) if _COUNT.fullmatch(text) else None for text in values)
    return own, shared


def _is_provider_drained(headers: Mapping[str, str]) -> bool:
    """Whether a policy of the resource provider has nothing left, as its answers say: ``Policy;count,Policy;count``."""
    told = str(headers.get("x-ms-ratelimit-remaining-resource", ""))
    counts = (_POLICY.fullmatch(part.strip()) for part in told[:2000].split(","))
    return any(found is not None and int(found[1]) == 0 for found in counts)


def duration(text: object) -> float | None:
    """Seconds in a string of the form ``hh:mm:ss``; None for anything else."""
    found = _DURATION.fullmatch(str(text).strip())
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None
