"""Policy assignments and enrollments: what clients read and write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.computed import as_known
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.identities import with_ids
from defender_remediate.testing.simulator.arm.routing import Route, json_body, positive_option
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.authorization.routes import scope_of, seen_from
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.checks import EFFECTS, check_parameters
from defender_remediate.testing.simulator.policy.definitions import find_definition
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION, ENFORCED, ENROLL, PolicyAssignment
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Authorization"
_EQUALS = re.compile(r"\s*policyDefinitionId\s+eq\s+'([^']*)'\s*\Z", re.IGNORECASE)
_PARAMETER = re.compile(r"\[\s*parameters\(\s*'([^']*)'\s*\)\s*\]\Z", re.IGNORECASE)
HINT_HEADER = "x-ms-simulated-hint"
"""What a test can do about a refusal; Azure sends no such header."""
_HINT = "a built-in definition is known after sim.policies.add_definition or sim.policies.load_definitions(folder)"
_NEEDS_IDENTITY = ("Modify", "DeployIfNotExists")
_MODES = (ENFORCED, "DoNotEnforce", ENROLL)
_NAME = re.compile(r"[^<>*%&:?+/\\]{1,128}(?<![ .])\Z")
_ASSIGNED = ("displayName", "policyDefinitionId", "notScopes", "parameters", "enforcementMode", "scope")
_SHOWN_ONLY = ("instanceId", "latestDefinitionVersion", "effectiveDefinitionVersion")
_ALSO = (
    "description",
    "metadata",
    "nonComplianceMessages",
    "definitionVersion",
    "resourceSelectors",
    "overrides",
    "assignmentType",
    "selfServeExemptionSettings",
)
_SELECTOR_KINDS = (
    "resourceLocation",
    "resourceType",
    "resourceWithoutLocation",
    "policyDefinitionReferenceId",
    "userPrincipalId",
    "groupPrincipalId",
)
_MOST_SELECTORS, _MOST_VALUES = 10, 50


def list_assignments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the policy assignments at a scope."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/policyAssignments/read", scope)
    text = call.query.get("$filter", "")
    clause = _EQUALS.match(text)
    every = tenant.policies.assignments.values()
    found = seen_from(tenant, scope, "" if clause else text, every, lambda one: one.scope)
    kept = [one for one in found if clause is None or ids.key(one.definition_id) == ids.key(clause[1])]
    return tenant.page(call, [one.render() for one in kept], size=positive_option(call, "$top"))


def _target(tenant: Tenant, captured: Mapping[str, str]) -> tuple[str, str, PolicyAssignment | None]:
    scope = scope_of(tenant, captured)
    target_id = f"{scope}{AUTHORIZATION}/policyAssignments/{captured['name']}"
    return scope, target_id, tenant.policies.assignments.get(ids.key(target_id))


def get_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a policy assignment."""
    scope, _, found = _target(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/policyAssignments/read", scope)
    if found is None:
        raise refusal("PolicyAssignmentNotFound", name=captured["name"])
    return Reply.json(as_known(f"{_TYPE}/policyAssignments", call.api_version, found.render()))


def list_enrollments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the policy enrollments at a scope."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/policyEnrollments/read", scope)
    text = call.query.get("$filter", "")
    found = seen_from(tenant, scope, text, tenant.policies.enrollments, lambda one: one.scope)
    return tenant.page(call, [one.render() for one in found])


