from __future__ import annotations

import pytest

from defender_remediate.errors import JournalError, JournalTamperedError
from defender_remediate.journal import MemoryJournal


def test_every_journal_has_its_own_memory(records):
    """Unless it is given one."""
    journal = MemoryJournal()
    with journal.create("run-1") as log:
        log.append(records.opened())
        assert repr(log) == "<ChainedLog of run run-1: 1 records in memory>"
    assert list(journal.runs()) == ["run-1"]
    assert list(MemoryJournal().runs()) == []
    assert list(MemoryJournal(journal.storage).runs()) == ["run-1"]


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
    from defender_remediate.journal.chain import FIRST, link

    journal = MemoryJournal()
    journal.storage.contents["run-1"] = bytearray(link(records.noted(), n=1, prev=FIRST))
    with pytest.raises(JournalError, match="memory, line 1: a journal begins with RunOpened, not Noted"):
        journal.read("run-1")


def test_an_interrupted_write_ends_the_log(records, monkeypatch):
    """Nobody knows what it left behind until the journal is read again."""
    from defender_remediate.errors import JournalUnwritableError
    from defender_remediate.journal.log import ChainedLog
    from defender_remediate.journal.memory import _MemorySink

    def interrupt(self, line):
        raise KeyboardInterrupt

    journal = MemoryJournal()
    log: ChainedLog = journal.create("run-1")
    log.append(records.opened())
    with monkeypatch.context() as patch:
        patch.setattr(_MemorySink, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            log.append(records.noted())
    with pytest.raises(JournalUnwritableError, match="an earlier record was interrupted"):
        log.append(records.noted())
    log.close()
    with journal.open("run-1") as again:
        assert again.records == (records.opened(),)
        again.append(records.noted())
