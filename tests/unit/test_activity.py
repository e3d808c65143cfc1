"""The activity log: its strict filter, its pages, and its records joined into operations."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import count
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.pipeline.transport import HttpTransport

from defender_remediate.activity import ActivityLog
from defender_remediate.arm.cloud import resolve_endpoint
from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import InvalidInputError, InvalidResourceIdError
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential

ONE = "11111111-0000-0000-0000-000000000000"
TWO = "22222222-0000-0000-0000-000000000000"
GROUP = f"/subscriptions/{ONE}/resourceGroups/shop"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a"
NOW = VirtualClock().now()


def record(
    kind: str, status: str, seconds: float, *, operation: str = "op1", resource: str = ACCOUNT, **more: Any
) -> dict[str, Any]:
    return {
        "eventName": {"value": kind},
        "status": {"value": status},
        "eventTimestamp": (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.0000001Z"),
        "operationName": {"value": "Microsoft.Storage/storageAccounts/write"},
        "operationId": operation,
        "resourceId": resource,
        "correlationId": "run-1",
        "eventDataId": f"{operation}-{status}-{seconds}",
        **more,
    }


class Log(HttpTransport):  # type: ignore[type-arg]
    """Gives pages of records, and remembers the URLs."""

    def __init__(self) -> None:
        self.pages: list[list[dict[str, Any]]] = [[]]
        self.urls: list[str] = []

    def send(self, request: Any, **kwargs: Any) -> Any:
        del kwargs
        self.urls.append(request.url)
        link = {"nextLink": f"/next{len(self.urls)}"} if len(self.pages) > 1 else {}
        page = self.pages.pop(0) if link else self.pages[0]

        class Answer:
            status_code = 200
            headers = MappingProxyType({"x-ms-request-id": "r"})

            def read(self) -> bytes:
                return json.dumps({"value": page, **link}).encode()

        return Answer()

    @property
    def filters(self) -> list[str]:
        return [parse_qs(urlsplit(url).query)["$filter"][0] for url in self.urls]

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def __exit__(self, *exc_details: object) -> None:
        """Nothing to close."""


def over(transport: Any, clock: VirtualClock, *subscriptions: str) -> ActivityLog:
    numbers = count(1)
    session = ArmSession.open(
        SimulatedCredential(),
        resolve_endpoint(None, None),
        clock=clock,
        transport=transport,
        new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012}",
    )
    return ActivityLog(session, lambda: subscriptions)


@pytest.fixture
def azure() -> Log:
    return Log()


@pytest.fixture
def log(azure: Log) -> ActivityLog:
    return over(azure, VirtualClock(), ONE)


RANGE = "eventTimestamp ge '2026-03-01T09:00:00Z' and eventTimestamp le '2026-03-02T09:00:01Z'"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, RANGE),
        ({"resource_group": "it's"}, f"{RANGE} and resourceGroupName eq 'it''s'"),
        ({"resource_id": ACCOUNT}, f"{RANGE} and resourceUri eq '{ACCOUNT}'"),
        ({"resource_id": ACCOUNT, "resource_group": "shop"}, f"{RANGE} and resourceUri eq '{ACCOUNT}'"),
        (
            {"correlation_id": "run-1", "resource_id": ACCOUNT, "since": NOW - timedelta(hours=24)},
            f"{RANGE} and correlationId eq 'run-1'",
        ),
        (
            {"correlation_id": "run-1"},
            RANGE.replace("2026-03-01", "2025-12-03") + " and correlationId eq 'run-1'",
        ),
        (
            {"since": datetime(2026, 3, 1, 2, 0, 0, 900000, tzinfo=timezone(timedelta(hours=2))),
             "until": datetime(2026, 3, 1, 1, 0, 0, 100000, tzinfo=timezone.utc)},
            "eventTimestamp ge '2026-03-01T00:00:00Z' and eventTimestamp le '2026-03-01T01:00:01Z'",
        ),
        (
            {"until": NOW - timedelta(days=89, hours=12)},
            "eventTimestamp ge '2025-12-02T09:05:00Z' and eventTimestamp le '2025-12-02T21:00:01Z'",
        ),
        (
            {"since": NOW - timedelta(days=90), "until": NOW},
            "eventTimestamp ge '2025-12-02T09:05:00Z' and eventTimestamp le '2026-03-02T09:00:01Z'",
        ),
        (
            {"since": NOW - timedelta(days=90), "until": NOW - timedelta(days=90) + timedelta(minutes=1)},
            "eventTimestamp ge '2025-12-02T09:01:00Z' and eventTimestamp le '2025-12-02T09:01:01Z'",
        ),
        (
            {"until": NOW + timedelta(hours=1)},
            "eventTimestamp ge '2026-03-01T09:00:00Z' and eventTimestamp le '2026-03-02T10:00:01Z'",
        ),
    ],
)  # fmt: skip
def test_the_filter_is_the_one_form_that_azure_takes(
    log: ActivityLog, azure: Log, arguments: dict[str, Any], expected: str
) -> None:
    """A time range in quotes and at most one clause more; whole seconds, so that nothing at the ends is cut off."""
    assert list(log.list_events(**arguments)) == []
    assert azure.filters == [expected]
    assert f"/subscriptions/{ONE}/providers/Microsoft.Insights/eventtypes/management/values" in azure.urls[0]
    assert "api-version=2015-04-01&" in azure.urls[0]


@pytest.mark.parametrize(
    "arguments",
    [
        {"since": datetime(2026, 3, 1)},
        {"until": datetime(2026, 3, 1)},
        {"since": "2026-03-01"},
        {"since": NOW - timedelta(days=90, seconds=1)},
        {"until": NOW - timedelta(days=91)},
        {"since": NOW, "until": NOW - timedelta(seconds=1)},
        {"resource_id": "storage account a"},
        {"resource_id": ""},
        {"resource_group": " "},
        {"correlation_id": ""},
        {"correlation_id": 7},
    ],
)
def test_a_bad_search_is_refused_before_any_request(log: ActivityLog, azure: Log, arguments: dict[str, Any]) -> None:
    """When it is made, not when it is read."""
    with pytest.raises(InvalidInputError):
        log.list_events(**arguments)
    assert azure.urls == []


def test_a_bad_resource_id_says_so(log: ActivityLog) -> None:
    """As a resource id."""
    with pytest.raises(InvalidResourceIdError):
        log.list_events(resource_id="x")


def test_the_records_of_one_write_are_one_event(log: ActivityLog, azure: Log) -> None:
    """Begin, accepted and end, over pages; another operation between them is not disturbed."""
    azure.pages = [
        [
            record("EndRequest", "Succeeded", 9, subStatus={"value": "OK"}),
            record("EndRequest", "Failed", 8, operation="op2"),
        ],
        [],
        [
            record("EndRequest", "Accepted", 5, resource=ACCOUNT.upper()),
            record("BeginRequest", "Started", 4, operation="op2"),
            record("BeginRequest", "Started", 3, caller="me", httpRequest={"method": "PATCH"}),
        ],
    ]
    second, first = log.list_events()
    assert (first.status, first.sub_status, first.caller, first.http_method) == ("Succeeded", "OK", "me", "PATCH")
    assert len(first.record_ids) == 3
    assert first.timestamp is not None
    assert (first.timestamp - NOW).total_seconds() == pytest.approx(3, abs=0.1)
    assert first.finished is not None
    assert (first.finished - NOW).total_seconds() == pytest.approx(9, abs=0.1)
    assert (second.operation_id, second.status, len(second.record_ids)) == ("op2", "Failed", 2)
    assert azure.urls[1].endswith("/next1")


def test_events_come_while_pages_are_read(log: ActivityLog, azure: Log) -> None:
    """An operation is given as soon as something older than its beginning was seen."""
    azure.pages = [
        [
            record("EndRequest", "Succeeded", 9),
            record("BeginRequest", "Started", 8),
            record("EndRequest", "Succeeded", 7, operation="op2"),
        ],
        [record("BeginRequest", "Started", 6, operation="op2")],
    ]
    found = log.list_events()
    assert next(found).operation_id == "op1"
    assert len(azure.urls) == 1
    assert [event.operation_id for event in found] == ["op2"]


def test_records_of_one_instant_come_in_any_order(log: ActivityLog, azure: Log) -> None:
    """Azure does not sort them further."""
    azure.pages = [
        [
            record("BeginRequest", "Started", 5),
            record("EndRequest", "Succeeded", 5),
            record("EndRequest", "Accepted", 5),
            record("BeginRequest", "Started", 4, operation="op2"),
        ]
    ]
    first, second = log.list_events()
    assert (first.status, len(first.record_ids)) == ("Succeeded", 3)
    assert second.status == "Started"


def test_what_has_not_ended_or_began_too_early_is_given_too(log: ActivityLog, azure: Log) -> None:
    """One record is all there is of it; newest first."""
    azure.pages = [
        [
            record("EndRequest", "Succeeded", 9, operation="early"),
            record("EndRequest", "Accepted", 8, operation="running"),
            record("BeginRequest", "Started", 7, operation="begun"),
            record("EndRequest", "Failed", 6, operation="timeless", eventTimestamp="some day"),
        ]
    ]
    assert [(event.operation_id, str(event.status)) for event in log.list_events()] == [
        ("early", "Succeeded"),
        ("running", "Accepted"),
        ("begun", "Started"),
        ("timeless", "Failed"),
    ]


def test_records_that_belong_to_no_operation_come_at_once(log: ActivityLog, azure: Log) -> None:
    """Alerts, service health, and what has no operation id."""
    azure.pages = [
        [
            record("EndRequest", "Succeeded", 9),
            record("Activated", "Active", 8),
            record("EndRequest", "Succeeded", 7, operation=""),
            record("", "Active", 6, eventName=None),
        ]
    ]
    assert [len(event.record_ids) for event in log.list_events()] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"resource_id": ACCOUNT.upper()}, {"a", "below"}),
        ({"resource_group": "SHOP"}, {"a", "below", "ab", "named"}),
        ({"resource_group": "shop", "resource_id": ACCOUNT}, {"a", "below"}),
        ({"correlation_id": "RUN-1"}, {"a", "below", "ab", "sub"}),
        ({"correlation_id": "run-1", "resource_group": "shop"}, {"a", "below", "ab"}),
        ({"correlation_id": "run-1", "resource_id": ACCOUNT}, {"a", "below"}),
    ],
)
def test_what_azure_was_not_asked_for_is_left_out_here(
    log: ActivityLog, azure: Log, arguments: dict[str, Any], found: set[str]
) -> None:
    """Only one clause goes to Azure; names compare in any case, and a resource includes what is below it."""
    azure.pages = [
        [
            record("x", "Active", 9, eventDataId="a"),
            record("x", "Active", 8, eventDataId="below", resource=f"{ACCOUNT}/blobServices/default"),
            record("x", "Active", 7, eventDataId="ab", resource=f"{ACCOUNT}b"),
            record("x", "Active", 6, eventDataId="sub", resource=f"/subscriptions/{ONE}"),
            record("x", "Active", 5, eventDataId="named", resource="", resourceGroupName="Shop", correlationId="run-2"),
            record(
                "x", "Active", 4, eventDataId="other", resource=f"/subscriptions/{ONE}/tags/x/y", correlationId="run-2"
            ),
        ]
    ]
    assert {event.record_ids[0] for event in log.list_events(**arguments)} == found


def test_a_resource_is_looked_for_in_its_own_subscription(azure: Log) -> None:
    """Without one, and for everything else, all are searched."""
    log = over(azure, VirtualClock(), ONE, TWO)
    other = ACCOUNT.replace(ONE, TWO)
    assert list(log.list_events(resource_id=other)) == []
    assert [url.split("/")[4] for url in azure.urls] == [TWO]
    list(log.list_events())
    assert list(log.list_events(resource_id="/providers/Microsoft.Management/managementGroups/g")) == []
    assert [url.split("/")[4] for url in azure.urls[1:]] == [ONE, TWO, ONE, TWO]


def test_a_run_is_found_by_its_correlation_id() -> None:
    """On the simulator, whose log is as strict and as late as Azure's."""
    sim = ArmSimulator.demo()
    account = sim.resources.list_ids("Microsoft.Storage/storageAccounts")[0]
    run = "aaaaaaaa-0000-4000-8000-000000000000"
    numbers = count(1)
    new_id: Callable[[], str] = lambda: f"00000000-0000-4000-8000-{next(numbers):012}"  # noqa: E731
    session = ArmSession.open(
        sim.credential, resolve_endpoint(None, None), clock=sim.clock, transport=sim, new_id=new_id
    )
    body = {"properties": {"minimumTlsVersion": "TLS1_2"}}
    session.correlated(run).send(PlannedRequest(method="PATCH", path=account, api_version="2023-05-01", body=body))
    log = ActivityLog(session, lambda: [scope.rpartition("/")[2] for scope in sim.scopes])
    assert list(log.list_events(correlation_id=run)) == []
    sim.clock.advance(900)
    (event,) = log.list_events(correlation_id=run)
    assert (event.status, event.resource_id.casefold()) == ("Succeeded", account.casefold())
    assert len(event.record_ids) == 2
    assert list(log.list_events(correlation_id=run, resource_id=account)) == [event]
