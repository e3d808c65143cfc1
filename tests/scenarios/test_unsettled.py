"""After a write whose fate is unknown, nothing that Azure answers is the last word before the target was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate import Outcome, RemediationClient, RemediationPlan, RemediationResult
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
FIREWALL = "45d313c3-3fca-5040-035f-d61928366d31"
AUTHORISED_RANGES = "1a2b5b4c-f80d-46e7-ac81-b51a9fb363de"
ACCOUNT = "Microsoft.Storage/storageAccounts"
READ = "storageAccounts/[^/]+[?]"


@pytest.fixture
def plan(client: RemediationClient, accounts: list[str]) -> RemediationPlan:
    """A plan for one storage account."""
    return client.plan([SECURE_TRANSFER], resources=accounts[:1])


@pytest.fixture
def apply(client: RemediationClient, plan: RemediationPlan) -> Callable[[], RemediationResult]:
    """Applies the plan and gives the only result."""
    return lambda: client.apply(plan, approve=plan.digest).results[0]


def sent(sim: ArmSimulator, *methods: str) -> list[int]:
    """The status of every write that reached the simulator or was meant to."""
    return [request.status for request in sim.requests if request.method in methods]


@pytest.mark.parametrize("fault", [{"status": 502, "code": "BadGateway"}, {}, {"status": 200, "body": b""}])
def test_an_operation_whose_answer_was_lost_is_waited_for(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], fault: dict[str, Any]
) -> None:
    """The target says that it is being changed: it is neither sent again nor called a failure."""
    sim.faults.slow(ACCOUNT, seconds=400)
    sim.faults.fail("PATCH", when="after", **fault)
    result = apply()
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 1)


@pytest.mark.parametrize("fault", [{"status": 502, "code": "BadGateway"}, {"status": 200, "body": b""}])
def test_what_is_still_being_changed_when_the_time_is_over_is_in_doubt(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], plan: RemediationPlan, fault: dict[str, Any]
) -> None:
    """The outcome is not known when the time limit is reached."""
    sim.faults.slow(ACCOUNT, seconds=4000)
    sim.faults.fail("PATCH", when="after", **fault)
    result = connect(operation_timeout=120).apply(plan, approve=plan.digest).results[0]
    assert (result.outcome, result.attempts) == (Outcome.IN_DOUBT, 1)
    assert result.error is not None
    assert sim.clock.monotonic() < 300


def test_a_deployment_whose_answer_was_lost_is_ours_when_it_ends(sim: ArmSimulator, client: RemediationClient) -> None:
    """Its target shows nothing until then, and Azure refuses a second one of the same name meanwhile."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).limit(1)
    sim.faults.slow("Microsoft.Resources/deployments", methods=("PUT",), seconds=95)
    sim.faults.fail("PUT", when="after", status=504, code="GatewayTimeout")
    result = client.apply(plan, approve=plan.digest).results[0]
    assert result.outcome is Outcome.APPLIED
    assert set(sent(sim, "PUT")) == {504, 409}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"id": "/sub',
        "<html>Bad Gateway</html>",
        b"\xff\xfe\x00",
        pytest.param("[" * 20000, id="deep"),
    ],
)
def test_an_answer_to_a_deployment_that_cannot_be_read_is_looked_behind(
    sim: ArmSimulator, client: RemediationClient, body: str | bytes, when: str
) -> None:
    """It is no broken executor, whatever Azure's own client raises, and no deployment that has ended."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).limit(1)
    sim.faults.slow("Microsoft.Resources/deployments", methods=("PUT",), seconds=95)
    sim.faults.fail("PUT", when=when, status=200, body=body)
    result = client.apply(plan, approve=plan.digest).results[0]
    assert result.outcome is Outcome.APPLIED


def test_a_condition_that_our_own_write_broke_is_no_drift(sim: ArmSimulator, client: RemediationClient) -> None:
    """The first PUT took effect unseen; the second is refused because of it."""
    plan = client.plan([AUTHORISED_RANGES], parameters={"authorized_ip_ranges": ["203.0.113.0/24"]}).limit(1)
    step = plan.steps[0]
    sim.faults.slow("Microsoft.ContainerService/managedClusters", seconds=0)
    stale = sim.resources.get(step.target_id)
    sim.faults.fail("PUT", when="after", status=503, code="ServiceUnavailable")
    # The first read before the write, then four and one more from a replica that does not know of it yet.
    sim.faults.fail("GET", "managedClusters/[^/]+[?]", status=200, body=stale, skip=1, times=5)
    sim.faults.fail("PUT", skip=1, status=412, code="PreconditionFailed")
    result = client.apply(plan, approve=plan.digest).results[0]
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 2)
    assert sim.resources.get(step.target_id) != stale


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        ({"status": 403, "code": "RequestDisallowedByPolicy"}, Outcome.BLOCKED),
        ({"status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "3600"}}, Outcome.FAILED),
    ],
    ids=["refused", "for an hour"],
)
def test_a_refusal_after_a_cut_without_effect_is_a_refusal(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], second: dict[str, Any], outcome: Outcome
) -> None:
    """The target was read again and is as before: nothing is in doubt."""
    sim.faults.fail("PATCH", status=503, code="ServiceUnavailable")
    sim.faults.fail("PATCH", skip=1, times=None, **second)
    result = apply()
    assert (result.outcome, result.attempts) == (outcome, 2)
    assert not sim.writes


@pytest.mark.parametrize("status", [403, 429])
def test_a_late_effect_counts_also_when_the_second_write_is_refused(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], plan: RemediationPlan, status: int
) -> None:
    """What took effect while the second write was refused is the first one."""
    target = plan.steps[0].target_id
    sim.faults.fail("PATCH", status=503, code="ServiceUnavailable")
    sim.faults.fail("PATCH", skip=1, times=None, status=status, code="Whatever", headers={"Retry-After": "7"})
    original = sim.send

    def late(request: Any, **options: Any) -> Any:
        response = original(request, **options)
        if response.status_code == status:
            sim.resources.edit(target, lambda body: body["properties"].update(supportsHttpsTrafficOnly=True))
        return response

    sim.send = late  # type: ignore[method-assign]
    result = apply()
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 2)


def test_a_late_effect_that_cannot_be_read_is_in_doubt(
    sim: ArmSimulator, apply: Callable[[], RemediationResult]
) -> None:
    """The refusal of the second write says nothing about the first."""
    sim.faults.fail("PATCH", status=503, code="ServiceUnavailable")
    sim.faults.fail("PATCH", skip=1, times=None, status=429, code="TooManyRequests", headers={"Retry-After": "7"})
    # Before the first write, four looks after it, and one after the pause.
    sim.faults.fail("GET", READ, skip=6, times=None, status=403, code="AuthorizationFailed")
    result = apply()
    assert (result.outcome, result.attempts) == (Outcome.IN_DOUBT, 2)
    assert result.error is not None
    assert "could not be read either" in result.error.hint
