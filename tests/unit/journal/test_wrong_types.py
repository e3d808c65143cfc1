"""What a journal is given by hand: wrong types are typed errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError, JournalError
from defender_remediate.journal import (
    FileJournal,
    MemoryJournal,
    StepIntended,
    encode_line,
    newest_first,
    redact_record,
    replay,
    verify,
)
from defender_remediate.testing import STARTS_AT

WRONG: list[Any] = [None, 3, [], {}, b"run", "../run", "a/b", "x" * 200, object()]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_run_id_is_refused_by_the_parts_of_a_journal_too(tmp_path: Path, wrong: Any) -> None:
    """They are public, because a journal of one's own is built from them."""
    for journal in (MemoryJournal(), FileJournal(tmp_path)):
        with pytest.raises(InvalidInputError):
            journal.read_lines(wrong)
        with pytest.raises(InvalidInputError):
            journal.hold(wrong, new=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lines", [None, 3, b"x", ["x"], [b"x\n", None], [{}]])
def test_lines_that_are_no_bytes_are_refused(lines: Any) -> None:
    """A file that is opened as text gives strings."""
    with pytest.raises(InvalidInputError, match="must be bytes"):
        verify(lines)


@pytest.mark.parametrize("begun", [None, ["x"], {"run": "x"}, {"run": None}])
def test_first_lines_that_are_no_bytes_are_refused(begun: Any) -> None:
    """A store of one's own may read its files as text."""
    with pytest.raises(InvalidInputError, match="must be bytes"):
        newest_first(begun)


@pytest.mark.parametrize("record", [None, {}, "RunOpened", object()])
def test_what_is_no_record_is_refused(record: Any) -> None:
    """By everything that takes one."""
    with pytest.raises(InvalidInputError):
        encode_line(record, n=1, prev="")
    with pytest.raises(InvalidInputError):
        redact_record(record)
    with pytest.raises(JournalError):
        replay(record)


@pytest.mark.parametrize("before", [None, [], "path", 3])
def test_values_that_are_no_mapping_are_refused(before: Any) -> None:
    """A record names the values by their paths."""
    with pytest.raises(InvalidInputError, match="mapping by path"):
        StepIntended(at=STARTS_AT, step_id="s", attempt=1, before=before, fingerprint="f")


def test_a_value_that_json_does_not_have_is_refused() -> None:
    """A record is a line of JSON."""
    record = StepIntended(at=STARTS_AT, step_id="s", attempt=1, before={"path": int}, fingerprint="f")
    with pytest.raises(InvalidInputError, match="JSON does not have"):
        encode_line(record, n=1, prev="")
