"""Policy definitions, initiatives and assignments as clients write them.

A definition that denies is evaluated if its rule compares the type and one value; an assignment of another rule that
would change or refuse writes is answered with 501 NotSimulated, so that no policy is ignored in silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.authorization.routes import built_in_set, policy_definitions, scope_of
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.state import (
    AUTHORIZATION,
    BENCHMARK,
    ENFORCED,
    ENROLL,
    DenyPolicy,
    PolicyAssignment,
    definition_body,
)
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Authorization"
_POLICIES, _SETS = "policyDefinitions", "policySetDefinitions"
_EQUALS = re.compile(r"\s*(policyType|category)\s+eq\s+'([^']*)'\s*\Z", re.IGNORECASE)
_PARAMETER = re.compile(r"\[\s*parameters\('([^']+)'\)\s*\]\Z", re.IGNORECASE)
_HARMLESS = ("audit", "auditifnotexists", "disabled", "manual")
_MODES = (ENFORCED, "DoNotEnforce", ENROLL)
_ASSIGNED = ("displayName", "policyDefinitionId", "notScopes", "parameters", "enforcementMode", "scope")
_ALSO = ("description", "metadata", "nonComplianceMessages", "definitionVersion", "resourceSelectors", "overrides")
_NOT_SIMULATED = ("resourceSelectors", "overrides")


def list_definitions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the built-in definitions (or initiatives) and the custom ones of a scope and above it."""
    is_set = fold(call.path.rstrip("/")).endswith(fold(_SETS))
    scope = scope_of(tenant, captured) if "scope" in captured else ""
    tenant.access.check_read(f"{_TYPE}/{_SETS if is_set else _POLICIES}/read", scope)
    text = call.query.get("$filter", "")
    clause = _EQUALS.match(text)
    exact = fold(text.replace(" ", "")) == "atexactscope()"
    if text and clause is None and not exact:
        raise refusal("InvalidFilter", filter=text)
    found = []
    for body in _every(tenant, is_set=is_set).values():
        owner = body["id"].partition(AUTHORIZATION)[0]
        if (owner and not (scope and tenant.store.covers(owner, scope))) or (
            exact and ids.key(owner) != ids.key(scope)
        ):
            continue
        properties = body["properties"]
        about = {
            "policytype": properties.get("policyType"),
            "category": (properties.get("metadata") or {}).get("category"),
        }
        if clause is None or fold(str(about[fold(clause.group(1))])) == fold(clause.group(2)):
            found.append(body)
    return tenant.page(call, found)


def _every(tenant: Tenant, *, is_set: bool) -> dict[str, dict[str, Any]]:
    """Returns every definition (or initiative) by the key of its id."""
    kind = fold(f"/{_SETS}/" if is_set else f"/{_POLICIES}/")
    own = {key: body for key, body in tenant.policies.written.items() if kind in key}
    if is_set:
        return {ids.key(BENCHMARK): built_in_set(tenant), **own}
    return {**{ids.key(body["id"]): body for body in policy_definitions(tenant)}, **own}


