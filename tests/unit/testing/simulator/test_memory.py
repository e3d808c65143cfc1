"""A server that runs for days keeps the newest of what it records and forgets the oldest."""

from __future__ import annotations

import pytest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.arm import operations
from defender_remediate.testing.simulator.graph import change_records
from defender_remediate.testing.simulator.monitor import state

ACCOUNTS = "Microsoft.Storage/storageAccounts"


def test_records_and_operations_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest events and changes can still be read, and the ids of changes stay different."""
    monkeypatch.setattr(state, "MOST_RECORDS", 20)
    monkeypatch.setattr(change_records, "MOST_RECORDS", 20)
    monkeypatch.setattr(operations, "MOST_OPERATIONS", 5)
    sim = ArmSimulator()
    group = f"{sim.resources.add_subscription()}/resourceGroups/rg"
    account = sim.resources.add({"id": f"{group}/providers/{ACCOUNTS}/shopdata", "location": "westeurope"})
    sim.faults.slow(ACCOUNTS, seconds=1)
    with sim.open_session() as session:
        for number in range(60):
            url = f"{sim.endpoint}{account}?api-version=2023-05-01"
            answer = session.patch(url, json={"tags": {"a": str(number)}})
            sim.clock.advance(2)
        assert session.get(answer.headers["Azure-AsyncOperation"]).json()["status"] == "Succeeded"
    sim.clock.advance(3_600)
    tenant = sim._service.tenant
    events, changes = list(tenant.activity.visible()), list(tenant.changes.visible())
    assert max(len(events), len(changes), len(tenant.operations._known)) <= 20
    assert changes[-1].after is not None
    assert changes[-1].after["tags"] == {"a": "59"}
    assert len({one.id for one in changes}) == len(changes)
