"""A plan that was put together by hand removes nothing but what the run it undoes has created."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate import MemoryJournal, RemediationClient
from defender_remediate.errors import PlanError, UnknownRunError
from defender_remediate.models import PlannedRequest
from defender_remediate.testing import ArmSimulator

KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
WHY = {"removal": "CHG-9: the trial is over"}


@pytest.mark.parametrize(
    "forge",
    [
        lambda step, account: attrs.evolve(step, target_id=account, request=_delete(account)),
        lambda step, account: attrs.evolve(step, request=_delete(account)),
        lambda step, account: attrs.evolve(step, fingerprint="0" * 64),
        lambda step, account: attrs.evolve(step, compliant_when=attrs.evolve(step.compliant_when, path="x")),
    ],
    ids=["another target", "another path", "another state", "another proof"],
)
def test_a_plan_made_by_hand_removes_nothing_else(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str], forge: Callable[..., Any]
) -> None:
    """Approval does not change that: only the journal of the run says what may be removed."""
    client = connect(journal=MemoryJournal())
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).limit(1)
    report = client.apply(plan, approve=plan.digest)
    undo = client.plan_rollback(report.run_id, remove=client.plan_rollback(report.run_id).removable)
    forged = attrs.evolve(undo, steps=(forge(undo.steps[0], accounts[0]),))
    writes = len(sim.writes)
    with pytest.raises(PlanError):
        client.apply(forged, approve=forged.digest, waive=WHY)
    not_of_a_run = attrs.evolve(undo, rolls_back="")
    with pytest.raises(PlanError):
        client.apply(not_of_a_run, approve=not_of_a_run.digest, waive=WHY)
    elsewhere = attrs.evolve(undo, rolls_back="00000000-0000-4000-8000-000000000000")
    with pytest.raises(UnknownRunError):
        client.apply(elsewhere, approve=elsewhere.digest, waive=WHY)
    assert len(sim.writes) == writes


def _delete(path: str) -> PlannedRequest:
    return PlannedRequest(method="DELETE", path=path, api_version="2023-05-01", body={})
