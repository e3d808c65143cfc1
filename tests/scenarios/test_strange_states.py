"""States that a run gets into seldom: what is reported, sent and undone then."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from defender_remediate import (
    Catalog,
    FixAction,
    MemoryJournal,
    Outcome,
    RemediationClient,
    RemediationReport,
    SkipReason,
    Waves,
)
from defender_remediate.errors import InvalidInputError, JournalLockedError, PlanError
from defender_remediate.executors import PatchExecutor, StepContext, Submission
from defender_remediate.hooks import RemediationEvent, RunFinished, StepFinished, StepStarted
from defender_remediate.journal import RunLog, StepAccepted, StepEnded
from defender_remediate.models import Condition, CreatedResource
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
VERSION = "2021-05-01-preview"
SETTINGS = "Microsoft.Insights/diagnosticSettings"


@pytest.fixture
def client(connect: Callable[..., RemediationClient]) -> RemediationClient:
    """A client whose runs are kept in memory."""
    return connect(journal=MemoryJournal())


@pytest.fixture
def workspace(sim: ArmSimulator) -> str:
    """Where logs go."""
    return sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]


def secured(sim: ArmSimulator, account: str) -> bool:
    return bool(sim.resources.get(account)["properties"]["supportsHttpsTrafficOnly"])


def making(workspace: str) -> Catalog:
    """A fix that puts a diagnostic setting onto a storage account that has none."""
    known = Catalog.bundled().get(SECURE_TRANSFER)
    assert known is not None
    fix: FixAction = attrs.evolve(
        known,
        kind="put",
        api_version=VERSION,
        target=f"providers/{SETTINGS}/defender-remediate",
        body={"properties": {"workspaceId": workspace, "logs": [{"categoryGroup": "audit", "enabled": True}]}},
        compliant_when=Condition(operator="equals", path="properties.workspaceId", value=workspace),
    )
    return Catalog([fix])


@pytest.mark.parametrize(("ends", "outcome"), [("Succeeded", Outcome.APPLIED), ("Failed", Outcome.IN_DOUBT)])
@pytest.mark.parametrize("form", ["azure-async", "location", "body", "bare"])
def test_a_resource_that_shows_the_change_while_it_is_made_is_no_success_yet(
    sim: ArmSimulator,
    connect: Callable[..., RemediationClient],
    accounts: list[str],
    workspace: str,
    form: str,
    ends: str,
    outcome: Outcome,
) -> None:
    """The answer was lost, and Azure shows what it was asked for before it has ended well."""
    client = connect(journal=MemoryJournal(), catalog=making(workspace))
    sim.faults.slow(SETTINGS, form=form, seconds=120, ends=ends)
    sim.faults.fail("PUT", "diagnosticSettings", when="after")
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    report = client.apply(plan, approve=plan.digest)
    assert [result.outcome for result in report] == [outcome]
    assert len(sim.writes) == 1


def test_our_own_late_write_is_waited_for(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """It was not seen after the cut, holds up the second one, and is under way at the next look."""
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    sim.faults.slow("Microsoft.Storage/storageAccounts", form="azure-async", seconds=300)
    sim.faults.fail("PATCH", "storageAccounts", when="after")
    # The read before the write, then four looks and one more at a replica that does not know of it yet.
    sim.faults.fail("GET", "storageAccounts/[^/]+[?]", status=200, body=sim.resources.get(accounts[0]), skip=1, times=5)
    report = client.apply(plan, approve=plan.digest)
    assert [(result.outcome, result.attempts) for result in report] == [(Outcome.APPLIED, 2)]
    assert secured(sim, accounts[0])


class Killed(BaseException):
    """What SIGKILL looks like from inside."""


class KilledWhenAccepted:
    """A log whose process dies when Azure has taken a write."""

    def __init__(self, log: RunLog) -> None:
        self._log = log

    def append(self, record: Any) -> None:
        self._log.append(record)
        if isinstance(record, StepAccepted):
            raise Killed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def __enter__(self) -> KilledWhenAccepted:
        return self

    def __exit__(self, *args: object) -> None:
        self._log.close()


class Wrapping:
    """A journal whose logs are something else."""

    def __init__(self, journal: MemoryJournal, wrap: Callable[[RunLog], Any]) -> None:
        self.journal, self.wrap = journal, wrap

    def create(self, run_id: str) -> Any:
        return self.wrap(self.journal.create(run_id))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)

    # A protocol that is checked at run time looks for these on the object.
    def open(self, run_id: str) -> Any:
        return self.journal.open(run_id)

    def read(self, run_id: str) -> Any:
        return self.journal.read(run_id)

    def list_runs(self) -> Any:
        return self.journal.list_runs()


class Located:
    """A provider that names the place of what it makes."""

    def __init__(self, sim: ArmSimulator) -> None:
        self.sim = sim

    def send(self, request: Any, **options: Any) -> Any:
        response = self.sim.send(request, **options)
        if request.method == "PUT":
            response.headers["Location"] = request.url
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sim, name)

    def __enter__(self) -> Located:
        return self

    def __exit__(self, *args: object) -> None: ...


def test_the_place_of_a_resource_is_no_operation_to_follow(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str], workspace: str
) -> None:
    """A run that was killed after a 200 with a Location waits for the resource's state, as it would have."""
    journal = MemoryJournal()
    how: dict[str, Any] = {"transport": Located(sim), "catalog": making(workspace), "workers": 1}
    sim.faults.slow(SETTINGS, form="body", seconds=120, ends="Failed")
    client = connect(journal=Wrapping(journal, KilledWhenAccepted), **how)
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    with pytest.raises(Killed):
        client.apply(plan, approve=plan.digest)
    (run_id,) = journal.list_runs()
    (accepted,) = (record for record in journal.read(run_id) if isinstance(record, StepAccepted))
    assert (accepted.status, accepted.poll_kind) == (200, None)
    report = connect(journal=journal, **how).resume(run_id)
    # The resource that the failed operation left behind shows the change.
    assert [result.outcome for result in report] == [Outcome.PARTIALLY_APPLIED]


