"""Which rows a table has for a query: those of its subscriptions that the caller may read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.relation import Relation, Row
from defender_remediate.testing.simulator.graph.policy_rows import authorization_rows, policy_rows
from defender_remediate.testing.simulator.graph.rows import COLUMNS, EMPTY, ID, TYPE, row
from defender_remediate.testing.simulator.graph.scopes import QueryScope, RowScope
from defender_remediate.testing.simulator.graph.security_rows import STORED, security_rows
from defender_remediate.testing.simulator.state import hierarchy, ids
from defender_remediate.testing.simulator.state.store import DELETED, TENANT_ID, Resource
from defender_remediate.testing.simulator.state.tenant import Tenant

Rows = Callable[[Tenant, RowScope], Iterable[Row]]
"""Gives the rows of a table that belong to a query."""
_SUBSCRIPTIONS, _GROUPS = "microsoft.resources/subscriptions", "microsoft.resources/subscriptions/resourcegroups"
_MANAGEMENT_GROUPS = "microsoft.management/managementgroups"


@attrs.frozen
class GraphTables:
    """The tables as a query sees them.

    Attributes:
        scope: What the query is about.
        used: The names of the tables that it has asked for, folded.
    """

    tenant: Tenant
    scope: QueryScope
    used: set[str] = attrs.field(factory=set)

    def __call__(self, name: str, types: frozenset[str] | None) -> Relation:
        """Returns a table, whatever the case of its name.

        Raises:
            QueryError: There is no such table.
        """
        folded = fold(name)
        if folded in EMPTY:
            return Relation(COLUMNS, [])
        make = _TABLES.get(folded)
        if make is None:
            raise QueryError(f"Table {name} is invalid, unsupported or disallowed.", code="DisallowedLogicalTableName")
        self.used.add(folded)
        return Relation(COLUMNS, self._rows(make, types))

    def _rows(self, make: Rows, types: frozenset[str] | None) -> Iterable[Row]:
        every = self.tenant.store.subscriptions
        here = frozenset(one for one in self.scope.subscriptions if every[one].state != DELETED)
        rows = make(self.tenant, RowScope(self.scope, here, types))
        return rows if self.tenant.access.unlimited else filter(self._may_read, rows)

    def _may_read(self, one: Row) -> bool:
        if one[TYPE] == "microsoft.resources/changes":
            target = str(one[ID]).rpartition("/providers/Microsoft.Resources/changes/")[0]
            path = ids.path_of(target)
            return path is not None and self.tenant.access.may_look(f"{path.type}/read", target)
        return self.tenant.access.may_look(f"{one[TYPE]}/read", one[ID])


def _resources(tenant: Tenant, scope: RowScope) -> Iterator[Row]:
    for resource in tenant.store.resources():
        if (
            not scope.wants_type(resource.type.name)
            or not resource.type.tracked
            or not ids.group_of(resource.id)
            or resource.type.name in STORED
        ):
            continue
        if scope.has(resource.id):
            tops = {**resource.body, "apiVersion": resource.type.versions[-1]}
            yield row(
                resource.id,
                resource.type.name,
                partial(_properties, resource),
                name=resource.name,
                tops=tops,
            )


def _changes(tenant: Tenant, scope: RowScope) -> Iterator[Row]:
    for record in tenant.changes.visible():
        if not scope.has(record.target_id):
            continue
        row_id = f"{record.target_id}/providers/Microsoft.Resources/changes/{record.id}"
        yield row(row_id, "microsoft.resources/changes", partial(tenant.changes.render, record))


def _containers(tenant: Tenant, scope: RowScope) -> Iterator[Row]:
    groups = tenant.store.management_groups
    root = {"name": TENANT_ID, "displayName": "Tenant Root Group"}

    def named(above: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [*({"name": one["name"], "displayName": one.get("shown", one["name"])} for one in above), root]

    for key, found in tenant.store.subscriptions.items():
        if key not in scope.subscriptions:
            continue
        properties: dict[str, Any] = {
            "state": found.state,
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "PayAsYouGo_2014-09-01",
                "spendingLimit": "Off",
            },
            "authorizationSource": "RoleBased",
            "managementGroupAncestorsChain": named(hierarchy.chain_of(groups, key)),
            "managedByTenants": [],
        }
        yield row(
            f"/subscriptions/{found.id}",
            _SUBSCRIPTIONS,
            partial(dict, properties),
            name=found.name,
            tops={"tags": found.tags},
        )
        for group in found.groups.values():
            yield row(group["id"], _GROUPS, partial(dict, group["properties"]), name=group["name"], tops=group)
    for group in tenant.store.management_groups.values() if scope.query.is_tenant_wide else ():
        chain = named(hierarchy.above(groups, group["name"]))
        parent = {"id": f"/providers/Microsoft.Management/managementGroups/{chain[0]['name']}", **chain[0]}
        properties = {
            "tenantId": TENANT_ID,
            "displayName": group.get("shown", group["name"]),
            "details": {"version": 1, "parent": parent, "managementGroupAncestorsChain": chain},
        }
        yield row(
            f"/providers/Microsoft.Management/managementGroups/{group['name']}",
            _MANAGEMENT_GROUPS,
            partial(dict, properties),
        )


def _properties(resource: Resource) -> Any:
    return resource.render()["properties"]


CHANGED_BY_REQUESTS = frozenset({"resources", "resourcecontainers", "securityresources"})
"""The tables whose rows do not change with time alone, but for assessments, whose changes are counted."""
_TABLES: Mapping[str, Rows] = {
    "resources": _resources,
    "resourcecontainers": _containers,
    "resourcechanges": _changes,
    "securityresources": security_rows,
    "policyresources": policy_rows,
    "authorizationresources": authorization_rows,
}
