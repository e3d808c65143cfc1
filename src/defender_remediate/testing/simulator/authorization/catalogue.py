"""What Microsoft.Authorization tells about rights in general: operations of providers, classic administrators, one deny assignment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, positive_option
from defender_remediate.testing.simulator.authorization.roles import RoleGrant
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Authorization"
# The limit of a subscription. https://learn.microsoft.com/azure/role-based-access-control/troubleshoot-limits
_MOST_ASSIGNMENTS = 4000
_VERBS = ("read", "write", "delete")


def list_operations(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the actions of the resource types of every provider: those of resources, without actions of their own."""
    del captured
    found = [_operations(tenant, namespace) for namespace in tenant.types.namespaces()]
    return tenant.page(call, found, size=positive_option(call, "$top"))


def get_operations(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the actions of the resource types of one provider."""
    del call
    if not list(tenant.types.of_namespace(captured["name"])):
        raise refusal("InvalidResourceNamespace", namespace=captured["name"])
    return Reply.json(_operations(tenant, captured["name"]))


def _operations(tenant: Tenant, namespace: str) -> dict[str, Any]:
    known = list(tenant.types.of_namespace(namespace))
    name = known[0].namespace
    return {
        "id": f"{AUTHORIZATION}/providerOperations/{name}",
        "name": name,
        "type": f"{_TYPE}/providerOperations",
        "displayName": name,
        "operations": [],
        "resourceTypes": [
            {
                "name": one.name.partition("/")[2],
                "displayName": one.last_type,
                "operations": [
                    {
                        "name": f"{one.name}/{verb}",
                        "displayName": f"{verb.capitalize()} {one.last_type}",
                        "description": f"{verb.capitalize()} {one.last_type}",
                        "origin": "user,system",
                        "isDataAction": False,
                    }
                    for verb in _VERBS
                ],
            }
            for one in known
        ],
    }


def list_administrators(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the classic administrators: Azure retired them, there are none."""
    scope = f"/subscriptions/{tenant.store.subscription(captured['subscription']).id}"
    tenant.access.check_read(f"{_TYPE}/classicAdministrators/read", scope)
    return tenant.page(call, [])


def elevate(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Makes the caller User Access Administrator of the whole tenant."""
    del call, captured
    actions = ("*/read", "Microsoft.Authorization/*", "Microsoft.Support/*")
    if not tenant.access.unlimited:  # a caller without limits has these rights and more
        tenant.access.grant(RoleGrant(scope="/", actions=actions))
    return Reply(status=200)


def count_assignments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows how many role assignments a subscription has, and may have."""
    del call
    subscription = tenant.store.subscription(captured["subscription"]).id
    scope = f"/subscriptions/{subscription}"
    tenant.access.check_read(f"{_TYPE}/roleAssignmentsUsageMetrics/read", scope)
    count = sum(ids.within(one.scope, scope) for one in tenant.access.assignments)
    return Reply.json(
        {
            "subscriptionId": subscription,
            "roleAssignmentsLimit": _MOST_ASSIGNMENTS,
            "roleAssignmentsCurrentCount": count,
            "roleAssignmentsRemainingCount": _MOST_ASSIGNMENTS - count,
        }
    )


def get_deny_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a deny assignment."""
    del call
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/denyAssignments/read", scope)
    for one in tenant.access.deny_assignments:
        if fold(one.name) == fold(captured["name"]) and ids.key(one.scope) == ids.key(scope):
            return Reply.json(one.render())
    raise refusal("DenyAssignmentNotFound", name=captured["name"])


ROUTES = (
    Route(
        methods=("GET",),
        pattern=f"/subscriptions/{{subscription}}{AUTHORIZATION}/roleAssignmentsUsageMetrics",
        type=f"{_TYPE}/providerOperations",
        handler=count_assignments,
    ),
    Route(
        methods=("GET",),
        pattern=f"{AUTHORIZATION}/providerOperations",
        type=f"{_TYPE}/providerOperations",
        handler=list_operations,
    ),
    Route(
        methods=("GET",),
        pattern=f"{AUTHORIZATION}/providerOperations/{{name}}",
        type=f"{_TYPE}/providerOperations",
        handler=get_operations,
    ),
    Route(
        methods=("GET",),
        pattern=f"/subscriptions/{{subscription}}{AUTHORIZATION}/classicAdministrators",
        type=f"{_TYPE}/classicAdministrators",
        handler=list_administrators,
    ),
    Route(
        methods=("POST",),
        pattern=f"{AUTHORIZATION}/elevateAccess",
        type=f"{_TYPE}/elevateAccess",
        handler=elevate,
        reads=False,
    ),
    Route(
        methods=("GET",),
        pattern=f"/{{scope*}}{AUTHORIZATION}/denyAssignments/{{name}}",
        type=f"{_TYPE}/denyAssignments",
        handler=get_deny_assignment,
    ),
)
