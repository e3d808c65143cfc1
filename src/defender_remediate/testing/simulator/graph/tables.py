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
from defender_remediate.testing.simulator.graph.rows import COLUMNS, EMPTY, ID, SUBSCRIPTION, TYPE, row
from defender_remediate.testing.simulator.graph.scopes import QueryScope
from defender_remediate.testing.simulator.graph.security_rows import STORED, security_rows
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import DELETED, TENANT_ID, Resource
from defender_remediate.testing.simulator.state.tenant import Tenant

Rows = Callable[[Tenant, frozenset[str], "frozenset[str] | None"], Iterable[Row]]
"""Gives the rows of a table in some subscriptions, of some types if only those are wanted."""
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
        return Relation(COLUMNS, self._rows(make, types, is_scoped=folded in _SCOPED))

    def _rows(self, make: Rows, types: frozenset[str] | None, *, is_scoped: bool) -> Iterator[Row]:
        every = self.tenant.store.subscriptions
        here = frozenset(one for one in self.scope.subscriptions if every[one].state != DELETED)
        # The subscriptions of the rows as they are spelled, and whether the query is about them.
        known = {"": self.scope.is_tenant_wide}
        may_read_all = self.tenant.access.unlimited
        for one in make(self.tenant, here, types):
            if types is not None and one[TYPE] not in types:
                continue
            spelled = one[SUBSCRIPTION]
            if spelled not in known:
                known[spelled] = fold(spelled) in here
            is_wanted = known[spelled]
            if is_scoped and one[TYPE].startswith(_ASSIGNED) and (is_wanted or not spelled):
                is_wanted = self.scope.wants(_scope_of(one[ID]))
            if is_wanted and (may_read_all or self._may_read(one)):
                yield one

    def _may_read(self, one: Row) -> bool:
        if one[TYPE] == "microsoft.resources/changes":
            target = str(one[ID]).rpartition("/providers/Microsoft.Resources/changes/")[0]
            path = ids.path_of(target)
            return path is not None and self.tenant.access.may_look(f"{path.type}/read", target)
        return self.tenant.access.may_look(f"{one[TYPE]}/read", one[ID])


def _scope_of(identifier: str) -> str:
    return identifier.rpartition("/providers/")[0]


def _resources(tenant: Tenant, subscriptions: frozenset[str], types: frozenset[str] | None) -> Iterator[Row]:
    for resource in tenant.store.resources():
        is_wanted = types is None or resource.type.name.lower() in types
        if not is_wanted or not resource.type.tracked or not ids.group_of(resource.id) or resource.type.name in STORED:
            continue
        if fold(ids.subscription_of(resource.id)) in subscriptions:
            tops = {**resource.body, "apiVersion": resource.type.versions[-1]}
            yield row(
                resource.id,
                resource.type.name,
                partial(_properties, resource),
                name=resource.name,
                tops=tops,
            )


def _changes(tenant: Tenant, subscriptions: frozenset[str], types: frozenset[str] | None) -> Iterator[Row]:
    del subscriptions, types
    for record in tenant.changes.visible():
        row_id = f"{record.target_id}/providers/Microsoft.Resources/changes/{record.id}"
        yield row(row_id, "microsoft.resources/changes", partial(tenant.changes.render, record))


def _containers(tenant: Tenant, subscriptions: frozenset[str], types: frozenset[str] | None) -> Iterator[Row]:
    del types
    above = {
        one: {"name": group["name"], "displayName": group.get("shown", group["name"])}
        for group in tenant.store.management_groups.values()
        for one in group["subscriptions"]
    }
    root = {"name": TENANT_ID, "displayName": "Tenant Root Group"}
    for key, found in tenant.store.subscriptions.items():
        if key not in subscriptions:
            continue
        chain = [above[key], root] if key in above else [root]
        properties: dict[str, Any] = {
            "state": found.state,
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "PayAsYouGo_2014-09-01",
                "spendingLimit": "Off",
            },
            "authorizationSource": "RoleBased",
            "managementGroupAncestorsChain": chain,
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
    for group in tenant.store.management_groups.values():
        parent = {"id": f"/providers/Microsoft.Management/managementGroups/{TENANT_ID}", **root}
        properties = {
            "tenantId": TENANT_ID,
            "displayName": group.get("shown", group["name"]),
            "details": {"version": 1, "parent": parent, "managementGroupAncestorsChain": [root]},
        }
        yield row(
            f"/providers/Microsoft.Management/managementGroups/{group['name']}",
            _MANAGEMENT_GROUPS,
            partial(dict, properties),
        )


def _properties(resource: Resource) -> Any:
    return resource.render()["properties"]


_SCOPED = ("policyresources", "authorizationresources")
_ASSIGNED = "microsoft.authorization/"
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