def put_definition(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces a custom definition or initiative, at a subscription or a management group."""
    scope, kind, target_id = _target(tenant, call, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        properties = json_body(call).get("properties")
        if ids.group_of(scope) or not isinstance(properties, Mapping):
            raise refusal(
                "InvalidPolicy", problem="a definition has properties, and a subscription or management group"
            )
        if fold(str(properties.get("policyType") or "Custom")) != "custom":
            raise refusal("InvalidPolicy", problem="the policyType of a definition of one's own is Custom")
        if kind == _SETS:
            _check_members(tenant, properties)
        else:
            _check_rule(properties)
        body = definition_body(target_id, {**properties, "policyType": "Custom"})
        tenant.policies.written[ids.key(target_id)] = body
        tenant.store.touch(target_id)
        return Reply.json(body, status=201), False

    return logged(tenant, call, f"{_TYPE}/{kind}/write", target_id, work)


def _target(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> tuple[str, str, str]:
    scope = scope_of(tenant, captured)
    kind = _SETS if fold(f"{AUTHORIZATION}/{_SETS}/") in fold(call.path) else _POLICIES
    return scope, kind, f"{scope}{AUTHORIZATION}/{kind}/{captured['name']}"


def _check_rule(properties: Mapping[str, Any]) -> None:
    rule = properties.get("policyRule")
    then = rule.get("then") if isinstance(rule, Mapping) else None
    if not isinstance(rule, Mapping) or not isinstance(rule.get("if"), Mapping) or not isinstance(then, Mapping):
        raise refusal("InvalidPolicyRule", problem="it needs 'if' and 'then'")
    if not isinstance(then.get("effect"), str):
        raise refusal("InvalidPolicyRule", problem="'then' needs an 'effect'")


def _check_members(tenant: Tenant, properties: Mapping[str, Any]) -> None:
    members = properties.get("policyDefinitions")
    if not isinstance(members, list) or not members or not all(isinstance(one, Mapping) for one in members):
        raise refusal("InvalidPolicy", problem="an initiative needs policyDefinitions")
    known = _every(tenant, is_set=False)
    for one in members:
        if ids.key(str(one.get("policyDefinitionId"))) not in known:
            raise refusal("PolicyDefinitionNotFound", name=one.get("policyDefinitionId"))


def delete_definition(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes a custom definition or initiative that is not used."""
    _, kind, target_id = _target(tenant, call, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        body = tenant.policies.written.get(ids.key(target_id))
        if body is None:
            return Reply(status=204), False
        used = [one.definition_id for one in tenant.policies.assignments.values()]
        for other in tenant.policies.written.values():
            used += [str(one["policyDefinitionId"]) for one in other["properties"].get("policyDefinitions", ())]
        if ids.key(target_id) in {ids.key(one) for one in used}:
            raise refusal("PolicyDefinitionInUse", name=captured["name"])
        del tenant.policies.written[ids.key(target_id)]
        tenant.store.touch(target_id)
        return Reply.json(body), False

    return logged(tenant, call, f"{_TYPE}/{kind}/delete", target_id, work)


def write_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces an assignment (PUT), or changes its identity and location (PATCH)."""
    scope = scope_of(tenant, captured)
    target_id = f"{scope}{AUTHORIZATION}/policyAssignments/{captured['name']}"
    found = tenant.policies.assignments.get(ids.key(target_id))

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write(call.method, operation.action, target_id)
        body = json_body(call)
        properties = body.get("properties") or {}
        top = {name: body[name] for name in ("identity", "location") if body.get(name) is not None}
        for name in _NOT_SIMULATED:
            if properties.get(name):
                raise refusal("NotSimulated", what=f"{name} of policy assignments")
        if call.method == "PATCH":
            if found is None:
                raise refusal("PolicyAssignmentNotFound", name=captured["name"])
            made = attrs.evolve(found, top={**found.top, **top})
            tenant.policies.assign(made)
            return Reply.json(made.render()), False
        made, rule = _assignment(tenant, scope, captured["name"], properties)
        made = attrs.evolve(made, top=top)
        tenant.policies.unassign(target_id)
        if rule is None:
            tenant.policies.assign(made)
        else:
            tenant.policies.add_policy(attrs.evolve(rule, assignment=made))
        tenant.assessor.reassess(scope)
        tenant.store.touch(target_id)
        return Reply.json(made.render(), status=201), False

    return logged(tenant, call, f"{_TYPE}/policyAssignments/write", target_id, work)


def _assignment(
    tenant: Tenant, scope: str, name: str, properties: Mapping[str, Any]
) -> tuple[PolicyAssignment, DenyPolicy | None]:
    unknown = sorted(set(properties) - {*_ASSIGNED, *_ALSO})
    if unknown:
        raise refusal("InvalidRequestContent", problem=f"Could not find member '{unknown[0]}'")
    wanted = str(properties.get("policyDefinitionId") or "")
    is_set = fold(f"/{_SETS}/") in fold(wanted)
    body = _every(tenant, is_set=is_set).get(ids.key(wanted))
    if body is None:
        raise refusal(
            "PolicySetDefinitionNotFound" if is_set else "PolicyDefinitionNotFound", name=wanted.rpartition("/")[2]
        )
    mode = properties.get("enforcementMode") or ENFORCED
    if mode not in _MODES:
        raise refusal("InvalidPolicy", problem=f"the enforcementMode is {mode!r}; use {', '.join(_MODES)}")
    given = properties.get("parameters") or {}
    made = PolicyAssignment(
        scope=scope,
        name=name,
        definition_id=body["id"],
        display_name=str(properties.get("displayName") or ""),
        not_scopes=tuple(map(str, properties.get("notScopes") or ())),
        parameters=given,
        enforcement=mode,
        extra={member: properties[member] for member in _ALSO if properties.get(member) is not None},
    )
    if not is_set:
        return made, _rule(made, body["properties"], given)
    if body["properties"]["policyType"] == "Custom":
        known = _every(tenant, is_set=False)
        for member in body["properties"]["policyDefinitions"]:
            of_member = known[ids.key(member["policyDefinitionId"])]["properties"]
            if _rule(made, of_member, member.get("parameters") or {}) is not None:
                raise refusal("NotSimulated", what="an initiative with a policy that refuses writes")
    return made, None


def _rule(assigned: PolicyAssignment, properties: Mapping[str, Any], given: Mapping[str, Any]) -> DenyPolicy | None:
    """Returns what an assigned definition refuses; None if it refuses nothing and changes nothing."""
    effect = properties["policyRule"]["then"]["effect"]
    parameter = _PARAMETER.match(effect)
    if parameter is not None:
        name = parameter.group(1)
        declared = (properties.get("parameters") or {}).get(name) or {}
        effect = str((given.get(name) or {}).get("value", declared.get("defaultValue")))
    if fold(effect) in _HARMLESS:
        return None
    condition = properties["policyRule"]["if"]
    clauses = condition.get("allOf", [condition])
    if fold(effect) != "deny" or not all(
        isinstance(one, Mapping) and set(one) == {"field", "equals"} for one in clauses
    ):
        raise refusal("NotSimulated", what=f"the policy effect {effect!r} with this rule")
    fields = {str(one["field"]): one["equals"] for one in clauses}
    kind = next((value for name, value in fields.items() if fold(name) == "type"), None)
    others = {name: value for name, value in fields.items() if fold(name) != "type"}
    is_literal = all(not str(value).startswith("[") for value in fields.values())
    if len(others) > 1 or kind is None or not is_literal or len(fields) != len(clauses):
        raise refusal("NotSimulated", what="a policy rule with other conditions than the type and one value")
    path = None
    for name in others:
        start = f"{fold(kind)}/"
        path = f"properties.{name[len(start) :]}" if fold(name).startswith(start) else name
    return DenyPolicy(assignment=assigned, resource_type=str(kind), path=path, equals=next(iter(others.values()), None))


def delete_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes an assignment."""
    scope = scope_of(tenant, captured)
    target_id = f"{scope}{AUTHORIZATION}/policyAssignments/{captured['name']}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        found = tenant.policies.assignments.get(ids.key(target_id))
        if found is None:
            return Reply(status=204), False
        tenant.policies.unassign(target_id)
        tenant.assessor.reassess(scope)
        tenant.store.touch(target_id)
        return Reply.json(found.render()), False

    return logged(tenant, call, f"{_TYPE}/policyAssignments/delete", target_id, work)


_AT = f"/{{scope*}}{AUTHORIZATION}"
ROUTES = (
    *(
        Route(methods=("GET",), pattern=f"{place}/{kind}", type=f"{_TYPE}/{kind}", handler=list_definitions)
        for place in (AUTHORIZATION, _AT)
        for kind in (_POLICIES, _SETS)
    ),
    *(
        Route(methods=(method,), pattern=f"{_AT}/{kind}/{{name}}", type=f"{_TYPE}/{kind}", handler=handler, reads=False)
        for kind in (_POLICIES, _SETS)
        for method, handler in (("PUT", put_definition), ("DELETE", delete_definition))
    ),
    *(
        Route(
            methods=(method,),
            pattern=f"{_AT}/policyAssignments/{{name}}",
            type=f"{_TYPE}/policyAssignments",
            handler=handler,
            reads=False,
        )
        for method, handler in (("PUT", write_assignment), ("PATCH", write_assignment), ("DELETE", delete_assignment))
    ),
)
