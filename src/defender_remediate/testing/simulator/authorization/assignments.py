"""Role definitions and role assignments: the built-in roles that matter here, custom roles, and who has which where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.authorization.assigned_roles import DataRole, RoleAssignment, RoleDefinition
from defender_remediate.testing.simulator.authorization.conditions import ConditionError, parse
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.authorization.routes import scope_of, seen_from
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_ASSIGNMENTS, _DEFINITIONS = "Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/roleDefinitions"
_PRINCIPAL_TYPES = ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")
_CLAUSE = re.compile(
    r"\s*(?:(\w+)\s+eq\s+'([^']*)'|(atScope|atScopeAndBelow)\(\)|(assignedTo)\('([^']*)'\))\s*", re.IGNORECASE
)


def _scope(tenant: Tenant, captured: Mapping[str, str]) -> str:
    return scope_of(tenant, captured) if "scope" in captured else ""


def _conditions(call: Call, *known: str) -> dict[str, str]:
    """Returns the clauses of a filter: their folded names and values, empty for ``atScope()``."""
    text = call.query.get("$filter", "")
    found: dict[str, str] = {}
    for part in re.split(r"\s+and\s+", text, flags=re.IGNORECASE) if text else ():
        clause = _CLAUSE.fullmatch(part)
        name = fold(clause.group(1) or clause.group(3) or clause.group(4)) if clause else ""
        if clause is None or name not in known:
            raise refusal("InvalidFilter", filter=text)
        found[name] = fold(clause.group(2) or clause.group(5) or "")
    return found


def list_definitions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the roles that can be assigned at a scope."""
    scope = _scope(tenant, captured)
    tenant.access.check_read(f"{_DEFINITIONS}/read", scope)
    wanted = _conditions(call, "rolename", "type", "atscope", "atscopeandbelow")
    found = []
    for role in tenant.access.definitions.values():
        here = any(tenant.store.covers(place, scope or "/") for place in role.assignable)
        below = (
            bool(scope)
            and "atscope" not in wanted
            and any(tenant.store.covers(scope, place) for place in role.assignable)
        )
        if role.is_built_in or here or below:
            is_named = fold(role.role_name) == wanted.get("rolename", fold(role.role_name))
            kind = "BuiltInRole" if role.is_built_in else "CustomRole"
            if is_named and fold(kind) == wanted.get("type", fold(kind)):
                found.append(role.render(scope))
    return tenant.page(call, found)


