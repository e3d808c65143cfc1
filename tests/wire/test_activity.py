"""The activity log on the wire."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import responses
from responses import matchers

from defender_remediate.activity import ActivityLog
from defender_remediate.arm.session import ArmSession
from defender_remediate.testing.simulator.state.clock import VirtualClock

ONE = "089bd33f-d4ec-47fe-8ba5-0753aa5c5b33"
URL = f"https://management.azure.com/subscriptions/{ONE}/providers/Microsoft.Insights/eventtypes/management/values"
EXAMPLES = json.loads((Path(__file__).parents[1] / "official_examples.json").read_text(encoding="utf-8"))


def test_the_filter_to_the_letter(session: ArmSession, wire: responses.RequestsMock) -> None:
    """Times in quotes, one clause, nothing else."""
    expected = (
        "eventTimestamp ge '2026-03-01T00:00:00Z' and eventTimestamp le '2026-03-02T00:00:01Z'"
        " and resourceGroupName eq 'o''rg'"
    )
    wire.get(
        URL,
        json={"value": []},
        match=[matchers.query_param_matcher({"api-version": "2015-04-01", "$filter": expected})],
    )
    found = ActivityLog(session, lambda: [ONE]).list_events(
        since=datetime(2026, 3, 1, tzinfo=timezone.utc),
        until=datetime(2026, 3, 2, tzinfo=timezone.utc),
        resource_group="o'rg",
    )
    assert list(found) == []


def test_the_official_example(session: ArmSession, wire: responses.RequestsMock, clock: VirtualClock) -> None:
    """One record of the end, whose beginning is on another page or was too early."""
    (body,) = EXAMPLES["Microsoft.Insights__2015-04-01__GetTenantActivityLogsFiltered"]
    wire.get(URL, json={**body, "nextLink": None})
    (event,) = ActivityLog(session, lambda: [ONE]).list_events(resource_group="MSSupportGroup")
    assert clock.monotonic() == 0
    assert (event.status, event.sub_status, event.caller) == ("Succeeded", "Created", "admin@contoso.com")
    assert event.operation == "microsoft.support/supporttickets/write"
    assert event.timestamp == datetime(2015, 1, 21, 22, 14, 26, 979277, tzinfo=timezone.utc)
