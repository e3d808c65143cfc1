"""The journal in a SQLite database."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from defender_remediate.errors import (
    InvalidInputError,
    JournalError,
    JournalTamperedError,
    JournalUnwritableError,
    UnknownRunError,
)
from defender_remediate.journal import SqliteJournal
from defender_remediate.journal import sqlite as store


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    return SqliteJournal(tmp_path / "state" / "runs.db")


@pytest.mark.parametrize("path", [None, 3, "", "a\0b", b"runs.db"])
def test_a_wrong_path_is_refused(path: Any) -> None:
    """Before anything is created."""
    with pytest.raises(InvalidInputError, match="path of a file"):
        SqliteJournal(path)


def test_nothing_is_created_by_reading(journal: SqliteJournal) -> None:
    """A typo in a path does not leave an empty database behind."""
    assert list(journal.list_runs()) == []
    with pytest.raises(UnknownRunError):
        journal.read("run-1")
    with pytest.raises(UnknownRunError):
        journal.open("run-1")
    assert not journal.path.parent.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_only_the_owner_can_read(journal: SqliteJournal, records: Any) -> None:
    """The database, its write-ahead log, the lock and the directory."""
    with journal.create("run-1") as log:
        log.append(records.opened())
        found = [journal.path.parent, *journal.path.parent.rglob("*")]
        assert {path.name for path in found} > {"runs.db", "runs.db-wal", "runs.db.locks", "run-1.lock"}
        assert not [path for path in found if stat.S_IMODE(path.stat().st_mode) & 0o077]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not remove an open file")
def test_a_database_that_is_removed_under_a_run_is_told(journal: SqliteJournal, records: Any) -> None:
    """SQLite writes to a file that has no name any more."""
    with journal.create("run-1") as log:
        log.append(records.opened())
        journal.path.unlink()
        with pytest.raises(JournalUnwritableError, match="removed or replaced while the run had it open"):
            log.append(records.noted())


def test_a_database_of_other_runs_has_no_unknown_run(journal: SqliteJournal, records: Any) -> None:
    """Neither to read nor to continue."""
    with journal.create("run-1") as log:
        log.append(records.opened())
    for call in (journal.read, journal.open):
        with pytest.raises(UnknownRunError):
            call("run-2")


def test_a_database_is_set_up_once(journal: SqliteJournal, records: Any) -> None:
    """A process that waited for another one to set it up leaves it as it is."""
    with journal.create("run-1") as log:
        log.append(records.opened())
        journal._set_up(log._sink.database)  # type: ignore[attr-defined]
        log.append(records.noted())
    assert journal.read("run-1") == (records.opened(), records.noted())


def test_a_transaction_that_sqlite_ended_is_not_ended_again(journal: SqliteJournal) -> None:
    """On some errors, such as a full disk, SQLite rolls back by itself; the first error is the one that is told."""
    with journal.create("run-1") as log:
        database = log._sink.database  # type: ignore[attr-defined]

        def fill() -> None:
            with store._transaction(database):
                database.execute("ROLLBACK")
                raise sqlite3.OperationalError("database or disk is full")

        with pytest.raises(sqlite3.OperationalError, match="full"):
            fill()


def test_every_commit_is_flushed(journal: SqliteJournal) -> None:
    """A record survives a power failure once it was appended."""
    with journal.create("run-1") as log:
        database = log._sink.database  # type: ignore[attr-defined]
        settings = {name: database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert settings == {"journal_mode": "wal", "synchronous": 2}


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE customers (name TEXT)")


def of_another_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"PRAGMA application_id = {store._APPLICATION_ID}")
        database.execute("PRAGMA user_version = 9")


def no_database(path: Path) -> None:
    path.write_bytes(b"minutes of the last meeting\n" * 100)


@pytest.mark.parametrize("make", [foreign, of_another_version, no_database])
def test_another_file_is_refused_and_not_touched(journal: SqliteJournal, make: Any) -> None:
    """The database of another program, of a later version, or no database at all."""
    journal.path.parent.mkdir()
    make(journal.path)
    before = journal.path.read_bytes()
    calls = (journal.list_runs, lambda: journal.read("run-1"), lambda: journal.create("run-1"))
    for call in calls:
        with pytest.raises(JournalError, match=r"runs\.db") as caught:
            call()
        assert caught.value.hint
    assert journal.path.read_bytes() == before


def test_a_database_that_another_program_locks_is_told(
    journal: SqliteJournal, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that cannot be committed is refused, like every one after it; what was committed stays."""
    monkeypatch.setattr(store, "_BUSY_SECONDS", 0.01)
    with journal.create("run-1") as log:
        log.append(records.opened())
        with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalUnwritableError, match="locked"):
                log.append(records.noted())
        with pytest.raises(JournalUnwritableError, match="locked"):
            log.append(records.noted())
    assert journal.read("run-1") == (records.opened(),)


