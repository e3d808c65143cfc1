"""The operations of Microsoft.Security/standardAssignments. Bodies are checked as the published model says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.defender.exemptions import (
    ATTEST,
    AUDIT,
    EXEMPT,
    RULE_KEY,
    TYPE,
    StandardAssignment,
)
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.exemptions import instant
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_MEMBERS = frozenset(
    [
        "displayName",
        "description",
        "assignedStandard",
        "effect",
        "excludedScopes",
        "expiresOn",
        "exemptionData",
        "attestationData",
    ]
)
_CATEGORIES = ("waiver", "mitigated")
_STATES = ("unknown", "compliant", "nonCompliant")
_CUSTOM = ("custom", "custompolicy", "customermanaged", "manualcustompolicy")


def _place(tenant: Tenant, captured: Mapping[str, str]) -> tuple[str, str]:
    scope = scope_of(tenant, captured)
    tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
    return scope, f"{scope}/providers/{TYPE}/{captured.get('name', '')}"


def list_assignments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists those that are relevant for a scope: on it, above it and below it."""
    scope, _ = _place(tenant, captured)
    tenant.access.check_read(f"{TYPE}/read", scope)
    covers = tenant.store.covers
    found = [
        one for one in tenant.assessor.standard_assignments if covers(one.scope, scope) or covers(scope, one.scope)
    ]
    return tenant.page(call, [one.render() for one in found])


def get_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows one."""
    del call
    scope, target_id = _place(tenant, captured)
    tenant.access.check_read(f"{TYPE}/read", scope)
    found = tenant.assessor.standard_assignments.find(target_id)
    if found is None:
        raise refusal("StandardAssignmentNotFound", name=captured["name"])
    return Reply.json(found.render())


def put_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces one."""
    scope, target_id = _place(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        properties = json_body(call).get("properties") or {}
        found = tenant.assessor.standard_assignments.find(target_id)
        _check(tenant, scope, captured["name"], properties)
        made = StandardAssignment(
            scope=scope, name=captured["name"], expires=instant(properties.get("expiresOn")), properties=properties
        )
        if made.effect == EXEMPT:
            exempted = {ids.key(one.scope) for one in tenant.policies.exemptions} | {ids.key(scope)}
            tenant.assessor.standard_assignments.check_room(ids.subscription_of(scope), exempted)
        tenant.assessor.standard_assignments.put(made)
        tenant.assessor.reassess(scope)
        tenant.store.touch(target_id)
        return Reply.json(made.render(), status=200 if found else 201), False

    return logged(tenant, call, f"{TYPE}/write", target_id, work)


def _check(tenant: Tenant, scope: str, name: str, properties: Mapping[str, Any]) -> None:
    def invalid(problem: str) -> Exception:
        return refusal("InvalidStandardAssignment", problem=problem)

    unknown = sorted(set(properties) - _MEMBERS)
    if unknown or not ids.is_guid(name):
        raise invalid(f"could not find member '{unknown[0]}'" if unknown else f"the name {name!r} is not a GUID")
    effect = properties.get("effect")
    if effect == AUDIT:
        return
    if effect not in (EXEMPT, ATTEST):
        raise invalid(f"effect is {effect!r}")
    data = properties.get("exemptionData" if effect == EXEMPT else "attestationData") or {}
    key = fold(str((data.get("assignedAssessment") or {}).get("assessmentKey", "")))
    if effect == EXEMPT and data.get("exemptionCategory") not in _CATEGORIES:
        raise invalid(f"exemptionCategory is {data.get('exemptionCategory')!r}")
    if effect == ATTEST and data.get("complianceState") not in _STATES:
        raise invalid(f"complianceState is {data.get('complianceState')!r}")
    if not tenant.policies.has_benchmark(ids.subscription_of(scope)):
        raise invalid("the Microsoft cloud security benchmark is not assigned")
    if key == RULE_KEY:
        if effect != EXEMPT or "subAssessmentExemptionRule" not in data:
            raise invalid("a rule needs subAssessmentExemptionRule")
        return
    definition = tenant.assessor.definitions.get(key)
    if definition is None:
        raise invalid(f"there is no recommendation {key!r}")
    if fold(str(definition.metadata.get("assessmentType"))) in _CUSTOM or definition.subscriptions:
        raise invalid("a custom recommendation cannot be exempted")
    if effect == EXEMPT and definition.metadata.get("policyDefinitionId"):
        raise invalid("the recommendation comes from a policy: exempt it from the policy's assignment")


def delete_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes one."""
    scope, target_id = _place(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        if tenant.assessor.standard_assignments.find(target_id) is None:
            return Reply(status=204), False
        tenant.assessor.standard_assignments.remove(target_id)
        tenant.assessor.reassess(scope)
        tenant.store.touch(target_id)
        return Reply(status=200), False

    return logged(tenant, call, f"{TYPE}/delete", target_id, work)


_AT = f"/{{scope*}}/providers/{TYPE}"
ROUTES = tuple(
    Route(methods=(method,), pattern=pattern, type=TYPE, handler=handler, reads=method == "GET")
    for method, pattern, handler in (
        ("GET", _AT, list_assignments),
        ("GET", f"{_AT}/{{name}}", get_assignment),
        ("PUT", f"{_AT}/{{name}}", put_assignment),
        ("DELETE", f"{_AT}/{{name}}", delete_assignment),
    )
)
