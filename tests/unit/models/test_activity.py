from __future__ import annotations

import copy
import itertools
import pickle
from datetime import datetime, timezone
from functools import reduce

from defender_remediate.models.activity import ActivityEvent, ActivityStatus

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"
BEGIN = {
    "eventDataId": "1",
    "correlationId": "run",
    "operationId": "op",
    "operationName": {"value": "Microsoft.Storage/storageAccounts/write", "localizedValue": "Update"},
    "status": {"value": "Started", "localizedValue": "Started"},
    "subStatus": {"value": "", "localizedValue": ""},
    "eventTimestamp": "2026-11-23T12:00:00.1234567Z",
    "resourceId": ACCOUNT,
    "resourceGroupName": "g",
    "subscriptionId": "s",
    "level": "Informational",
    "caller": "someone@example.com",
    "httpRequest": {"method": "PATCH"},
    "properties": {"eventCategory": "Administrative"},
}


def _record(number, status, second, **members):
    record = copy.deepcopy(BEGIN)
    record.update(members)
    record["eventDataId"] = str(number)
    record["status"]["value"] = status
    record["eventTimestamp"] = f"2026-11-23T12:00:{second:02}Z"
    return record


def test_one_record_is_read_in_full():
    """Wrapped values are unwrapped; a started operation is not finished."""
    assert ActivityEvent.from_rest(BEGIN) == ActivityEvent(
        timestamp=datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=timezone.utc),
        operation="Microsoft.Storage/storageAccounts/write",
        operation_id="op",
        status=ActivityStatus.STARTED,
        resource_id=ACCOUNT.upper(),
        resource_group="G",
        caller="someone@example.com",
        correlation_id="run",
        subscription_id="s",
        level="Informational",
        http_method="PATCH",
        record_ids=("1",),
    )


def test_the_records_of_one_write_join_in_any_order():
    """Two or three records make one event, from its first moment to its last, whichever came first."""
    records = [
        ActivityEvent.from_rest(BEGIN),
        ActivityEvent.from_rest(_record(2, "Accepted", 1, subStatus={"value": "Accepted"}, httpRequest=None)),
        ActivityEvent.from_rest(
            _record(
                3,
                "Failed",
                9,
                subStatus=None,
                caller=None,
                httpRequest=None,
                properties={"statusCode": "Conflict", "statusMessage": "locked"},
            )
        ),
    ]
    joined = {reduce(ActivityEvent.join, order) for order in itertools.permutations(records)}
    event = joined.pop()
    assert not joined
    assert event.timestamp == records[0].timestamp
    assert event.finished == datetime(2026, 11, 23, 12, 0, 9, tzinfo=timezone.utc)
    assert (event.status, event.sub_status, event.message) == (ActivityStatus.FAILED, "Conflict", "locked")
    assert (event.caller, event.http_method) == ("someone@example.com", "PATCH")
    assert event.record_ids == ("1", "2", "3")


def test_records_of_one_moment_join_by_their_status():
    """A terminal record is the last, even when the log gives all of them one time."""
    started = ActivityEvent.from_rest(_record(1, "Started", 5))
    ended = ActivityEvent.from_rest(_record(2, "Succeeded", 5))
    assert ended.join(started).status is ActivityStatus.SUCCEEDED
    assert ended.join(started) == started.join(ended)


def test_an_unknown_status_is_terminal():
    """Nothing more is known to be expected of it."""
    assert ActivityStatus("Resolved").is_terminal
    assert ActivityStatus.SUCCEEDED.is_terminal
    assert not ActivityStatus.ACCEPTED.is_terminal


def test_a_record_with_little_in_it():
    """Bare words count as wrapped ones; the scope of the authorisation stands in for a missing id; no date is no date."""
    event = ActivityEvent.from_rest({"status": "Succeeded", "authorization": {"scope": ACCOUNT}, "operationName": None})
    assert (event.status, event.resource_id, event.operation) == (ActivityStatus.SUCCEEDED, ACCOUNT, "")
    assert event.timestamp is event.finished is None
    assert event.record_ids == ()
    assert str(event) == f"(no time) Succeeded  {ACCOUNT}"
    assert event.join(ActivityEvent.from_rest(BEGIN)).timestamp == ActivityEvent.from_rest(BEGIN).timestamp


def test_an_event_prints_on_one_line_and_pickles():
    """When, how it ended, what, where."""
    event = ActivityEvent.from_rest(_record(1, "Succeeded", 3))
    assert str(event) == f"2026-11-23T12:00:03+00:00 Succeeded Microsoft.Storage/storageAccounts/write {ACCOUNT}"
    assert pickle.loads(pickle.dumps(event)) == event
