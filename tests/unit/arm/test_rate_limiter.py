"""Pacing: the arithmetic, and the limiter that threads share."""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defender_remediate.arm.rate_limiter import BucketKey, RateLimiter, bucket_of, duration
from defender_remediate.arm.token_bucket import TokenBucket
from defender_remediate.arm.write_permit import permitted
from defender_remediate.errors import InvalidInputError, ThrottledError
from defender_remediate.limits import LIMITS, PROVIDER_LIMITS, Limit, RequestKind
from defender_remediate.pauses import wait_out
from defender_remediate.testing.simulator.state.clock import VirtualClock

BUCKET = Limit(size=200, per_second=10.0)
WINDOW = Limit(size=15, window=5.0)
WRITES = BucketKey("s", RequestKind.WRITE, "microsoft.storage")
GRAPH = BucketKey(None, RequestKind.GRAPH)

limits = st.one_of(
    st.builds(Limit, size=st.integers(1, 300), per_second=st.floats(0.5, 100)),
    st.builds(Limit, size=st.integers(1, 50), window=st.floats(0.5, 60)),
)


def departures(limit: Limit, count: int) -> list[float]:
    """When so many requests leave that all want to leave at once, by the pure functions alone."""
    allowance, now, times = TokenBucket(allowed=float(limit.size), at=0.0, issued=count), 0.0, []
    for ticket in range(1, count + 1):
        while (seconds := allowance.seconds_until(ticket, limit, now)) > 1e-9:
            now += seconds
            allowance = allowance.refilled(limit, now)
        times.append(now)
    return times


