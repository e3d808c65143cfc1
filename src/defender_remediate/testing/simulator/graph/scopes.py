"""What a query is about: its subscriptions and management groups, and which rows above or below them it wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import hierarchy, ids
from defender_remediate.testing.simulator.state.store import TENANT_ID
from defender_remediate.testing.simulator.state.tenant import Tenant

AT_AND_BELOW = "AtScopeAndBelow"
SCOPE_FILTERS = (AT_AND_BELOW, "AtScopeAndAbove", "AtScopeExact", "AtScopeAboveAndBelow")
_TENANT = "/"
_GROUPS = "/providers/microsoft.management/managementgroups"
_ROOT = f"{_GROUPS}/{fold(TENANT_ID)}"


@attrs.frozen
class QueryScope:
    """What a query is about.

    Attributes:
        subscriptions: The folded ids of its subscriptions.
        is_tenant_wide: Whether it is at management group or tenant scope, where rows of no subscription are shown.
        at: The keys of the scopes that it names; the tenant's is ``/``.
        above: The keys of the scopes that have those below them.
        wanted: Which role and policy assignments it wants, by where they are: one of ``SCOPE_FILTERS``.
    """

    subscriptions: frozenset[str]
    is_tenant_wide: bool
    at: frozenset[str]
    above: frozenset[str]
    wanted: str

    def wants(self, scope: str) -> bool:
        """Whether it wants what is assigned or defined at a scope."""
        key = ids.key(scope)
        if key in self.at:
            return True
        if key in self.above:
            return "Above" in self.wanted
        if "Below" not in self.wanted:
            return False
        return fold(ids.subscription_of(scope)) in self.subscriptions or _ROOT in self.at


@attrs.frozen
class RowScope:
    """Which rows a table gives for a query.

    Attributes:
        query: What the query is about.
        subscriptions: The folded ids of its subscriptions that are not deleted.
        types: The types, in lower case, that are wanted; None if any may be. Rows of others are left out by the query.
    """

    query: QueryScope
    subscriptions: frozenset[str]
    types: frozenset[str] | None

    def wants_type(self, name: str) -> bool:
        """Whether rows of a type are wanted."""
        return self.types is None or name.lower() in self.types

    def has(self, identifier: str) -> bool:
        """Whether a resource belongs to the query; one of no subscription does where that is tenant-wide."""
        subscription = ids.subscription_of(identifier)
        return fold(subscription) in self.subscriptions if subscription else self.query.is_tenant_wide

    def has_assigned(self, identifier: str) -> bool:
        """Whether what is assigned or defined at a scope belongs to the query."""
        subscription = ids.subscription_of(identifier)
        if subscription and fold(subscription) not in self.subscriptions:
            return False
        return self.query.wants(identifier.rpartition("/providers/")[0])


def scope_of(tenant: Tenant, body: Mapping[str, Any], scope_filter: str) -> QueryScope | None:
    """Returns what a request is about; None if nothing that it names is there."""
    known = frozenset(tenant.store.subscriptions)
    named = frozenset(fold(str(name)) for name in body.get("subscriptions") or [])
    groups: Sequence[Any] = body.get("managementGroups") or [*filter(None, [body.get("managementGroupId")])]
    if not named and not groups:
        return QueryScope(known, True, frozenset({_TENANT, _ROOT}), frozenset(), scope_filter)
    wanted, at, above = set(named), {f"/subscriptions/{name}" for name in named & known}, {_TENANT, _ROOT}
    for name in map(fold, map(str, groups)):
        at.add(f"{_GROUPS}/{name}")
        if name == fold(TENANT_ID):
            wanted |= known
        elif name in tenant.store.management_groups:
            wanted.update(hierarchy.subscriptions_in(tenant.store.management_groups, name))
            above |= {f"{_GROUPS}/{fold(one['name'])}" for one in hierarchy.above(tenant.store.management_groups, name)}
    for one in named & known:
        chain = hierarchy.chain_of(tenant.store.management_groups, one)
        above |= {f"{_GROUPS}/{fold(group['name'])}" for group in chain}
    if not wanted & known:
        return None
    return QueryScope(frozenset(wanted & known), not named, frozenset(at), frozenset(above - at), scope_filter)
