"""The activity log."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

RUN = "aaaaaaaa-0000-4000-8000-00000000000a"
TIME = "eventTimestamp ge '2026-03-02T09:00:00.0000000Z' and eventTimestamp le '2026-03-03T00:00:00'"


@pytest.fixture
def events(call: Any, scope: str) -> Any:
    """Reads the log."""

    def read(more: str = "", window: str = TIME, **query: str) -> Any:
        path = f"{scope}/providers/microsoft.insights/eventTypes/management/values"
        return call.get(path, "2015-04-01", filter=window + more, **query)["value"]

    return read


def write(call: Any, account: str, **body: Any) -> Any:
    """A write that belongs to the run."""
    headers = {"x-ms-correlation-request-id": RUN, "x-ms-client-request-id": "mine"}
    return call("PATCH", f"{account}?api-version=2025-08-01", json=body, headers=headers)


def test_a_write_makes_two_records_after_a_while(sim: ArmSimulator, call: Any, events: Any, account: str) -> None:
    """Newest first, with one operation and the caller's correlation id."""
    response = write(call, account, tags={})
    assert response.headers["x-ms-correlation-request-id"] == RUN
    assert events() == []
    sim.clock.advance(30)
    end, begin = events()
    assert [found["status"]["value"] for found in (begin, end)] == ["Started", "Succeeded"]
    assert [found["eventName"]["value"] for found in (begin, end)] == ["BeginRequest", "EndRequest"]
    assert begin["operationId"] == end["operationId"]
    assert begin["eventDataId"] != end["eventDataId"]
    assert end["correlationId"] == RUN
    assert end["httpRequest"]["clientRequestId"] == "mine"
    assert end["operationName"]["value"] == "Microsoft.Storage/storageAccounts/write"
    assert end["resourceId"] == account
    assert end["subStatus"]["value"] == "OK"
    assert end["resourceGroupName"] == "rg"
    assert end["submissionTimestamp"] > end["eventTimestamp"]


def test_a_refused_write_is_logged_as_failed(
    sim: ArmSimulator, call: Any, events: Any, account: str, scope: str
) -> None:
    """Reads are not logged at all."""
    sim.access.lock(scope)
    write(call, account, tags={})
    call("GET", f"{account}?api-version=2025-08-01")
    sim.clock.advance(30)
    end, _ = events()
    assert (end["status"]["value"], end["subStatus"]["value"], end["level"]) == ("Failed", "Conflict", "Error")


def test_a_long_write_is_accepted_first(sim: ArmSimulator, call: Any, events: Any, account: str) -> None:
    """Three records; the last one at the moment it ended."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", seconds=20)
    write(call, account, tags={})
    sim.clock.advance(100)
    found = events()
    assert [event["status"]["value"] for event in found] == ["Succeeded", "Accepted", "Started"]
    assert found[0]["eventTimestamp"].startswith("2026-03-02T09:00:20")


@pytest.mark.parametrize(
    ("clause", "count"),
    [
        (f" and correlationId eq '{RUN}'", 2),
        (" and correlationId eq 'other'", 0),
        (" and resourceGroupName eq 'RG'", 2),
        (" and resourceProvider eq 'microsoft.storage'", 2),
        (" and resourceProvider eq 'Microsoft.Web'", 0),
        (" and resourceUri eq '{account}'", 2),
        (" and resourceUri eq '{account}x'", 0),
        (" and resourceId eq '{account}' and resourceGroupName eq 'rg'", 2),
        (" and caller eq 'me' and status eq 'Succeeded'", 0),
        (" and levels eq 'Informational,Warning'", 2),
        (" and level eq 'Critical'", 0),
        (" and resourceProvider eq Microsoft.Storage", 2),
    ],
)
def test_one_more_clause_narrows(
    sim: ArmSimulator, call: Any, events: Any, account: str, clause: str, count: int
) -> None:
    """Each of those that Azure documents, and those that its clients send."""
    write(call, account, tags={})
    sim.clock.advance(30)
    assert len(events(clause.format(account=account))) == count


@pytest.mark.parametrize(
    "text",
    [
        "",
        "eventTimestamp ge '2026-03-02T00:00:00Z'",
        "eventTimestamp ge 'yesterday' and eventTimestamp le '2026-03-03T00:00:00Z'",
        "eventTimestamp ge '2026-13-02T00:00:00Z' and eventTimestamp le '2026-03-03T00:00:00Z'",
        "eventTimestamp ge '2025-11-01T00:00:00Z' and eventTimestamp le '2026-03-03T00:00:00Z'",
        TIME + " and operationName eq 'me'",
        TIME + " and caller",
        TIME + " and resourceGroupName eq 'a' and resourceGroupName eq 'b'",
        TIME + " and eventTimestamp ge '2026-03-02T00:00:00Z'",
    ],
)
def test_no_other_filter_is_allowed(call: Any, word: Any, scope: str, text: str) -> None:
    """It is mandatory, it has a start and an end, it is quoted, and it goes back 90 days at most."""
    path = f"{scope}/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01"
    response = call("GET", path, params={"$filter": text})
    assert (response.status_code, word(response)) == (400, "BadRequest")


def test_members_can_be_selected(
    sim: ArmSimulator, call: Any, word: Any, events: Any, account: str, scope: str
) -> None:
    """Known ones only."""
    write(call, account, tags={})
    sim.clock.advance(30)
    assert [sorted(event) for event in events(select="status, resourceId")] == [["resourceId", "status"]] * 2
    path = f"{scope}/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01"
    assert word(call("GET", path, params={"$filter": TIME, "$select": "secret"})) == "BadRequest"


def test_pages_of_two_hundred_and_ninety_days(sim: ArmSimulator, call: Any, scope: str, account: str) -> None:
    """The window moves on; what is older is gone."""
    sim.faults.throttle(enabled=False)
    for _ in range(101):
        write(call, account, tags={})
    sim.clock.advance(30)
    path = f"{scope}/providers/Microsoft.Insights/eventtypes/management/values"
    page = call.get(path, "2015-04-01", filter=TIME)
    assert len(page["value"]) == 200
    rest = call("GET", page["nextLink"]).json()
    assert len(rest["value"]) == 2
    assert "nextLink" not in rest
    sim.clock.advance(91 * 86400)
    late = "eventTimestamp ge '2026-03-05T00:00:00Z' and eventTimestamp le '2026-07-01T00:00:00Z'"
    assert call.get(path, "2015-04-01", filter=late)["value"] == []


def test_a_write_without_a_correlation_id_gets_one(sim: ArmSimulator, call: Any, events: Any, account: str) -> None:
    """So does one on a subscription."""
    call("PATCH", f"{account}?api-version=2025-08-01", json={"tags": {}})
    sim.clock.advance(30)
    assert len(events()[0]["correlationId"]) == 36


def test_times_may_have_an_offset(sim: ArmSimulator, call: Any, events: Any, account: str) -> None:
    """Ten o'clock in Berlin is nine o'clock here; the bounds count."""
    write(call, account, tags={})
    sim.clock.advance(30)
    window = "eventTimestamp ge '2026-03-02T10:00:00%2B01:00' and eventTimestamp le '2026-03-02T10:00:00.5%2B01:00'"
    assert len(events(window=window)) == 2
    assert events(window=window.replace("T10:00:00%2B", "T10:00:00.1%2B")) == []
