"""The rules for the activation of eligible roles. Each role has the same ones, and nothing changes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Authorization"
_POLICY_RULES: tuple[dict[str, Any], ...] = (
    {
        "id": "Expiration_Admin_Eligibility",
        "ruleType": "RoleManagementPolicyExpirationRule",
        "isExpirationRequired": False,
    },
    {
        "id": "Expiration_EndUser_Assignment",
        "ruleType": "RoleManagementPolicyExpirationRule",
        "maximumDuration": "PT8H",
    },
)


def _policies(tenant: Tenant, scope: str) -> list[dict[str, Any]]:
    """Returns the rules for activation: each role has the same ones."""
    return [
        {
            "id": f"{scope}{AUTHORIZATION}/roleManagementPolicies/{role.name}",
            "name": role.name,
            "type": f"{_TYPE}/RoleManagementPolicies",
            "properties": {
                "scope": scope,
                "displayName": role.role_name,
                "isOrganizationDefault": True,
                "rules": list(_POLICY_RULES),
                "effectiveRules": list(_POLICY_RULES),
            },
        }
        for role in tenant.access.definitions.values()
    ]


def list_policies(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the rules for activation, or one of them."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/roleManagementPolicies/read", scope)
    found = _policies(tenant, scope)
    if "name" not in captured:
        return tenant.page(call, found)
    for one in found:
        if fold(one["name"]) == fold(captured["name"]):
            return Reply.json(one)
    raise refusal("RoleDefinitionDoesNotExist", name=captured["name"])


def list_policy_assignments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists which rules for activation hold for which role, or shows one such assignment."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/roleManagementPolicyAssignments/read", scope)
    found = [
        {
            "id": f"{scope}{AUTHORIZATION}/roleManagementPolicyAssignments/{one['name']}_{one['name']}",
            "name": f"{one['name']}_{one['name']}",
            "type": f"{_TYPE}/RoleManagementPolicyAssignments",
            "properties": {
                "scope": scope,
                "roleDefinitionId": tenant.access.definitions[fold(one["name"])].id(scope),
                "policyId": one["id"],
                "effectiveRules": list(_POLICY_RULES),
            },
        }
        for one in _policies(tenant, scope)
    ]
    if "name" not in captured:
        return tenant.page(call, found)
    for each in found:
        if fold(str(each["name"])) == fold(captured["name"]):
            return Reply.json(each)
    raise refusal("RoleDefinitionDoesNotExist", name=captured["name"])


ROUTES = tuple(
    Route(methods=("GET",), pattern=f"/{{scope*}}{AUTHORIZATION}/{kind}{tail}", type=f"{_TYPE}/{kind}", handler=handler)
    for kind, handler in (
        ("roleManagementPolicies", list_policies),
        ("roleManagementPolicyAssignments", list_policy_assignments),
    )
    for tail in ("", "/{name}")
)
