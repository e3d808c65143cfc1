"""Removing what a run created: on request, by name, and only as the run left it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate import (
    Catalog,
    FixAction,
    Guards,
    MemoryJournal,
    Outcome,
    RemediationClient,
    RemediationPlan,
    RemediationReport,
    SkipReason,
)
from defender_remediate.errors import GuardError, InvalidInputError
from defender_remediate.models import Condition
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
SQL_AUDITING = "94208a8b-16e8-4e5b-abbd-4e81c9d02bee"
WHY = {"removal": "CHG-9: the trial is over"}
SETTING = "/providers/Microsoft.Insights/diagnosticSettings/defender-remediate"
VERSION = "2021-05-01-preview"


@pytest.fixture
def client(connect: Callable[..., RemediationClient]) -> RemediationClient:
    """A client whose runs are kept in memory."""
    return connect(journal=MemoryJournal(), guards=Guards(max_changes=200))


@pytest.fixture
def workspace(sim: ArmSimulator) -> str:
    """Where logs go."""
    return sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]


@pytest.fixture
def report(client: RemediationClient, workspace: str) -> RemediationReport:
    """A run that created a diagnostic setting on each of two vaults, by a template."""
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).limit(2)
    done = client.apply(plan, approve=plan.digest)
    done.raise_for_failures()
    return done


def created(report: RemediationReport) -> list[str]:
    return [one.resource_id for result in report for one in result.created]


def there(sim: ArmSimulator, resource_id: str) -> bool:
    return resource_id.casefold() in map(str.casefold, sim.resources.list_ids())


def putting(workspace: str, **more: Any) -> FixAction:
    """A fix that puts a diagnostic setting of its own onto a storage account."""
    known = Catalog.bundled().get(SECURE_TRANSFER)
    assert known is not None
    return attrs.evolve(
        known,
        kind="put",
        api_version=VERSION,
        target=SETTING.strip("/"),
        body={"properties": {"workspaceId": workspace, "logs": [{"categoryGroup": "audit", "enabled": True}]}},
        compliant_when=Condition(operator="equals", path="properties.workspaceId", value=workspace),
        **more,
    )


def test_a_plan_and_a_report_say_what_is_created(report: RemediationReport) -> None:
    """By id, and with the fingerprint that shows whether someone changed it since."""
    assert created(report) == [f"{step.resource_id}{SETTING}" for step in report.plan.steps]
    assert [one.resource_id for step in report.plan.steps for one in step.creates] == created(report)
    assert all(len(one.fingerprint) == 64 for result in report for one in result.created)
    assert not any(one.fingerprint for step in report.plan.steps for one in step.creates)
    assert f"created:{created(report)[0]}" in "".join(str(report).split())


def test_nothing_is_removed_that_is_not_named(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """The plan of the rollback names the created resources that remain, the newest first."""
    undo = client.plan_rollback(report.run_id)
    assert undo.steps == ()
    assert list(undo.removable) == created(report)[::-1]
    assert {skip.reason for skip in undo.skipped} == {SkipReason.NO_UNDO}
    assert all("remove=[...]" in skip.message for skip in undo.skipped)
    assert RemediationPlan.from_json(undo.to_json()) == undo
    client.apply(undo, approve=undo.digest)
    assert all(there(sim, one) for one in created(report))


def test_what_is_named_is_removed_and_nothing_else(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """Previewed, approved by digest, waived by name, journalled and proven by looking."""
    gone, kept = created(report)
    undo = client.plan_rollback(report.run_id, remove=[gone.upper()])
    (step,) = undo.steps
    assert (step.request.method, step.request.path, step.target_id) == ("DELETE", gone, gone)
    assert (step.undo_request, str(step.reversibility), step.is_removal) == (None, "none", True)
    assert step.changes[0].path == "properties"
    assert step.permissions == (
        "Microsoft.Insights/diagnosticSettings/read",
        "Microsoft.Insights/diagnosticSettings/delete",
    )
    assert undo.removable == (kept,)
    others = {found: sim.resources.get(found) for found in sim.resources.list_ids() if found != gone}
    before = len(sim.writes)
    back = client.apply(undo, approve=undo.digest, waive=WHY)
    assert [(result.outcome, result.compliant, result.after) for result in back if result.step_id] == [
        (Outcome.ROLLED_BACK, True, {})
    ]
    assert [(write.method, write.path) for write in sim.writes[before:]] == [("DELETE", gone)]
    assert {found: sim.resources.get(found) for found in sim.resources.list_ids()} == others
    opened: Any = client.journal.read(back.run_id)[0]
    assert opened.waivers == ("removal: CHG-9: the trial is over",)


def test_a_removal_needs_its_own_waiver(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """No other one stands for it; nothing was sent."""
    undo = client.plan_rollback(report.run_id, remove=created(report))
    writes = len(sim.writes)
    for waive in ({}, {"max_changes": "CHG-1"}):
        with pytest.raises(GuardError, match="and 1 more, which cannot be undone") as caught:
            client.apply(undo, approve=undo.digest, waive=waive)
        assert caught.value.guard == "removal"
    assert len(sim.writes) == writes


@pytest.mark.parametrize("other", ["account", "vault", "none"])
def test_what_the_run_did_not_create_is_never_removed(
    client: RemediationClient, report: RemediationReport, accounts: list[str], other: str
) -> None:
    """The error names what it did create."""
    wanted = {"account": accounts[0], "vault": report.plan.steps[0].resource_id, "none": "*"}[other]
    with pytest.raises(InvalidInputError, match="did not create") as caught:
        client.plan_rollback(report.run_id, remove=[created(report)[0], wanted])
    assert created(report)[1] in caught.value.hint
    with pytest.raises(InvalidInputError, match="expected a list of strings"):
        client.plan_rollback(report.run_id, remove=created(report)[0])
    other = client.fix(SECURE_TRANSFER, resources=accounts[:1])
    with pytest.raises(InvalidInputError, match="it created nothing"):
        client.plan_rollback(other.run_id, remove=accounts[:1])


def test_of_chosen_steps_only_what_these_created(client: RemediationClient, report: RemediationReport) -> None:
    """The others are not looked at."""
    first, second = report.plan.steps
    undo = client.plan_rollback(report.run_id, steps=[first.id], remove=[created(report)[0]])
    assert [step.target_id for step in undo.steps] == [created(report)[0]]
    with pytest.raises(InvalidInputError, match="in the steps to undo"):
        client.plan_rollback(report.run_id, steps=[second.id], remove=[created(report)[0]])


def test_what_somebody_changed_since_stays(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """It is theirs by now, and named; what is gone or cannot be read is named too."""
    one, two = created(report)
    sim.resources.edit(one, lambda body: body["properties"].update(storageAccountId="theirs"))
    sim.resources.remove(two)
    undo = client.plan_rollback(report.run_id, remove=[one, two])
    assert (undo.steps, undo.removable) == ((), ())
    reasons = {skip.message.partition(": ")[0]: skip.reason for skip in undo.skipped if ": " in skip.message}
    assert reasons == {one: SkipReason.CHANGED_SINCE, two: SkipReason.NOT_FOUND}
    unasked = client.plan_rollback(report.run_id)
    assert {skip.reason for skip in unasked.skipped} == {SkipReason.NOTHING_TO_RESTORE}
    sim.faults.fail("GET", "diagnosticSettings/defender-remediate", status=403, code="AuthorizationFailed", times=None)
    unread = client.plan_rollback(report.run_id, remove=[one])
    assert SkipReason.NOT_READABLE in {skip.reason for skip in unread.skipped}


def test_what_somebody_changes_after_planning_stays_as_well(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """It is looked at once more right before; what is gone by itself is done."""
    one, two = created(report)
    undo = client.plan_rollback(report.run_id, remove=[one, two])
    sim.resources.edit(one, lambda body: body["properties"].update(storageAccountId="theirs"))
    sim.resources.remove(two)
    writes = len(sim.writes)
    back = client.apply(undo, approve=undo.digest, waive=WHY)
    assert {result.error.code if result.error else "": str(result.outcome) for result in back if result.step_id} == {
        "Drifted": "skipped",
        "": "already_compliant",
    }
    assert len(sim.writes) == writes


def test_a_removal_that_finds_nothing_is_done(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """Someone else deleted it: 404 means that it does not exist any more, unless the target still exists."""
    one, two = created(report)
    undo = client.plan_rollback(report.run_id, remove=[one, two])
    sim.faults.fail("DELETE", "kv-contoso-web", status=404, code="ResourceNotFound", when="after")
    sim.faults.fail("DELETE", "kv-contoso-pipeline", status=404, code="ResourceNotFound")
    back = client.apply(undo, approve=undo.digest, waive=WHY)
    outcomes = {result.step_id: str(result.outcome) for result in back if result.step_id}
    by_target = {step.target_id: outcomes[step.id] for step in undo.steps}
    assert by_target == {one: "rolled_back", two: "failed"}
    assert not there(sim, one)


@pytest.mark.parametrize("code", ["AuthorizationFailed", "ScopeLocked"])
def test_a_removal_that_is_refused_says_so(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport, code: str
) -> None:
    """As any other step."""
    undo = client.plan_rollback(report.run_id, remove=created(report)[:1])
    if code == "ScopeLocked":
        sim.access.lock(created(report)[0].partition("/providers/Microsoft.Insights")[0], level="CanNotDelete")
    else:
        sim.faults.fail("DELETE", "", status=403, code=code, times=None)
    back = client.apply(undo, approve=undo.digest, waive=WHY)
    assert back.count(Outcome.BLOCKED) == 1
    assert there(sim, created(report)[0])


def test_a_removal_may_take_its_time(sim: ArmSimulator, client: RemediationClient, report: RemediationReport) -> None:
    """A 202 is followed to its end, with a link and without."""
    one, two = created(report)
    undo = client.plan_rollback(report.run_id, remove=[one, two])
    link = {"Location": f"{sim.endpoint}/operations/1?api-version=1", "Retry-After": "7"}
    sim.faults.fail("DELETE", "kv-contoso-web", when="after", status=202, headers=link)
    sim.faults.fail("DELETE", "kv-contoso-pipeline", when="after", status=202, headers={"Retry-After": "7"})
    sim.faults.fail("GET", "/operations/1", status=202)
    sim.faults.fail("GET", "/operations/1", status=204)
    back = client.apply(undo, approve=undo.digest, waive=WHY)
    assert back.count(Outcome.ROLLED_BACK) == 2
    accepted = [record for record in client.journal.read(back.run_id) if type(record).__name__ == "StepAccepted"]
    assert {(record.status, record.poll_kind) for record in accepted} == {(202, "location"), (202, None)}  # type: ignore[union-attr]


def test_what_was_removed_is_not_made_again(client: RemediationClient, report: RemediationReport) -> None:
    """A removal cannot be rolled back, and says so; asked for again, the run has nothing left to remove."""
    undo = client.plan_rollback(report.run_id, remove=created(report))
    back = client.apply(undo, approve=undo.digest, waive=WHY)
    again = client.plan_rollback(back.run_id)
    assert again.steps == ()
    assert {skip.message for skip in again.skipped} == {"what the step removed is not created again"}
    twice = client.plan_rollback(report.run_id, remove=created(report))
    assert SkipReason.NOT_FOUND in {skip.reason for skip in twice.skipped}
    assert twice.steps == ()


def test_a_deployment_that_also_changed_something_says_what_stays(
    sim: ArmSimulator, client: RemediationClient, workspace: str
) -> None:
    """What it created can go; what the step changed is not restored, in the plan's own words."""
    plan = client.plan([SQL_AUDITING], parameters={"workspace_id": workspace}).limit(1)
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    (setting,) = created(report)
    undo = client.plan_rollback(report.run_id, remove=[setting])
    assert [step.target_id for step in undo.steps] == [setting]
    assert [skip.message for skip in undo.skipped] == ["what the step changed is not restored"]
    client.apply(undo, approve=undo.digest, waive=WHY).raise_for_failures()
    assert not there(sim, setting)


