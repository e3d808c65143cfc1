"""A write permit: the rate limit is waited for before the target is read, not between the read and the write."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import ThrottledError
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.testing.simulator.state.clock import VirtualClock

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"
PUT = PlannedRequest(method="PUT", path=ACCOUNT, api_version="1", body={"a": 1})
EXHAUSTED = {"x-ms-ratelimit-remaining-subscription-writes": "0"}
THROTTLED = {"error": {"code": "SubscriptionRequestsThrottled"}}


def test_the_wait_happens_before_the_read(session: ArmSession, azure: Any, clock: VirtualClock) -> None:
    """After another worker's 429 the target is read after the pause, and the write follows at once (security F1)."""
    azure.then(429, THROTTLED, {"Retry-After": "60"}).then(200, {"id": ACCOUNT})
    with pytest.raises(ThrottledError):
        session.send(PUT)
    with session.write_permit("PUT", ACCOUNT):
        entered = clock.monotonic()
        session.get(ACCOUNT, api_version="1")
        session.send(PUT)
    assert entered == pytest.approx(60, abs=0.01)
    assert azure.times[1:] == [entered, entered]


def test_an_exhausted_bucket_is_waited_for_on_entering(session: ArmSession, azure: Any) -> None:
    """The second write of the same block is a new request, and waits as usual."""
    azure.then(200, {}, EXHAUSTED)
    session.send(PUT)
    with session.write_permit("PUT", ACCOUNT):
        session.send(PUT)
        session.send(PUT)
    assert azure.times == [0.0, pytest.approx(0.1, abs=0.01), pytest.approx(0.2, abs=0.01)]


def test_a_429_on_the_permitted_write_pauses_everybody(session: ArmSession, azure: Any) -> None:
    """The permit skips the wait, not what the answer says."""
    azure.then(429, THROTTLED, {"Retry-After": "7"}).then(200, {})
    with pytest.raises(ThrottledError), session.write_permit("PUT", ACCOUNT):
        session.send(PUT)
    session.correlated("other").send(PUT)
    assert azure.times == [0.0, pytest.approx(7.0, abs=0.01)]


def test_an_unused_permit_is_given_back(session: ArmSession, azure: Any, clock: VirtualClock) -> None:
    """Blocks that write nothing, because the target drifted, do not use up what writes may leave."""
    azure.then(200, {})
    for _ in range(500):
        with session.write_permit("PUT", ACCOUNT):
            session.get(ACCOUNT, api_version="1") if len(azure.requests) < 3 else None
    session.send(PUT)
    assert clock.monotonic() == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", ACCOUNT),
        ("PUT", "/subscriptions/other/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"),
    ],
)
def test_a_permit_is_for_its_own_kind_of_write(session: ArmSession, azure: Any, method: str, path: str) -> None:
    """A write with another method or to another subscription waits for itself."""
    azure.then(200, {}, EXHAUSTED)
    session.send(PlannedRequest(method=method, path=path, api_version="1", body={"a": 1}))
    with session.write_permit("PUT", ACCOUNT):
        before = azure.times[-1]
        session.send(PlannedRequest(method=method, path=path, api_version="1", body={"a": 1}))
    assert azure.times[-1] > before
