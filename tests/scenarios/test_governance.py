"""Owners, due dates and tickets: read into assessments and plans, written with consent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from defender_remediate import RemediationClient
from defender_remediate.errors import (
    ForbiddenError,
    InvalidInputError,
    InvalidResourceIdError,
    RequestError,
)
from defender_remediate.models import GovernanceAssignment, SkipReason
from defender_remediate.preflight import GovernanceCheck
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
READ = "Microsoft.Security/assessments/governanceAssignments/read"


@pytest.fixture
def governed(sim: ArmSimulator, accounts: list[str]) -> str:
    """An account in a subscription with Defender CSPM."""
    sim.defender.turn_on_cspm(sim.scopes[0])
    return next(account for account in accounts if account.startswith(sim.scopes[0]))


def assign(client: RemediationClient, sim: ArmSimulator, account: str, **more: Any) -> str:
    """Assign an account to an owner; the id of the run."""
    given = {"owner": "ops@contoso.example", "due": sim.clock.now() + timedelta(days=30), **more}
    plan = client.governance.plan_assign(SECURE_TRANSFER, [account], **given)
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    return report.run_id


def test_an_owner_is_planned_shown_applied_and_undone(
    sim: ArmSimulator, client: RemediationClient, governed: str
) -> None:
    """The digest approves it like any change; a rollback removes it."""
    due = sim.clock.now() + timedelta(days=30)
    plan = client.governance.plan_assign(
        SECURE_TRANSFER,
        [governed],
        owner="ops@contoso.example",
        due=due,
        eta=due - timedelta(days=3),
        eta_reason="after the release",
        grace_period=True,
        ticket_number=7,
        ticket_link="https://tickets.contoso.example/7",
        ticket_status="open",
    )
    assert not sim.writes
    assert "ops@contoso.example" in plan.details()
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    (found,) = client.governance.list_assignments(SECURE_TRANSFER)
    assert (found.owner, found.due, found.is_grace_period) == ("ops@contoso.example", due, True)
    assert (found.ticket_number, found.ticket_status, found.eta_reason) == (7, "open", "after the release")
    assert "ticket https://tickets.contoso.example/7" in str(found)
    assert client.rollback(report).results[0].outcome == "rolled_back"
    assert client.governance.list_assignments(SECURE_TRANSFER) == ()


def test_an_assignment_is_changed_and_planning_it_again_is_nothing(
    sim: ArmSimulator, client: RemediationClient, governed: str
) -> None:
    """Only what differs is written to the one that exists."""
    due = sim.clock.now() + timedelta(days=30)
    assign(client, sim, governed, due=due)
    again = client.governance.plan_assign(SECURE_TRANSFER, [governed], owner="ops@contoso.example", due=due)
    assert [skip.reason for skip in again.skipped] == [SkipReason.ALREADY_COMPLIANT]
    run = assign(client, sim, governed, owner="it@contoso.example", due=due)
    (found,) = client.governance.list_assignments(SECURE_TRANSFER)
    assert found.owner == "it@contoso.example"
    client.rollback(run).raise_for_failures()
    assert client.governance.list_assignments(SECURE_TRANSFER)[0].owner == "ops@contoso.example"


def test_assignments_outside_the_scope_are_not_listed(
    sim: ArmSimulator, client: RemediationClient, connect: Callable[..., RemediationClient], governed: str
) -> None:
    """A client of one group neither shows nor removes what the rest of the subscription decided."""
    assign(client, sim, governed)
    group = governed.rpartition("/providers/")[0]
    assert len(connect(group).governance.list_assignments(SECURE_TRANSFER)) == 1
    assert connect(f"{group}-x").governance.list_assignments(SECURE_TRANSFER) == ()


def test_a_removal_can_be_undone(sim: ArmSimulator, client: RemediationClient, governed: str) -> None:
    """It shows what goes, and brings it back."""
    assign(client, sim, governed)
    before = client.governance.list_assignments(SECURE_TRANSFER)
    plan = client.governance.plan_remove(before)
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    assert client.governance.list_assignments(SECURE_TRANSFER) == ()
    assert "does not exist any more" in client.governance.plan_remove(before).details()
    client.rollback(report).raise_for_failures()
    assert client.governance.list_assignments(SECURE_TRANSFER) == before
    sim.access.deny(READ, sim.scopes[0])
    assert client.governance.plan_remove(before).skipped[0].reason is SkipReason.NOT_READABLE


def test_assessments_carry_their_owner(sim: ArmSimulator, client: RemediationClient, governed: str) -> None:
    """On request, because it costs a request for each recommendation."""
    assign(client, sim, governed)
    found = {one.resource_id: one.governance for one in client.list_assessments(SECURE_TRANSFER, governance=True)}
    owner = found[governed]
    assert owner is not None
    assert owner.owner == "ops@contoso.example"
    assert sum(one is not None for one in found.values()) == 1
    assert not any(one.governance for one in client.list_assessments(SECURE_TRANSFER))


def test_a_plan_shows_the_owner_and_what_is_overdue(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], governed: str
) -> None:
    """For a client that asks for the check; an overdue one is a warning, and neither blocks."""
    client = connect(checks=[GovernanceCheck()])
    assert client.plan([SECURE_TRANSFER], resources=[governed]).check_results == ()
    assign(client, sim, governed)
    plan = client.plan([SECURE_TRANSFER], resources=[governed])
    assert [result.status for _, result in plan.check_results] == ["passed"]
    assert "owner ops@contoso.example" in plan.details()
    sim.clock.sleep(40 * 86400)
    plan = client.plan([SECURE_TRANSFER], resources=[governed])
    assert [result.status for _, result in plan.check_results] == ["warning"]
    assert "(overdue)" in plan.details()


def test_what_may_not_be_read_is_never_no_owner(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], governed: str
) -> None:
    """A refusal is an error of a listing, and leaves a step unchecked."""
    client = connect(checks=[GovernanceCheck()])
    sim.access.deny(READ, sim.scopes[0])
    for call in (
        lambda: client.governance.list_assignments(SECURE_TRANSFER),
        lambda: list(client.list_assessments(SECURE_TRANSFER, governance=True)),
    ):
        with pytest.raises(ForbiddenError):
            call()
    plan = client.plan([SECURE_TRANSFER], resources=[governed])
    assert plan.skipped[0].reason is SkipReason.UNCHECKED
    assert len(client.plan([SECURE_TRANSFER], resources=[governed], waive={"governance": "not used here"})) == 1


def test_a_cloud_without_the_api_is_said_to_have_none(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], governed: str
) -> None:
    """Missing is not empty, and a plan is made with a warning."""
    client = connect(checks=[GovernanceCheck()])
    sim.resources.retire_api_versions("Microsoft.Security/assessments/governanceAssignments", "2022-01-01-preview")
    with pytest.raises(RequestError):
        client.governance.list_assignments(SECURE_TRANSFER)
    plan = client.plan([SECURE_TRANSFER], resources=[governed])
    assert [result.status for _, result in plan.check_results] == ["warning"]


def test_what_cannot_be_assigned_says_why(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """A subscription without Defender CSPM, a resource outside the scope, without the assessment, or unreadable."""
    free = next(account for account in accounts if account.startswith(sim.scopes[2]))
    elsewhere = free.replace(free.split("/")[2], "99999999-9999-4999-8999-999999999999")
    given: dict[str, Any] = {"owner": "ops@contoso.example", "due": sim.clock.now()}
    plan = client.governance.plan_assign(SECURE_TRANSFER, [free, elsewhere, f"{free}x"], **given)
    said = [str(skip.message) for skip in plan.skipped]
    assert ["Defender CSPM" in said[0], "outside the scope" in said[1], "no assessment" in said[2]] == [True] * 3
    sim.access.deny("Microsoft.Security/pricings/read", sim.scopes[2])
    plan = client.governance.plan_assign(SECURE_TRANSFER, [free], **given)
    assert plan.skipped[0].reason is SkipReason.NOT_READABLE
    sim.access.deny("Microsoft.Security/assessments/read", free)
    plan = client.governance.plan_assign(SECURE_TRANSFER, [free], **given)
    assert plan.skipped[0].reason is SkipReason.NOT_READABLE
    assert "assessments/read" in str(plan.skipped[0].message)


def test_wrong_arguments_are_refused_before_any_request(
    sim: ArmSimulator, client: RemediationClient, governed: str
) -> None:
    """Each names what was given."""
    good: dict[str, Any] = {"owner": "ops@contoso.example", "due": sim.clock.now()}
    sim.requests.clear()
    wrong: list[dict[str, Any]] = [
        {"owner": ""},
        {"due": datetime(2027, 1, 1)},
        {"eta": sim.clock.now()},
        {"eta": "soon", "eta_reason": "x"},
    ]
    for more in wrong:
        with pytest.raises(InvalidInputError):
            client.governance.plan_assign(SECURE_TRANSFER, [governed], **{**good, **more})
    with pytest.raises(InvalidResourceIdError):
        client.governance.plan_assign(SECURE_TRANSFER, **good)
    strange = GovernanceAssignment(id="/x", key=SECURE_TRANSFER, resource_id="/subscriptions/x")
    for given in ([], [strange], ["x"]):
        with pytest.raises(InvalidInputError):
            client.governance.plan_remove(given)  # type: ignore[arg-type]
    assert not sim.requests
    row = next(one for one in client.list_assessments(SECURE_TRANSFER) if one.resource_id == governed)
    assert len(client.governance.plan_assign(row, **good)) == 1


def test_what_azure_leaves_out_is_none() -> None:
    """An assignment of another tool may have a date only, or an id of another shape."""
    found = GovernanceAssignment.from_rest({"id": "x", "properties": {}})
    assert (found.owner, found.due, found.key, found.is_overdue(datetime(2027, 1, 1, tzinfo=timezone.utc))) == (
        None,
        None,
        "",
        False,
    )
    assert found.summary == "owner none, no due date"
