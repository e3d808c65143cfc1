from __future__ import annotations

import pytest

from defender_remediate.errors import JournalError, JournalTamperedError, JournalUnwritableError
from defender_remediate.journal import ChainedJournal, ChainedLog, MemoryJournal, Verified


def test_every_journal_has_its_own_memory(records):
    """Unless it is given one."""
    journal = MemoryJournal()
    with journal.create("run-1") as log:
        log.append(records.opened())
        assert repr(log) == "<ChainedLog of run run-1: 1 records in memory>"
    assert list(journal.list_runs()) == ["run-1"]
    assert list(MemoryJournal().list_runs()) == []
    assert list(MemoryJournal(journal.storage).list_runs()) == ["run-1"]


def test_another_runs_records_are_refused(records):
    """A journal that was put in the place of another shows."""
    journal = MemoryJournal()
    with journal.create("run-1") as log:
        log.append(records.opened())
    journal.storage.contents["run-2"] = journal.storage.contents["run-1"]
    with pytest.raises(JournalTamperedError, match="this is the journal of run run-1, not run-2"):
        journal.read("run-2")


def test_records_that_begin_in_the_middle_are_refused(records):
    """A sound chain whose first record opens nothing."""
    from defender_remediate.journal.chain import FIRST, encode_line

    journal = MemoryJournal()
    journal.storage.contents["run-1"] = bytearray(encode_line(records.noted(), n=1, prev=FIRST))
    with pytest.raises(JournalError, match="memory, line 1: the first record has to be RunOpened, not Note"):
        journal.read("run-1")


def test_an_interrupted_write_ends_the_log(records):
    """The content of the journal is unknown until it is read again."""

    class Interrupted:
        size = 0

        def write(self, line):
            if self.size:
                raise KeyboardInterrupt
            self.size += len(line)

        def close(self):
            pass

    log = ChainedLog("run-1", Verified(), Interrupted(), source="a disk")
    log.append(records.opened())
    with pytest.raises(KeyboardInterrupt):
        log.append(records.noted())
    with pytest.raises(
        JournalUnwritableError, match="a disk: a record could not be made durable: an earlier record was"
    ):
        log.append(records.noted())
    log.close()


def test_a_journal_in_a_place_of_its_own_needs_four_methods(records):
    """What such a place cannot do, reaches the caller as a journal error that names it."""

    class Shelf(ChainedJournal):
        def source_of(self, run_id):
            return f"shelf/{run_id}"

        def read_lines(self, run_id):
            raise PermissionError(13, "not yours")

        def hold(self, run_id, *, new):
            raise PermissionError(13, "not yours")

        def read_first_lines(self):
            raise PermissionError(13, "not yours")

    shelf = Shelf()
    for call, kind in (
        (shelf.create, JournalUnwritableError),
        (shelf.open, JournalUnwritableError),
        (shelf.read, JournalError),
    ):
        with pytest.raises(kind, match=r"shelf/run-1: .*not yours"):
            call("run-1")
    with pytest.raises(JournalError, match="not yours"):
        shelf.list_runs()