def test_two_records_never_take_the_same_place(journal: SqliteJournal, records: Any) -> None:
    """Also if the lock failed: the second writer is refused, and its batch leaves nothing behind."""
    with journal.create("run-1") as log:
        log.append(records.opened())
        sink = log._sink
        line = b"x" * 10
        sink.write(line)
        with closing(sqlite3.connect(journal.path)) as other, other:
            other.execute("INSERT INTO lines VALUES ('run-1', ?, ?)", (sink.size + len(line), line))
        with pytest.raises(JournalUnwritableError, match="UNIQUE"):
            sink.write_all([line, line])  # type: ignore[attr-defined]
        with closing(sqlite3.connect(journal.path)) as other:
            assert other.execute("SELECT count(*) FROM lines").fetchone() == (3,)


@pytest.mark.parametrize("line", ["'text'", "7", "x''", "x'0a'"])
def test_whatever_someone_stores_is_checked(journal: SqliteJournal, records: Any, line: str) -> None:
    """The bytes of any type of SQLite are checked against the chain."""
    with journal.create("run-1") as log:
        log.append(records.opened())
        log.append(records.noted())
    with closing(sqlite3.connect(journal.path)) as database, database:
        database.execute(f"UPDATE lines SET line = {line} WHERE position = 0")
    with pytest.raises(JournalTamperedError):
        journal.read("run-1")
    assert list(journal.list_runs()) in ([], ["run-1"])


def test_nothing_in_place_of_a_line_is_no_line(journal: SqliteJournal, records: Any) -> None:
    """A table that someone has made again may have no value there."""
    with journal.create("run-1") as log:
        log.append(records.opened())
    with closing(sqlite3.connect(journal.path)) as database:
        database.executescript(
            "DROP TABLE lines; CREATE TABLE lines (run_id, position, line); INSERT INTO lines VALUES ('run-1', 0, NULL);"
        )
    with pytest.raises(UnknownRunError):
        journal.read("run-1")


def test_a_damaged_schema_is_told(journal: SqliteJournal, records: Any) -> None:
    """What SQLite says about it quotes bytes that are no text."""
    with journal.create("run-1") as log:
        log.append(records.opened())
    with closing(sqlite3.connect(journal.path)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    damaged = (
        journal.path.read_bytes().replace(b"tablelines", b"tableli\x97es").replace(b"CREATE TABLE", b"CREATE TABL\x97")
    )
    journal.path.write_bytes(damaged)
    with pytest.raises(JournalError):
        journal.read("run-1")
    with pytest.raises(JournalUnwritableError):
        journal.open("run-1")


BEGIN = """
import sys
from defender_remediate.journal import SqliteJournal
sys.stdin.readline()
with SqliteJournal(sys.argv[1]).create(sys.argv[2]):
    print("begun", flush=True)
    sys.stdin.readline()
"""


def test_processes_that_begin_at_once_share_a_new_database(journal: SqliteJournal) -> None:
    """Each gets its run, and one of them creates the database."""
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen([sys.executable, "-c", BEGIN, str(journal.path), f"r{n}"], **pipes) for n in range(3)]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.stdout.readline() for child in children] == ["begun\n"] * 3
    for child in children:
        child.communicate("end\n")
        assert child.returncode == 0
