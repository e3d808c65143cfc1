"""Creates, changes and deletes objects of the directory, and links them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import json_body
from defender_remediate.testing.simulator.directory.state import (
    APPLICATIONS,
    COLLECTIONS,
    DELETED,
    GROUPS,
    MEMBERS,
    OWNERS,
    PRINCIPALS,
    USERS,
)
from defender_remediate.testing.simulator.state.store import TENANT_ID, copied
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call

_LEAST_PASSWORD = 8


def create(tenant: Tenant, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Creates an object; returns it.

    Raises:
        ArmError: A member is missing or not valid, or the object exists already.
    """
    directory, collection = tenant.directory, COLLECTIONS[name]
    for member in collection.required:
        if body.get(member) is None:
            problem = f"A value is required for property '{member}' of resource '{collection.noun}'."
            raise refusal("DirectoryBadRequest", problem=problem)
    check(tenant, name, body, None)
    made: dict[str, Any] = {**copied(collection.defaults), **copied(body), "id": tenant.new_id()}
    now = _now(tenant)
    if name == USERS:
        made["createdDateTime"] = now
    elif name == GROUPS:
        made["createdDateTime"] = made["renewedDateTime"] = now
    elif name == APPLICATIONS:
        made |= {"appId": tenant.new_id(), "createdDateTime": now, "publisherDomain": directory.domain_names()[0]}
    elif name == PRINCIPALS:
        made = _principal(tenant, made)
    elif name == "directoryRoles":
        template = directory.find("directoryRoleTemplates", str(body["roleTemplateId"]))
        if template is None:
            raise refusal("DirectoryNotFound", key=body["roleTemplateId"])
        made |= {"displayName": template["displayName"], "description": template["description"]}
    elif name.startswith("identity/"):
        made |= {"createdDateTime": now, "modifiedDateTime": None}
    for kind in (MEMBERS, OWNERS):
        for reference in made.pop(f"{kind}@odata.bind", None) or ():
            add_link(tenant, kind, made["id"], str(reference).rpartition("/")[2])
    directory.objects[name][made["id"]] = made
    return made


def _now(tenant: Tenant) -> str:
    return tenant.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _principal(tenant: Tenant, made: dict[str, Any]) -> dict[str, Any]:
    """A service principal has the names of its application."""
    app = tenant.directory.find(APPLICATIONS, str(made["appId"]), "appId")
    if app is None:
        problem = f"The appId '{made['appId']}' of the service principal does not reference a valid application object."
        raise refusal("DirectoryBadRequest", problem=problem)
    taken = tenant.directory.find(PRINCIPALS, app["appId"], "appId")
    if taken is not None:
        problem = (
            "The service principal cannot be created, updated, or restored because the service principal name"
            f" {app['appId']} is already in use."
        )
        raise refusal("DirectoryConflict", problem=problem)
    return {
        **made,
        "displayName": app["displayName"],
        "appDisplayName": app["displayName"],
        "appOwnerOrganizationId": TENANT_ID,
        "signInAudience": app.get("signInAudience"),
        "servicePrincipalNames": [app["appId"], *app.get("identifierUris", ())],
        "appRoles": copied(app.get("appRoles", [])),
        "createdDateTime": _now(tenant),
    }


def check(tenant: Tenant, name: str, body: Mapping[str, Any], old: Mapping[str, Any] | None) -> None:
    """Refuses values that the directory does not take.

    Raises:
        ArmError: 400 for a name that is taken, a foreign domain, a weak password or a member that only Azure sets.
    """
    directory = tenant.directory
    if old is not None and body.get("id") not in (None, old["id"]):
        raise refusal("DirectoryBadRequest", problem="Property 'id' is read-only and cannot be set.")
    if name != USERS:
        return
    principal_name = body.get("userPrincipalName")
    if principal_name is not None:
        domain = str(principal_name).rpartition("@")[2]
        if fold(domain) not in {fold(one) for one in directory.domain_names()}:
            problem = (
                "The domain portion of the userPrincipalName property is invalid. You must use one of the verified"
                " domain names in your organization."
            )
            raise refusal("DirectoryBadRequest", problem=problem)
        taken = directory.find(USERS, str(principal_name), "userPrincipalName")
        if taken is not None and taken is not old:
            problem = "Another object with the same value for property userPrincipalName already exists."
            raise refusal("DirectoryBadRequest", problem=problem)
    profile = body.get("passwordProfile")
    password = profile.get("password") if isinstance(profile, Mapping) else None
    if password is not None and (not isinstance(password, str) or len(password) < _LEAST_PASSWORD):
        problem = "The specified password does not comply with password complexity requirements. Please provide a different password."
        raise refusal("DirectoryBadRequest", problem=problem)


def delete(tenant: Tenant, name: str, one: Mapping[str, Any]) -> None:
    """Deletes an object; users, groups, applications and service principals can be restored."""
    directory, key = tenant.directory, one["id"]
    directory.forget(key)
    held = directory.objects[name]
    if key not in held:  # the identity of a resource goes with the resource
        raise refusal("DirectoryBadRequest", problem="The service principal of a managed identity cannot be deleted.")
    del held[key]
    if COLLECTIONS[name].deleted_to is not None:
        deleted = {**one, "deletedDateTime": _now(tenant)}
        directory.objects[DELETED][key] = {"collection": name, "object": deleted}
    if name == APPLICATIONS:
        principal = directory.find(PRINCIPALS, str(one.get("appId")), "appId")
        if principal is not None:
            delete(tenant, PRINCIPALS, principal)


def link(tenant: Tenant, call: Call, kind: str, one: Mapping[str, Any], rest: Sequence[str]) -> None:
    """Adds or removes a member or an owner, as a request about ``$ref`` says.

    Raises:
        ArmError: The other object does not exist, or is linked already.
    """
    if call.method == "DELETE" and rest:
        target = rest[0]
        if target not in tenant.directory.linked(kind, one["id"]):
            raise refusal("DirectoryNotFound", key=target)
        tenant.directory.links.remove((kind, one["id"], target))
        if kind == MEMBERS:
            tenant.access.groups.get(fold(target), set()).discard(fold(one["id"]))
        return
    if call.method != "POST":
        raise refusal("DirectorySegment", segment="$ref")
    add_link(tenant, kind, one["id"], str(json_body(call).get("@odata.id")).rpartition("/")[2])


def add_link(tenant: Tenant, kind: str, owner: str, target: str) -> None:
    """Links two objects. A member of a group has the roles that are assigned to the group.

    Raises:
        ArmError: The other object does not exist, or is linked already.
    """
    directory = tenant.directory
    found = directory.find_anywhere(target)
    if found is None:
        raise refusal("DirectoryNotFound", key=target)
    if target in directory.linked(kind, owner):
        problem = f"One or more added object references already exist for the following modified properties: '{kind}'."
        raise refusal("DirectoryBadRequest", problem=problem)
    directory.links.append((kind, owner, found[1]["id"]))
    if kind == MEMBERS:
        tenant.access.groups.setdefault(fold(target), set()).add(fold(owner))
