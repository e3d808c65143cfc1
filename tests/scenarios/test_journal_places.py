"""A journal that another process holds, on a disk that is full, in a place that takes no file: nothing is written to Azure."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from defender_remediate import FileJournal, MemoryJournal, Outcome, RemediationClient, RemediationPlan
from defender_remediate.errors import JournalLockedError, JournalLockLostError, JournalUnwritableError
from defender_remediate.journal import StepIntended
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
UNPRIVILEGED_USER = 65534

HOLDER = """
import sys
from defender_remediate import FileJournal

with FileJournal(sys.argv[1]).open(sys.argv[2]):
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path / "runs")


@pytest.fixture
def client(connect: Callable[..., RemediationClient], journal: FileJournal) -> RemediationClient:
    """A client whose runs are files."""
    return connect(journal=journal, workers=1)


@pytest.fixture
def plan(client: RemediationClient) -> RemediationPlan:
    """Three storage accounts."""
    return client.plan([SECURE_TRANSFER]).limit(3)


@contextmanager
def held(journal: FileJournal, run_id: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has the run open."""
    command = [sys.executable, "-c", HOLDER, str(journal.directory), run_id]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        assert child.stdout.readline() == b"open\n"
        yield child
        child.kill()
        child.wait()


def test_a_second_process_is_refused_and_its_death_lets_go(
    sim: ArmSimulator, client: RemediationClient, plan: RemediationPlan, journal: FileJournal
) -> None:
    """Who comes second is told which run it is and what to do; a lock does not outlive its process."""
    sim.access.lock(plan.steps[0].resource_id)
    report = client.apply(plan, approve=plan.digest)
    content = (journal.directory / f"{report.run_id}.jsonl").read_bytes()
    before = len(sim.requests)
    with held(journal, report.run_id) as child:
        with pytest.raises(JournalLockedError, match=report.run_id) as caught:
            client.resume(report.run_id)
        assert "another process" in str(caught.value)
        assert caught.value.hint
        assert len(sim.requests) == before
        # Reading the journal and planning the rollback need no lock.
        assert len(client.plan_rollback(report.run_id).steps) == 2
        child.kill()
        child.wait()
        assert client.resume(report.run_id).count("applied") == 2
    assert (journal.directory / f"{report.run_id}.jsonl").read_bytes() == content


@contextmanager
def disk_with_room(size: int) -> Iterator[None]:
    """A real limit: no file of this process grows beyond so many bytes."""
    resource = pytest.importorskip("resource", reason="no such limits on this platform")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 500])
def test_a_full_disk_is_noticed_before_anything_is_written_to_azure(
    sim: ArmSimulator, client: RemediationClient, plan: RemediationPlan, journal: FileJournal, room: int
) -> None:
    """Also when a part of the first record still fits; no half a run is left behind."""
    with disk_with_room(room), pytest.raises(JournalUnwritableError, match="could not be made durable") as caught:
        client.apply(plan, approve=plan.digest)
    assert caught.value.hint
    assert not sim.writes
    assert list(journal.list_runs()) == []
    report = client.apply(plan, approve=plan.digest)
    assert report.count(Outcome.APPLIED) == 3


def test_a_disk_that_gets_full_stops_the_steps_that_follow(
    sim: ArmSimulator, client: RemediationClient, plan: RemediationPlan, journal: FileJournal
) -> None:
    """What was sent is reported, what could not be written down was not sent, and a resume tells the same."""
    with disk_with_room(_first_records(journal.directory.parent / "rehearsal", plan)):
        report = client.apply(plan, approve=plan.digest)
    outcomes = [str(result.outcome) for result in report if result.step_id]
    written = {request.path for request in sim.requests if request.method == "PATCH"}
    for step, outcome in zip(plan.steps, outcomes, strict=True):
        assert (step.request.path in written) is (outcome == "applied")
    assert (outcomes[0], outcomes[-1]) == ("applied", "failed")
    assert any("journal could not be written" in warning for warning in report.warnings)
    resumed = client.resume(report.run_id)
    assert resumed.count(Outcome.APPLIED) == 3
    assert all(list(written).count(path) == 1 for path in written)


def _first_records(directory: Path, plan: RemediationPlan) -> int:
    """The bytes that the run and its first step take, and a little more."""
    sim, journal = ArmSimulator.demo(), FileJournal(directory)
    with RemediationClient(
        sim.credential, sim.scopes, transport=sim, clock=sim.clock, journal=journal, workers=1
    ) as client:
        report = client.apply(plan, approve=plan.digest)
    with (directory / f"{report.run_id}.jsonl").open("rb") as lines:
        return sum(len(next(lines)) for _ in range(4)) + 20


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_whatever_the_disk_says_comes_first(
    sim: ArmSimulator, client: RemediationClient, plan: RemediationPlan, monkeypatch: Any, call: str, number: int
) -> None:
    """No room, a broken disk, a used-up quota, a file system that turned read-only; also only when it is flushed."""

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(JournalUnwritableError, match=os.strerror(number)):
        client.apply(plan, approve=plan.digest)
    monkeypatch.undo()
    assert not sim.writes


@contextmanager
def somebody_without_rights() -> Iterator[None]:
    """Run as an unprivileged user, because root may write anywhere."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no user ids on this platform")
    user = os.geteuid()
    if user == 0:
        os.seteuid(UNPRIVILEGED_USER)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)


