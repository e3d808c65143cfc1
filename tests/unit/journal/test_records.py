from __future__ import annotations

import json
import pickle

import pytest

from defender_remediate.errors import JournalError
from defender_remediate.journal.records import Note, RunKind, decode, encode
from defender_remediate.json_values import ABSENT


def test_every_record_survives_json_and_pickle(records):
    """What is read back is what was written."""
    for record in records.whole():
        assert decode(json.loads(json.dumps(encode(record)))) == record
        assert pickle.loads(pickle.dumps(record)) == record


def test_an_opened_run_remembers_what_was_approved(records):
    """The digest is the plan's, and stays when the plan is not."""
    opened = records.opened()
    assert opened.digest == opened.plan.digest
    assert records.opened(plan=opened.plan.limit(1)).digest == opened.digest
    assert records.opened(kind="rollback", rolls_back="run-0").kind is RunKind.ROLLBACK


def test_a_journal_of_an_earlier_version_is_still_read(records):
    """What later versions added was not there, which says that nothing of it happened."""
    opened, ended = (json.loads(json.dumps(encode(one))) for one in (records.opened(), records.ended()))
    for member in ("assessed", "removable"):
        del opened["plan"][member]
    del opened["plan"]["steps"][0]["creates"], ended["result"]["created"]
    assert decode(opened) == records.opened()
    assert decode(ended) == records.ended()


def test_what_was_absent_is_left_out(records):
    """What was absent is not what was null."""
    assert records.intended(before={"a": ABSENT, "b": None}).before == {"b": None}


def test_a_time_says_its_zone(records):
    """A machine elsewhere reads the journal."""
    with pytest.raises(ValueError, match="zone"):
        Note(at=records.noted().at.replace(tzinfo=None), message="when?")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, r"run\.jsonl, line 7: the record has format version 2"),
        ({"version": True}, "format version True"),
        ({"version": None}, "format version None"),
        ({"record": "Guessed"}, r"run\.jsonl, line 7: 'Guessed' is not a kind of record"),
        ({"record": ["Note"]}, "is not a kind of record"),
        ({"message": 7}, r"run\.jsonl, line 7: the record is not a valid Note: message: expected str, got int"),
        ({"more": 7}, "the record is not a valid Note: Note has no member 'more'"),
        ({"at": "2026-11-23T12:00:00"}, "zone"),
    ],
)
def test_what_is_not_known_is_refused_by_its_place(records, changes, message):
    """Versions, kinds and members are never guessed at."""
    with pytest.raises(JournalError, match=message) as caught:
        decode({**encode(records.noted()), **changes}, source="run.jsonl", line=7)
    assert (caught.value.source, caught.value.line) == ("run.jsonl", 7)
