from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.errors import InvalidInputError
from defender_remediate.journal.protocol import check_run_id


@pytest.mark.parametrize(
    "run_id", ["r", "0f0f0f0f-1111-4222-8333-444444444444", "nightly_2026.11", "r" * 100, "console"]
)
def test_a_run_id_may_be_any_plain_name(run_id):
    """GUIDs, and what people call their runs."""
    assert check_run_id(run_id) == run_id


@pytest.mark.parametrize(
    "run_id", ["NUL", "com1", "lpt9.x", "aux.jsonl", ".hidden", "a.", "-", "_", "é", None, 7, "r" * 101]
)
def test_other_names_are_refused(run_id):
    """Devices of Windows, hidden files, and what is no text."""
    with pytest.raises(InvalidInputError, match="invalid run id"):
        check_run_id(run_id)


@given(st.text())
def test_no_name_leaves_the_directory(run_id):
    """Whatever passes is one plain path segment."""
    try:
        check_run_id(run_id)
    except InvalidInputError:
        return
    assert set(run_id) <= set(string.ascii_letters + string.digits + "._-")
    assert run_id[0] not in ".-_"
