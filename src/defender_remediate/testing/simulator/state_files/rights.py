"""Roles, policies and Defender's decisions of an export or a recording, as they are in a tenant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.authorization.assigned_roles import RoleAssignment, RoleDefinition
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.defender.exemptions import TYPE as STANDARD_ASSIGNMENTS
from defender_remediate.testing.simulator.defender.exemptions import StandardAssignment
from defender_remediate.testing.simulator.policy.definitions import find_definition
from defender_remediate.testing.simulator.policy.library import checked_definition
from defender_remediate.testing.simulator.policy.state import ENFORCED, PolicyAssignment, PolicyExemption
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant

_ASSIGNED = ("displayName", "policyDefinitionId", "scope", "notScopes", "parameters", "enforcementMode")


def add_policy_definition(tenant: Tenant, body: Mapping[str, Any]) -> str:
    """Adds a definition or an initiative; one that the simulator makes itself stays as it is."""
    identifier = str(body["id"])
    if not ids.subscription_of(identifier) and find_definition(tenant, identifier) is not None:
        return identifier
    made = checked_definition(body)
    tenant.policies.define(made)
    return str(made["id"])


def add_policy_assignment(tenant: Tenant, body: Mapping[str, Any]) -> str:
    """Adds an assignment. Of a definition that is not there nothing is evaluated."""
    scope, name, properties = _parts(body)
    definition_id = properties.get("policyDefinitionId")
    if not isinstance(definition_id, str) or not definition_id:
        raise InvalidInputError(f"'properties.policyDefinitionId' must be an id, got {quoted(definition_id)}")
    extra = {member: value for member, value in properties.items() if member not in _ASSIGNED and value is not None}
    made = PolicyAssignment(
        scope=scope,
        name=name,
        definition_id=definition_id,
        display_name=str(properties.get("displayName") or ""),
        not_scopes=tuple(map(str, _array(properties, "notScopes"))),
        parameters=_object(properties, "parameters"),
        enforcement=str(properties.get("enforcementMode") or ENFORCED),
        extra=extra,
        top={member: body[member] for member in ("identity", "location") if body.get(member) is not None},
    )
    tenant.policies.assign(made)
    return made.id


def add_policy_exemption(tenant: Tenant, body: Mapping[str, Any]) -> str:
    """Adds an exemption; the assessments that it covers are exempt at once."""
    scope, name, properties = _parts(body)
    expires = properties.get("expiresOn")
    moment = None if expires is None else wire.timestamp(properties, "expiresOn")
    if expires is not None and moment is None:
        raise InvalidInputError(f"'properties.expiresOn' must be a time, got {quoted(expires)}")
    made = PolicyExemption(
        scope=scope,
        name=name,
        assignment_id=str(properties.get("policyAssignmentId") or ""),
        references=tuple(map(str, _array(properties, "policyDefinitionReferenceIds"))),
        expires=moment,
        category=str(properties.get("exemptionCategory") or "Waiver"),
        description=str(properties.get("description") or ""),
        display_name=str(properties.get("displayName") or ""),
        metadata=_object(properties, "metadata"),
        selectors=tuple(_array(properties, "resourceSelectors")),
    )
    tenant.policies.exemptions.append(made)
    tenant.assessor.reassess(scope, at_once=True)
    return made.id


def add_role_definition(tenant: Tenant, body: Mapping[str, Any]) -> str:
    """Adds a role; a built-in one that the simulator knows stays as it is."""
    _, name, properties = _parts(body)
    known = tenant.access.definitions.get(fold(name))
    if known is not None and known.is_built_in:
        return str(body["id"])
    entries = [one for one in _array(properties, "permissions") if isinstance(one, Mapping)]

    def actions(member: str) -> list[str]:
        return [str(action) for one in entries for action in _array(one, member)]

    tenant.access.define(
        RoleDefinition(
            name=name,
            role_name=str(properties.get("roleName") or name),
            description=str(properties.get("description") or ""),
            actions=actions("actions"),
            not_actions=actions("notActions"),
            data_actions=actions("dataActions"),
            not_data_actions=actions("notDataActions"),
            assignable=tuple(map(str, _array(properties, "assignableScopes") or ("/",))),
            is_built_in=fold(str(properties.get("type"))) == "builtinrole",
        )
    )
    return str(body["id"])


def add_role_assignment(tenant: Tenant, body: Mapping[str, Any]) -> str:
    """Adds a role assignment. The caller stays the owner of its subscriptions."""
    scope, name, properties = _parts(body)
    role_id = str(properties.get("roleDefinitionId") or "")
    role = tenant.access.definitions.get(fold(role_id.rpartition("/")[2]))
    if role is None:
        raise InvalidInputError(f"the simulator has no role {quoted(role_id)}", hint="add its definition as well")
    made = RoleAssignment(
        scope=scope,
        name=name,
        definition=role,
        principal_id=str(properties.get("principalId") or ""),
        principal_type=str(properties.get("principalType") or "User"),
        condition=properties.get("condition"),
        description=properties.get("description"),
        created_on=properties.get("createdOn"),
        created_by=properties.get("createdBy"),
        updated_on=properties.get("updatedOn"),
        updated_by=properties.get("updatedBy"),
    )
    held = (*tenant.access.owners(CALLER_ID), *tenant.access.assignments)
    if all(ids.key(one.id) != ids.key(made.id) for one in held):
        tenant.access.assignments.append(made)
    return made.id


def add_standard_assignment(tenant: Tenant, body: Mapping[str, Any]) -> str:
    """Adds an exemption or attestation of Defender; the assessments that it covers follow it at once."""
    scope, name, properties = _parts(body)
    for member in ("exemptionData", "attestationData"):
        _object(_object(properties, member), "assignedAssessment")
    expires = None if properties.get("expiresOn") is None else wire.timestamp(properties, "expiresOn")
    made = StandardAssignment(scope=scope, name=name, expires=expires, properties=properties)
    tenant.assessor.standard_assignments.put(made)
    tenant.assessor.reassess(scope, at_once=True)
    return made.id


def _parts(body: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    """Returns the scope and the name in an id, and the properties."""
    target = ids.path_of(str(body["id"]))
    if target is None or target.is_collection:
        raise InvalidInputError(f"'id' must name one object, got {quoted(body['id'])}")
    return target.scope, target.name, body.get("properties") or {}


def _array(owner: Mapping[str, Any], name: str) -> list[Any]:
    """Returns a member that is an array; an empty one if it is absent.

    Raises:
        InvalidInputError: It is something else.
    """
    found = owner.get(name)
    if found is not None and not isinstance(found, list):
        raise InvalidInputError(f"'{name}' must be an array, got {quoted(found)}")
    return found or []


def _object(owner: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns a member that is an object; an empty one if it is absent.

    Raises:
        InvalidInputError: It is something else.
    """
    found = owner.get(name)
    if found is not None and not isinstance(found, Mapping):
        raise InvalidInputError(f"'{name}' must be an object, got {quoted(found)}")
    return dict(found or {})


_AUTHORIZATION = "microsoft.authorization"
ADDERS: Mapping[str, Callable[[Tenant, Mapping[str, Any]], str]] = {
    f"{_AUTHORIZATION}/roledefinitions": add_role_definition,
    f"{_AUTHORIZATION}/policydefinitions": add_policy_definition,
    f"{_AUTHORIZATION}/policysetdefinitions": add_policy_definition,
    f"{_AUTHORIZATION}/roleassignments": add_role_assignment,
    f"{_AUTHORIZATION}/policyassignments": add_policy_assignment,
    f"{_AUTHORIZATION}/policyexemptions": add_policy_exemption,
    fold(STANDARD_ASSIGNMENTS): add_standard_assignment,
}
"""What adds each type, in the order in which they need each other."""
