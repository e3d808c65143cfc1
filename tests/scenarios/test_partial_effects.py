"""A change that Azure reports as failed, wholly or in part, is told from one that had no effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate import Catalog, MemoryJournal, Outcome, RemediationClient, RemediationResult
from defender_remediate.arm.session import ArmResponse
from defender_remediate.errors import BusyError, OperationFailedError, RemediationFailedError
from defender_remediate.executors import PatchExecutor, StepContext
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"


class Failing(PatchExecutor):
    """Reports that the operation failed, after something was done to the target."""

    def __init__(self, sim: ArmSimulator, change: dict[str, Any] | None, error: Exception, times: int = 1) -> None:
        self.sim, self.change, self.error, self.times = sim, change, error, times

    def wait(self, context: StepContext, /) -> ArmResponse:
        if not self.times:
            return super().wait(context)
        self.times -= 1
        change = {**context.before["properties"], **(self.change or {})}

        def overwrite(body: dict[str, Any]) -> None:
            body["properties"] = change

        self.sim.resources.edit(context.step.target_id, overwrite)
        raise self.error


FAILED = OperationFailedError("the operation ended Failed", status=200, code="InternalOperationError")
BUSY = BusyError("another operation is in progress", status=200, code="ServerBusy")


@pytest.fixture
def applied(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> Callable[..., RemediationResult]:
    """Applies a fix of two members of one account, with an operation that fails."""

    def apply(change: dict[str, Any] | None, error: Exception = FAILED, times: int = 1) -> RemediationResult:
        fix = Catalog.bundled().get(SECURE_TRANSFER)
        assert fix is not None
        body = {"properties": {"supportsHttpsTrafficOnly": True, "allowCrossTenantReplication": False}}
        catalog = Catalog([attrs.evolve(fix, body=body)])
        executors = {"patch": Failing(sim, change, error, times)}
        client = connect(catalog=catalog, executors=executors, journal=MemoryJournal())
        report = client.fix(SECURE_TRANSFER, resources=accounts[:1])
        if report.failures:
            with pytest.raises(RemediationFailedError):
                report.raise_for_failures()
        return report.results[0]

    return apply


def test_a_failed_operation_without_any_effect_is_a_failure(applied: Callable[..., RemediationResult]) -> None:
    """The target was read: it is as before."""
    result = applied(None)
    assert result.error is not None
    assert (result.outcome, result.error.code, result.attempts) == (Outcome.FAILED, "InternalOperationError", 1)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"supportsHttpsTrafficOnly": True}, "properties.supportsHttpsTrafficOnly"),
        ({"allowCrossTenantReplication": False}, "properties.allowCrossTenantReplication"),
    ],
)
def test_a_failed_operation_with_an_effect_names_what_is_in_effect(
    applied: Callable[..., RemediationResult], change: dict[str, Any], shown: str
) -> None:
    """Neither applied, although the target may meet the condition, nor failed as if nothing had happened."""
    result = applied(change)
    assert result.error is not None
    assert (result.outcome, result.error.code) == (Outcome.PARTIALLY_APPLIED, "InternalOperationError")
    assert shown in result.error.message
    assert not result.outcome.succeeded


def test_a_failed_operation_that_left_something_else_is_in_doubt(applied: Callable[..., RemediationResult]) -> None:
    """The target is neither as before nor as planned."""
    assert applied({"supportsHttpsTrafficOnly": None}).outcome is Outcome.IN_DOUBT


def test_an_operation_that_ended_because_the_resource_was_busy_is_tried_again(
    applied: Callable[..., RemediationResult],
) -> None:
    """Busy is busy, also at the end of an operation; and its journal can be read afterwards."""
    result = applied(None, BUSY, times=2)
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 3)


def test_a_deployment_that_failed_half_way_names_what_it_created(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """A rollback can be asked to remove it."""
    from defender_remediate.executors import TemplateExecutor

    class HalfWay(TemplateExecutor):
        def wait(self, context: StepContext, /) -> ArmResponse:
            super().wait(context)
            raise OperationFailedError("the deployment failed", status=200, code="DeploymentFailed")

    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    client = connect(executors={"template": HalfWay()}, journal=MemoryJournal())
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).limit(1)
    report = client.apply(plan, approve=plan.digest)
    result = report.results[0]
    assert result.outcome is Outcome.PARTIALLY_APPLIED
    assert [one.resource_id for one in result.created] == [one.resource_id for one in plan.steps[0].creates]
    undo = client.plan_rollback(report.run_id, remove=[one.resource_id for one in result.created])
    assert [step.is_removal for step in undo.steps] == [True]


def test_a_success_with_a_failed_part_names_the_part(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """A Defender plan answers 200 although an extension could not be enabled."""
    key = "1be22853-8ed1-4005-9907-ddad64cb1417"
    sim.faults.fail_extension("StorageAccounts", "OnUploadMalwareScanning")
    sim.defender.add_recommendation(
        {"displayName": "Microsoft Defender for Storage should be enabled", "severity": "High"},
        key=key,
        resource_type="Microsoft.Resources/subscriptions",
        rule={"path": "no", "equals": 1},
    )
    sim.defender.add_assessment(key, sim.scopes[0])
    client = connect(journal=MemoryJournal())
    plan = client.plan([key], parameters={"scan_cap_gb_per_month": 5000}).limit(1)
    report = client.apply(plan, approve=plan.digest)
    result = report.results[0]
    assert result.error is not None
    assert (result.outcome, result.error.code) == (Outcome.PARTIALLY_APPLIED, "PartiallyFailed")
    assert "OnUploadMalwareScanning" in result.error.message


def test_a_failed_operation_that_leaves_the_target_in_motion_is_in_doubt(
    applied: Callable[..., RemediationResult],
) -> None:
    """Nothing can be said of a target that Azure is still changing when the time is over."""
    result = applied({"provisioningState": "Updating"})
    assert result.outcome is Outcome.IN_DOUBT


def test_a_success_whose_part_failed_without_an_effect_is_a_failure(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """The response names a failed part, and the target is as before."""

    class Ignored(PatchExecutor):
        def wait(self, context: StepContext, /) -> ArmResponse:
            response = super().wait(context)

            def restore(body: dict[str, Any]) -> None:
                body["properties"] = dict(context.before["properties"])

            sim.resources.edit(context.step.target_id, restore)
            part = {"name": "scan", "operationStatus": {"code": "Failed", "message": "no capacity"}}
            return attrs.evolve(response, body={"properties": {"parts": [part]}})

    client = connect(executors={"patch": Ignored()}, journal=MemoryJournal())
    result = client.fix(SECURE_TRANSFER, resources=accounts[:1]).results[0]
    assert result.error is not None
    assert (result.outcome, result.error.code) == (Outcome.FAILED, "PartiallyFailed")
    assert "no capacity" in result.error.message


def test_a_removal_that_is_reported_as_failed_and_took_effect_is_applied(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """The resource is gone, whatever the operation said."""
    from defender_remediate.executors import TemplateExecutor

    class Doubtful(TemplateExecutor):
        def wait(self, context: StepContext, /) -> ArmResponse:
            response = super().wait(context)
            if context.step.is_removal:
                raise FAILED
            return response

    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    client = connect(executors={"template": Doubtful()}, journal=MemoryJournal())
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).limit(1)
    report = client.apply(plan, approve=plan.digest)
    undo = client.plan_rollback(report.run_id, remove=[one.resource_id for one in report.results[0].created])
    back = client.apply(undo, approve=undo.digest, waive={"removal": "the trial is over"})
    assert back.results[0].outcome is Outcome.ROLLED_BACK


def test_a_target_that_cannot_be_read_in_time_after_the_write_is_in_doubt(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """Azure asks for a wait that is longer than the step may take."""

    class Unreadable(PatchExecutor):
        def wait(self, context: StepContext, /) -> ArmResponse:
            response = super().wait(context)
            limits = {"status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "86400"}}
            sim.faults.fail("GET", context.step.target_id, times=None, **limits)
            return response

    client = connect(executors={"patch": Unreadable()}, journal=MemoryJournal())
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    assert client.apply(plan, approve=plan.digest).results[0].outcome is Outcome.IN_DOUBT