def test_a_directory_that_takes_no_file_is_refused(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], client: RemediationClient, plan: RemediationPlan
) -> None:
    """Read-only, and one below it that is not there yet."""
    # Import lazily loaded modules now: the unprivileged user may not be able to read them.
    client.apply(plan.limit(0), approve=plan.limit(0).digest)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o555)
        for directory in (place, place / "below" / "runs"):
            other = connect(journal=FileJournal(directory))
            with somebody_without_rights(), pytest.raises(JournalUnwritableError) as caught:
                other.apply(plan, approve=plan.digest)
            assert str(place) in str(caught.value)
        assert list(place.iterdir()) == []
        place.chmod(0o755)
    assert not sim.writes


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this platform")
def test_two_processes_that_begin_at_once_get_a_run_each(
    sim: ArmSimulator, client: RemediationClient, plan: RemediationPlan, journal: FileJournal
) -> None:
    """A directory is shared: only a run is one process's own."""
    report = client.apply(plan.limit(1), approve=plan.limit(1).digest)
    with held(journal, report.run_id):
        again = client.plan([SECURE_TRANSFER]).limit(1)
        other = client.apply(again, approve=again.digest)
    assert other.count(Outcome.APPLIED) == 1
    assert set(journal.list_runs()) == {report.run_id, other.run_id}


class LosingSink:
    """Loses its lock when so many records have been written."""

    def __init__(self, sink: Any, records: int) -> None:
        self.sink, self.left, self.cut, self.close = sink, records, sink.cut, sink.close

    @property
    def size(self) -> int:
        return int(self.sink.size)

    def write(self, line: bytes, /) -> None:
        if not self.left:
            raise JournalLockLostError("the lock was lost", hint="continue with client.resume(run_id)")
        self.left -= 1
        self.sink.write(line)


@pytest.mark.parametrize("records", [0, 1, 2, 3, 10])
def test_a_lost_lock_stops_the_run_before_anything_else_is_sent(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], monkeypatch: pytest.MonkeyPatch, records: int
) -> None:
    """Whichever record could not be written: the process that continues sends the rest, and nothing twice."""
    journal = MemoryJournal()
    client = connect(journal=journal, workers=1)
    plan = client.plan([SECURE_TRANSFER]).limit(3)
    hold = MemoryJournal.hold
    with monkeypatch.context() as patch:
        patch.setattr(MemoryJournal, "hold", lambda *args, **kwargs: LosingSink(hold(*args, **kwargs), records))
        with pytest.raises(JournalLockLostError) as caught:
            client.apply(plan, approve=plan.digest)
    assert caught.value.hint
    runs = list(journal.list_runs())
    intended = [each for run_id in runs for each in journal.read(run_id) if isinstance(each, StepIntended)]
    assert len(sim.writes) == len(intended)
    for run_id in runs:
        assert client.resume(run_id).count(Outcome.APPLIED) == 3
        assert len({request.path for request in sim.writes}) == len(sim.writes) == 3
