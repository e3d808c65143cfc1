"""Going back: a snapshot holds all that a tenant is, also what is under way."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

ACCOUNTS = "Microsoft.Storage/storageAccounts"
VERSION = "2025-08-01"


def seen(call: Any) -> list[Any]:
    """What a client sees of a tenant."""
    sub = call.sim.scopes[0]
    return [
        call.get(f"{sub}/resources", "2021-04-01", expand="createdTime,changedTime"),
        call.get(f"{sub}/providers/Microsoft.Security/assessments", "2021-06-01"),
        call.get(f"{sub}/providers/Microsoft.Security/secureScores", "2020-01-01"),
        call.get(f"{sub}/providers/Microsoft.Authorization/locks", "2020-05-01"),
        call.sim.clock.now(),
    ]


def test_a_snapshot_can_be_restored_as_often_as_wanted(ask: Any) -> None:
    """Whatever happens in between, by clients, controls or time, is undone; clients and controls go on working."""
    sim = ask.sim
    account = sim.resources.list_ids(ACCOUNTS)[0]
    before, taken = seen(ask), sim.snapshot()
    for _ in range(2):
        assert ask("PATCH", f"{account}?api-version={VERSION}", json={"tags": {"a": "b"}}).status_code == 200
        sim.resources.remove(sim.resources.list_ids(ACCOUNTS)[1])
        sim.access.lock(account)
        sim.faults.fail("GET", status=500, times=None)
        sim.resources.add_subscription()
        sim.clock.sleep(4000)
        sim.restore(taken)
        assert seen(ask) == before
    with pytest.raises(InvalidInputError, match="snapshot must be one"):
        ArmSimulator().restore(taken)


@pytest.mark.parametrize("end", ["Succeeded", "Failed"])
def test_an_operation_under_way_ends_again_after_a_restore(ask: Any, end: str) -> None:
    """A restored operation changes the restored resource, not the one that was there when it started."""
    sim = ask.sim
    account = sim.resources.list_ids(ACCOUNTS)[0]
    sim.faults.slow(ACCOUNTS, seconds=60, ends=end)
    started = ask("PATCH", f"{account}?api-version={VERSION}", json={"tags": {"a": "b"}})
    taken = sim.snapshot()
    status = started.headers["Azure-AsyncOperation"]
    for _ in range(2):
        assert ask("GET", status).json()["status"] == "InProgress"
        sim.clock.sleep(61)
        assert ask("GET", status).json()["status"] == end
        assert (sim.resources.get(account).get("tags") == {"a": "b"}) is (end == "Succeeded")
        assert ask("PATCH", f"{account}?api-version={VERSION}", json={"tags": {"c": "d"}}).status_code < 300
        sim.restore(taken)
        assert sim.resources.get(account)["properties"]["provisioningState"] == "Updating"


def test_a_deployment_under_way_goes_on_after_a_restore(ask: Any) -> None:
    """Functions that refer to themselves are copied, too."""
    sim = ask.sim
    group = sim.resources.list_ids(ACCOUNTS)[0].partition("/providers/")[0]
    template = {"$schema": "x", "contentVersion": "1.0.0.0", "resources": []}
    path = f"{group}/providers/Microsoft.Resources/deployments/d?api-version=2021-04-01"
    body = {"properties": {"mode": "Incremental", "template": template}}
    assert ask("PUT", path, json=body).status_code == 201
    taken = sim.snapshot()
    for _ in range(2):
        assert ask("GET", path).json()["properties"]["provisioningState"] == "Running"
        sim.clock.sleep(600)
        assert ask("GET", path).json()["properties"]["provisioningState"] == "Succeeded"
        sim.restore(taken)


def test_a_preview_under_way_goes_on_after_a_restore(ask: Any) -> None:
    """Functions that refer to nothing are the same in a copy."""
    group = ask.sim.resources.list_ids(ACCOUNTS)[0].partition("/providers/")[0]
    path = f"{group}/providers/Microsoft.Resources/deployments/d/whatIf?api-version=2021-04-01"
    template = {"$schema": "x", "contentVersion": "1.0.0.0", "resources": []}
    started = ask("POST", path, json={"properties": {"mode": "Incremental", "template": template}})
    assert started.status_code == 202
    ask.sim.restore(ask.sim.snapshot())
    ask.sim.clock.sleep(600)
    assert ask("GET", started.headers["Location"]).json()["status"] == "Succeeded"
