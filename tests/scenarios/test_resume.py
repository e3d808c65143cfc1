"""A run that is killed at any instant can be resumed: no change is lost, repeated or misreported."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import pytest

from defender_remediate import (
    Catalog,
    MemoryJournal,
    RemediationClient,
    RemediationPlan,
    RemediationReport,
    RemediationResult,
)
from defender_remediate.errors import PlanError, UnknownRunError
from defender_remediate.journal import Record, RunLog
from defender_remediate.models import Condition
from defender_remediate.testing import ArmSimulator, seeded_client

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
FTP_BASIC_AUTH = "56d42cec-3359-c1a2-f3f2-fea2232edc64"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
TDE = "651967bf-044e-4bde-8376-3e08e0600105"
# Every moment takes a minute on some machines: by default the kinds share them out, with 1 each kind has them all.
STRIDE = int(os.environ.get("DEFENDER_REMEDIATE_STRIDE", "4"))
KINDS = {"patch": SECURE_TRANSFER, "put": FTP_BASIC_AUTH, "template": KEY_VAULT_LOGS, "slow put": TDE}


class Killed(BaseException):
    """What SIGKILL looks like from inside: nothing after it happens."""


class Fuse:
    """Kills at a given moment; moments are counted over requests and journal records together."""

    def __init__(self, at: int) -> None:
        self.left = at

    def burn(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise Killed


class KillingTransport:
    """The simulator behind a wire that is cut by the kill, before a request leaves or after it had its effect."""

    def __init__(self, sim: ArmSimulator, fuse: Fuse) -> None:
        self.sim, self.fuse = sim, fuse

    def send(self, request: Any, **options: Any) -> Any:
        self.fuse.burn()
        response = self.sim.send(request, **options)
        self.fuse.burn()
        return response

    def sleep(self, duration: float) -> None:
        self.sim.sleep(duration)

    def open(self) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> KillingTransport:
        return self

    def __exit__(self, *args: object) -> None: ...


class KillingLog:
    """A journal's log that is killed before a record is written or after it."""

    def __init__(self, log: RunLog, fuse: Fuse) -> None:
        self.log, self.fuse = log, fuse

    @property
    def records(self) -> Sequence[Record]:
        return self.log.records

    def append(self, record: Record) -> None:
        self.fuse.burn()
        self.log.append(record)
        self.fuse.burn()

    def close(self) -> None:
        self.log.close()

    def __enter__(self) -> KillingLog:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


class KillingJournal:
    """A journal that hands out such logs."""

    def __init__(self, journal: MemoryJournal, fuse: Fuse) -> None:
        self.journal, self.fuse = journal, fuse

    def create(self, run_id: str) -> KillingLog:
        return KillingLog(self.journal.create(run_id), self.fuse)

    def open(self, run_id: str) -> KillingLog:
        return KillingLog(self.journal.open(run_id), self.fuse)

    def read(self, run_id: str) -> tuple[Record, ...]:
        return self.journal.read(run_id)

    def list_runs(self) -> Iterator[str]:
        return self.journal.list_runs()


def told(report: RemediationReport) -> list[tuple[Any, ...]]:
    """What a report says, without times, ids of requests and numbers of attempts."""

    def key(result: RemediationResult) -> tuple[Any, ...]:
        made = result.created
        return (result.step_id, result.resource_id, result.keys, result.outcome, result.before, result.after, made)

    return [key(result) for result in report]


def arrange(kind: str) -> tuple[ArmSimulator, dict[str, object]]:
    sim = ArmSimulator.demo()
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    return sim, {"workspace_id": workspace} if kind == "template" else {}