def test_what_a_put_created_is_removed(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str], workspace: str
) -> None:
    """The target did not exist before; one that did is restored, and cannot be removed."""
    catalog = Catalog.bundled().with_fixes(putting(workspace))
    client = connect(journal=MemoryJournal(), catalog=catalog)
    sim.resources.add({"id": f"{accounts[1]}{SETTING}", "properties": {"workspaceId": "/old", "logs": []}})
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:2])
    assert [len(step.creates) for step in plan.steps] == [
        1 if step.resource_id == accounts[0] else 0 for step in plan.steps
    ]
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    assert created(report) == [f"{accounts[0]}{SETTING}"]
    with pytest.raises(InvalidInputError, match="did not create"):
        client.plan_rollback(report.run_id, remove=[f"{accounts[1]}{SETTING}"])
    undo = client.plan_rollback(report.run_id, remove=created(report))
    assert undo.skipped == ()
    back = client.apply(undo, approve=undo.digest, waive=WHY)
    assert back.count(Outcome.ROLLED_BACK) == 2
    assert not there(sim, created(report)[0])
    assert sim.resources.get(f"{accounts[1]}{SETTING}")["properties"]["workspaceId"] == "/old"


def test_resources_beside_the_target_go_as_well(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str], workspace: str
) -> None:
    """A template may create a private endpoint beside the resource; what it depends on goes after it."""
    group = accounts[0].partition("/providers")[0]
    endpoint = f"{group}/providers/Microsoft.Network/privateEndpoints/pe-{accounts[0].rpartition('/')[2]}"
    client = connect(journal=MemoryJournal(), catalog=Catalog.bundled().with_fixes(_two_resources(workspace)))
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    assert set(created(report)) == {endpoint, f"{accounts[0]}{SETTING}"}
    undo = client.plan_rollback(report.run_id, remove=created(report))
    assert ([step.target_id for step in undo.steps], undo.skipped) == ([f"{accounts[0]}{SETTING}", endpoint], ())
    careful = connect(journal=client.journal, guards=Guards(protected_names=["pe-*"]))
    with pytest.raises(GuardError, match="is protected"):
        careful.apply(undo, approve=undo.digest, waive=WHY)
    client.apply(undo, approve=undo.digest, waive=WHY).raise_for_failures()
    assert not there(sim, endpoint)


