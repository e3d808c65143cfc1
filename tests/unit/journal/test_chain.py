from __future__ import annotations

import hashlib
import io
import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from defender_remediate.errors import JournalError, JournalTamperedError
from defender_remediate.journal import Note
from defender_remediate.journal.chain import FIRST, Verified, encode_line, newest_first, sha256, verify
from defender_remediate.testing import STARTS_AT


def chained(found) -> list[bytes]:
    lines: list[bytes] = []
    for n, record in enumerate(found, start=1):
        lines.append(encode_line(record, n=n, prev=sha256(lines[-1]) if lines else FIRST))
    return lines


@pytest.fixture
def lines(records) -> list[bytes]:
    """The lines of a whole run."""
    return chained(records.whole())


def test_a_chain_gives_its_records_back(records, lines):
    """Whole, in order, with its size and its head."""
    verified = verify(lines)
    assert verified == Verified(
        records=records.whole(), size=len(b"".join(lines)), head=hashlib.sha256(lines[-1][:-1]).hexdigest()
    )
    assert verify([]) == Verified()


def test_a_line_is_checked_with_plain_tools(lines):
    """The hash is the SHA-256 of the line without it, and ``prev`` that of the line before."""
    first, second = map(json.loads, lines[:2])
    without = lines[0][:-1].replace(f',"hash":"{first["hash"]}"'.encode(), b"")
    assert hashlib.sha256(without).hexdigest() == first["hash"]
    assert second["prev"] == hashlib.sha256(lines[0].rstrip(b"\n")).hexdigest()
    assert list(second)[:3] == ["n", "version", "record"]


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b"202", b"200"), *lines[3:]], 3),
        (lambda lines: [*lines[:2], lines[2].replace(b'"n":3', b'"n": 3'), *lines[3:]], 3),
        (lambda lines: [*lines[:-1], lines[-1].replace(b'"applied":2', b'"applied":9')], 11),
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], 3),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3),
        (lambda lines: [*lines[:2], b"\n", *lines[2:]], 3),
        (lambda lines: [*lines[:2], b"[]\n", *lines[2:]], 3),
        (lambda lines: [*lines[:2], b"[" * 100_000 + b"\n", *lines[2:]], 3),
        (lambda lines: [*lines[:2], b"\xff\xfe\n", *lines[2:]], 3),
        (lambda lines: [*lines[:2], lines[2][:40] + b"\n", *lines[3:]], 3),
        (lambda lines: [*lines, b"{}\n"], 12),
        (lambda lines: [*lines, b"\x00" * 50 + b"\n"], 12),
        (lambda lines: [*lines, b'{"n":1\n'], 12),
        (lambda lines: [*lines[:-1], lines[-1][:40] + b"\n"], 11),
        (lambda lines: [*lines[:2], lines[2].replace(b'{"n":3', b'{"n":3,"n":3'), *lines[3:]], 3),
    ],
)
def test_tampering_shows_and_is_named(lines, spoil, line):
    """Edits, deletions, insertions, another order and a cut in the middle."""
    with pytest.raises(JournalTamperedError, match=rf"x\.jsonl, line {line}: ") as caught:
        verify(spoil(lines), source="x.jsonl")
    assert caught.value.line == line


@pytest.mark.parametrize("tail", [b"{", b'{"n":10,"vers', b"\x00" * 50])
def test_a_torn_last_record_is_reported_apart(records, lines, tail):
    """Nothing that depended on it was done."""
    verified = verify([*lines, tail])
    assert verified.torn
    assert (verified.records, verified.size) == (records.whole(), len(b"".join(lines)))


def test_a_whole_record_without_its_line_end_is_torn(records, lines):
    """``append`` had not returned, so it does not count."""
    verified = verify([*lines[:-1], lines[-1][:-1]])
    assert verified.torn
    assert verified.records == records.whole()[:-1]


def test_a_record_of_another_version_is_not_called_tampered(records, lines, monkeypatch):
    """It is sound; this library does not read it."""
    monkeypatch.setattr("defender_remediate.journal.records.VERSION", 2)
    newer = encode_line(records.noted(), n=12, prev=sha256(lines[-1]))
    monkeypatch.undo()
    with pytest.raises(JournalError, match=r"line 12: the record has format version 2") as caught:
        verify([*lines, newer])
    assert not isinstance(caught.value, JournalTamperedError)


NOTES = b"".join(chained(Note(at=STARTS_AT, message=str(n)) for n in range(4)))
LAST = NOTES[:-1].rindex(b"\n")


@given(at=st.integers(0, len(NOTES) - 1), byte=st.integers(0, 255))
@example(at=LAST, byte=0)
@example(at=LAST, byte=13)
@example(at=len(NOTES) - 1, byte=0)
def test_any_changed_byte_shows(at, byte):
    """Wherever it is; a last line that lost its line end is the only one that looks torn."""
    assume(NOTES[at] != byte)
    try:
        verified = verify(io.BytesIO(NOTES[:at] + bytes([byte]) + NOTES[at + 1 :]))
    except JournalTamperedError:
        return
    assert at == len(NOTES) - 1
    assert verified.torn


def test_runs_are_ordered_by_their_first_line(records):
    """Newest first whatever the zone; unreadable times last; a torn first line is no run."""
    east = timezone(timedelta(hours=9))
    times = datetime(2026, 11, 23, 12, 0, tzinfo=east), datetime(2026, 11, 23, 4, 0, tzinfo=timezone.utc)
    early, late = (encode_line(records.opened(at=at), n=1, prev=FIRST) for at in times)
    edited = late.replace(b'"at":"2026', b'"at":"abcd')
    first = b'{"n":1,"version":1,"record":"RunOpened","at":"0001-01-01T00:00:00+23:00"}\n'
    begun = {
        "before time": first,
        "early": early,
        "late": late,
        "edited": edited,
        "torn": late[:-1],
        "empty": b"",
        "other": b"[]\n",
    }
    assert newest_first(begun) == ["late", "early", "other", "edited", "before time"]
