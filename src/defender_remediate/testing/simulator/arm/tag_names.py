"""The predefined tag names of a subscription and their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Resources/tags"
_ACTION = "Microsoft.Resources/subscriptions/tagNames"


def _used(tenant: Tenant, scope: str) -> dict[str, dict[str, int]]:
    """Returns how often each value of each tag is used in a subscription, by the tag's spelled name."""
    found: dict[str, dict[str, int]] = {}
    spelled: dict[str, str] = {}
    groups = tenant.store.subscription(ids.subscription_of(scope)).groups.values()
    for tags in (
        *(one.get("tags") for one in groups),
        *(one.body.get("tags") for one in tenant.store.resources(scope)),
    ):
        for name, value in (tags or {}).items():
            values = found.setdefault(spelled.setdefault(fold(name), name), {})
            values[value] = values.get(value, 0) + 1
    return found


def _count(number: int) -> dict[str, Any]:
    return {"type": "Total", "value": number}


def _shown(scope: str, name: str, values: Mapping[str, int]) -> dict[str, Any]:
    place = f"{scope}/tagNames/{name}"
    return {
        "id": place,
        "tagName": name,
        "count": _count(sum(values.values())),
        "values": [_shown_value(place, value, number) for value, number in values.items()],
    }


def _shown_value(place: str, value: str, number: int) -> dict[str, Any]:
    return {"id": f"{place}/tagValues/{value}", "tagValue": value, "count": _count(number)}


def list_names(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the tag names of a subscription: those in use and those that were predefined, with their values."""
    subscription = tenant.store.subscription(captured["subscription"])
    scope = f"/subscriptions/{subscription.id}"
    tenant.access.check_read(f"{_ACTION}/read", scope)
    found = _used(tenant, scope)
    for name, values in subscription.tag_names.items():
        known = found.setdefault(name, {})
        for value in values:
            known.setdefault(value, 0)
    return tenant.page(call, [_shown(scope, name, values) for name, values in found.items()])


def write_name(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Predefines a tag name or a value of one (PUT), or removes it (DELETE); what is in use stays."""
    subscription = tenant.store.subscription(captured["subscription"])
    scope = f"/subscriptions/{subscription.id}"
    word = "write" if call.method == "PUT" else "delete"
    name, value = captured["tag"], captured.get("value")
    action = _ACTION if value is None else f"{_ACTION}/tagValues"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write(call.method, operation.action, scope)
        tenant.store.touch(scope)
        there = name in subscription.tag_names
        if call.method == "DELETE":
            used = _used(tenant, scope).get(name, {})
            if used if value is None else value in used:
                raise refusal("TagInUse", name=name)
            if value is None:
                subscription.tag_names.pop(name, None)
            elif there:
                subscription.tag_names[name].pop(value, None)
            return Reply(status=200 if there else 204), False
        if value is not None and not there:
            raise refusal("TagNotFound", name=name)
        values = subscription.tag_names.setdefault(name, {})
        is_new = not there if value is None else value not in values
        place = f"{scope}/tagNames/{name}"
        if value is None:
            return Reply.json(_shown(scope, name, dict.fromkeys(values, 0)), status=201 if is_new else 200), False
        values[value] = None
        return Reply.json(_shown_value(place, value, 0), status=201 if is_new else 200), False

    return logged(tenant, call, f"{action}/{word}", scope, work)


_NAMES = "/subscriptions/{subscription}/tagNames"
ROUTES = (
    Route(methods=("GET",), pattern=_NAMES, type=_TYPE, handler=list_names),
    *(
        Route(methods=("PUT", "DELETE"), pattern=pattern, type=_TYPE, handler=write_name, reads=False)
        for pattern in (f"{_NAMES}/{{tag}}", f"{_NAMES}/{{tag}}/tagValues/{{value}}")
    ),
)
