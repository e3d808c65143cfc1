"""The rows of ``policyresources`` and ``authorizationresources``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.graph.rows import row
from defender_remediate.testing.simulator.policy.applied import AppliedPolicy, Target, target_of
from defender_remediate.testing.simulator.policy.definitions import every_definition
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant

STATES = "microsoft.policyinsights/policystates"


def policy_rows(
    tenant: Tenant, subscriptions: frozenset[str], types: frozenset[str] | None
) -> Iterator[tuple[Any, ...]]:
    """Yields assignments, exemptions, enrollments and definitions, and what each policy says of each resource."""
    policies = tenant.policies
    listed: list[Any] = [*policies.assignments.values(), *policies.exemptions, *policies.enrollments]
    for one in listed:
        yield _of(one.render())
    for kind in (False, True):
        for body in every_definition(tenant, is_set=kind).values():
            yield _of(body)
    if types is None or STATES in types:
        yield from _states(tenant, subscriptions)


def _states(tenant: Tenant, subscriptions: frozenset[str]) -> Iterator[tuple[Any, ...]]:
    for resource in tenant.store.resources():
        if not resource.type.tracked or fold(ids.subscription_of(resource.id)) not in subscriptions:
            continue
        target = target_of(resource.type, resource.id, resource.render())
        for policy, effect in tenant.policy_effects.applying(target):
            name = "-".join(filter(None, (policy.assignment.name, policy.reference, policy.definition["name"])))
            row_id = f"{resource.id}/providers/Microsoft.PolicyInsights/policyStates/{name.lower()}"
            yield row(row_id, STATES, partial(_state, tenant, policy, effect, target))


def _state(tenant: Tenant, policy: AppliedPolicy, effect: str, target: Target) -> dict[str, Any]:
    assignment = policy.assignment
    is_against = tenant.policy_effects.evaluated(policy, effect, target).holds
    about = (assignment, policy.reference, target.id, target.kind, target.location)
    is_exempt = bool(tenant.policies.exemptions_of(*about))
    state = "Exempt" if is_exempt else "NonCompliant" if is_against else "Compliant"
    return {
        "resourceId": target.id.lower(),
        "resourceType": target.kind,
        "resourceLocation": target.location,
        "resourceGroup": ids.group_of(target.id),
        "subscriptionId": ids.subscription_of(target.id),
        "policyAssignmentId": assignment.id.lower(),
        "policyAssignmentName": assignment.name,
        "policyAssignmentScope": assignment.scope,
        "policyDefinitionId": str(policy.definition["id"]).lower(),
        "policyDefinitionName": policy.definition["name"],
        "policyDefinitionAction": effect,
        "policyDefinitionReferenceId": policy.reference or "",
        "policySetDefinitionId": "" if policy.reference is None else assignment.definition_id.lower(),
        "isCompliant": state == "Compliant",
        "complianceState": state,
        "stateWeight": {"NonCompliant": 300, "Compliant": 200}.get(state, 100),
        "timestamp": tenant.clock.timestamp(),
    }


def authorization_rows(
    tenant: Tenant, subscriptions: frozenset[str], types: frozenset[str] | None
) -> Iterator[tuple[Any, ...]]:
    """Yields role assignments and the definitions of roles. Built-in roles belong to no subscription."""
    del subscriptions, types
    access = tenant.access
    assigned: list[Any] = [*access.owners(CALLER_ID), *access.assignments, *access.data_roles]
    for one in assigned:
        yield _of(one.render())
    for role in access.definitions.values():
        yield _of(role.render("" if role.is_built_in else str(role.assignable[0])))


def _of(body: Mapping[str, Any]) -> tuple[Any, ...]:
    return row(str(body["id"]), str(body["type"]), lambda: body["properties"], name=str(body["name"]), tops=body)
