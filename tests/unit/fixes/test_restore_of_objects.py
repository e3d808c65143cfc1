from __future__ import annotations

import pytest

from defender_remediate.fixes.restore import restoration
from defender_remediate.json_values import ABSENT, thaw
from defender_remediate.models.plan import PropertyChange


@pytest.mark.parametrize("before", [ABSENT, None])
def test_what_somebody_put_into_an_object_that_was_not_there_is_all_that_stays(before: object) -> None:
    """Null is no object either: what the change brought goes, whether nothing was there or null."""
    change = PropertyChange(path="identity", before=before, after={"type": "SystemAssigned"})
    found = restoration([change], {"identity": {"type": "SystemAssigned", "theirs": "x"}})
    assert thaw(found.body) == {"identity": {"theirs": "x"}}
    assert not found.preserved
