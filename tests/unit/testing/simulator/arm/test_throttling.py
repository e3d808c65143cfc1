"""The published limits, on virtual time."""

from __future__ import annotations

from typing import Any

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.arm.throttling import Quota

STORAGE = "2025-08-01"


def test_a_bucket_of_writes_empties_and_fills_again(sim: ArmSimulator, call: Any, word: Any, account: str) -> None:
    """200 at once, ten more each second; the headers count down; reads are another bucket."""

    def write() -> Any:
        return call("PATCH", f"{account}?api-version={STORAGE}", json={"tags": {}})

    first = write()
    assert first.headers["x-ms-ratelimit-remaining-subscription-writes"] == "199"
    assert first.headers["x-ms-ratelimit-remaining-subscription-global-writes"] == "2999"
    for _ in range(199):
        last = write()
    assert last.headers["x-ms-ratelimit-remaining-subscription-writes"] == "0"
    refused = write()
    assert (refused.status_code, word(refused)) == (429, "SubscriptionRequestsThrottled")
    assert refused.headers["Retry-After"] == "1"
    assert "'write' requests" in refused.text()
    assert call("GET", f"{account}?api-version={STORAGE}").status_code == 200
    sim.clock.advance(0.5)
    assert write().status_code == 429  # too early: the wait begins again
    sim.clock.advance(0.6)
    assert write().status_code == 429
    sim.clock.advance(1)
    assert write().status_code == 200


def test_each_class_has_its_bucket(sim: ArmSimulator, call: Any, word: Any, account: str, scope: str) -> None:
    """Deletes, reads, and calls without a subscription."""
    sim.faults.drain(scope, "deletes")
    assert word(call("DELETE", f"{account}?api-version={STORAGE}")) == "SubscriptionRequestsThrottled"
    sim.faults.drain("", "reads")
    response = call("GET", "/subscriptions?api-version=2022-12-01")
    assert (response.status_code, word(response)) == (429, "TenantRequestsThrottled")
    assert response.headers["x-ms-ratelimit-remaining-tenant-reads"] == "0"
    sim.faults.drain(scope)
    sim.faults.throttle(enabled=False)
    assert call("PATCH", f"{account}?api-version={STORAGE}", json={"tags": {}}).status_code == 200
    sim.faults.throttle()
    assert call("PATCH", f"{account}?api-version={STORAGE}", json={"tags": {}}).status_code == 429


def test_a_quota_resets_as_a_whole() -> None:
    """A window, not a bucket."""
    quota = Quota(size=2, seconds=5)
    assert [quota.take(0.0), quota.take(4.0), quota.take(4.5)] == [(1, 5.0), (0, 1.0), (-1, 1.0)]
    assert quota.take(5.0) == (1, 5.0)
