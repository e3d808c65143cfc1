"""The journal comes first: what cannot be written down is not done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from defender_remediate import FileJournal, MemoryJournal, RemediationClient
from defender_remediate.errors import JournalError, JournalLockedError, JournalUnwritableError
from defender_remediate.journal import Record, RunLog, replay
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
KILLS = int(os.environ.get("DEFENDER_REMEDIATE_KILLS", "3"))


class FullDisk:
    """A journal whose disk is full after so many records."""

    def __init__(self, room: int) -> None:
        self.room, self.inner = room, MemoryJournal()

    def create(self, run_id: str) -> RunLog:
        return FullLog(self.inner.create(run_id), self.room)

    def open(self, run_id: str) -> RunLog:
        return self.inner.open(run_id)

    def read(self, run_id: str) -> tuple[Record, ...]:
        return self.inner.read(run_id)

    def list_runs(self) -> Iterator[str]:
        return self.inner.list_runs()


class FullLog:
    """The log of such a journal."""

    def __init__(self, log: RunLog, room: int) -> None:
        self.log, self.room = log, room

    @property
    def records(self) -> tuple[Record, ...]:
        return self.log.records

    def append(self, record: Record, /) -> None:
        if len(self.records) >= self.room:
            raise JournalUnwritableError("no space left on device")
        self.log.append(record)

    def close(self) -> None:
        self.log.close()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


def test_a_run_that_cannot_be_written_down_does_not_begin(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """The error comes before any write to Azure."""
    client = connect(journal=FullDisk(room=0))
    plan = client.plan([SECURE_TRANSFER])
    with pytest.raises(JournalUnwritableError):
        client.apply(plan, approve=plan.digest)
    assert not sim.writes


def test_a_step_that_cannot_be_written_down_is_not_sent(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """Its result says so, and the warnings too."""
    client = connect(journal=FullDisk(room=1))
    report = client.fix(SECURE_TRANSFER, resources=accounts[:2])
    assert report.count("failed") == 2
    assert {result.error.code for result in report if result.error} == {"JournalUnwritable"}
    assert not sim.writes
    assert "the journal could not be written" in report.warnings[0]


def test_a_step_that_was_sent_is_reported_also_when_the_disk_is_full_then(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """What happened has happened; the intent is on record, and a resume finds out by looking."""
    journal = FullDisk(room=2)
    client = connect(journal=journal)
    report = client.fix(SECURE_TRANSFER, resources=accounts[:1])
    assert report.count("applied") == 1
    assert report.warnings
    resumed = connect(journal=journal).resume(report.run_id)
    assert resumed.count("applied") == 1
    assert len(sim.writes) == 1


def test_a_second_process_is_refused(
    tmp_path: Path, sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """Two at one run would write over each other."""
    journal = FileJournal(tmp_path)
    client = connect(journal=journal)
    plan = client.plan([SECURE_TRANSFER]).limit(1)
    report = client.apply(plan, approve=plan.digest)
    with journal.open(report.run_id), pytest.raises(JournalLockedError):
        connect(journal=FileJournal(tmp_path)).resume(report.run_id)


def test_a_journal_in_a_place_that_cannot_be(tmp_path: Path, connect: Callable[..., RemediationClient]) -> None:
    """Refused before any write to Azure."""
    (tmp_path / "file").write_text("not a directory")
    client = connect(journal=FileJournal(tmp_path / "file"))
    plan = client.plan([SECURE_TRANSFER])
    with pytest.raises(JournalError):
        client.apply(plan, approve=plan.digest)


def test_the_default_journal_is_a_file(connect: Callable[..., RemediationClient], sim: ArmSimulator) -> None:
    """Made without a word, a client can resume and undo what another client did."""
    client = connect()
    plan = client.plan([SECURE_TRANSFER]).limit(1)
    report = client.apply(plan, approve=plan.digest)
    assert isinstance(client.journal, FileJournal)
    assert report.run_id in set(connect().journal.list_runs())
    assert connect().rollback(report.run_id).count("rolled_back") == 1


CHILD = """
import sys
from azure.core.credentials import AccessToken
from defender_remediate import FileJournal, RemediationClient

endpoint, token, scope, directory = sys.argv[1:]


class Credential:
    def get_token(self, *scopes, **options):
        return AccessToken(token, 2**40)


with RemediationClient(Credential(), scope, endpoint=endpoint, journal=FileJournal(directory), workers=3) as client:
    plan = client.plan(["1c5de8e1-f68d-6a17-e0d2-ec259c42768c"])
    print("planned", flush=True)
    client.apply(plan, approve=plan.digest)
    print("applied", flush=True)
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this platform")
@pytest.mark.parametrize("seed", range(KILLS))
def test_a_process_that_is_killed_is_resumed_by_another(tmp_path: Path, seed: int) -> None:
    """SIGKILL at any instant of a real process; the resource is as planned, and no known write is repeated."""
    sim = ArmSimulator.demo()
    scope = sim.scopes[2]
    with sim.serve() as server:
        arguments = [server.endpoint, sim.credential.get_token("x").token, scope, str(tmp_path)]
        child = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE)
        assert child.stdout is not None
        with child.stdout:
            assert child.stdout.readline() == b"planned\n"
            try:
                child.wait(timeout=random.Random(seed).uniform(0.0, 0.12))
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                child.wait()
        # The child planned by the clock on the wall.
        sim.clock.sleep((datetime.now(timezone.utc) - sim.clock.now()).total_seconds() + 60)
        credential: Any = sim.credential
        journal = FileJournal(tmp_path)
        with RemediationClient(credential, scope, endpoint=server.endpoint, journal=journal, clock=sim.clock) as client:
            runs = list(journal.list_runs())
            if not runs:
                assert not sim.writes
                return
            report = client.resume(runs[0])
    report.raise_for_failures()
    assert all(
        sim.resources.get(step.target_id)["properties"]["supportsHttpsTrafficOnly"] for step in report.plan.steps
    )
    sent = [request.path for request in sim.requests if request.method == "PATCH"]
    assert all(sent.count(path) <= 2 for path in sent)
    assert replay(journal.read(runs[0])).unfinished == ()