def test_what_azure_refused_and_somebody_else_did_is_not_undone(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """The change that is there now is not the run's."""
    sim.access.lock(accounts[0])
    sim.faults.fail("PATCH", f"{accounts[1]}[?]", status=409, code="Conflict")
    sim.faults.fail("PATCH", f"{accounts[2]}[?]", status=500, code="ServerError", when="after")
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:3], waive={"lock": "it goes in time"})
    report = client.apply(plan, approve=plan.digest)
    outcomes = {result.resource_id: result.outcome for result in report if result.step_id}
    assert [outcomes[account] for account in accounts[:3]] == [Outcome.BLOCKED, Outcome.FAILED, Outcome.APPLIED]
    sim.access.unlock(accounts[0])
    client.fix(SECURE_TRANSFER, resources=accounts[:2]).raise_for_failures()
    undo = client.plan_rollback(report.run_id)
    assert [step.resource_id for step in undo.steps] == accounts[2:3]
    assert {skip.resource_id: skip.reason for skip in undo.skipped} == dict.fromkeys(
        accounts[:2], SkipReason.NOT_APPLIED
    )


def test_a_resource_that_was_made_anew_is_not_put_back(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """It has the name of the one that the run changed, and was never otherwise than it is."""
    for account, made in ((accounts[0], "2020-01-01T00:00:00Z"), (accounts[1], "2020-01-01T00:00:00Z")):
        sim.resources.edit(account, lambda body, made=made: body.update(systemData={"createdAt": made}))  # type: ignore[misc]
    report = client.fix(SECURE_TRANSFER, resources=accounts[:2])
    body = sim.resources.get(accounts[0])
    sim.resources.remove(accounts[0])
    sim.clock.advance(60)
    sim.resources.add({**body, "systemData": {"createdAt": sim.clock.now().isoformat()}})
    undo = client.plan_rollback(report.run_id)
    assert [step.resource_id for step in undo.steps] == accounts[1:2]
    assert [(skip.resource_id, skip.reason) for skip in undo.skipped] == [(accounts[0], SkipReason.CHANGED_SINCE)]
    assert "recreated" in undo.skipped[0].message


def test_a_run_that_is_under_way_is_not_undone(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """What is in flight would be missed; once it has ended it may be, also from a hook."""
    journal = MemoryJournal()
    other = connect(journal=journal)
    found: list[object] = []

    def hook(event: RemediationEvent) -> None:
        if isinstance(event, StepStarted):
            with pytest.raises(JournalLockedError):
                other.plan_rollback(event.run_id)
        elif isinstance(event, RunFinished):
            found.append(other.rollback(event.report.run_id).count(Outcome.ROLLED_BACK))

    client = connect(journal=journal, hooks=[hook])
    report = client.fix(SECURE_TRANSFER, resources=accounts[:2])
    assert (report.warnings, found) == ((), [2])
    assert not any(secured(sim, account) for account in accounts[:2])


def test_a_run_that_was_stopped_is_undone(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """The run has not ended, but no process holds its lock."""
    plan = client.plan([SECURE_TRANSFER], resources=accounts)
    report = client.apply(plan, approve=plan.digest, waves=Waves(gate=lambda _: False))
    assert client.rollback(report.run_id).count(Outcome.ROLLED_BACK) == 1
    assert not any(secured(sim, account) for account in accounts)


def test_a_plan_with_a_step_twice_is_refused(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """Put together of two; its results could not be told apart."""
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    both = attrs.evolve(plan, steps=plan.steps * 2)
    with pytest.raises(PlanError, match=f"has the step {plan.steps[0].id} twice"):
        client.apply(both, approve=both.digest)
    assert not sim.writes


class Lingering(PatchExecutor):
    """Takes a moment for the first write."""

    def __init__(self) -> None:
        self.sent = 0

    def submit(self, context: StepContext, /) -> Submission:
        self.sent += 1
        threading.Event().wait(0.2 if self.sent == 1 else 0)
        return super().submit(context)


def test_no_step_begins_when_a_run_is_interrupted(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """Also not the next one of a resource that has many."""

    def hook(event: RemediationEvent) -> None:
        if isinstance(event, StepStarted):
            raise KeyboardInterrupt

    journal = MemoryJournal()
    client = connect(journal=journal, hooks=[hook], executors={"patch": Lingering()})
    plan = client.plan([SECURE_TRANSFER])
    # No step may write to another subscription than that of its resource.
    plan = plan.only(resources=[step.resource_id for step in plan.steps if "rg-contoso-dev" in step.resource_id])
    plan = plan.limit(4)
    one = plan.steps[0].resource_id
    plan = attrs.evolve(plan, steps=tuple(attrs.evolve(step, resource_id=one) for step in plan.steps))
    with pytest.raises(KeyboardInterrupt):
        client.apply(plan, approve=plan.digest)
    assert len(sim.writes) == 1
    (run_id,) = journal.list_runs()
    assert connect(journal=journal).resume(run_id).count(Outcome.APPLIED) == 4
    assert len(sim.writes) == 4


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Ctrl-C interrupts, also in a test run that a shell has put into the background, which ignores it from its start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="a thread cannot be sent a signal")
@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_pressed_three_times_leaves_no_worker_and_loses_no_result(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """The second and the third do not end the wait for what is under way."""
    begun, released = threading.Semaphore(0), threading.Event()

    class Held(PatchExecutor):
        def submit(self, context: StepContext, /) -> Submission:
            begun.release()
            released.wait(30)
            return super().submit(context)

    def press() -> None:
        for _ in range(2):
            # Both workers are in the middle of a request.
            begun.acquire(timeout=30)
        for _ in range(3):
            signal.pthread_kill(main, signal.SIGINT)
            threading.Event().wait(0.2)
        released.set()

    journal, main = MemoryJournal(), threading.get_ident()
    client = connect(journal=journal, executors={"patch": Held()}, workers=2)
    plan = client.plan([SECURE_TRANSFER])
    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        client.apply(plan, approve=plan.digest)
    # Three times: the wait for what was under way has outlasted all of them.
    assert released.is_set()
    presser.join()
    (run_id,) = journal.list_runs()
    ended = [record for record in journal.read(run_id) if isinstance(record, StepEnded)]
    assert len(ended) == len(sim.writes) == 2
    assert connect(journal=journal).resume(run_id).count(Outcome.APPLIED) == len(plan.steps)


def test_a_resource_that_someone_creates_while_a_step_waits_is_not_taken_over(
    sim: ArmSimulator, client: RemediationClient, workspace: str
) -> None:
    """The second attempt reads again, as the first one did."""
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).limit(1)
    (step,) = plan.steps
    theirs = CreatedResource(resource_id=f"{workspace}-of-theirs", api_version="2023-09-01")
    plan = attrs.evolve(plan, steps=(attrs.evolve(step, creates=(theirs,)),))
    sim.faults.fail("PUT", "deployments", status=429, code="TooManyRequests", headers={"Retry-After": "9"})
    original = sim.clock.sleep

    def meanwhile(seconds: float) -> None:
        if seconds >= 9:
            sim.resources.add({**sim.resources.get(workspace), "id": theirs.resource_id})
        original(seconds)

    sim.clock.sleep = meanwhile  # type: ignore[method-assign]
    (result,) = (found for found in client.apply(plan, approve=plan.digest) if found.step_id)
    assert result.error is not None
    assert (result.outcome, result.error.code, result.created) == (Outcome.SKIPPED, "Drifted", ())
    assert "exists now" in result.error.message
    assert not sim.writes


def test_what_was_there_before_is_never_called_created(client: RemediationClient, accounts: list[str]) -> None:
    """Whatever a preview says: or a rollback could remove it."""
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    (step,) = plan.steps
    wrong = CreatedResource(resource_id=step.target_id.upper(), api_version=step.api_version)
    plan = attrs.evolve(plan, steps=(attrs.evolve(step, creates=(wrong,), undo_request=None),))
    report: RemediationReport = client.apply(plan, approve=plan.digest)
    assert [(result.outcome, result.created) for result in report] == [(Outcome.APPLIED, ())]
    with pytest.raises(InvalidInputError, match="did not create"):
        client.plan_rollback(report.run_id, remove=accounts[:1])


def test_a_wave_that_fails_to_look_loses_no_result(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is not ours leaves in doubt what was looked at, and stops the run."""
    original = sim.send
    written: list[str] = []

    def send(request: Any, **options: Any) -> Any:
        if written and request.method == "GET" and request.url.partition("?")[0] in written:
            raise ZeroDivisionError("a custom transport")
        return original(request, **options)

    def hook(event: RemediationEvent) -> None:
        if isinstance(event, StepFinished):
            written.append(f"{sim.endpoint}{event.step.target_id}")

    monkeypatch.setattr(sim, "send", send)
    client = connect(journal=MemoryJournal(), hooks=[hook])
    plan = client.plan([SECURE_TRANSFER])
    report = client.apply(plan, approve=plan.digest, waves=Waves())
    assert report.results[0].outcome is Outcome.IN_DOUBT
    assert report.results[0].error is not None
    assert report.results[0].error.code == "ZeroDivisionError"
    assert len(sim.writes) == 1


class Breaking:
    """A log that raises what its protocol does not know, for what has happened already."""

    def __init__(self, log: RunLog) -> None:
        self._log = log

    def append(self, record: Any) -> None:
        if isinstance(record, StepEnded):
            raise OSError("the bucket is gone; password=planted-S3CR3T")
        self._log.append(record)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def __enter__(self) -> Breaking:
        return self

    def __exit__(self, *args: object) -> None:
        self._log.close()


def test_a_store_that_breaks_its_contract_loses_no_result(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """What it did not keep is a warning, without the secrets in it."""
    client = connect(journal=Wrapping(MemoryJournal(), Breaking))
    report = client.fix(SECURE_TRANSFER, resources=accounts[:2])
    assert report.count(Outcome.APPLIED) == 2
    assert set(report.warnings) == {"the journal could not be written: OSError: the bucket is gone; password=(hidden)"}
