"""Pacing under Azure's published limits, shared by all threads of a client.

Azure Resource Manager keeps a token bucket per subscription, principal and kind of request. This keeps its own copy of
each, takes from it when a request leaves, corrects it by what each answer says is left, and closes it for everybody
after a 429 until Azure said to come back: a request sent earlier is refused and starts the wait anew.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from defender_remediate.arm.clock import Clock
from defender_remediate.casing import fold
from defender_remediate.errors import ThrottledError

LONGEST_WAIT = 120.0
"""Seconds that a closed gate is waited for; beyond them the caller is told at once."""
_SHORTEST_SLEEP = 0.001
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)", re.IGNORECASE)
_PROVIDER = re.compile(r"/providers/([^/]+)", re.IGNORECASE)
_READ_POSTS = ("/providers/microsoft.authorization/checkaccess",)
_GRAPH = "/providers/microsoft.resourcegraph/resources"


class Kind(str, Enum):
    """What Azure counts apart."""

    READ = "reads"
    WRITE = "writes"
    DELETE = "deletes"
    GRAPH = "graph"


@attrs.frozen(kw_only=True)
class Limit:
    """A published limit.

    Attributes:
        size: Requests that may leave at once.
        per_second: What comes back each second, up to ``size``; 0 for a window.
        window: Seconds after which all of ``size`` comes back together; 0 for a bucket.
    """

    size: int
    per_second: float = 0.0
    window: float = 0.0


LIMITS = {
    Kind.READ: Limit(size=250, per_second=25.0),
    Kind.WRITE: Limit(size=200, per_second=10.0),
    Kind.DELETE: Limit(size=200, per_second=10.0),
    Kind.GRAPH: Limit(size=15, window=5.0),
}


@attrs.frozen(kw_only=True)
class Allowance:
    """How many requests of one lane may leave. Each takes a ticket; ticket ``n`` may go once ``allowed`` reaches ``n``.

    Attributes:
        issued: Tickets given out.
        allowed: Tickets that may go; a fraction is on its way.
        at: The moment that ``allowed`` is true of; for a window, when it began.
        closed_until: Nothing goes before this moment.
    """

    issued: int = 0
    allowed: float
    at: float
    closed_until: float = -math.inf


def refilled(allowance: Allowance, limit: Limit, now: float) -> Allowance:
    """The same allowance at a later moment. Never more than ``size`` can leave at once."""
    elapsed = now - allowance.at
    gone = min(float(allowance.issued), allowance.allowed)
    if limit.window:
        if elapsed < limit.window:
            return allowance
        return attrs.evolve(allowance, allowed=gone + limit.size, at=now)
    if elapsed <= 0:
        return allowance
    return attrs.evolve(
        allowance, allowed=min(allowance.allowed + elapsed * limit.per_second, gone + limit.size), at=now
    )


def wait_for_ticket(allowance: Allowance, limit: Limit, ticket: int, now: float) -> float:
    """Seconds until this ticket may go, as far as it can be known now; 0 when it may."""
    current = refilled(allowance, limit, now)
    missing = ticket - current.allowed
    if missing <= 0:
        own = 0.0
    elif limit.window:
        own = current.at + limit.window * math.ceil(missing / limit.size) - now
    else:
        own = missing / limit.per_second
    return max(0.0, own, current.closed_until - now)


def corrected(allowance: Allowance, ticket: int, remaining: int) -> Allowance:
    """What an answer to this ticket taught: Azure had so many left after it. Only ever lowers the allowance."""
    return attrs.evolve(allowance, allowed=min(allowance.allowed, float(ticket + remaining)))


@attrs.frozen
class Lane:
    """Requests that Azure counts together, and the provider they go to."""

    subscription: str
    kind: Kind
    provider: str = attrs.field(default="", eq=False)


def lane_of(method: str, url: str) -> Lane:
    """The lane of a request, from its method and URL."""
    path = fold(unquote(urlsplit(url).path)).rstrip("/")
    if path.endswith(_GRAPH):
        return Lane("", Kind.GRAPH)
    found = _SUBSCRIPTION.search(path)
    providers = _PROVIDER.findall(path)
    if method in ("GET", "HEAD") or path.endswith(_READ_POSTS):
        kind = Kind.READ
    else:
        kind = Kind.DELETE if method == "DELETE" else Kind.WRITE
    return Lane(found.group(1) if found else "", kind, providers[-1] if providers else "")


@attrs.define(kw_only=True)
class Permit:
    """One write that may leave without waiting: its rate limit was waited for in advance.

    Attributes:
        ticket: What the rate limiter gave for it.
        is_used: Whether the write has been sent.
    """

    gate: Gate
    lane: Lane
    method: str
    ticket: int
    is_used: bool = False

    def take(self, gate: Gate, lane: Lane, method: str) -> int | None:
        """The ticket, once, for a request of the same kind; None for any other request."""
        if self.is_used or self.gate is not gate or (self.lane, self.method) != (lane, method):
            return None
        self.is_used = True
        return self.ticket


_PERMIT: ContextVar[Permit | None] = ContextVar("defender_remediate_write_permit", default=None)


@contextmanager
def write_permit(gate: Gate, method: str, url: str) -> Iterator[None]:
    """Wait now for what a write would wait for, so that nothing comes between the read of its target and the write.

    The next request of this thread with the same method, subscription and kind leaves at once. Reads inside wait as
    always. A permit that was not used is given back.

    Raises:
        ThrottledError: Azure asked to wait longer than is worth waiting; nothing was sent.
    """
    lane = lane_of(method, url)
    permit = Permit(gate=gate, lane=lane, method=method, ticket=gate.enter(lane))
    token = _PERMIT.set(permit)
    try:
        yield
    finally:
        _PERMIT.reset(token)
        if not permit.is_used:
            gate.give_back(lane)


def permitted(gate: Gate, lane: Lane, method: str) -> int:
    """The ticket of a request: of the permit that this thread holds for it, else a new one, which is waited for."""
    permit = _PERMIT.get()
    ticket = permit.take(gate, lane, method) if permit else None
    return gate.enter(lane) if ticket is None else ticket


class Gate:
    """Lets requests leave at the pace that Azure allows. Shared by all threads of a client."""

    def __init__(self, clock: Clock, limits: Mapping[Kind, Limit] | None = None) -> None:
        self._clock = clock
        self._limits = limits or LIMITS
        self._lock = threading.Lock()
        self._allowances: dict[Lane, Allowance] = {}
        self._closed_providers: dict[tuple[Lane, str], float] = {}

    def enter(self, lane: Lane) -> int:
        """Wait until a request of this lane may leave; gives its ticket.

        Raises:
            ThrottledError: Azure closed the lane for longer than is worth waiting; nothing was sent.
        """
        with self._lock:
            allowance = self._at(lane, self._clock.monotonic())
            ticket = allowance.issued + 1
            self._allowances[lane] = attrs.evolve(allowance, issued=ticket)
        while (seconds := self._wait(lane, ticket)) > 0:
            self._clock.sleep(max(seconds, _SHORTEST_SLEEP))
        return ticket

    def give_back(self, lane: Lane) -> None:
        """Let another request leave in place of one that was let through and was not sent."""
        with self._lock:
            allowance = self._at(lane, self._clock.monotonic())
            most = min(float(allowance.issued), allowance.allowed) + self._limits[lane.kind].size
            self._allowances[lane] = attrs.evolve(allowance, allowed=min(allowance.allowed + 1, most))

    def learn(self, lane: Lane, ticket: int, headers: Mapping[str, str]) -> None:
        """Take in what an answer says is left."""
        remaining = _remaining(lane, headers)
        if remaining is None:
            return
        with self._lock:
            now = self._clock.monotonic()
            allowance = corrected(self._at(lane, now), ticket, remaining)
            ends_in = _window_left(headers) if lane.kind is Kind.GRAPH else None
            if ends_in is not None:
                allowance = attrs.evolve(allowance, at=now + ends_in - self._limits[lane.kind].window)
            self._allowances[lane] = allowance

    def close(self, lane: Lane, seconds: float, *, provider: str = "") -> None:
        """Let nothing of this lane leave for so many seconds; with ``provider`` only what goes to that provider."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            if provider:
                key = (lane, provider)
                self._closed_providers[key] = max(until, self._closed_providers.get(key, until))
            else:
                allowance = self._at(lane, self._clock.monotonic())
                self._allowances[lane] = attrs.evolve(allowance, closed_until=max(until, allowance.closed_until))

    def _at(self, lane: Lane, now: float) -> Allowance:
        limit = self._limits[lane.kind]
        return refilled(self._allowances.get(lane) or Allowance(allowed=float(limit.size), at=now), limit, now)

    def _wait(self, lane: Lane, ticket: int) -> float:
        with self._lock:
            now = self._clock.monotonic()
            allowance = self._allowances[lane] = self._at(lane, now)
            closed = max(allowance.closed_until, self._closed_providers.get((lane, lane.provider), now)) - now
            seconds = max(closed, wait_for_ticket(allowance, self._limits[lane.kind], ticket, now))
        if closed > LONGEST_WAIT:
            raise ThrottledError(
                f"Azure asked to send no {lane.kind.value} of {lane.subscription or 'this tenant'} for {closed:.0f} s",
                status=429,
                code="GateClosed",
                retry_after=closed,
                hint="this request was not sent; come back after retry_after seconds",
            )
        return seconds if seconds > 1e-6 else 0.0


def _remaining(lane: Lane, headers: Mapping[str, str]) -> int | None:
    if lane.kind is Kind.GRAPH:
        names = ["x-ms-user-quota-remaining"]
    else:
        level = "subscription" if lane.subscription else "tenant"
        names = [f"x-ms-ratelimit-remaining-{level}-{part}{lane.kind.value}" for part in ("", "global-")]
    found = [int(text) for name in names if (text := str(headers.get(name, "")).strip()).isdecimal()]
    return min(found, default=None)


def _window_left(headers: Mapping[str, str]) -> float | None:
    return seconds_of(headers.get("x-ms-user-quota-resets-after"))


def seconds_of(text: Any) -> float | None:
    """Seconds in a text of the form ``hh:mm:ss``; None for anything else."""
    found = re.fullmatch(r"\s*(\d+):(\d\d):(\d\d(?:\.\d+)?)\s*", str(text))
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None