def get_definition(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a role."""
    del call
    scope = _scope(tenant, captured)
    tenant.access.check_read(f"{_DEFINITIONS}/read", scope)
    for data_role in tenant.access.data_roles:
        if fold(data_role.name) == fold(captured["name"]):
            return Reply.json(data_role.render_definition())
    return Reply.json(_definition(tenant, captured["name"]).render(scope))


def _definition(tenant: Tenant, name: str) -> RoleDefinition:
    found = tenant.access.definitions.get(fold(name))
    if found is None:
        raise refusal("RoleDefinitionDoesNotExist", name=name)
    return found


def put_definition(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces a custom role. The assignments of a replaced role give the new permissions."""
    scope, name = scope_of(tenant, captured), captured["name"]
    target_id = f"{scope}{AUTHORIZATION}/roleDefinitions/{name}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        properties = json_body(call).get("properties")
        if not ids.is_guid(name):
            raise refusal("InvalidRole", problem=f"the name {name!r} is not a GUID")
        role = _custom_role(name, properties if isinstance(properties, Mapping) else {})
        held = tenant.access.definitions.get(fold(name))
        if held is not None and held.is_built_in:
            raise refusal("InvalidRole", problem=f"the role {held.role_name!r} is built in")
        for other in tenant.access.definitions.values():
            if fold(other.role_name) == fold(role.role_name) and other is not held:
                raise refusal("RoleDefinitionWithSameNameExists", name=role.role_name)
        for place in role.assignable:
            tenant.access.check_role(operation.action, place)
        tenant.access.define(role)
        tenant.store.touch(target_id)
        return Reply.json(role.render(scope), status=201), False

    return logged(tenant, call, f"{_DEFINITIONS}/write", target_id, work)


def _custom_role(name: str, properties: Mapping[str, Any]) -> RoleDefinition:
    role_name, places = properties.get("roleName"), properties.get("assignableScopes")
    permissions = properties.get("permissions")
    if not isinstance(role_name, str) or not role_name:
        raise refusal("InvalidRole", problem="the roleName is missing")
    if (
        not isinstance(places, list)
        or not places
        or not all(isinstance(one, str) and one.startswith("/") for one in places)
    ):
        raise refusal("InvalidRole", problem="the assignableScopes are missing")
    if "/" in places:
        raise refusal("InvalidRole", problem="the root scope cannot be an assignable scope of a custom role")
    if not isinstance(permissions, list) or len(permissions) != 1 or not isinstance(permissions[0], Mapping):
        raise refusal("InvalidRole", problem="there is not exactly one permission")
    (entry,) = permissions

    def actions(member: str) -> tuple[str, ...]:
        listed = entry.get(member) or ()
        if isinstance(listed, str) or not all(isinstance(one, str) for one in listed):
            raise refusal("InvalidRole", problem=f"{member} is not a list of actions")
        for one in listed:
            if one != "*" and "/" not in one:
                raise refusal("InvalidActionOrNotAction", action=one)
        return tuple(listed)

    return RoleDefinition(
        name=name,
        role_name=role_name,
        description=str(properties.get("description") or ""),
        actions=actions("actions"),
        not_actions=actions("notActions"),
        data_actions=actions("dataActions"),
        not_data_actions=actions("notDataActions"),
        assignable=tuple(places),
        is_built_in=False,
    )


def delete_definition(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes a custom role that no one has."""
    scope, name = scope_of(tenant, captured), captured["name"]
    target_id = f"{scope}{AUTHORIZATION}/roleDefinitions/{name}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        found = tenant.access.definitions.get(fold(name))
        if found is None:
            return Reply(status=204), False
        if found.is_built_in:
            raise refusal("InvalidRole", problem=f"the role {found.role_name!r} is built in")
        if any(fold(one.definition.name) == fold(name) for one in tenant.access.assignments):
            raise refusal("RoleDefinitionHasAssignments", name=name)
        del tenant.access.definitions[fold(name)]
        tenant.store.touch(target_id)
        return Reply.json(found.render(scope)), False

    return logged(tenant, call, f"{_DEFINITIONS}/delete", target_id, work)


def list_assignments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the role assignments at a scope, above it and, without ``atScope()``, below it.

    The caller owns its subscriptions by assignments of Owner. What a test granted is in ``permissions`` only.
    """
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_ASSIGNMENTS}/read", scope)
    wanted = _conditions(call, "atscope", "principalid", "assignedto")
    every: Iterable[RoleAssignment | DataRole] = (
        *tenant.access.owners(CALLER_ID),
        *tenant.access.data_roles,
        *tenant.access.assignments,
    )
    found = seen_from(tenant, scope, "atScope()" if "atscope" in wanted else "", every, lambda one: one.scope)
    if "principalid" in wanted:
        found = [one for one in found if fold(one.principal_id) == wanted["principalid"]]
    if "assignedto" in wanted:  # also to the groups of the principal
        names = tenant.access.names_of(wanted["assignedto"])
        found = [one for one in found if fold(one.principal_id) in names]
    return tenant.page(call, [one.render() for one in found])


def _assigned(tenant: Tenant, captured: Mapping[str, str]) -> tuple[str, RoleAssignment | None]:
    target_id = f"{scope_of(tenant, captured)}{AUTHORIZATION}/roleAssignments/{captured['name']}"
    every = (*tenant.access.owners(CALLER_ID), *tenant.access.assignments)
    return target_id, next((one for one in every if ids.key(one.id) == ids.key(target_id)), None)


def get_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a role assignment."""
    del call
    target_id, found = _assigned(tenant, captured)
    tenant.access.check_read(f"{_ASSIGNMENTS}/read", target_id.partition(AUTHORIZATION)[0])
    if found is None:
        raise refusal("RoleAssignmentNotFound", name=captured["name"])
    return Reply.json(found.render())


def put_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Assigns a role. One that is assigned to the caller gives it the role's actions."""
    target_id, found = _assigned(tenant, captured)
    scope = scope_of(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        sent = json_body(call).get("properties")
        properties = sent if isinstance(sent, Mapping) else {}
        with tenant.access.about("request", **_seen_by_conditions(properties)):
            tenant.access.check_write("PUT", operation.action, target_id)
        made = _assignment(tenant, scope, captured["name"], properties)
        for other in tenant.access.assignments:
            same = (other.scope, fold(other.principal_id), other.definition.name)
            if other is not found and same == (made.scope, fold(made.principal_id), made.definition.name):
                raise refusal("RoleAssignmentExists", name=other.name.replace("-", ""))
        if found is not None:
            if (fold(found.principal_id), found.definition.name) != (fold(made.principal_id), made.definition.name):
                raise refusal("RoleAssignmentUpdateNotPermitted")
            tenant.access.unassign(found)
            made = attrs.evolve(made, created_on=found.created_on, created_by=found.created_by)
        tenant.access.assign(made, caller=CALLER_ID)
        tenant.store.touch(target_id)
        return Reply.json(made.render(), status=201 if found is None else 200), False

    return logged(tenant, call, f"{_ASSIGNMENTS}/write", target_id, work)


def _seen_by_conditions(properties: Mapping[str, Any]) -> dict[str, str]:
    """What the conditions of roles compare of a role assignment: the GUIDs of its role and principal, and the principal's type."""
    return {
        "roleDefinitionId": str(properties.get("roleDefinitionId", "")).rpartition("/")[2],
        "principalId": str(properties.get("principalId", "")),
        "principalType": str(properties.get("principalType") or "User"),
    }


def _check_condition(properties: Mapping[str, Any]) -> None:
    condition = properties.get("condition")
    if condition is None:
        return
    if properties.get("conditionVersion", "2.0") != "2.0":
        raise refusal("InvalidRole", problem=f"the conditionVersion is {properties['conditionVersion']!r}, not '2.0'")
    try:
        parse(str(condition))
    except ConditionError as error:
        raise refusal("InvalidRole", problem=f"the condition is invalid: {error}") from None


def _assignment(tenant: Tenant, scope: str, name: str, properties: Mapping[str, Any]) -> RoleAssignment:
    if not ids.is_guid(name):
        raise refusal("InvalidRoleAssignmentId", name=name)
    principal, role_id = properties.get("principalId"), properties.get("roleDefinitionId")
    if not isinstance(principal, str) or not ids.is_guid(principal):
        raise refusal("InvalidRole", problem=f"the principalId is {principal!r}, not a GUID")
    if not isinstance(role_id, str):
        raise refusal("InvalidRole", problem="the roleDefinitionId is missing")
    kind = properties.get("principalType") or "User"
    if kind not in _PRINCIPAL_TYPES:
        raise refusal("InvalidRole", problem=f"the principalType is {kind!r}")
    _check_condition(properties)
    role = _definition(tenant, role_id.rpartition("/")[2])
    if not role.is_built_in and not any(tenant.store.covers(place, scope) for place in role.assignable):
        raise refusal("InvalidRole", problem=f"the role {role.role_name!r} is not assignable at {scope}")
    now = tenant.clock.timestamp()
    return RoleAssignment(
        scope=scope,
        name=name,
        definition=role,
        principal_id=principal,
        principal_type=kind,
        condition=properties.get("condition"),
        description=properties.get("description"),
        created_on=now,
        created_by=tenant.access.principal,
        updated_on=now,
        updated_by=tenant.access.principal,
    )


def delete_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Removes a role assignment."""
    target_id, found = _assigned(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        shown = {} if found is None else found.render()["properties"]
        with tenant.access.about("resource", **_seen_by_conditions(shown)):
            tenant.access.check_write("DELETE", operation.action, target_id)
        if found is None:
            return Reply(status=204), False
        tenant.access.unassign(found)
        tenant.store.touch(target_id)
        return Reply.json(found.render()), False

    return logged(tenant, call, f"{_ASSIGNMENTS}/delete", target_id, work)


_AT = f"/{{scope*}}{AUTHORIZATION}"
ROUTES = tuple(
    Route(
        methods=(method,),
        pattern=pattern,
        type=f"Microsoft.Authorization/{kind}",
        handler=handler,
        reads=method == "GET",
    )
    for method, pattern, kind, handler in (
        ("GET", f"{AUTHORIZATION}/roleDefinitions", "roleDefinitions", list_definitions),
        ("GET", f"{_AT}/roleDefinitions", "roleDefinitions", list_definitions),
        ("GET", f"{AUTHORIZATION}/roleDefinitions/{{name}}", "roleDefinitions", get_definition),
        ("GET", f"{_AT}/roleDefinitions/{{name}}", "roleDefinitions", get_definition),
        ("PUT", f"{_AT}/roleDefinitions/{{name}}", "roleDefinitions", put_definition),
        ("DELETE", f"{_AT}/roleDefinitions/{{name}}", "roleDefinitions", delete_definition),
        ("GET", f"{_AT}/roleAssignments", "roleAssignments", list_assignments),
        ("GET", f"{_AT}/roleAssignments/{{name}}", "roleAssignments", get_assignment),
        ("PUT", f"{_AT}/roleAssignments/{{name}}", "roleAssignments", put_assignment),
        ("DELETE", f"{_AT}/roleAssignments/{{name}}", "roleAssignments", delete_assignment),
    )
)
