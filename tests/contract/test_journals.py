"""The journals that come with the library keep the contract that others have to keep; broken ones are caught."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
from azure.storage.blob import BlobLeaseClient

from defender_remediate.errors import JournalError, JournalLockLostError
from defender_remediate.journal import (
    BlobJournal,
    ChainedLog,
    FileJournal,
    MemoryJournal,
    MemoryStorage,
    SqliteJournal,
    blob_container,
)
from defender_remediate.testing.contracts import journal as contract
from defender_remediate.testing.contracts.journal import JOURNAL_CONTRACT, JournalRule

_HALF = b'{"n":9,"version":1,"record":"Note","mess'


@attrs.frozen
class FilePlace:
    directory: Path

    def journal(self) -> FileJournal:
        return FileJournal(self.directory)

    def tear(self, run_id: str) -> None:
        with (self.directory / f"{run_id}.jsonl").open("ab") as file:
            file.write(_HALF)

    def tamper(self, run_id: str) -> None:
        path = self.directory / f"{run_id}.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"message":"one"', b'"message":"0ne"'))


@attrs.frozen
class SqlitePlace:
    path: Path

    def journal(self) -> SqliteJournal:
        return SqliteJournal(self.path)

    def tear(self, run_id: str) -> None:
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute("INSERT INTO lines VALUES (?, 1000000, ?)", (run_id, _HALF))

    def tamper(self, run_id: str) -> None:
        with closing(sqlite3.connect(self.path)) as database, database:
            edit = 'UPDATE lines SET line = replace(line, \'"message":"one"\', \'"message":"0ne"\') WHERE run_id = ?'
            database.execute(edit, (run_id,))


@attrs.frozen
class BlobPlace:
    container: Any

    def journal(self) -> BlobJournal:
        return BlobJournal(self.container.url, self.container.credential)

    def tear(self, run_id: str) -> None:
        self.container.client.get_blob_client(f"{run_id}.jsonl").append_block(_HALF)

    def tamper(self, run_id: str) -> None:
        blob = self.container.client.get_blob_client(f"{run_id}.jsonl")
        edited = blob.download_blob().readall().replace(b'"message":"one"', b'"message":"0ne"')
        blob.create_append_blob()
        blob.append_block(edited)


class MemoryPlace:
    def __init__(self) -> None:
        self.storage = MemoryStorage()

    def journal(self) -> Any:
        return MemoryJournal(self.storage)

    def tear(self, run_id: str) -> None:
        self.storage.contents[run_id] += _HALF

    def tamper(self, run_id: str) -> None:
        held = self.storage.contents[run_id]
        held[:] = held.replace(b'"message":"one"', b'"message":"0ne"')


@pytest.mark.parametrize("rule", JOURNAL_CONTRACT, ids=str)
def test_the_file_journal_keeps_the_contract(rule: JournalRule, tmp_path: Path) -> None:
    """On a real disk."""
    rule.check(FilePlace(tmp_path / "state" / "runs"))


@pytest.mark.parametrize("rule", JOURNAL_CONTRACT, ids=str)
def test_the_sqlite_journal_keeps_the_contract(rule: JournalRule, tmp_path: Path) -> None:
    """In a database on a real disk."""
    rule.check(SqlitePlace(tmp_path / "state" / "runs.db"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("rule", JOURNAL_CONTRACT, ids=str)
def test_the_blob_journal_keeps_the_contract(rule: JournalRule, storage_container: Any) -> None:
    """In the emulator of Azure Storage."""
    rule.check(BlobPlace(storage_container))


@pytest.mark.exhaustive
def test_a_lease_that_was_broken_stops_its_writer(storage_container: Any) -> None:
    """In the emulator: an operator ended it, another process took the run, and the first one writes nothing more."""
    opened, first, second = contract._opened("run-1"), contract._note("first"), contract._note("second")
    place = BlobPlace(storage_container)
    log = place.journal().create("run-1")
    log.append(opened)
    BlobLeaseClient(storage_container.client.get_blob_client("run-1.jsonl")).break_lease(0)
    with place.journal().open("run-1") as other:
        with pytest.raises(JournalLockLostError):
            log.append(first)
        log.close()
        other.append(second)
    assert place.journal().read("run-1") == (opened, second)


@pytest.mark.exhaustive
def test_a_long_run_continues_in_another_blob(storage_container: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the emulator, with a first record of several appends; another process continues it there."""
    monkeypatch.setattr(blob_container, "MAX_BLOCKS", 5)
    monkeypatch.setattr(blob_container, "MAX_APPEND_BYTES", 2000)
    place = BlobPlace(storage_container)
    opened = attrs.evolve(contract._opened("run-1"), waivers=("max_changes: " + "x" * 5000,))
    notes = [contract._note(str(number)) for number in range(8)]
    for number, record in enumerate([opened, *notes]):
        with place.journal().open("run-1") if number else place.journal().create("run-1") as log:
            log.append(record)
    assert place.journal().read("run-1") == (opened, *notes)
    assert list(place.journal().list_runs()) == ["run-1"]
    blobs = {blob.name for blob in storage_container.client.list_blobs()}
    assert blobs == {"run-1.jsonl", "run-1~2.jsonl", "run-1~3.jsonl"}


