"""Managed identities: the ids that a resource shows of its own identity and of those that a caller assigned to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state.store import TENANT_ID
from defender_remediate.testing.simulator.state.tenant import Tenant

_ASSIGNED = "userAssignedIdentities"


def with_ids(tenant: Tenant, body: dict[str, Any], *, assigned: bool) -> dict[str, Any]:
    """Returns a body with the ids of its system-assigned identity and, if ``assigned``, of its user-assigned ones.

    A user-assigned identity has the ids of its resource, or made-up ones if the tenant does not have that.
    """
    identity = body.get("identity")
    if not isinstance(identity, Mapping):
        return body
    shown = dict(identity)
    if "systemassigned" in fold(str(shown.get("type"))) and not shown.get("principalId"):
        shown |= {"principalId": tenant.new_id(), "tenantId": TENANT_ID}
    users = shown.get(_ASSIGNED)
    if assigned and isinstance(users, Mapping):
        shown[_ASSIGNED] = {one: ids or _ids_of(tenant, one) for one, ids in users.items()}
    return {**body, "identity": shown}


def _ids_of(tenant: Tenant, identity_id: str) -> dict[str, Any]:
    found = tenant.store.find(identity_id)
    properties = found.body["properties"] if found is not None else {}
    return {name: properties.get(name) or tenant.new_id() for name in ("principalId", "clientId")}
