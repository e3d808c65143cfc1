"""Permits of the rate limiter that are waited for in advance: nothing comes between the read of a target and its write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import attrs

from defender_remediate.arm.rate_limiter import BucketKey, RateLimiter, bucket_of
from defender_remediate.pauses import Waits


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


def permitted(limiter: RateLimiter, method: str, url: str) -> Waits[AbstractContextManager[None]]:
    """Wait for the rate limit in advance, so that there is no wait between the read of a target and its write.

    Inside the context that is returned, and must be entered, the next request with the same method and bucket is sent at
    once. Reads inside wait as usual. An unused permit is given back.

    Raises:
        ThrottledError: Azure paused the bucket for longer than ``LONGEST_WAIT``; nothing was sent.
    """
    key = bucket_of(method, url)
    ticket = yield from limiter.acquiring(key)
    return _with_permit(WritePermit(limiter=limiter, key=key, method=method, ticket=ticket))


@contextmanager
def _with_permit(permit: WritePermit) -> Iterator[None]:
    token = _PERMIT.set(permit)
    try:
        yield
    finally:
        _PERMIT.reset(token)
        if not permit.is_used:
            permit.limiter.give_back(permit.key, permit.ticket)


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
    limiter.depart(key, permit.ticket)
    return permit.ticket
