"""The change history of Resource Graph: one record for each write that changed a resource, visible after some minutes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.store import Resource

RETENTION = 14 * 86400.0
MOST_RECORDS = 100_000
"""How many records a tenant keeps, so that a server that runs for days does not fill the memory."""
_SYSTEM = ("properties.provisioningState", "etag", "eTag", "systemData", "properties.etag")
_ABSENT = object()


@attrs.frozen(kw_only=True)
class RecordedWrite:
    """What one write did to one resource.

    Attributes:
        before, after: The bodies; None for a resource that did not exist.
    """

    id: str
    target_id: str
    target_type: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    operation: LoggedOperation
    moment: float

    @property
    def kind(self) -> str:
        """``Create``, ``Update`` or ``Delete``."""
        if self.before is None:
            return "Create"
        return "Delete" if self.after is None else "Update"


class ChangeRecords:
    """The change records of a tenant. A write is recorded while ``by`` says who makes it.

    Attributes:
        delay: Seconds until a record is visible.
        longest: The number of characters after which a value is truncated.
    """

    def __init__(self, clock: VirtualClock, delay: float) -> None:
        self.delay = delay
        self.longest = 4096
        self._clock = clock
        self._records: list[RecordedWrite] = []
        self._operation: LoggedOperation | None = None

    @contextmanager
    def by(self, operation: LoggedOperation) -> Iterator[None]:
        """Attributes the writes until the end of the block to an operation."""
        outer, self._operation = self._operation, operation
        try:
            yield
        finally:
            self._operation = outer

    def wrote(self, resource: Resource, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        """Records a write, if it is one of a tracked resource that someone makes."""
        if self._operation is None or not resource.type.tracked or before == after:
            return
        if len(self._records) >= MOST_RECORDS:
            del self._records[: max(1, MOST_RECORDS // 10)]
        number = int(self._records[-1].id[:8], 16) + 1 if self._records else 1
        self._records.append(
            RecordedWrite(
                id=f"{number:08x}-0000-4000-8000-{self._operation.id.replace('-', '')[:12]}",
                target_id=resource.id,
                target_type=resource.type.name,
                before=before,
                after=after,
                operation=self._operation,
                moment=self._clock.monotonic(),
            )
        )

    def visible(self) -> Iterator[RecordedWrite]:
        """Yields the records that can be read now."""
        now = self._clock.monotonic()
        return (one for one in self._records if one.moment + self.delay <= now and now - one.moment <= RETENTION)

    def render(self, record: RecordedWrite) -> dict[str, Any]:
        """Returns the ``properties`` of a record. Those of a Create or a Delete name no properties of the resource."""
        operation = record.operation
        changes = self._changes(record) if record.kind == "Update" else {}
        return {
            "targetResourceId": record.target_id,
            "targetResourceType": record.target_type.lower(),
            "changeType": record.kind,
            "changeAttributes": {
                "correlationId": operation.correlation_id,
                "changedBy": operation.caller,
                "changedByType": operation.caller_type,
                "clientType": operation.client,
                "operation": operation.action.lower(),
                "timestamp": self._clock.at(record.moment).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+00:00",
                "changesCount": len(changes),
            },
            "changes": changes,
        }

    def _changes(self, record: RecordedWrite) -> dict[str, Any]:
        before, after = dict(_leaves(record.before or {})), dict(_leaves(record.after or {}))
        found = {}
        for path, value in before.items():
            # A property that is new is not among them.
            now = after.get(path, _ABSENT)
            if now is _ABSENT or json.dumps(now, sort_keys=True) != json.dumps(value, sort_keys=True):
                old_text, new_text = _text(value), _text(None if now is _ABSENT else now)
                found[path] = {
                    "previousValue": old_text[: self.longest],
                    "newValue": new_text[: self.longest],
                    "changeCategory": "System" if path in _SYSTEM else "User",
                    "propertyChangeType": "Remove" if now is _ABSENT else "Update",
                    "isTruncated": str(max(len(old_text), len(new_text)) > self.longest).lower(),
                }
        return found


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple)) and value:
        for number, item in enumerate(value):
            yield from _leaves(item, f"{path}[{number}]")
    else:
        yield path, value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    return "null" if value is None else json.dumps(value)
