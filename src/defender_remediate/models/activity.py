"""Events of the Azure activity log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold, fold_or_none
from defender_remediate.display import one_line
from defender_remediate.enums import OpenEnum
from defender_remediate.notebook import notebook
from defender_remediate.public_path import show_in
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text


class ActivityStatus(OpenEnum):
    """The state of a logged operation."""

    STARTED = "Started"
    ACCEPTED = "Accepted"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def is_terminal(self) -> bool:
        """Whether the operation has ended."""
        return self not in (ActivityStatus.STARTED, ActivityStatus.ACCEPTED)


@notebook
@attrs.frozen(kw_only=True)
class ActivityEvent(Value):
    """One operation on one resource, joined from its two or three records in the log.

    Attributes:
        timestamp: When it started; UTC.
        finished: When it ended, or None while it runs.
        operation: Such as ``Microsoft.Storage/storageAccounts/write``, in Azure's casing, which varies.
        status: The latest one known.
        sub_status: Such as ``OK``, ``Created`` or ``Conflict``.
        caller: The user, or the object id of the application.
        record_ids: The ``eventDataId`` of each record joined, sorted.
    """

    timestamp: datetime | None
    finished: datetime | None = None
    operation: str
    operation_id: str | None = optional_text()
    status: ActivityStatus
    sub_status: str | None = optional_text()
    resource_id: str = attrs.field(eq=fold)
    resource_group: str | None = optional_text(eq=fold_or_none)
    caller: str | None = optional_text()
    correlation_id: str | None = optional_text()
    subscription_id: str | None = optional_text()
    level: str | None = optional_text()
    http_method: str | None = optional_text()
    message: str | None = optional_text()
    record_ids: tuple[str, ...] = ()

    @classmethod
    def from_rest(cls, json: Mapping[str, Any]) -> ActivityEvent:
        """Decode one record of ``eventtypes/management/values``; ``join`` combines the records of one operation."""
        status = ActivityStatus(_value(json, "status"))
        submitted = wire.timestamp(json, "eventTimestamp")
        properties = wire.mapping(wire.pick(json, "properties"))
        return cls(
            timestamp=submitted,
            finished=submitted if status.is_terminal else None,
            operation=_value(json, "operationName"),
            operation_id=wire.text(json, "operationId"),
            status=status,
            sub_status=_value(json, "subStatus") or wire.text(properties, "statusCode"),
            resource_id=wire.text(json, "resourceId") or wire.text(wire.pick(json, "authorization"), "scope"),
            resource_group=wire.text(json, "resourceGroupName"),
            caller=wire.text(json, "caller"),
            correlation_id=wire.text(json, "correlationId"),
            subscription_id=wire.text(json, "subscriptionId"),
            level=wire.text(json, "level"),
            http_method=wire.text(wire.pick(json, "httpRequest"), "method"),
            message=wire.text(properties, "statusMessage"),
            record_ids=tuple(filter(None, (wire.text(json, "eventDataId"),))),
        )

    def join(self, other: ActivityEvent) -> ActivityEvent:
        """Return this operation combined with another of its records. The order of joining does not matter."""
        first, last = sorted((self, other), key=_moment)
        return attrs.evolve(
            last,
            timestamp=min((event.timestamp for event in (first, last) if event.timestamp), default=None),
            caller=last.caller or first.caller,
            http_method=last.http_method or first.http_method,
            message=last.message or first.message,
            sub_status=last.sub_status or first.sub_status,
            record_ids=tuple(sorted({*first.record_ids, *last.record_ids})),
        )

    def __str__(self) -> str:
        when = self.timestamp.isoformat(timespec="seconds") if self.timestamp else "(no time)"
        return one_line(f"{when} {self.status:<9} {self.operation} {self.resource_id}")


def _moment(event: ActivityEvent) -> tuple[int, str]:
    # Records of one operation may have the same time: Started comes first and a terminal record last.
    ranks = {ActivityStatus.STARTED: 0, ActivityStatus.ACCEPTED: 1}
    return ranks.get(event.status, 2), event.timestamp.isoformat() if event.timestamp else ""


def _value(json: Mapping[str, Any], name: str) -> str:
    # Localisable members are wrapped as {value, localizedValue}.
    wrapped = wire.pick(json, name)
    return wire.text(wrapped, "value") if isinstance(wrapped, Mapping) else wire.text(wrapped)


show_in("defender_remediate.models", ActivityEvent, ActivityStatus)
