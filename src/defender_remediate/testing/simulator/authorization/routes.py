"""The read-only operations of Microsoft.Authorization on rights: permissions, deny assignments and locks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_Item = TypeVar("_Item")
_EQUALS = re.compile(r"\s*(\w+)\s+eq\s+'([^']*)'\s*\Z", re.IGNORECASE)
_TYPE = "Microsoft.Authorization"


def scope_of(tenant: Tenant, captured: Mapping[str, str]) -> str:
    """Returns the scope of a call, if its subscription, group or management group exists.

    Raises:
        ArmError: 404 SubscriptionNotFound, ResourceGroupNotFound or NotFound.
    """
    scope = "/" + "/".join(ids.segments(captured["scope"]))
    target = ids.path_of(scope)
    if target is not None and target.names and fold(target.type) == "microsoft.management/managementgroups":
        if fold(target.name) not in tenant.store.management_groups:
            raise refusal("ManagementGroupNotFound", group=target.name)
        return scope
    tenant.store.subscription(ids.subscription_of(scope))
    if ids.group_of(scope):
        tenant.store.group(ids.subscription_of(scope), ids.group_of(scope))
    return scope


def seen_from(
    tenant: Tenant, scope: str, text: str, items: Iterable[_Item], place: Callable[[_Item], str]
) -> list[_Item]:
    """Returns what a list at a scope shows: inherited items and those below, which ``atScope()`` omits.

    Args:
        tenant: The tenant.
        scope: Where the list is asked for.
        text: The ``$filter``; empty, ``atScope()``, ``atExactScope()`` or ``atScopeAndBelow()``.
        items: Everything there is.
        place: The scope of an item.

    Raises:
        ArmError: 400 for another filter.
    """
    word = fold(text.replace(" ", ""))
    if word not in ("", "atscope()", "atexactscope()", "atscopeandbelow()"):
        raise refusal("InvalidFilter", filter=text)
    if word == "atexactscope()":
        return [item for item in items if ids.key(place(item)) == ids.key(scope)]
    # A management group lists what is below it only when it is asked for that.
    below = word == "atscopeandbelow()" or (not word and bool(ids.subscription_of(scope)))
    store = tenant.store
    return [i for i in items if store.covers(place(i), scope) or (below and store.covers(scope, place(i)))]


def _clause(text: str, *names: str) -> tuple[str, str]:
    """Returns the folded name and the value of a filter ``name eq 'value'``; two empty strings for another filter."""
    found = _EQUALS.match(text)
    if found is None or fold(found.group(1)) not in names:
        return "", ""
    return fold(found.group(1)), fold(found.group(2))


def list_permissions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the caller's permissions at a scope."""
    # Reading one's own permissions needs no permission here. Azure may answer 403 to a caller without a role.
    return tenant.page(call, tenant.access.permissions(scope_of(tenant, captured)))


def list_locks(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the locks at a scope."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/locks/read", scope)
    found = seen_from(tenant, scope, call.query.get("$filter", ""), tenant.access.locks, lambda lock: lock.scope)
    return tenant.page(call, [lock.render() for lock in found])


def list_deny_assignments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the deny assignments at a scope."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/denyAssignments/read", scope)
    text = call.query.get("$filter", "")
    name, value = _clause(text, "principalid", "denyassignmentname")
    # A deny assignment that does not apply below its scope is listed there nevertheless.
    found = seen_from(tenant, scope, "" if name else text, tenant.access.deny_assignments, lambda one: one.scope)
    if name == "principalid":
        found = [one for one in found if one.concerns(value)]
    elif name:
        found = [one for one in found if fold(one.display_name) == value]
    return tenant.page(call, [one.render() for one in found])


ROUTES = tuple(
    Route(methods=("GET",), pattern=f"{scope}{AUTHORIZATION}/{tail}", type=f"{_TYPE}/{kind}", handler=handler)
    for scope, tail, kind, handler in (
        ("/{scope*}", "permissions", "permissions", list_permissions),
        ("/{scope*}", "denyAssignments", "denyAssignments", list_deny_assignments),
        ("/{scope*}", "locks", "locks", list_locks),
    )
)
