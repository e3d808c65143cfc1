"""The activity log: two or three records per write, which appear some seconds after the event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock

RETENTION = 90 * 86400.0
MOST_RECORDS = 100_000
"""How many records a tenant keeps, so that a server that runs for days does not fill the memory."""
STARTED, ACCEPTED, SUCCEEDED, FAILED = "Started", "Accepted", "Succeeded", "Failed"


@attrs.frozen(kw_only=True)
class LoggedOperation:
    """What the records of one write share.

    Attributes:
        action: Such as ``Microsoft.Storage/storageAccounts/write``.
        caller_type: ``User``, ``Application``, ``ManagedIdentity`` or ``System``.
        client: What the caller used, as the change history names it: ``Azure Portal``, an app id or ``Unknown``.
        request_id: The caller's ``x-ms-client-request-id``.
    """

    id: str
    action: str
    resource_id: str
    caller: str
    correlation_id: str
    method: str
    uri: str
    request_id: str
    caller_type: str = "Application"
    client: str = "Unknown"


@attrs.frozen(kw_only=True)
class Record:
    """One line of the log.

    Attributes:
        moment: When it happened.
        visible: When it can be read.
        sub_status: Such as ``Created``; empty while the operation runs.
    """

    operation: LoggedOperation
    id: str
    moment: float
    visible: float
    status: str
    sub_status: str
    properties: Mapping[str, str]


class ActivityRecords:
    """Every record of the tenant."""

    def __init__(self, clock: VirtualClock, activity_delay: float) -> None:
        self._clock = clock
        self.activity_delay = activity_delay
        self._records: list[Record] = []

    def add(
        self, operation: LoggedOperation, status: str, *, record_id: str, sub_status: str = "", moment: float
    ) -> None:
        """Adds a record. Of more than ``MOST_RECORDS`` the oldest are forgotten."""
        if len(self._records) >= MOST_RECORDS:
            del self._records[: max(1, MOST_RECORDS // 10)]
        self._records.append(
            Record(
                operation=operation,
                id=record_id,
                moment=moment,
                visible=moment + self.activity_delay,
                status=status,
                sub_status=sub_status,
                properties={"eventCategory": "Administrative", **({"statusCode": sub_status} if sub_status else {})},
            )
        )

    def visible(self) -> Iterator[Record]:
        """Returns the records that can be read now, newest first."""
        now = self._clock.monotonic()
        found = [record for record in self._records if record.visible <= now and now - record.moment <= RETENTION]
        order = {STARTED: 0, ACCEPTED: 1}
        ranked = sorted(enumerate(found), key=lambda pair: (pair[1].moment, order.get(pair[1].status, 2), pair[0]))
        return (record for _, record in reversed(ranked))

    def render(self, record: Record, tenant: str) -> dict[str, Any]:
        """Returns a record as the API shows it."""
        operation = record.operation
        target = ids.path_of(operation.resource_id)
        namespace = target.namespace if target else "Microsoft.Resources"
        kind = target.type if target else "Microsoft.Resources/subscriptions"
        moment = self._clock.at(record.moment)
        ticks = int((moment.timestamp() + 62135596800) * 10_000_000)
        return {
            "authorization": {"action": operation.action, "role": "Contributor", "scope": operation.resource_id},
            "caller": operation.caller,
            "channels": "Operation",
            "claims": {},
            "correlationId": operation.correlation_id,
            "description": "",
            "eventDataId": record.id,
            "eventName": _event_name(record),
            "category": {"value": "Administrative", "localizedValue": "Administrative"},
            "httpRequest": {
                "clientRequestId": operation.request_id,
                "clientIpAddress": "127.0.0.1",
                "method": operation.method,
                "uri": operation.uri,
            },
            "id": f"{operation.resource_id}/events/{record.id}/ticks/{ticks}",
            "level": "Error" if record.status == FAILED else "Informational",
            "resourceGroupName": ids.group_of(operation.resource_id),
            "resourceProviderName": _localised(namespace),
            "resourceId": operation.resource_id,
            "resourceType": _localised(kind),
            "operationId": operation.id,
            "operationName": _localised(operation.action),
            "properties": dict(record.properties),
            "status": _localised(record.status),
            "subStatus": _localised(record.sub_status),
            "eventTimestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
            "submissionTimestamp": self._clock.at(record.visible).strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
            "subscriptionId": ids.subscription_of(operation.resource_id),
            "tenantId": tenant,
        }


def _event_name(record: Record) -> dict[str, str]:
    if record.status in (STARTED, ACCEPTED):
        return {"value": "BeginRequest", "localizedValue": "Begin request"}
    return {"value": "EndRequest", "localizedValue": "End request"}


def _localised(value: str) -> dict[str, str]:
    return {"value": value, "localizedValue": value}
