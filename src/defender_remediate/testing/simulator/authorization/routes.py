"""The read-only operations of Microsoft.Authorization: permissions, deny assignments, locks, policies, exemptions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION, BENCHMARK, definition_body, reference_of
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
        text: The ``$filter``; empty, ``atScope()`` or ``atExactScope()``.
        items: Everything there is.
        place: The scope of an item.

    Raises:
        ArmError: 400 for another filter.
    """
    word = fold(text.replace(" ", ""))
    if word not in ("", "atscope()", "atexactscope()"):
        raise refusal("InvalidFilter", filter=text)
    if word == "atexactscope()":
        return [item for item in items if ids.key(place(item)) == ids.key(scope)]
    # A management group does not list what is below it.
    below = not word and bool(ids.subscription_of(scope))
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


def list_policy_assignments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the policy assignments at a scope."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/policyAssignments/read", scope)
    text = call.query.get("$filter", "")
    name, value = _clause(text, "policydefinitionid")
    every = tenant.policies.assignments.values()
    found = seen_from(tenant, scope, "" if name else text, every, lambda one: one.scope)
    kept = [one for one in found if not name or fold(one.definition_id) == value]
    return tenant.page(call, [one.render() for one in kept])


def get_policy_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a policy assignment."""
    del call
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/policyAssignments/read", scope)
    found = tenant.policies.assignments.get(ids.key(f"{scope}{AUTHORIZATION}/policyAssignments/{captured['name']}"))
    if found is None:
        raise refusal("PolicyAssignmentNotFound", name=captured["name"])
    return Reply.json(found.render())


def list_policy_exemptions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the policy exemptions at a scope."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/policyExemptions/read", scope)
    text = call.query.get("$filter", "")
    lasting = fold(text.replace(" ", "")) == "excludeexpired()"
    name, value = _clause(text, "policyassignmentid")
    found = seen_from(tenant, scope, "" if lasting or name else text, tenant.policies.exemptions, lambda one: one.scope)
    if lasting:
        found = [one for one in found if one.holds(tenant.clock.now())]
    if name:
        found = [one for one in found if fold(one.assignment_id) == value]
    return tenant.page(call, [one.render() for one in found])


def list_policy_enrollments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the policy enrollments at a scope."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/policyEnrollments/read", scope)
    text = call.query.get("$filter", "")
    found = seen_from(tenant, scope, text, tenant.policies.enrollments, lambda one: one.scope)
    return tenant.page(call, [one.render() for one in found])


def get_policy_definition(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a policy definition: a built-in one at the tenant, a custom one only where it was created."""
    del call
    wanted = f"{_above(tenant, captured)}{AUTHORIZATION}/policyDefinitions/{captured['name']}"
    own = tenant.policies.written.get(ids.key(wanted))
    found = own or next((one for one in policy_definitions(tenant) if ids.key(one["id"]) == ids.key(wanted)), None)
    if found is None:
        raise refusal("PolicyDefinitionNotFound", name=captured["name"])
    return Reply.json(found)


def policy_definitions(tenant: Tenant) -> Iterator[dict[str, Any]]:
    """Yields the definitions that no client wrote: those of controls, and those behind recommendations."""
    for policy in tenant.policies.deny_policies:
        yield policy.definition()
    for definition in tenant.assessor.definitions.values():
        policy_id = definition.metadata.get("policyDefinitionId")
        if policy_id:
            yield _audit_definition(str(policy_id), definition.metadata, definition.resource_type)


def _audit_definition(definition_id: str, metadata: Mapping[str, Any], resource_type: str | None) -> dict[str, Any]:
    # The rule is incomplete: the simulator's own data decides whether a resource is healthy.
    effect = {"type": "String", "allowedValues": ["Audit", "Disabled"], "defaultValue": "Audit"}
    return definition_body(
        definition_id,
        {
            "displayName": metadata["displayName"],
            "policyType": "BuiltIn",
            "mode": "All",
            "metadata": {"version": "1.0.0", "category": "Security Center"},
            "parameters": {"effect": effect},
            "policyRule": {
                "if": {"field": "type", "equals": resource_type},
                "then": {"effect": "[parameters('effect')]"},
            },
        },
    )


def get_policy_set_definition(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows an initiative: Defender's benchmark, or a custom one."""
    del call
    wanted = f"{_above(tenant, captured)}{AUTHORIZATION}/policySetDefinitions/{captured['name']}"
    if ids.key(wanted) in tenant.policies.written:
        return Reply.json(tenant.policies.written[ids.key(wanted)])
    own = tenant.policies.initiatives.get(ids.key(wanted))
    if ids.key(wanted) != ids.key(BENCHMARK) and own is None:
        raise refusal("PolicySetDefinitionNotFound", name=captured["name"])
    if own is None:
        return Reply.json(built_in_set(tenant))
    return Reply.json(_initiative(tenant, wanted, captured["name"], own))


def built_in_set(tenant: Tenant) -> dict[str, Any]:
    """Returns Defender's benchmark."""
    return _initiative(tenant, BENCHMARK, "Microsoft cloud security benchmark", None)


def _initiative(tenant: Tenant, set_id: str, shown: str, own: frozenset[str] | None) -> dict[str, Any]:
    members = [
        {
            "policyDefinitionReferenceId": reference_of(definition.metadata),
            "policyDefinitionId": definition.metadata["policyDefinitionId"],
            "parameters": {},
            "groupNames": [],
        }
        for definition in tenant.assessor.definitions.values()
        if reference_of(definition.metadata) and not definition.subscriptions
        if own is None or reference_of(definition.metadata) in own
    ]
    properties = {
        "displayName": shown,
        "policyType": "BuiltIn" if own is None else "Custom",
        "metadata": {"version": "57.0.0", "category": "Security Center"},
        "parameters": {},
        "policyDefinitions": members,
    }
    return definition_body(set_id, properties)


def _above(tenant: Tenant, captured: Mapping[str, str]) -> str:
    """Returns the scope in a definition's path; empty at the tenant, where everyone may read."""
    if "scope" not in captured:
        return ""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/policyDefinitions/read", scope)
    return scope


ROUTES = tuple(
    Route(methods=("GET",), pattern=f"{scope}{AUTHORIZATION}/{tail}", type=f"{_TYPE}/{kind}", handler=handler)
    for scope, tail, kind, handler in (
        ("/{scope*}", "permissions", "permissions", list_permissions),
        ("/{scope*}", "denyAssignments", "denyAssignments", list_deny_assignments),
        ("/{scope*}", "locks", "locks", list_locks),
        ("/{scope*}", "policyAssignments", "policyAssignments", list_policy_assignments),
        ("/{scope*}", "policyAssignments/{name}", "policyAssignments", get_policy_assignment),
        ("/{scope*}", "policyExemptions", "policyExemptions", list_policy_exemptions),
        ("/{scope*}", "policyEnrollments", "policyEnrollments", list_policy_enrollments),
        ("", "policyDefinitions/{name}", "policyDefinitions", get_policy_definition),
        ("/{scope*}", "policyDefinitions/{name}", "policyDefinitions", get_policy_definition),
        ("", "policySetDefinitions/{name}", "policySetDefinitions", get_policy_set_definition),
        ("/{scope*}", "policySetDefinitions/{name}", "policySetDefinitions", get_policy_set_definition),
    )
)
