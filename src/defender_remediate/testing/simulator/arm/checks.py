"""What the operations on one resource have in common: which resource, whether it exists, and whether the caller may act."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routes import check_scope, existing
from defender_remediate.testing.simulator.arm.routing import json_body
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

ITEM = "/subscriptions/{subscription}/resourceGroups/{group}/providers"


def owner_of(tenant: Tenant, call: Call, captured: Mapping[str, str], kind: str) -> Resource:
    """Returns the resource of a type whose name was captured as ``name``.

    Raises:
        ArmError: 404: it does not exist.
    """
    del call
    path = f"/subscriptions/{captured['subscription']}/resourceGroups/{captured['group']}/providers/{kind}/{captured['name']}"
    target = ids.path_of(path)
    assert target is not None  # it has a type and a name
    check_scope(tenant, target)
    return existing(tenant, target)


def check_name(tenant: Tenant, call: Call, kind: str, action: str, subscription: str) -> Reply:
    """Answers checkNameAvailability: the names of a type are unique in all of Azure, here in the tenant."""
    scope = f"/subscriptions/{tenant.store.subscription(subscription).id}"
    tenant.access.check_read(action, scope)
    body = json_body(call)
    name = body.get("name")
    if not isinstance(name, str) or fold(str(body.get("type"))) != fold(kind):
        raise refusal("InvalidRequestContent", problem=f"the name is missing or the type is not '{kind}'")
    for resource in tenant.store.resources():
        if resource.type.name == kind and fold(resource.name) == fold(name):
            message = f"The name '{name}' is already taken."
            return Reply.json({"nameAvailable": False, "reason": "AlreadyExists", "message": message})
    return Reply.json({"nameAvailable": True})