@pytest.mark.parametrize("rule", JOURNAL_CONTRACT, ids=str)
def test_the_memory_journal_keeps_the_contract(rule: JournalRule) -> None:
    """With the same bytes in memory."""
    rule.check(MemoryPlace())


class Breaking(MemoryPlace):
    """A journal with one verb replaced."""

    def __init__(self, **verbs: Any) -> None:
        super().__init__()
        self.verbs = verbs

    def journal(self) -> Any:
        good = MemoryJournal(self.storage)
        verbs = {name: getattr(good, name) for name in ("create", "open", "read", "list_runs")}
        verbs |= {name: verb.__get__(good) for name, verb in self.verbs.items()}
        return type("Broken", (), {name: staticmethod(verb) for name, verb in verbs.items()})()


class Forgetful(ChainedLog):
    def append(self, record: Any, /) -> None:
        self._records.append(record)


class Gossip(ChainedLog):
    def append(self, record: Any, /) -> None:
        super().append(record)
        self._records[-1] = record


def _fresh(self: MemoryJournal, run_id: str) -> ChainedLog:
    """Starts over whatever is there."""
    self.storage.release(run_id)
    self.storage.contents.pop(run_id, None)
    return self.create(run_id)


def _as(kind: type[ChainedLog]) -> Any:
    def create(self: MemoryJournal, run_id: str) -> ChainedLog:
        log = self.create(run_id)
        log.__class__ = kind
        return log

    return create


def _unlocked(self: MemoryJournal, run_id: str) -> ChainedLog:
    self.storage.release(run_id)
    return self.open(run_id)


def _trusting(self: MemoryJournal, run_id: str) -> tuple[Any, ...]:
    try:
        return self.read(run_id)
    except JournalError:
        return ()


def _any_id(self: MemoryJournal, run_id: str) -> tuple[Any, ...]:
    return self.read(run_id.strip("./\\\n") or "x")


@pytest.mark.parametrize(
    ("place", "broken"),
    [
        (Breaking(create=_as(Forgetful)), "appended records are read back"),
        (Breaking(create=_as(Forgetful)), "several threads can share a log"),
        (Breaking(create=_as(Gossip)), "no secret is stored"),
        (Breaking(open=_unlocked), "a run cannot be opened twice"),
        (Breaking(create=_fresh), "a run cannot begin twice"),
        (Breaking(read=_trusting), "tampering is detected"),
        (Breaking(read=_trusting), "unknown runs are reported"),
        (Breaking(list_runs=lambda self: iter(sorted(self.storage.contents))), "runs are listed newest first"),
        (Breaking(read=_any_id), "invalid run ids are refused"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_journal_is_caught(place: Breaking, broken: str) -> None:
    """Each rule catches what it is there for."""
    rule = next(rule for rule in JOURNAL_CONTRACT if str(rule) == broken)
    with pytest.raises(AssertionError):
        rule.check(place)
