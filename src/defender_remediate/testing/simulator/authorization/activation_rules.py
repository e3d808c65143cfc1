"""The rules for the activation of eligible roles. Each role has the same ones until a caller changes them at a scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION
from defender_remediate.testing.simulator.state import ids
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


def _rules(tenant: Tenant, policy_id: str) -> list[dict[str, Any]]:
    return tenant.access.activation_rules.get(ids.key(policy_id)) or [dict(rule) for rule in _POLICY_RULES]


def _policies(tenant: Tenant, scope: str) -> list[dict[str, Any]]:
    """Returns the rules for activation of each role at a scope."""
    found = []
    for role in tenant.access.definitions.values():
        policy_id = f"{scope}{AUTHORIZATION}/roleManagementPolicies/{role.name}"
        rules = _rules(tenant, policy_id)
        shown = {
            "id": policy_id,
            "name": role.name,
            "type": f"{_TYPE}/RoleManagementPolicies",
            "properties": {
                "scope": scope,
                "displayName": role.role_name,
                "isOrganizationDefault": ids.key(policy_id) not in tenant.access.activation_rules,
                "rules": rules,
                "effectiveRules": rules,
            },
        }
        found.append(shown)
    return found


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
                "effectiveRules": one["properties"]["effectiveRules"],
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


def update_policy(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Replaces the rules for activation that the request names by their id, and keeps the others.

    Only that they have an id is checked. They are shown and not applied: a request for activation is granted as before.
    """
    scope = scope_of(tenant, captured)
    policy_id = f"{scope}{AUTHORIZATION}/roleManagementPolicies/{captured['name']}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PATCH", operation.action, policy_id)
        if fold(captured["name"]) not in tenant.access.definitions:
            raise refusal("RoleDefinitionDoesNotExist", name=captured["name"])
        properties = json_body(call).get("properties")
        sent = properties.get("rules") if isinstance(properties, Mapping) else None
        if not isinstance(sent, list) or not all(isinstance(rule, Mapping) and rule.get("id") for rule in sent):
            raise refusal("InvalidRequestContent", problem="'properties.rules' is not a list of rules with ids")
        rules = {rule["id"]: rule for rule in _rules(tenant, policy_id)} | {rule["id"]: dict(rule) for rule in sent}
        tenant.access.activation_rules[ids.key(policy_id)] = list(rules.values())
        tenant.store.touch(policy_id)
        (changed,) = (one for one in _policies(tenant, scope) if fold(one["name"]) == fold(captured["name"]))
        return Reply.json(changed), False

    return logged(tenant, call, f"{_TYPE}/roleManagementPolicies/write", policy_id, work)


ROUTES = (
    *(
        Route(
            methods=("GET",),
            pattern=f"/{{scope*}}{AUTHORIZATION}/{kind}{tail}",
            type=f"{_TYPE}/{kind}",
            handler=handler,
        )
        for kind, handler in (
            ("roleManagementPolicies", list_policies),
            ("roleManagementPolicyAssignments", list_policy_assignments),
        )
        for tail in ("", "/{name}")
    ),
    Route(
        methods=("PATCH",),
        pattern=f"/{{scope*}}{AUTHORIZATION}/roleManagementPolicies/{{name}}",
        type=f"{_TYPE}/roleManagementPolicies",
        handler=update_policy,
        reads=False,
    ),
)
