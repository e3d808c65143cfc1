"""What the operations on one resource have in common: which resource, whether it exists, and whether the caller may act."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.refusal_forms import missing
from defender_remediate.testing.simulator.arm.routing import json_body
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

ITEM = "/subscriptions/{subscription}/resourceGroups/{group}/providers"
# The locations of a provider, and the fabric of a vault with a container for every machine, exist without being created.
_ALWAYS_THERE = ("/locations", "/vaults/backupfabrics", "/vaults/backupfabrics/protectioncontainers")


def check_scope(tenant: Tenant, target: ids.ResourcePath) -> None:
    """Refuses a path whose subscription, resource group or parent resource does not exist.

    Raises:
        ArmError: 404 SubscriptionNotFound, ResourceGroupNotFound or ParentResourceNotFound.
    """
    if target.subscription:
        tenant.store.subscription(target.subscription)
    if target.group:
        tenant.store.group(target.subscription, target.group)
    owner = target.parent if target.is_nested else target.scope
    above = ids.path_of(owner)
    if above is None or above.is_collection or fold(above.type).endswith(_ALWAYS_THERE):
        return
    if tenant.store.find(owner) is None:
        raise refusal("ParentResourceNotFound", parent=f"{above.type}/{above.name}")


def existing(tenant: Tenant, target: ids.ResourcePath) -> Resource:
    """Returns the resource.

    Raises:
        ArmError: 404 ResourceNotFound, or what the provider answers.
    """
    found = tenant.store.find(target.id)
    if found is None:
        raise missing(target)
    return found


def check_etag(call: Call, current: Resource | None, resource_type: ResourceType) -> None:
    """Refuses a conditional request whose condition is not met; a type that ignores If-Match takes it.

    Raises:
        ArmError: 412 PreconditionFailed.
    """
    if not resource_type.if_match:
        return
    wanted = call.headers.get("if-match")
    if wanted and current is None and call.method == "PUT":
        raise refusal("PreconditionFailed", header="If-Match")
    if wanted and current is not None and wanted != "*" and wanted.strip('"') != str(current.etag).strip('"'):
        raise refusal("PreconditionFailed", header="If-Match")
    if call.headers.get("if-none-match") == "*" and current is not None and call.method == "PUT":
        raise refusal("PreconditionFailed", header="If-None-Match")


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
