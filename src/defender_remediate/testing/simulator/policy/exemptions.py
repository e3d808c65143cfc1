"""Writes to the exemptions of Azure Policy: one for each assignment, refused where Azure refuses them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.authorization.routes import scope_of, seen_from
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.definitions import find_definition
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION, PolicyExemption
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Authorization/policyExemptions"
_EQUALS = re.compile(r"\s*policyAssignmentId\s+eq\s+'([^']*)'\s*\Z", re.IGNORECASE)
_CATEGORIES = ("Waiver", "Mitigated")
_MEMBERS = frozenset(
    [
        "policyAssignmentId",
        "exemptionCategory",
        "policyDefinitionReferenceIds",
        "expiresOn",
        "displayName",
        "description",
        "metadata",
        "resourceSelectors",
        "assignmentScopeValidation",
    ]
)


def instant(text: object) -> datetime | None:
    """Returns a time as a request writes it; None for no time.

    Raises:
        ArmError: 400 for a string that is not a time.
    """
    if text is None:
        return None
    moment = wire.timestamp({"time": text}, "time")
    if moment is None:
        raise refusal("InvalidRequestContent", problem=f"{text!r} is not a time")
    return moment


def _found(tenant: Tenant, captured: Mapping[str, str]) -> tuple[str, PolicyExemption | None]:
    scope = scope_of(tenant, captured)
    wanted = f"{scope}{AUTHORIZATION}/policyExemptions/{captured['name']}"
    return scope, next((one for one in tenant.policies.exemptions if ids.key(one.id) == ids.key(wanted)), None)


def get_exemption(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows an exemption."""
    del call
    scope, found = _found(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/read", scope)
    if found is None:
        raise refusal("PolicyExemptionNotFound", name=captured["name"])
    return Reply.json(found.render())


def list_exemptions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the policy exemptions at a scope."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/read", scope)
    text = call.query.get("$filter", "")
    lasting = fold(text.replace(" ", "")) == "excludeexpired()"
    clause = _EQUALS.match(text)
    found = seen_from(
        tenant, scope, "" if lasting or clause else text, tenant.policies.exemptions, lambda one: one.scope
    )
    if lasting:
        found = [one for one in found if one.holds(tenant.clock.now())]
    if clause is not None:
        found = [one for one in found if ids.key(one.assignment_id) == ids.key(clause[1])]
    return tenant.page(call, [one.render() for one in found])


def put_exemption(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces an exemption."""
    scope, found = _found(tenant, captured)
    target_id = found.id if found else f"{scope}{AUTHORIZATION}/policyExemptions/{captured['name']}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        properties = json_body(call).get("properties") or {}
        exemption = _exemption(tenant, scope, captured["name"], properties)
        exempted = {ids.key(one.scope) for one in tenant.policies.exemptions} | {ids.key(scope)}
        tenant.assessor.standard_assignments.check_room(ids.subscription_of(scope), exempted)
        exemptions = tenant.policies.exemptions
        exemptions[:] = [*(one for one in exemptions if one is not found), exemption]
        tenant.assessor.reassess(scope)
        tenant.store.touch(target_id)
        return Reply.json(exemption.render(), status=200 if found else 201), False

    return logged(tenant, call, f"{_TYPE}/write", target_id, work)


def _exemption(tenant: Tenant, scope: str, name: str, properties: Mapping[str, Any]) -> PolicyExemption:
    unknown = sorted(set(properties) - _MEMBERS)
    if unknown:
        raise refusal("InvalidRequestContent", problem=f"Could not find member '{unknown[0]}'")
    assignment = tenant.policies.assignments.get(ids.key(str(properties.get("policyAssignmentId", ""))))
    if assignment is None or not tenant.store.covers(assignment.scope, scope):
        raise refusal("InvalidPolicyExemption", problem="the policy assignment does not exist at the scope or above it")
    action = "Microsoft.Authorization/policyAssignments/exempt/action"
    tenant.access.check_role(action, assignment.scope)
    category = str(properties.get("exemptionCategory", ""))
    if category not in _CATEGORIES:
        raise refusal("InvalidPolicyExemption", problem=f"exemptionCategory is {category!r}")
    references = tuple(map(str, properties.get("policyDefinitionReferenceIds") or ()))
    body = find_definition(tenant, assignment.definition_id)
    members = body["properties"].get("policyDefinitions", ()) if body is not None else ()
    known = {each["policyDefinitionReferenceId"] for each in members}
    if any(reference not in known for reference in references):
        raise refusal("InvalidPolicyExemption", problem=f"the initiative has not all of {', '.join(references)}")
    return PolicyExemption(
        scope=scope,
        name=name,
        assignment_id=assignment.id,
        references=references,
        expires=instant(properties.get("expiresOn")),
        category=category,
        description=str(properties.get("description") or ""),
        display_name=str(properties.get("displayName") or ""),
        metadata=dict(properties.get("metadata") or {}),
        selectors=tuple(properties.get("resourceSelectors") or ()),
    )


def patch_exemption(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Changes the resource selectors and the scope validation of an exemption."""
    scope, found = _found(tenant, captured)
    target_id = found.id if found else f"{scope}{AUTHORIZATION}/policyExemptions/{captured['name']}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PATCH", operation.action, target_id)
        if found is None:
            raise refusal("PolicyExemptionNotFound", name=captured["name"])
        properties = json_body(call).get("properties") or {}
        made = attrs.evolve(found, selectors=tuple(properties.get("resourceSelectors") or found.selectors))
        exemptions = tenant.policies.exemptions
        exemptions[exemptions.index(found)] = made
        tenant.assessor.reassess(scope)
        tenant.store.touch(target_id)
        return Reply.json(made.render()), False

    return logged(tenant, call, f"{_TYPE}/write", target_id, work)


def delete_exemption(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes an exemption."""
    scope, found = _found(tenant, captured)
    target_id = found.id if found else f"{scope}{AUTHORIZATION}/policyExemptions/{captured['name']}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        if found is None:
            return Reply(status=204), False
        tenant.policies.exemptions.remove(found)
        tenant.assessor.reassess(scope)
        tenant.store.touch(target_id)
        return Reply.json(found.render()), False

    return logged(tenant, call, f"{_TYPE}/delete", target_id, work)


ROUTES = tuple(
    Route(
        methods=(method,),
        pattern=f"/{{scope*}}{AUTHORIZATION}/policyExemptions{tail}",
        type=_TYPE,
        handler=handler,
        reads=method == "GET",
    )
    for method, tail, handler in (
        ("GET", "", list_exemptions),
        ("GET", "/{name}", get_exemption),
        ("PUT", "/{name}", put_exemption),
        ("PATCH", "/{name}", patch_exemption),
        ("DELETE", "/{name}", delete_exemption),
    )
)