@given(limits, st.integers(1, 400))
def test_no_stretch_of_time_gets_more_than_the_limit(limit: Limit, count: int) -> None:
    """A bucket's size and what comes back meanwhile; twice a window's size where two windows meet."""
    times = departures(limit, count)
    assert times == sorted(times)
    for first in range(0, count, 7):
        for last in range(first, count, 11):
            span = times[last] - times[first]
            most = limit.size + limit.per_second * span if not limit.window else limit.size * (2 + span // limit.window)
            assert last - first + 1 <= most + 1.001


def test_a_thousand_writes_take_eighty_seconds() -> None:
    """The published floor: 200 at once, then 10 a second."""
    assert departures(BUCKET, 1000)[-1] == pytest.approx(80.0)


def test_a_window_comes_back_as_a_whole() -> None:
    """Fifteen queries every five seconds, not three a second."""
    assert departures(WINDOW, 31) == [0.0] * 15 + [5.0] * 15 + [10.0]


@given(limits, st.floats(0, 1000), st.floats(0, 1000))
def test_time_only_adds(limit: Limit, first: float, second: float) -> None:
    """And never beyond the limit, however long nothing was sent."""
    start = TokenBucket(allowed=0.0, at=0.0, issued=5)
    early, late = sorted((first, second))
    assert start.refilled(limit, early).allowed <= start.refilled(limit, late).allowed <= limit.size
    assert start.refilled(limit, -1.0) == start


@given(limits, st.integers(1, 500), st.integers(0, 499), st.integers(0, 500), st.booleans())
def test_an_answer_corrects_between_what_it_proves_and_what_is_likely(
    limit: Limit, ticket: int, answered: int, remaining: int, is_own: bool
) -> None:
    """A bucket is never lower than what Azure has counted and what remains, nor higher than what is likely to remain."""
    before = TokenBucket(allowed=250.0, at=0.0, issued=500, answered=answered)
    after = before.corrected(ticket, min(ticket - 1, answered), remaining, is_own=is_own)
    proven = min(ticket - 1, answered) + 1 + remaining
    assert after.allowed <= max(ticket, answered, proven - remaining) + remaining or after.allowed == before.allowed
    assert after.allowed >= min(proven, before.allowed)
    if is_own:
        assert after.allowed >= proven
        assert after.refilled(limit, 1e6).allowed - after.sent >= remaining
    else:
        assert after.allowed <= before.allowed


def test_a_closed_lane_waits_for_its_hour() -> None:
    """Even when tickets are left."""
    closed = TokenBucket(allowed=200.0, at=0.0, paused_until=30.0)
    assert closed.seconds_until(1, BUCKET, 10.0) == 20.0
    assert closed.seconds_until(1, BUCKET, 30.0) == 0.0


@pytest.mark.parametrize(
    ("method", "url", "lane"),
    [
        (
            "GET",
            "https://h/subscriptions/S1/resourceGroups/g/providers/Microsoft.Web/sites/x",
            BucketKey("s1", RequestKind.READ),
        ),
        ("HEAD", "https://h/subscriptions/s1", BucketKey("s1", RequestKind.READ)),
        ("PATCH", "https://h/subscriptions/s1/x", BucketKey("s1", RequestKind.WRITE)),
        ("PUT", "https://h/SUBSCRIPTIONS/s1/x", BucketKey("s1", RequestKind.WRITE)),
        (
            "POST",
            "https://h/subscriptions/s1/providers/Microsoft.Resources/deployments/d/whatIf",
            BucketKey("s1", RequestKind.WRITE),
        ),
        (
            "POST",
            "https://h/subscriptions/s1/providers/Microsoft.Authorization/checkAccess?x",
            BucketKey("s1", RequestKind.READ),
        ),
        (
            "POST",
            "https://h/providers/Microsoft.ResourceGraph/resources?api-version=1",
            BucketKey(None, RequestKind.GRAPH),
        ),
        ("DELETE", "https://h/subscriptions/s1/x", BucketKey("s1", RequestKind.DELETE)),
        ("GET", "https://h/providers/Microsoft.Security/assessmentMetadata", BucketKey(None, RequestKind.READ)),
    ],
)
def test_what_azure_counts_together(method: str, url: str, lane: BucketKey) -> None:
    """By subscription and kind of request; every other POST counts as a write."""
    assert bucket_of(method, url) == lane


def test_the_provider_is_that_of_the_resource() -> None:
    """The last one in the path: an extension is served by its own provider."""
    url = "https://h/subscriptions/s/providers/Microsoft.Web/sites/x/providers/Microsoft.Insights/diagnosticSettings/d"
    assert bucket_of("PUT", url).provider == "microsoft.insights"
    assert bucket_of("GET", "https://h/subscriptions/s").provider is None


def test_the_first_requests_do_not_wait(clock: VirtualClock) -> None:
    """The next one waits for its token."""
    limiter = RateLimiter(clock)
    for _ in range(200):
        limiter.acquire(WRITES)
    assert clock.monotonic() == 0
    limiter.acquire(WRITES)
    assert clock.monotonic() == pytest.approx(0.1, abs=0.002)


def test_lanes_do_not_wait_for_each_other(clock: VirtualClock) -> None:
    """Another subscription, and another kind of request, have their own tokens."""
    limiter = RateLimiter(clock, {**LIMITS, RequestKind.WRITE: Limit(size=1, per_second=0.01)})
    limiter.acquire(WRITES)
    limiter.acquire(BucketKey("other", RequestKind.WRITE))
    limiter.acquire(BucketKey("s", RequestKind.READ))
    assert clock.monotonic() == 0


def test_what_is_left_is_believed_when_it_is_less(clock: VirtualClock) -> None:
    """Another program uses the same identity."""
    limiter = RateLimiter(clock)
    ticket = limiter.acquire(WRITES)
    limiter.update(WRITES, ticket, {"x-ms-ratelimit-remaining-subscription-writes": "0"})
    limiter.acquire(WRITES)
    assert clock.monotonic() == pytest.approx(0.1, abs=0.002)


@pytest.mark.parametrize(
    ("lane", "headers", "seconds"),
    [
        (WRITES, {"x-ms-ratelimit-remaining-subscription-global-writes": "0"}, 0.1),
        (WRITES, {"x-ms-ratelimit-remaining-subscription-writes": "11999"}, 0),
        (WRITES, {"x-ms-ratelimit-remaining-subscription-writes": "many"}, 0),
        (WRITES, {"x-ms-ratelimit-remaining-subscription-reads": "0"}, 0),
        (BucketKey(None, RequestKind.READ), {"x-ms-ratelimit-remaining-tenant-reads": "0"}, 0.04),
        (GRAPH, {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:02"}, 2),
        (GRAPH, {"x-ms-user-quota-remaining": "0"}, 5),
    ],
)
def test_each_lane_reads_its_own_header(
    clock: VirtualClock, lane: BucketKey, headers: dict[str, str], seconds: float
) -> None:
    """The subscription-wide limit too, and for Resource Graph when its window ends."""
    limiter = RateLimiter(clock)
    limiter.update(lane, limiter.acquire(lane), headers)
    limiter.acquire(lane)
    assert clock.monotonic() == pytest.approx(seconds, abs=0.002)


def test_a_closed_limiter_holds_everybody(clock: VirtualClock) -> None:
    """All workers of the lane wait for the same moment; a shorter wait does not open it earlier."""
    limiter = RateLimiter(clock)
    limiter.pause(WRITES, 10)
    limiter.pause(WRITES, 3)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(limiter.acquire, [WRITES] * 4))
    assert clock.monotonic() == pytest.approx(10, abs=0.01)


def test_a_provider_is_closed_alone(clock: VirtualClock) -> None:
    """What goes to another provider of the same subscription does not wait."""
    limiter = RateLimiter(clock)
    limiter.pause(WRITES, 10, provider="microsoft.storage")
    limiter.pause(WRITES, 3, provider="microsoft.storage")
    limiter.acquire(BucketKey("s", RequestKind.WRITE, "microsoft.web"))
    assert clock.monotonic() == 0
    limiter.acquire(WRITES)
    assert clock.monotonic() == pytest.approx(10, abs=0.01)


def test_nobody_waits_an_hour_at_the_limiter(clock: VirtualClock) -> None:
    """The caller is told at once, with how long it is; the request was not sent."""
    limiter = RateLimiter(clock)
    limiter.pause(WRITES, 3600)
    with pytest.raises(ThrottledError) as caught:
        limiter.acquire(WRITES)
    assert caught.value.retry_after == 3600
    assert caught.value.code == "RateLimiterPaused"
    limiter.pause(BucketKey(None, RequestKind.DELETE), 3600)
    with pytest.raises(ThrottledError, match="this tenant"):
        limiter.acquire(BucketKey(None, RequestKind.DELETE))


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:00:05", 5.0), ("01:02:03.5", 3723.5), ("5", None), ("", None), (None, None)]
)
def test_times_of_the_day(text: str | None, seconds: float | None) -> None:
    """Resource Graph writes seconds so."""
    assert duration(text) == seconds


def test_threads_together_keep_the_pace(clock: VirtualClock) -> None:
    """However many they are, no more leave than one thread would send."""
    limiter = RateLimiter(clock)
    with ThreadPoolExecutor(16) as pool:
        tickets = list(pool.map(limiter.acquire, [WRITES] * 400))
    assert sorted(tickets) == list(range(1, 401))
    assert clock.monotonic() >= 20.0 - 0.01
    assert math.isfinite(clock.monotonic())


class Server:
    """A server that keeps a bucket of its own, which a client can only learn from the answers."""

    def __init__(self, clock: VirtualClock, limit: Limit | None, *, has_headers: bool) -> None:
        self.clock = clock
        self.limit = limit
        self.has_headers = has_headers
        self.level = float(limit.size) if limit else math.inf
        self.at = 0.0
        self.refused = self.served = 0

    def take(self, tokens: int = 1) -> tuple[bool, dict[str, str]]:
        """Whether a request is served, and the headers of the response."""
        now = self.clock.monotonic()
        if self.limit is not None:
            self.level = min(self.limit.size, self.level + (now - self.at) * self.limit.per_second)
        self.at = now
        is_served = self.level >= tokens
        self.level -= tokens if is_served else 0
        remaining = 199 if self.limit is None else int(self.level)
        headers = {"x-ms-ratelimit-remaining-subscription-writes": str(remaining)} if self.has_headers else {}
        self.served += is_served
        self.refused += not is_served
        return is_served, headers


def send(limiter: RateLimiter, server: Server, count: int, *, together: int = 1) -> float:
    """Send requests until so many were served, so many of them under way at once; gives the virtual time that it took."""
    started = server.clock.monotonic()
    while server.served < count:
        tickets = [limiter.acquire(WRITES) for _ in range(min(together, count - server.served))]
        for ticket in reversed(tickets):
            is_served, headers = server.take()
            limiter.update(WRITES, ticket, headers, is_refused=not is_served)
            if not is_served:
                limiter.pause(WRITES, 1.0)
    return server.clock.monotonic() - started


@settings(max_examples=6)
@given(st.integers(20, 400), st.floats(2, 60), st.integers(1, 8))
def test_the_headers_of_any_bucket_are_followed(size: int, rate: float, together: int) -> None:
    """Few requests are refused, and at most a fifth of the time is lost while the limiter learns, for a bucket of any size and rate."""
    clock = VirtualClock()
    server = Server(clock, Limit(size=size, per_second=rate), has_headers=True)
    seconds = send(RateLimiter(clock), server, 600, together=together)
    floor = max(0.0, (600 - size) / rate)
    assert server.refused <= 2 * together + 25
    assert seconds <= floor * 1.2 + (together + 2) / rate + 1.5


@pytest.mark.parametrize("has_headers", [True, False])
def test_a_server_without_limits_is_not_paced(has_headers: bool, clock: VirtualClock) -> None:
    """A remaining number that does not fall, and the success of requests beyond the estimate, open the bucket."""
    server = Server(clock, None, has_headers=has_headers)
    assert send(RateLimiter(clock), server, 2000, together=16) < 5.0
    assert server.refused == 0


def test_without_headers_the_published_limit_is_found_again(clock: VirtualClock) -> None:
    """A few requests are refused in the attempt to send more than Azure allows, and none of the time is lost."""
    server = Server(clock, BUCKET, has_headers=False)
    seconds = send(RateLimiter(clock), server, 2000, together=8)
    assert server.refused <= 12
    assert seconds <= 180 * 1.03


def test_another_client_of_the_same_principal_is_no_storm(clock: VirtualClock) -> None:
    """What others take is seen in the headers, so that few requests are refused."""
    server, limiter = Server(clock, BUCKET, has_headers=True), RateLimiter(clock)
    refused = 0
    for number in range(400):
        if number % 2:
            server.take()
            server.served -= 1
        before = server.refused
        send(limiter, server, server.served + 1)
        refused += server.refused - before
    assert refused <= 5


def test_a_provider_that_refused_is_held_to_its_own_limit_for_a_while(clock: VirtualClock) -> None:
    """After the pause its requests come at the published rate of the provider; a minute later it is as before."""
    limiter = RateLimiter(clock)
    limiter.pause(WRITES, 10, provider="microsoft.storage")
    for _ in range(21):
        limiter.acquire(WRITES)
    assert clock.monotonic() == pytest.approx(12.0, abs=0.1)
    limiter.acquire(BucketKey("s", RequestKind.WRITE, "microsoft.web"))
    clock.advance(120)
    started = clock.monotonic()
    for _ in range(50):
        limiter.acquire(WRITES)
    assert clock.monotonic() == started
    limiter.pause(BucketKey("s", RequestKind.READ, "microsoft.x"), 5, provider="microsoft.x")
    for _ in range(3):
        limiter.acquire(BucketKey("s", RequestKind.READ, "microsoft.x"))
    assert clock.monotonic() == pytest.approx(started + 5, abs=0.01)


def test_a_request_without_an_answer_corrects_nothing(clock: VirtualClock) -> None:
    """A broken connection says nothing of a limit."""
    limiter = RateLimiter(clock)
    for _ in range(200):
        limiter.update(WRITES, limiter.acquire(WRITES), None)
    limiter.acquire(WRITES)
    assert clock.monotonic() == pytest.approx(0.1, abs=0.002)


def test_a_try_that_is_not_sent_does_not_end_the_tries(clock: VirtualClock) -> None:
    """The ticket of a write that turned out not to be needed is given back, and another request takes its place."""
    server, limiter = Server(clock, None, has_headers=False), RateLimiter(clock)
    send(limiter, server, 205)
    for _ in range(3):
        with wait_out(permitted(limiter, "PATCH", "https://h/subscriptions/s/x"), clock.sleep):
            pass
    assert send(limiter, server, 1500) < 5.0


def test_a_provider_that_says_that_nothing_remains_is_not_asked_on(clock: VirtualClock) -> None:
    """Compute tells it for each of its policies; other providers of the subscription go on."""
    limiter = RateLimiter(clock)
    compute = BucketKey("s", RequestKind.WRITE, "microsoft.compute")
    told = {"x-ms-ratelimit-remaining-resource": "Microsoft.Compute/PutVM3Min;0, Microsoft.Compute/PutVM30Min;1199"}
    limiter.update(compute, limiter.acquire(compute), told)
    limiter.acquire(WRITES)
    assert clock.monotonic() == 0.0
    limiter.acquire(compute)
    assert clock.monotonic() == pytest.approx(1.0, abs=0.01)
    for harmless in ("Microsoft.Compute/PutVM3Min;10", "x;0;y", ""):
        limiter.update(compute, limiter.acquire(compute), {"x-ms-ratelimit-remaining-resource": harmless})
    started = clock.monotonic()
    limiter.acquire(compute)
    assert clock.monotonic() == started


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0, "per_second": 1.0},
        {"size": -5, "window": 5.0},
        {"size": True, "window": 5.0},
        {"size": 2.5, "per_second": 1.0},
        {"size": 10},
        {"size": 10, "per_second": 1.0, "window": 5.0},
        {"size": 10, "per_second": -1.0},
        {"size": 10, "per_second": math.nan},
        {"size": 10, "window": math.inf},
        {"size": 10, "window": "5"},
    ],
)
def test_a_limit_that_is_not_positive_is_refused(wrong: dict[str, Any]) -> None:
    """Nothing would ever be sent, or nothing would ever be held back."""
    with pytest.raises(InvalidInputError):
        Limit(**wrong)


