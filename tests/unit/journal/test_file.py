from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import defender_remediate
from defender_remediate.errors import (
    JournalError,
    JournalLockedError,
    JournalTamperedError,
    JournalUnwritableError,
    RunExistsError,
    UnknownRunError,
)
from defender_remediate.journal import FileJournal

POSIX = pytest.mark.skipif(os.name == "nt", reason="permissions, signals and devices of POSIX")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(defender_remediate.__file__).parent.parent)}
OTHER_PROCESS = """
import sys
from defender_remediate.journal import FileJournal
log = FileJournal(sys.argv[1]).open("run-1")
print("open", flush=True)
sys.stdin.read()
"""
FULL_DISK = """
import resource, signal, sys
from datetime import datetime, timezone
from defender_remediate.errors import JournalUnwritableError
from defender_remediate.journal import FileJournal, Note
log = FileJournal(sys.argv[1]).open("run-1")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
note = Note(at=datetime(2026, 11, 23, tzinfo=timezone.utc), message="x" * 500)
for _ in range(2):
    try:
        log.append(note)
    except JournalUnwritableError as error:
        print(error)
print(len(log.records))
"""

FORKS = """
import gc, os, sys
from defender_remediate.errors import JournalLockedError
from defender_remediate.journal import FileJournal
journal = FileJournal(sys.argv[1])
log = journal.open("run-1")
if not (dropping := os.fork()):
    del log
    gc.collect()
    os._exit(0)
os.waitpid(dropping, 0)
try:
    journal.open("run-1")
except JournalLockedError:
    print("still locked", flush=True)
began, begins = os.pipe()
if not os.fork():
    os.write(begins, b"x")
    sys.stdin.read()
    os._exit(0)
os.read(began, 1)
print("orphaned", flush=True)
os._exit(0)
"""


@pytest.fixture
def begun(tmp_path, records):
    """A journal with one closed run."""
    journal = FileJournal(tmp_path / "runs")
    with journal.create("run-1") as log:
        log.append(records.opened())
    return journal


def python(code: str, *arguments: object, **options) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=ENVIRONMENT,
        **options,
    )
    return run.stdout.splitlines()


def test_state_goes_where_the_system_wants_it(tmp_path, monkeypatch):
    """And nothing is made before the first run."""
    monkeypatch.setattr("platformdirs.user_state_dir", lambda name, appauthor: str(tmp_path / "state" / name))
    journal = FileJournal()
    assert journal.directory == tmp_path / "state" / "defender-remediate" / "runs"
    assert list(journal.list_runs()) == []
    assert not list(tmp_path.iterdir())


@POSIX
def test_only_the_owner_reads_it(tmp_path, records):
    """Files 0600, directories 0700, whatever the umask allows."""
    before = os.umask(0)
    try:
        with FileJournal(tmp_path / "a" / "runs").create("run-1") as log:
            log.append(records.opened())
    finally:
        os.umask(before)
    modes = {
        path.relative_to(tmp_path).as_posix(): oct(stat.S_IMODE(path.stat().st_mode)) for path in [*tmp_path.rglob("*")]
    }
    assert modes == {"a": "0o700", "a/runs": "0o700", "a/runs/run-1.jsonl": "0o600", "a/runs/run-1.lock": "0o600"}


def test_every_record_is_synced_before_append_returns(tmp_path, records, monkeypatch):
    """The file at each record, and the directories when a name in them is new."""
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor))[1])
    log = FileJournal(tmp_path / "runs").create("run-1")
    assert len(synced) == 2
    log.append(records.opened())
    log.append(records.noted())
    assert len(synced) == 4
    log.close()


def test_systems_that_open_no_directories_are_served(tmp_path, records, monkeypatch):
    """Windows makes names durable by itself."""
    monkeypatch.delattr(os, "O_DIRECTORY", raising=False)
    with FileJournal(tmp_path / "runs").create("run-1") as log:
        log.append(records.opened())
    assert list(FileJournal(tmp_path / "runs").list_runs()) == ["run-1"]


