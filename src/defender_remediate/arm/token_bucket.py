"""The arithmetic of the rate limiter: how many requests may be sent at a moment, and what is tried beyond the published limit."""

from __future__ import annotations

import math

import attrs

from defender_remediate.limits import Limit

_FIRST_TRIES = _TRIES_PER_SUCCESS = 4.0
# Seconds after the first refusal; twice as many after each further one, up to 32 times.
_UNTIL_NEXT_TRY = 120.0


@attrs.frozen(kw_only=True)
class TokenBucket:
    """How many requests may be sent. Each takes a ticket; ticket ``n`` may be used once ``allowed`` reaches ``n``.

    Attributes:
        issued: Tickets given out.
        allowed: Tickets that may be used; can be a fraction.
        at: The moment at which ``allowed`` was computed; for a window, when it began.
        paused_until: Nothing is sent before this moment.
        sent_off: Requests that have left, with the tickets that were given back: those in flight may overtake one another, but
            Azure counts about this number when the last of them arrives.
        answered: Requests that Azure has answered and counted.
        most: The largest number of requests that Azure was seen to allow at once.
        share: How much of the published refill comes to this client: others may use the same bucket, or it may be a smaller
            one. Learned from refusals.
    """

    issued: int = 0
    allowed: float
    at: float
    paused_until: float = -math.inf
    sent_off: int = 0
    answered: int = 0
    most: int = 0
    share: float = 1.0

    @property
    def sent(self) -> float:
        """Tickets that were used."""
        return min(float(self.issued), self.allowed)

    def refilled(self, limit: Limit, now: float) -> TokenBucket:
        """The same bucket at a later moment. Never more requests can be sent at once than ``size``, or than Azure showed."""
        elapsed = now - self.at
        full = self.sent + max(limit.size, self.most)
        if limit.window:
            return attrs.evolve(self, allowed=full, at=now) if elapsed >= limit.window else self
        if elapsed <= 0:
            return self
        # What Azure allowed beyond the size is not taken back.
        refilled = min(self.allowed + elapsed * limit.per_second * self.share, max(full, self.allowed))
        return attrs.evolve(self, allowed=refilled, at=now)

    def seconds_until(self, ticket: int, limit: Limit, now: float) -> float:
        """Seconds until this ticket may be used, as currently known; 0 if it may be used now."""
        current = self.refilled(limit, now)
        missing = ticket - current.allowed
        if missing <= 0:
            own = 0.0
        elif limit.window:
            own = current.at + limit.window * math.ceil(missing / limit.size) - now
        else:
            own = missing / (limit.per_second * self.share)
        return max(0.0, own, current.paused_until - now)

    def corrected(
        self, place: int, answered_before: int, remaining: int, *, is_own: bool, refilled: float = 0.0
    ) -> TokenBucket:
        """The bucket after a response reported the remaining number of requests.

        Azure had counted the requests that were answered when this one was sent, and most likely those that left before it and those
        answered by now.

        Args:
            place: ``sent_off`` when the request left, with itself.
            answered_before: ``answered`` when the request left.
            remaining: What the response reported.
            is_own: Whether the number is this principal's. One that others share proves no right to so many.
            refilled: What came back since the request left.
        """
        proven = answered_before + 1.0 + remaining
        likely = max(place, self.answered) + remaining + refilled
        allowed = min(self.allowed, max(proven, likely))
        if not is_own:
            return attrs.evolve(self, allowed=allowed)
        return attrs.evolve(self, allowed=max(allowed, proven), most=max(self.most, remaining + 1))

    def with_returned_token(self, limit: Limit) -> TokenBucket:
        """The bucket after a ticket was given back without a request."""
        most = max(self.sent + max(limit.size, self.most), self.allowed)
        return attrs.evolve(self, allowed=min(self.allowed + 1, most), sent_off=self.sent_off + 1)


@attrs.define
class Tries:
    """What was tried beyond the published limit, where no response says what remains.

    Attributes:
        published: The bucket as it would be by the published limit alone.
        is_told: Whether a response has said what remains: then nothing is tried.
        under_way: Tickets beyond the published limit whose requests are not answered yet.
        not_before: When the next one may be tried.
    """

    published: TokenBucket
    is_told: bool = False
    under_way: set[int] = attrs.field(factory=set)
    not_before: float = -math.inf
    refusals: int = 0

    def granted(self, bucket: TokenBucket, ticket: int, now: float) -> float:
        """How many further requests the success of this one allows."""
        if self.is_told or now < self.not_before:
            return 0.0
        if ticket in self.under_way:
            return _TRIES_PER_SUCCESS
        is_exhausted = bucket.issued + 1 > bucket.allowed
        return _FIRST_TRIES if is_exhausted and not self.under_way else 0.0

    def refused(self, now: float) -> None:
        """Try nothing for some minutes, and for longer each time."""
        self.refusals += 1
        self.under_way.clear()
        self.not_before = now + _UNTIL_NEXT_TRY * 2 ** min(self.refusals - 1, 5)