def connect(sim: ArmSimulator, journal: Any, fuse: Fuse | None = None) -> RemediationClient:
    transport: Any = sim if fuse is None else KillingTransport(sim, fuse)
    return seeded_client(
        sim.credential, sim.scopes, transport=transport, clock=sim.clock, journal=journal, workers=1, jitter=lambda: 0.5
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_killed_at_any_moment_is_resumed(kind: str) -> None:
    """Each resource is as planned, the report is that of an undisturbed run, and no known write is repeated."""
    sim, parameters = arrange(kind)
    with connect(sim, MemoryJournal()) as client:
        plan = client.plan([KINDS[kind]], parameters=parameters).limit(2)
        expected = client.apply(plan, approve=plan.digest)
    bodies = {step.target_id: sim.resources.get(step.target_id) for step in plan.steps if kind != "template"}
    killed = 0
    for moment in range(1 + list(KINDS).index(kind) % STRIDE, 400, STRIDE):
        sim, parameters = arrange(kind)
        journal, fuse = MemoryJournal(), Fuse(10**9)
        with connect(sim, KillingJournal(journal, fuse), fuse) as client:
            plan = client.plan([KINDS[kind]], parameters=parameters).limit(2)
            fuse.left = moment
            try:
                client.apply(plan, approve=plan.digest)
                break
            except Killed:
                killed += 1
        runs = list(journal.list_runs())
        with connect(sim, journal) as client:
            if not runs or not journal.read(runs[0]):
                assert not sim.writes, f"killed at {moment}: something was written before the journal was open"
                continue
            report = client.resume(runs[0])
        assert told(report) == told(expected), f"killed at {moment}"
        assert {target: sim.resources.get(target) for target in bodies} == bodies, f"killed at {moment}"
        _no_known_write_is_repeated(sim, report, moment)
    assert killed > 20 // STRIDE


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["patch", "put", "template"])
def test_a_rollback_killed_at_any_moment_is_resumed(kind: str) -> None:
    """By a PATCH, by a PUT, and by the removal of what a template created: as an undisturbed one."""
    sim, journal, back = _on_the_way_back(kind)
    with connect(sim, journal) as client:
        expected = client.apply(back, approve=back.digest, waive=WHY)
    assert expected.count("rolled_back") == len(back.steps) == 2
    bodies = {found: sim.resources.get(found) for found in sim.resources.list_ids()}
    killed = 0
    for moment in range(1 + ["patch", "put", "template"].index(kind) % STRIDE, 400, STRIDE):
        sim, journal, back = _on_the_way_back(kind)
        writes, runs, fuse = len(sim.writes), set(journal.list_runs()), Fuse(moment)
        with connect(sim, KillingJournal(journal, fuse), fuse) as client:
            try:
                client.apply(back, approve=back.digest, waive=WHY)
                break
            except Killed:
                killed += 1
        begun = set(journal.list_runs()) - runs
        with connect(sim, journal) as client:
            if not begun:
                assert len(sim.writes) == writes, f"killed at {moment}: written before the journal was open"
                continue
            report = client.resume(begun.pop())
        assert told(report) == told(expected), f"killed at {moment}"
        assert {found: sim.resources.get(found) for found in sim.resources.list_ids()} == bodies, f"killed at {moment}"
    assert killed > 20 // STRIDE


WHY = {"removal": "the trial is over"}


def _on_the_way_back(kind: str) -> tuple[ArmSimulator, MemoryJournal, RemediationPlan]:
    sim, parameters = arrange(kind)
    journal = MemoryJournal()
    with connect(sim, journal) as client:
        plan = client.plan([KINDS[kind]], parameters=parameters).limit(2)
        report = client.apply(plan, approve=plan.digest)
        created = [one.resource_id for result in report for one in result.created]
        return sim, journal, client.plan_rollback(report.run_id, remove=created)


def _no_known_write_is_repeated(sim: ArmSimulator, report: RemediationReport, moment: int) -> None:
    for step in report.plan.steps:
        path = step.request.path.casefold()
        sent = [request for request in sim.requests if request.method != "GET" and request.path.casefold() == path]
        # An interrupted write may be sent once more, because its outcome is unknown.
        assert len(sent) <= 2, f"killed at {moment}: {step.target_id} was written {len(sent)} times"


