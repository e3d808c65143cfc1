"""The rows of ``policyresources`` and ``authorizationresources``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.graph.kql.relation import Row
from defender_remediate.testing.simulator.graph.rows import row
from defender_remediate.testing.simulator.graph.scopes import RowScope
from defender_remediate.testing.simulator.policy.compliance import states
from defender_remediate.testing.simulator.policy.definitions import every_definition
from defender_remediate.testing.simulator.state.tenant import Tenant

STATES = "microsoft.policyinsights/policystates"


def policy_rows(tenant: Tenant, scope: RowScope) -> Iterator[Row]:
    """Yields assignments, exemptions, enrollments and definitions, and what each policy says of each resource."""
    policies = tenant.policies
    assigned: list[Any] = [*policies.assignments.values(), *policies.exemptions, *policies.enrollments]
    bodies = [one.render() for one in assigned]
    for kind in (False, True):
        bodies += every_definition(tenant, is_set=kind).values()
    yield from _assigned(bodies, scope)
    if scope.wants_type(STATES):
        yield from _states(tenant, scope.subscriptions)


def _states(tenant: Tenant, subscriptions: frozenset[str]) -> Iterator[Row]:
    for subscription in sorted(subscriptions):
        for state in states(tenant, f"/subscriptions/{subscription}"):
            properties = {name: value for name, value in state.items() if not name.startswith("@")}
            properties["stateWeight"] = _WEIGHTS.get(state["complianceState"], 100)
            parts = (state["policyAssignmentName"], state["policyDefinitionReferenceId"], state["policyDefinitionName"])
            name = "-".join(filter(None, parts)).lower()
            row_id = f"{state['resourceId']}/providers/Microsoft.PolicyInsights/policyStates/{name}"
            yield row(row_id, STATES, partial(dict, properties), within=state["resourceId"])


_WEIGHTS = {"NonCompliant": 300, "Compliant": 200}


def authorization_rows(tenant: Tenant, scope: RowScope) -> Iterator[Row]:
    """Yields role assignments and the definitions of roles. Built-in roles belong to no subscription."""
    access = tenant.access
    roles = [role.render("" if role.is_built_in else str(role.assignable[0])) for role in access.definitions.values()]
    ids_by_name = {fold(str(role["name"])): role["id"] for role in roles}
    assigned: list[Any] = [*access.owners(CALLER_ID), *access.assignments, *access.data_roles]
    bodies = []
    for one in assigned:
        body = one.render()
        role_id = str(body["properties"]["roleDefinitionId"])
        # Here an assignment names its role by the id of the role's own row, so that the two can be joined.
        role_id = ids_by_name.get(fold(role_id.rpartition("/")[2]), role_id)
        bodies.append({**body, "properties": {**body["properties"], "roleDefinitionId": role_id}})
    yield from _assigned([*bodies, *roles], scope)


def _assigned(bodies: Iterable[Mapping[str, Any]], scope: RowScope) -> Iterator[Row]:
    """What is assigned or defined at scopes that the query wants."""
    for body in bodies:
        if scope.has_assigned(str(body["id"])):
            yield row(
                str(body["id"]), str(body["type"]), partial(dict, body["properties"]), name=str(body["name"]), tops=body
            )
