"""The page of the simulator's operations, which is made from its routes."""

from __future__ import annotations

import re

from simulated_operations import operations_page

from defender_remediate.testing.simulator.arm.service import ROUTES


def test_every_operation_is_on_the_page_and_says_what_it_does() -> None:
    """A reader finds every route, with a note on what it does, and every type that needs no route."""
    page = operations_page()
    assert [route.pattern for route in ROUTES if f"`{route.pattern}`" not in page] == []
    assert [row for row in page.splitlines() if row.endswith("|  |")] == []
    assert "| `storageAccounts/*/queueServices/default/queues` | GET |" in page
    assert re.search(r"^\| Microsoft\.Storage/storageAccounts \| \d{4}-\d\d-\d\d \|", page, re.MULTILINE)
    assert "| Microsoft.Batch/batchAccounts |" in page
    assert " | no |" in page
