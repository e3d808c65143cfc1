"""The activity log's list operation and its filter."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.monitor.state import RETENTION, Record
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import TENANT_ID
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_PAGE = 200
# Azure also takes a moment without quotation marks, and the Azure CLI sends it so.
_CLAUSE = re.compile(r"(\w+)\s+(ge|le|eq)\s+(?:'([^']*)'|([\w][-\w:.+]*))\Z", re.IGNORECASE)
_SELECTABLE = frozenset(
    [
        "authorization",
        "claims",
        "correlationId",
        "description",
        "eventDataId",
        "eventName",
        "eventTimestamp",
        "httpRequest",
        "level",
        "operationId",
        "operationName",
        "properties",
        "resourceGroupName",
        "resourceProviderName",
        "resourceId",
        "status",
        "submissionTimestamp",
        "subStatus",
        "subscriptionId",
        "caller",
    ]
)
_TESTS: Mapping[str, Callable[[Mapping[str, Any], str], bool]] = {
    "resourcegroupname": lambda event, value: fold(event["resourceGroupName"]) == fold(value),
    "resourceuri": lambda event, value: ids.within(event["resourceId"], value),
    "resourceprovider": lambda event, value: fold(event["resourceProviderName"]["value"]) == fold(value),
    "correlationid": lambda event, value: fold(event["correlationId"]) == fold(value),
    # Clients of Microsoft's send these, although its documentation does not name them.
    "resourceid": lambda event, value: ids.within(event["resourceId"], value),
    "caller": lambda event, value: fold(str(event["caller"])) == fold(value),
    "status": lambda event, value: fold(event["status"]["value"]) == fold(value),
    "level": lambda event, value: fold(event["level"]) == fold(value),
    "levels": lambda event, value: fold(event["level"]) in {fold(one.strip()) for one in value.split(",")},
}


@attrs.frozen(kw_only=True)
class _Filter:
    since: datetime
    until: datetime
    values: Mapping[str, str]

    def takes(self, event: Mapping[str, Any]) -> bool:
        return all(_TESTS[name](event, value) for name, value in self.values.items())


def list_events(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the events of a subscription that match a filter."""
    tenant.store.subscription(captured["subscription"])
    wanted = _filter(tenant, call.query.get("$filter", ""))
    members = [name for name in call.query.get("$select", "").replace(" ", "").split(",") if name]
    unknown = [name for name in members if name not in _SELECTABLE]
    if unknown:
        raise refusal("InvalidSelect", name=unknown[0])
    subscription = fold(captured["subscription"])

    def shown(record: Record) -> dict[str, Any] | None:
        if fold(ids.subscription_of(record.operation.resource_id)) != subscription:
            return None
        if not wanted.since <= tenant.clock.at(record.moment) <= wanted.until:
            return None
        event = tenant.activity.render(record, TENANT_ID)
        if not wanted.takes(event):
            return None
        return {name: event[name] for name in members} if members else event

    return tenant.page(call, tenant.activity.visible(), size=_PAGE, shown=shown)


def _filter(tenant: Tenant, text: str) -> _Filter:
    if not text.strip():
        raise refusal("ActivityFilter", problem="$filter is required")
    bounds: dict[str, datetime] = {}
    values: dict[str, str] = {}
    for clause in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE):
        found = _CLAUSE.match(clause.strip())
        if found is None:
            raise refusal("ActivityFilter", problem=f"'{clause}' is not a clause")
        name, operator, value = fold(found.group(1)), fold(found.group(2)), found.group(3)
        value = found.group(4) if value is None else value
        if name == "eventtimestamp" and operator in ("ge", "le") and operator not in bounds:
            bounds[operator] = _moment(value)
        elif name in _TESTS and operator == "eq" and name not in values:
            values[name] = value
        else:
            raise refusal("ActivityFilter", problem=f"'{clause}' is not allowed here")
    if set(bounds) != {"ge", "le"}:
        raise refusal("ActivityFilter", problem="eventTimestamp needs a start and an end")
    if (tenant.clock.now() - bounds["ge"]).total_seconds() > RETENTION + 60:
        raise refusal("ActivityFilter", problem="the start time can not be more than 90 days in the past")
    return _Filter(since=bounds["ge"], until=bounds["le"], values=values)


def _moment(text: str) -> datetime:
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?(Z|[+-]\d\d:\d\d)?\Z", text)
    if match is None:
        raise refusal("ActivityFilter", problem=f"'{text}' is not a timestamp")
    zone = "+00:00" if match.group(3) in (None, "Z") else match.group(3)
    fraction = (match.group(2) or "0")[:6].ljust(6, "0")
    try:
        return datetime.fromisoformat(f"{match.group(1)}.{fraction}{zone}").astimezone(timezone.utc)
    except ValueError:
        raise refusal("ActivityFilter", problem=f"'{text}' is not a timestamp") from None


ROUTES = (
    Route(
        methods=("GET",),
        pattern="/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values",
        type="Microsoft.Insights/eventtypes",
        handler=list_events,
    ),
)