def _two_resources(workspace: str) -> FixAction:
    fix = putting(workspace)
    setting = {
        "type": "Microsoft.Insights/diagnosticSettings",
        "apiVersion": VERSION,
        "scope": "[parameters('resourceId')]",
        "name": "defender-remediate",
        "properties": dict(fix.body["properties"]),  # type: ignore[index]
    }
    endpoint = {
        "type": "Microsoft.Network/privateEndpoints",
        "apiVersion": "2024-05-01",
        "name": "[concat('pe-', parameters('name'))]",
        "location": "westeurope",
        "properties": {"subnet": {"id": f"{workspace.partition('/providers')[0]}/providers/A.B/c/d"}},
    }
    text = {"type": "string"}
    return attrs.evolve(
        fix,
        kind="template",
        body=None,
        template={
            "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
            "contentVersion": "1.0.0.0",
            "parameters": {"resourceId": text, "name": text},
            "resources": [endpoint, setting],
        },
        template_parameters={"resourceId": "${resource.id}", "name": "${resource.name}"},
    )


def test_what_somebody_else_created_meanwhile_is_not_taken_over(
    sim: ArmSimulator, client: RemediationClient, workspace: str
) -> None:
    """A deployment would overwrite it, and a rollback take it for its own."""
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).limit(1)
    theirs = plan.steps[0].creates[0].resource_id
    (step,) = plan.steps
    elsewhere = attrs.evolve(step.creates[0], resource_id=f"{theirs}-of-theirs")
    made = attrs.evolve(plan, steps=(attrs.evolve(step, creates=(elsewhere,)),))
    report = client.apply(made, approve=made.digest)
    assert report.count("applied") == 1
    assert created(report) == []
    sim.resources.remove(theirs)
    sim.resources.add({"id": elsewhere.resource_id, "properties": {}})
    sim.faults.fail("GET", "diagnosticSettings[?]", status=200, body={"value": []}, times=1)
    again = client.apply(made, approve=made.digest)
    assert again.results[0].error is not None
    assert (str(again.results[0].outcome), again.results[0].error.code) == ("skipped", "Drifted")
    assert "exists now" in again.results[0].error.message


def test_what_could_not_be_read_afterwards_is_not_removed(
    sim: ArmSimulator, client: RemediationClient, workspace: str
) -> None:
    """The report names it. Without the state that the run left, no one can tell whether it has changed since."""
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).limit(1)
    sim.faults.fail("GET", "diagnosticSettings/defender-remediate", status=403, code="AuthorizationFailed", skip=1)
    report = client.apply(plan, approve=plan.digest)
    assert report.count("applied") == 1
    assert [one.fingerprint for result in report for one in result.created] == [None]
    undo = client.plan_rollback(report.run_id, remove=created(report))
    assert undo.steps == ()
    assert "its state then is unknown" in undo.skipped[0].message
