"""What Azure's own change history says about a run, and about what became of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from defender_remediate import Guards, RemediationClient, RemediationReport
from defender_remediate.errors import InvalidInputError, JournalTamperedError
from defender_remediate.journal import FileJournal, MemoryJournal, MemoryStorage
from defender_remediate.models import ChangeRecordStatus, UndoneChange, WriterKind
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
HTTPS = "supportsHttpsTrafficOnly"
WRITERS = {
    WriterKind.PORTAL: {"caller": "ann@contoso.example", "client": "Azure Portal"},
    WriterKind.COMMAND_LINE: {"caller": "ben@contoso.example", "client": "04b07795-8ddb-461a-bbee-02f9e1bf7b46"},
    WriterKind.APPLICATION: {"caller": "object-id-of-pipeline", "caller_type": "Application", "client": "Unknown"},
    WriterKind.TEMPLATE: {"caller": "eve@contoso.example", "client": "ARM Template"},
    WriterKind.AZURE: {"caller": "System", "caller_type": "System", "client": "Unknown"},
    WriterKind.USER: {"caller": "joe@contoso.example", "client": "Unknown"},
    WriterKind.UNKNOWN: {"caller": "", "caller_type": "", "client": ""},
}


@pytest.fixture
def client(connect: Callable[..., RemediationClient]) -> RemediationClient:
    """A client with a journal of its own: what was made how often is counted in it."""
    return connect(journal=MemoryJournal())


@pytest.fixture
def report(client: RemediationClient) -> RemediationReport:
    """A run that required secure transfer on seven accounts."""
    plan = client.plan([SECURE_TRANSFER])
    return client.apply(plan, approve=plan.digest)


def statuses(report: RemediationReport) -> set[ChangeRecordStatus | None]:
    return {result.change_record.status if result.change_record else None for result in report if result.step_id}


def asked_history(sim: ArmSimulator, before: int) -> int:
    """How many queries of the change history were sent, without those of the ownership check of a plan."""
    sent = [one for one in sim.requests[before:] if "ResourceGraph" in one.path]
    return sum(b"resourcechanges" in one.body and b"arg_max" not in one.body for one in sent)


def undo(sim: ArmSimulator, resource_id: str, **writer: Any) -> None:
    sim.resources.edit(resource_id, lambda body: body["properties"].update({HTTPS: False}), **writer)


def test_each_change_is_confirmed_by_the_history_after_some_minutes(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """Until then it is missing, with the time at which it should be there; the outcome is the same in both."""
    early = client.verify(report)
    assert statuses(early) == {ChangeRecordStatus.MISSING}
    assert "about 5 minutes; verify again after 2026-03-02 09:10 UTC" in str(early.results[0].change_record)
    sim.clock.advance(301)
    before = len(sim.requests)
    proven = client.verify(report)
    assert statuses(proven) == {ChangeRecordStatus.CONFIRMED}
    assert sum("ResourceGraph" in request.path for request in sim.requests[before:]) == 1, "one query for all of them"
    record = proven.results[0].change_record
    assert record is not None
    assert [str(change) for change in record.changes] == [f"properties.{HTTPS}: False -> True"]
    assert record.writer is not None
    assert (record.writer.principal, record.writer.correlation_id) == (sim.access.caller, report.correlation_id)
    assert [one.outcome for one in proven] == [one.outcome for one in early] == [one.outcome for one in report]
    assert "change history" not in str(proven), "what agrees with the plan is not repeated"
    assert RemediationReport.from_json(proven.to_json()) == proven


def test_the_history_names_what_others_did_since(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """Their writes are listed beside the confirmed change, with client, principal and time."""
    undo(sim, report.results[0].resource_id, **WRITERS[WriterKind.COMMAND_LINE])
    sim.clock.advance(301)
    record = client.verify(report).results[0].change_record
    assert record is not None
    assert record.status is ChangeRecordStatus.CONFIRMED
    assert [one.writer.kind for one in record.others] == [WriterKind.COMMAND_LINE]
    assert str(record).endswith("changed by ben@contoso.example (Azure CLI; 2026-03-02 09:00 UTC)")


def test_a_change_of_the_parent_by_another_step_does_not_contradict_a_child(
    sim: ArmSimulator, client: RemediationClient
) -> None:
    """Azure records changes of a site, not of its configuration, and both are written by one run."""
    plan = client.plan(resources=sim.resources.list_ids("Microsoft.Web/sites"), waive={"live_use": "a test tenant"})
    children = {step.id for step in plan.steps if step.target_id != step.resource_id}
    together = {step.resource_id for step in plan.steps if step.id in children} & {
        step.target_id for step in plan.steps
    }
    assert together, "a site and its configuration are both changed"
    report = client.apply(plan, approve=plan.digest)
    sim.clock.advance(3600)
    proven = client.verify(report)
    records = [result.change_record for result in proven if result.step_id in children and result.change_record]
    assert records
    assert not [record for record in records if record.is_contradiction]


def test_a_history_that_cannot_be_read_changes_nothing(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """It could not be checked; whether the resource is compliant was read from the resource."""
    sim.faults.fail("POST", "ResourceGraph", status=403, code="AuthorizationFailed", times=None)
    found = client.verify(report)
    assert statuses(found) == {ChangeRecordStatus.NOT_CHECKED}
    assert all(result.compliant for result in found if result.step_id)
    undo(sim, report.results[0].resource_id)
    watched = client.watch(report)
    assert [one.writer for one in watched.undone] == [None]
    assert "who undid it could not be read" in str(watched)


def test_a_target_that_cannot_be_read_is_not_called_undone(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """It is named with the reason: what became of it is not known."""
    sim.faults.fail("GET", "storageAccounts", status=403, code="AuthorizationFailed", times=None)
    watched = client.watch(report)
    assert not watched.undone
    assert len(watched.unread) == len(report.plan.steps)


def test_nothing_is_asked_about_a_run_that_sent_nothing(sim: ArmSimulator, client: RemediationClient) -> None:
    """A resource that was skipped has no record."""
    for account in sim.resources.list_ids("Microsoft.Storage/storageAccounts"):
        sim.access.lock(account)
    plan = client.plan([SECURE_TRANSFER])
    report = client.apply(plan, approve=plan.digest)
    before = len(sim.requests)
    assert statuses(client.verify(report)) == set()
    assert not any("ResourceGraph" in request.path for request in sim.requests[before:])


def test_every_kind_of_writer_is_found_in_one_poll(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """Each undone change is attributed to who made it, and planned again."""
    for result, writer in zip(report, WRITERS.values(), strict=True):
        undo(sim, result.resource_id, **writer)
    sim.clock.advance(301)
    before = len(sim.requests)
    watched = client.watch(report)
    assert [one.writer and one.writer.kind for one in watched.undone] == list(WRITERS)
    assert watched.undone[0].writer is not None
    assert watched.undone[0].writer.principal == "ann@contoso.example"
    assert watched.by_writer["ben@contoso.example (Azure CLI)"] == 1
    assert asked_history(sim, before) == 1
    assert watched.plan is not None
    assert (len(watched.plan), watched.kept, watched.given_up) == (7, 0, ())
    assert "planned again: 7 changes" in str(watched)
    assert "undone by System" in watched._repr_html_()


def test_who_undid_a_change_is_the_one_who_touched_it(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """Not the one who set a tag later; a resource that was created again by someone is attributed to them."""
    first, second = (result.resource_id for result in report.results[:2])
    sim.resources.edit(second, lambda body: body["tags"].update(owner="x"))
    body = sim.resources.get(second)
    sim.resources.remove(second, **WRITERS[WriterKind.COMMAND_LINE])
    sim.resources.add({**body, "properties": {**body["properties"], HTTPS: False}})
    undo(sim, first, **WRITERS[WriterKind.PORTAL])
    sim.clock.advance(60)
    sim.resources.edit(first, lambda body: body.update(tags={"owner": "someone"}), **WRITERS[WriterKind.USER])
    sim.clock.advance(301)
    watched = client.watch(report)
    assert [one.writer and one.writer.kind for one in watched.undone] == [WriterKind.PORTAL, WriterKind.COMMAND_LINE]
    assert watched.plan is not None
    client.rollback(client.apply(watched.plan, approve=watched.plan.digest))
    assert {one.times for one in client.watch(report, limit=9).undone} == {2}, "a rollback makes no change"


def test_the_simulator_records_what_azure_records(sim: ArmSimulator, client: RemediationClient) -> None:
    """Creates and deletes without properties, values as text, long ones cut off, and only what the caller may read."""
    account = sim.resources.list_ids("Microsoft.Storage/storageAccounts")[0]
    changes = sim._service.tenant.changes
    changes.longest = 6
    rules = {"ipRules": [{"value": "203.0.113.7"}], "defaultAction": "Allow"}
    sim.resources.edit(account, lambda body: body["properties"].update(networkAcls=rules, note=None, size=1))
    rules = {"ipRules": [{"value": "198.51.100.7"}], "defaultAction": "Deny"}
    sim.resources.edit(account, lambda body: body["properties"].update(networkAcls=rules, note="x", size=2))
    sim.resources.edit(account, lambda body: body["properties"].pop("size"))
    sim.resources.remove(account)
    sim.clock.advance(301)
    shown = [changes.render(one) for one in changes.visible()]
    assert [one["changeType"] for one in shown] == ["Update", "Update", "Update", "Delete"]
    listed = shown[1]["changes"]
    assert listed["properties.networkAcls.ipRules[0].value"]["newValue"] == "198.51"
    assert listed["properties.networkAcls.ipRules[0].value"]["isTruncated"] == "true"
    assert (listed["properties.note"]["previousValue"], listed["properties.size"]["newValue"]) == ("null", "2")
    assert shown[2]["changes"]["properties.size"]["propertyChangeType"] == "Remove"
    sim.clock.advance(15 * 86400)
    assert not list(changes.visible())


def test_only_changes_that_the_caller_may_read_are_shown(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], report: RemediationReport
) -> None:
    """Resource Graph leaves out what a caller may not read, and what is in other subscriptions: missing, not confirmed."""
    sim.clock.advance(301)
    sim.access.deny("Microsoft.Storage/storageAccounts/read", report.results[0].resource_id)
    first, *rest = connect().verify(report).results
    assert first.change_record is not None
    assert first.change_record.status is ChangeRecordStatus.MISSING
    assert {one.change_record.status for one in rest if one.change_record} == {ChangeRecordStatus.CONFIRMED}


def test_a_change_that_is_not_in_the_history_yet_is_undone_nevertheless(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """The resource says that it is; the history says later by whom. A deleted one is no undone change."""
    undo(sim, report.results[0].resource_id)
    sim.resources.remove(report.results[1].resource_id)
    watched = client.watch(report)
    assert [one.writer for one in watched.undone] == [None]
    assert (watched.kept, len(watched.unread)) == (5, 1)
    assert "does not show by whom" in str(watched)
    assert watched.by_writer == {"(unknown)": 1}
    assert client.watch(report, limit=1).plan is None


def test_the_loop_stops_and_says_who_keeps_undoing_it(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """After three times the change is given up, in whichever process it was made."""
    storage = MemoryStorage()
    plan = connect(journal=MemoryJournal(storage)).plan([SECURE_TRANSFER]).limit(1)
    made = 0
    watched = None
    while plan is not None:
        client = connect(journal=MemoryJournal(storage))
        report = client.apply(plan, approve=plan.digest)
        made += report.count("applied")
        undo(sim, report.results[0].resource_id, **WRITERS[WriterKind.APPLICATION])
        sim.clock.advance(3600)
        watched = client.watch(report)
        plan = watched.plan
    assert made == 3
    assert watched is not None
    assert [str(one.writer.principal) for one in watched.given_up if one.writer] == ["object-id-of-pipeline"]
    assert "given up after 3 times" in str(watched)


def test_watch_refuses_a_limit_that_is_none(client: RemediationClient, report: RemediationReport) -> None:
    """A loop without an end is a mistake."""
    for limit in (0, -1, True, 2.5):
        with pytest.raises(InvalidInputError):
            client.watch(report, limit=limit)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path)


@pytest.fixture
def failed(sim: ArmSimulator, connect: Callable[..., RemediationClient], journal: FileJournal) -> str:
    """The account on which a run of another process failed."""
    client = connect(journal=journal)
    plan = client.plan([SECURE_TRANSFER])
    sim.faults.fail("PATCH", plan.steps[0].target_id, status=400, code="BadRequest", message="no such thing")
    report = client.apply(plan.limit(2), approve=plan.limit(2).digest)
    assert [result.outcome.value for result in report.results[:2]] == ["failed", "applied"]
    return plan.steps[0].resource_id


def held(plan: Any) -> dict[str, str | None]:
    return {skip.resource_id: skip.message for skip in plan.skipped if skip.reason == "held"}


def test_what_failed_is_left_out_until_a_date_in_every_process(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], journal: FileJournal, failed: str
) -> None:
    """The skip says why and until when; a waiver with a reason plans it, and it is in the plan then."""
    plan = connect(journal=journal).plan([SECURE_TRANSFER])
    assert list(held(plan)) == [failed]
    message = held(plan)[failed] or ""
    assert message.startswith("left out until 2026-03-09 09:")
    assert "BadRequest" in message
    assert failed not in {step.resource_id for step in plan.steps}
    waived = connect(journal=journal).plan([SECURE_TRANSFER], waive={"hold": "CHG-2: the cause is gone"})
    (step,) = [step for step in waived.steps if step.resource_id == failed]
    assert (step.check_results[0].check, step.check_results[0].waived_because) == ("hold", "CHG-2: the cause is gone")
    for days in (7, 90):
        sim.clock.advance(timedelta(days=days).total_seconds() + 60)
        assert not held(connect(journal=journal).plan([SECURE_TRANSFER]))


def test_a_rollback_is_not_fought_and_a_success_ends_a_hold(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], journal: FileJournal, failed: str
) -> None:
    """The last outcome counts."""
    sim.clock.advance(60)
    client = connect(journal=journal)
    plan = client.plan([SECURE_TRANSFER], resources=[failed], waive={"hold": "once more"})
    report = client.apply(plan, approve=plan.digest)
    undo(sim, failed)
    assert not held(client.plan([SECURE_TRANSFER], resources=[failed]))
    sim.clock.advance(60)
    plan = client.plan([SECURE_TRANSFER], resources=[failed])
    sim.access.lock(failed)
    assert client.apply(plan, approve=plan.digest).results[0].outcome == "blocked"
    sim.access.unlock(failed)
    assert not held(client.plan([SECURE_TRANSFER], resources=[failed])), "blocked is not failed"
    sim.resources.edit(failed, lambda body: body["properties"].update({HTTPS: True}))
    sim.clock.advance(60)
    assert client.rollback(report).count("rolled_back") == 1
    assert "it was rolled back on" in (held(client.plan([SECURE_TRANSFER], resources=[failed]))[failed] or "")


def test_holds_can_be_shorter_or_off_and_the_default_journal_has_none(
    connect: Callable[..., RemediationClient], journal: FileJournal, failed: str
) -> None:
    """The default journal is shared by all programs of a user, also by those against a simulator."""
    assert not held(connect(journal=journal, guards=Guards(hold_days=0)).plan([SECURE_TRANSFER]))
    assert held(connect(journal=journal, guards=Guards(hold_days=0.5)).plan([SECURE_TRANSFER]))
    assert not held(connect().plan([SECURE_TRANSFER]))
    for days in (-1, "7", True, float("nan"), 10**9):
        with pytest.raises(InvalidInputError):
            Guards(hold_days=days)  # type: ignore[arg-type]


def test_a_run_that_was_edited_stops_the_plan(
    connect: Callable[..., RemediationClient], journal: FileJournal, failed: str
) -> None:
    """No one knows what it said; a run that has not been recorded yet is no obstacle."""
    with journal.create("begun"):
        assert held(connect(journal=journal).plan([SECURE_TRANSFER]))

    class Listing(FileJournal):
        """A journal that lists a run which another process has not recorded yet."""

        def list_runs(self) -> Any:
            return iter(["begun", *super().list_runs()])

    assert held(connect(journal=Listing(journal.directory)).plan([SECURE_TRANSFER]))
    (path,) = [path for path in journal.directory.iterdir() if path.suffix == ".jsonl"]
    path.write_bytes(path.read_bytes().replace(b"BadRequest", b"GoodReques"))
    with pytest.raises(JournalTamperedError):
        connect(journal=journal).plan([SECURE_TRANSFER])


@pytest.mark.exhaustive
def test_a_thousand_planned_changes_are_the_recorded_ones(
    connect: Callable[..., RemediationClient], sim: ArmSimulator
) -> None:
    """1,000 steps: what was planned is what Azure recorded. 200 of them undone by five kinds of writers: one poll names all."""
    scope = sim.resources.add_subscription()
    accounts = [
        sim.resources.add(
            {
                "id": f"{scope}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/data{number:04}",
                "location": "westeurope",
                "kind": "StorageV2",
                "properties": {HTTPS: False},
            }
        )
        for number in range(1000)
    ]
    client = connect(scope, guards=Guards(max_changes=1000))
    plan = client.plan([SECURE_TRANSFER])
    report = client.apply(plan, approve=plan.digest)
    assert report.count("applied") == 1000
    sim.clock.advance(301)
    assert statuses(client.verify(report)) == {ChangeRecordStatus.CONFIRMED}
    kinds = list(WRITERS)[:5]
    for number, account in enumerate(accounts[:200]):
        undo(sim, account, **WRITERS[kinds[number % 5]])
    sim.clock.advance(301)
    before = len(sim.requests)
    watched = client.watch(report)
    assert (len(watched.undone), watched.kept, asked_history(sim, before)) == (200, 800, 1)
    found = {one.resource_id: one.writer.kind for one in watched.undone if one.writer}
    assert found == {account: kinds[number % 5] for number, account in enumerate(accounts[:200])}
    assert isinstance(watched.undone[0], UndoneChange)
    assert watched.plan is not None
    assert len(watched.plan) == 200
