"""Managed identities: what a write does to the identity of a resource, and the ids that Azure gives to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state.store import TENANT_ID
from defender_remediate.testing.simulator.state.types import ResourceType

if TYPE_CHECKING:
    from defender_remediate.testing.simulator.state.tenant import Tenant

_ASSIGNED = "userAssignedIdentities"
_IDS = ("principalId", "tenantId")


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


def spelled_as_held(identity: Any, known: Mapping[str, Any]) -> Any:
    """Returns a change of an identity that spells the ids of user-assigned identities as the resource spells them."""
    users = identity.get("userAssignedIdentities") if isinstance(identity, Mapping) else None
    if not isinstance(users, Mapping):
        return identity
    spelled = {fold(one): one for one in known.get("userAssignedIdentities") or {}}
    return {**identity, "userAssignedIdentities": {spelled.get(fold(one), one): ids for one, ids in users.items()}}


def merged_identity(resource_type: ResourceType, current: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """An identity of the type ``None`` removes the identity; some types go on showing the type.

    An identity that stays keeps its ids, also if the request leaves them out; one whose kind the type no longer names goes.
    """
    identity, known = result.get("identity"), current.get("identity") or {}
    if not isinstance(identity, Mapping) or identity == known:
        return result
    if not _is_assigned(identity):
        is_none = identity.get("type") == "None"
        if is_none and _is_assigned(known) and not resource_type.shows_no_identity:
            del result["identity"]
        else:
            gone = (*_IDS, _ASSIGNED) if is_none else _IDS
            result["identity"] = {name: value for name, value in identity.items() if name not in gone}
        return result
    shown = dict(identity)
    if not _is_system_assigned(identity):
        shown = {name: value for name, value in shown.items() if name not in _IDS}
    elif _is_system_assigned(known):
        shown = {**{name: known[name] for name in _IDS if name in known}, **shown}
    users = shown.pop("userAssignedIdentities", None)
    if users and ("userassigned" in fold(str(identity["type"])) or "userassigned" not in fold(str(known.get("type")))):
        held = {fold(one): ids for one, ids in (known.get("userAssignedIdentities") or {}).items()}
        shown["userAssignedIdentities"] = {one: ids or held.get(fold(one)) or {} for one, ids in users.items()}
    result["identity"] = shown
    return result


def _is_system_assigned(identity: Mapping[str, Any]) -> bool:
    return "systemassigned" in fold(str(identity.get("type")))


def _is_assigned(identity: Mapping[str, Any]) -> bool:
    return "assigned" in fold(str(identity.get("type")))