def write_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces an assignment (PUT), or changes its identity, location, selectors and overrides (PATCH)."""
    scope, target_id, found = _target(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write(call.method, operation.action, target_id)
        body = json_body(call)
        properties = body.get("properties") or {}
        top = _top(tenant, body, found)
        if call.method == "PATCH":
            if found is None:
                raise refusal("PolicyAssignmentNotFound", name=captured["name"])
            _check_selection(properties)
            extra = {
                **found.extra,
                **{name: properties[name] for name in ("resourceSelectors", "overrides") if name in properties},
            }
            made = attrs.evolve(found, top={**found.top, **top}, extra=extra)
            tenant.policies.assign(made)
            return Reply.json(made.render()), False
        if not _NAME.match(captured["name"]):
            raise refusal("InvalidPolicy", problem=f"the name {captured['name']!r} is not the name of an assignment")
        made = attrs.evolve(_assignment(tenant, scope, captured["name"], properties), top=top)
        made = attrs.evolve(made, extra={**made.extra, "metadata": _metadata(tenant, made, found)})
        _check_identity(tenant, made)
        tenant.policies.assign(made)
        tenant.assessor.reassess(scope)
        tenant.store.touch(target_id)
        shown = as_known(f"{_TYPE}/policyAssignments", call.api_version, made.render())
        return Reply.json(shown, status=201), False

    return logged(tenant, call, f"{_TYPE}/policyAssignments/write", target_id, work)


def _metadata(tenant: Tenant, made: PolicyAssignment, found: PolicyAssignment | None) -> dict[str, Any]:
    """Returns the metadata of an assignment with who created and changed it, and when."""
    now = tenant.clock.timestamp()
    held = (found.extra.get("metadata") or {}) if found is not None else {}
    return {
        **(made.extra.get("metadata") or {}),
        "createdBy": held.get("createdBy", CALLER_ID),
        "createdOn": held.get("createdOn", now),
        "updatedBy": CALLER_ID if found is not None else None,
        "updatedOn": now if found is not None else None,
    }


def _top(tenant: Tenant, body: Mapping[str, Any], found: PolicyAssignment | None) -> dict[str, Any]:
    top = {name: body[name] for name in ("identity", "location") if body.get(name) is not None}
    identity = top.get("identity")
    if isinstance(identity, Mapping):
        if not top.get("location") and (found is None or not found.top.get("location")):
            raise refusal("InvalidPolicy", problem="an assignment with an identity needs a location")
        held = (found.top.get("identity") or {}) if found is not None else {}
        if fold(str(held.get("type"))) == fold(str(identity.get("type"))):
            top["identity"] = {**held, **identity}
    return with_ids(tenant, top, assigned=True)


def _assignment(tenant: Tenant, scope: str, name: str, properties: Mapping[str, Any]) -> PolicyAssignment:
    unknown = sorted(set(properties) - {*_ASSIGNED, *_ALSO, *_SHOWN_ONLY})
    if unknown:
        raise refusal("InvalidRequestContent", problem=f"Could not find member '{unknown[0]}'")
    wanted = str(properties.get("policyDefinitionId") or "")
    body = find_definition(tenant, wanted)
    if body is None:
        missing = (
            "PolicySetDefinitionNotFound" if "/policysetdefinitions/" in fold(wanted) else "PolicyDefinitionNotFound"
        )
        raise refusal(missing, name=wanted.rpartition("/")[2], headers={HINT_HEADER: _HINT})
    mode = properties.get("enforcementMode") or ENFORCED
    known = {fold(one): one for one in _MODES}
    if fold(str(mode)) not in known:
        raise refusal("InvalidPolicy", problem=f"the enforcementMode is {mode!r}; use {', '.join(_MODES)}")
    given = properties.get("parameters") or {}
    check_parameters(body, given, name=name)
    _check_selection(properties)
    for left_out in properties.get("notScopes") or ():
        if not isinstance(left_out, str) or not tenant.store.covers(scope, left_out):
            raise refusal(
                "InvalidPolicy", problem=f"the notScope {left_out!r} is not below the scope of the assignment"
            )
    return PolicyAssignment(
        scope=scope,
        name=name,
        definition_id=body["id"],
        display_name=str(properties.get("displayName") or ""),
        not_scopes=tuple(map(str, properties.get("notScopes") or ())),
        parameters=given,
        enforcement=known[fold(str(mode))],
        extra={member: properties[member] for member in _ALSO if properties.get(member) is not None},
    )


def _check_identity(tenant: Tenant, made: PolicyAssignment) -> None:
    """Refuses the assignment without an identity of a single policy that changes or deploys resources."""
    definition = (find_definition(tenant, made.definition_id) or {}).get("properties") or {}
    effect = str(((definition.get("policyRule") or {}).get("then") or {}).get("effect"))
    named = _PARAMETER.match(effect)
    if named is not None:
        declared = definition.get("parameters") or {}
        given = {fold(name): value.get("value") for name, value in made.parameters.items()}
        defaults = {fold(name): value.get("defaultValue") for name, value in declared.items()}
        effect = str(given.get(fold(named[1]), defaults.get(fold(named[1]))))
    shown = {fold(one): one for one in _NEEDS_IDENTITY}.get(fold(effect))
    if shown is not None and not made.top.get("identity"):
        raise refusal("ResourceIdentityRequired", name=made.name, effect=shown)


def _check_selection(properties: Mapping[str, Any]) -> None:
    """Refuses resource selectors and overrides that Azure does not take."""
    for group in properties.get("resourceSelectors") or ():
        _check_selectors(group.get("selectors") or ())
    for one in properties.get("overrides") or ():
        if fold(str(one.get("kind"))) not in ("policyeffect", "definitionversion"):
            raise refusal("InvalidPolicy", problem=f"an override of the kind {one.get('kind')!r} does not exist")
        if fold(str(one.get("kind"))) == "policyeffect" and fold(str(one.get("value"))) not in map(fold, EFFECTS):
            raise refusal("InvalidPolicy", problem=f"an override has the effect {one.get('value')!r}")
        _check_selectors(one.get("selectors") or ())


def _check_selectors(selectors: Any) -> None:
    if len(selectors) > _MOST_SELECTORS:
        raise refusal("InvalidPolicy", problem=f"more than {_MOST_SELECTORS} selectors")
    for one in selectors:
        values = [one[name] for name in ("in", "notIn") if one.get(name)]
        kinds = {fold(kind) for kind in _SELECTOR_KINDS}
        if fold(str(one.get("kind"))) not in kinds or len(values) != 1 or len(values[0]) > _MOST_VALUES:
            raise refusal("InvalidPolicy", problem=f"the selector {dict(one)!r} needs a kind and either in or notIn")


def delete_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes an assignment."""
    scope, target_id, _ = _target(tenant, captured)

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
    Route(
        methods=("GET",),
        pattern=f"{_AT}/policyEnrollments",
        type=f"{_TYPE}/policyEnrollments",
        handler=list_enrollments,
    ),
    *(
        Route(
            methods=(method,),
            pattern=f"{_AT}/policyAssignments{tail}",
            type=f"{_TYPE}/policyAssignments",
            handler=handler,
            reads=method == "GET",
        )
        for method, tail, handler in (
            ("GET", "", list_assignments),
            ("GET", "/{name}", get_assignment),
            ("PUT", "/{name}", write_assignment),
            ("PATCH", "/{name}", write_assignment),
            ("DELETE", "/{name}", delete_assignment),
        )
    ),
)