def test_a_run_that_is_over_is_only_reported(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """The same report again, without a request that writes."""
    journal = MemoryJournal()
    client = connect(journal=journal)
    plan = client.plan([SECURE_TRANSFER])
    report = client.apply(plan, approve=plan.digest)
    writes = len(sim.writes)
    again = client.resume(report.run_id)
    assert told(again) == told(report)
    assert again.correlation_id == report.correlation_id
    assert again.warnings == ()
    assert len(sim.writes) == writes


def test_a_run_is_resumed_where_it_was_made(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """Another scope is refused; an unknown run is named."""
    journal = MemoryJournal()
    client = connect(journal=journal)
    plan = client.plan([SECURE_TRANSFER]).limit(1)
    report = client.apply(plan, approve=plan.digest)
    with pytest.raises(PlanError, match="another scope"):
        connect(sim.scopes[0], journal=journal).resume(report.run_id)
    with pytest.raises(UnknownRunError):
        client.resume("00000000-0000-4000-8000-000000000000")


def test_a_secret_in_a_request_is_not_in_the_journal_and_not_sent_from_it(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """A step whose request the journal could not keep is not sent as something else."""
    fix = Catalog.bundled().get(SECURE_TRANSFER)
    assert fix is not None
    own = attrs.evolve(
        fix,
        body={"properties": {"supportsHttpsTrafficOnly": True}, "tags": {"adminPassword": "planted-S3CR3T"}},
        compliant_when=Condition(operator="equals", path="properties.supportsHttpsTrafficOnly", value=True),
    )
    journal, fuse = MemoryJournal(), Fuse(10**9)
    catalog = Catalog.bundled().with_fixes(own)
    client = connect(journal=KillingJournal(journal, fuse), catalog=catalog, workers=1)
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:2])
    fuse.left = 3
    with pytest.raises(Killed):
        client.apply(plan, approve=plan.digest)
    run_id = next(journal.list_runs())
    assert "planted-S3CR3T" not in repr(journal.read(run_id))
    report = connect(journal=journal, catalog=catalog).resume(run_id)
    assert {result.error.code for result in report if result.error} == {"Withheld"}
    assert not sim.writes


def test_a_run_without_steps_can_be_resumed_twice(connect: Callable[..., RemediationClient]) -> None:
    """Its journal ends once, and can still be read."""
    journal = MemoryJournal()
    client = connect(journal=journal)
    plan = client.plan([SECURE_TRANSFER]).limit(0)
    report = client.apply(plan, approve=plan.digest)
    for _ in range(2):
        assert told(client.resume(report.run_id)) == told(report)
    assert [type(record).__name__ for record in journal.read(report.run_id)] == ["RunOpened", "RunEnded"]


def test_an_operation_that_was_accepted_is_followed_and_not_sent_again(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """The journal has the link that Azure gave."""
    journal, fuse = MemoryJournal(), Fuse(10**9)
    client = connect(journal=KillingJournal(journal, fuse), workers=1)
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).limit(1)
    # Two moments each for RunOpened, StepIntended and StepAccepted; the next is before StepEnded.
    fuse.left = 7
    with pytest.raises(Killed):
        client.apply(plan, approve=plan.digest)
    run_id = next(journal.list_runs())
    assert type(journal.read(run_id)[-1]).__name__ == "StepAccepted"
    writes = len(sim.writes)
    assert connect(journal=journal).resume(run_id).count("applied") == 1
    assert len(sim.writes) == writes


def test_a_run_that_was_killed_before_its_last_record_gets_it(connect: Callable[..., RemediationClient]) -> None:
    """Nothing is left to do but to say that it is over."""
    journal, fuse = MemoryJournal(), Fuse(10**9)
    client = connect(journal=KillingJournal(journal, fuse), workers=1)
    plan = client.plan([SECURE_TRANSFER]).limit(1)
    # Two moments each for RunOpened, StepIntended, StepAccepted and StepEnded; the next is before RunEnded.
    fuse.left = 9
    with pytest.raises(Killed):
        client.apply(plan, approve=plan.digest)
    run_id = next(journal.list_runs())
    assert type(journal.read(run_id)[-1]).__name__ == "StepEnded"
    connect(journal=journal).resume(run_id)
    assert type(journal.read(run_id)[-1]).__name__ == "RunEnded"