def test_every_limit_of_a_provider_has_a_source_and_a_pace() -> None:
    """Spread over its time, it allows no more than what is published."""
    for limit in PROVIDER_LIMITS:
        assert limit.source.startswith("https://learn.microsoft.com/")
        assert limit.pace.size <= limit.requests
        assert limit.pace.per_second * limit.seconds == pytest.approx(limit.requests)


@settings(max_examples=12, derandomize=True)
@given(
    limit=st.builds(Limit, size=st.integers(3, 250), per_second=st.floats(0.5, 50)),
    count=st.integers(1, 500),
    travel=st.floats(0.0, 0.4),
)
def test_published_limits_are_used_up_and_never_exceeded(limit: Limit, count: int, travel: float) -> None:
    """Every request that waits leaves at the moment of its token: nothing is refused, and no token stays unused."""
    clock = VirtualClock()
    server, limiter = Server(clock, limit, has_headers=True), RateLimiter(clock, {RequestKind.WRITE: limit})
    under_way: deque[tuple[float, int, dict[str, str]]] = deque()
    last = 0.0

    def sleep(seconds: float) -> None:
        until = clock.monotonic() + seconds
        while under_way and under_way[0][0] <= until:
            at, ticket, told = under_way.popleft()
            clock.sleep_until(at)
            limiter.update(WRITES, ticket, told)
        clock.sleep_until(until)

    for _ in range(count):
        ticket = limiter.acquire(WRITES, sleep=sleep)
        is_served, headers = server.take()
        assert is_served
        last = clock.monotonic()
        under_way.append((last + travel, ticket, headers))
    floor = max(0.0, (count - limit.size) / limit.per_second)
    # An answer that takes long, and the fraction that it does not tell, cost a token or two.
    assert last <= floor + 0.002 * count + travel + 2.5 / limit.per_second