def test_a_second_process_is_refused(begun, records):
    """It holds the run until it dies, and no longer."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(begun.directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(
            JournalLockedError, match=r"run-1\.jsonl: the journal of run run-1 is locked by another process"
        ) as caught:
            begun.open("run-1")
        assert "wait" in caught.value.hint
        assert begun.read("run-1") == (records.opened(),)
        other.kill()
    with begun.open("run-1") as log:
        assert log.records == (records.opened(),)


@POSIX
def test_a_disk_that_fills_up_is_told_before_anything_is_sent(begun, records):
    """A record that was cut off by the limit is taken back; the log takes nothing more, and the run can be resumed."""
    path = begun.directory / "run-1.jsonl"
    told = python(FULL_DISK, begun.directory, path.stat().st_size + 100)
    assert len(told) == 3
    assert all("run-1.jsonl: a record could not be made durable: File too large" in line for line in told[:2])
    assert told[2] == "1"
    with begun.open("run-1") as log:
        log.append(records.noted())
    assert begun.read("run-1") == (records.opened(), records.noted())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
def test_a_full_disk_is_told_at_the_first_record(tmp_path, records):
    """And leaves no run behind."""
    journal = FileJournal(tmp_path)
    (tmp_path / "run-1.jsonl").symlink_to("/dev/full")
    with journal.create("run-1") as log, pytest.raises(JournalUnwritableError, match="No space left") as caught:
        log.append(records.opened())
    assert "was not sent" in caught.value.hint
    assert not (tmp_path / "run-1.jsonl").is_symlink()
    assert list(journal.list_runs()) == []


def test_a_disk_that_writes_little_by_little_is_served(begun, records, monkeypatch):
    """A short write is no whole write."""
    real = os.write
    with begun.open("run-1") as log:
        monkeypatch.setattr(os, "write", lambda descriptor, line: real(descriptor, line[:7]))
        log.append(records.noted())
    assert begun.read("run-1") == (records.opened(), records.noted())


@POSIX
@pytest.mark.parametrize("replaces", [False, True], ids=["removed", "replaced"])
def test_a_journal_that_is_removed_under_a_run_is_told(begun, records, replaces):
    """What is written to a file without a name is lost, so nothing may be sent on the strength of it."""
    path = begun.directory / "run-1.jsonl"
    with begun.open("run-1") as log:
        path.unlink()
        if replaces:
            path.write_bytes(b"")
        with pytest.raises(JournalUnwritableError, match="removed or replaced while the run had it open"):
            log.append(records.noted())


def test_a_record_that_was_not_synced_is_taken_back(begun, records, monkeypatch):
    """Its content on the disk is unknown after a failed sync."""

    def fail(descriptor):
        raise OSError(5, "Input/output error")

    log = begun.open("run-1")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(JournalUnwritableError, match="Input/output error"):
            log.append(records.noted())
    log.close()
    assert begun.read("run-1") == (records.opened(),)


def test_a_directory_that_cannot_be_synced_takes_no_run(begun, monkeypatch):
    """The name of the new file might not survive; nothing stays locked."""

    def fail(descriptor):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(JournalUnwritableError, match="Input/output error"):
            begun.create("run-2")
    begun.create("run-2").close()


def test_a_file_in_place_of_the_directory_is_told(tmp_path):
    """No directory can be made there, and nothing be read."""
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "file" / "runs"):
        journal = FileJournal(directory)
        with pytest.raises(JournalUnwritableError, match="file"):
            journal.create("run-1")
        with pytest.raises(JournalError, match="cannot be read"):
            journal.read("run-1")
        with pytest.raises(JournalError, match="cannot be read"):
            journal.list_runs()
        with pytest.raises(UnknownRunError):
            journal.open("run-1")


@POSIX
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_is_told(begun):
    """Before anything is sent."""
    begun.directory.chmod(0o500)
    try:
        with pytest.raises(JournalUnwritableError):
            begun.create("run-2")
    finally:
        begun.directory.chmod(0o700)


def test_a_file_system_without_locks_is_told(begun, monkeypatch):
    """Two processes could write there at once."""
    import filelock

    def refuse(self):
        raise NotImplementedError("no flock here")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(JournalUnwritableError, match="the file system has no locks: no flock here"):
        begun.open("run-1")


def test_what_cannot_be_opened_stays_unlocked(begun):
    """A failed opening leaves nothing behind that keeps others away."""
    path = begun.directory / "run-1.jsonl"
    kept = path.read_bytes()
    path.write_bytes(kept + kept)
    for _ in range(2):
        with pytest.raises(JournalTamperedError, match=r"run-1\.jsonl, line 2"):
            begun.open("run-1")
    path.unlink()
    path.mkdir()
    for _ in range(2):
        with pytest.raises(JournalUnwritableError, match="directory"):
            begun.open("run-1")
    path.rmdir()
    path.write_bytes(kept)
    begun.open("run-1").close()


@pytest.mark.parametrize("spoil", [lambda line: line[:40] + b"\n", lambda line: line.replace(b"a remark", b"another!")])
def test_a_damaged_last_line_is_told_and_not_cut(begun, records, spoil):
    """The line was complete, so its request may have been sent: only the user can decide what to do with it."""
    with begun.open("run-1") as log:
        log.append(records.noted())
    path = begun.directory / "run-1.jsonl"
    first, last = path.read_bytes().splitlines(keepends=True)
    damaged = first + spoil(last)
    path.write_bytes(damaged)
    for call in (begun.open, begun.read):
        with pytest.raises(JournalTamperedError, match=r"run-1\.jsonl, line 2: "):
            call("run-1")
    assert path.read_bytes() == damaged
    path.write_bytes(first + last[:40])
    with begun.open("run-1") as log:
        assert log.records == (records.opened(),)
    assert path.read_bytes() == first


def test_a_run_without_a_record_leaves_nothing(begun):
    """Killed between the file and its first record, or closed there."""
    begun.create("run-2").close()
    assert not (begun.directory / "run-2.jsonl").exists()
    (begun.directory / "run-3.jsonl").touch()
    with pytest.raises(UnknownRunError, match="run 'run-3' has no journal here"):
        begun.open("run-3")
    assert not (begun.directory / "run-3.jsonl").exists()


def test_only_runs_are_listed(begun):
    """Other files in the directory are ignored, and so is a file that disappears during the listing."""
    for name in ("notes.txt", "not a run.jsonl", "empty.jsonl"):
        (begun.directory / name).touch()
    (begun.directory / "gone.jsonl").symlink_to(begun.directory / "missing")
    assert list(begun.list_runs()) == ["run-1"]


def test_a_log_is_closed_by_any_thread(begun):
    """The lock goes with the log, not with the thread that opened it."""
    import threading

    log = begun.open("run-1")
    thread = threading.Thread(target=log.close)
    thread.start()
    thread.join()
    begun.open("run-1").close()


def test_libraries_are_loaded_when_they_are_needed(tmp_path):
    """Importing the journal, and reading one, loads neither of the two."""
    code = (
        "import sys\nfrom defender_remediate.journal import FileJournal\n"
        "list(FileJournal(sys.argv[1]).list_runs())\n"
        "print(sorted({'filelock', 'platformdirs'} & set(sys.modules)))"
    )
    assert python(code, tmp_path) == ["[]"]


def test_half_a_first_record_is_no_run(tmp_path, records):
    """A process that was killed while it wrote it has sent nothing: the run begins again, under the same id."""
    journal = FileJournal(tmp_path)
    (tmp_path / "run-1.jsonl").write_bytes(b'{"n":1,"version":1,"record":"RunOpened","at":"2026-1')
    with journal.create("run-1") as log:
        log.append(records.opened())
    assert journal.read("run-1") == (records.opened(),)
    with pytest.raises(RunExistsError) as caught:
        journal.create("run-1")
    assert caught.value.run_id == "run-1"


@POSIX
def test_a_forked_process_neither_releases_nor_keeps_the_lock(begun):
    """A process pool forks while the run is open: one writer, and none once that has died."""
    command = [sys.executable, "-c", FORKS, str(begun.directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"still locked\n"
        assert process.stdout.readline() == b"orphaned\n"
        process.wait(10)
        begun.open("run-1").close()
