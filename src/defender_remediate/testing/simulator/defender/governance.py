"""Who has to fix an assessment, and until when: governance assignments. They need Defender CSPM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.defender.state import DEFENDER_CSPM, PRICINGS
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.exemptions import instant
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

TYPE = "Microsoft.Security/assessments/governanceAssignments"
_MEMBERS = frozenset(
    [
        "owner",
        "remediationDueDate",
        "remediationEta",
        "isGracePeriod",
        "governanceEmailNotification",
        "additionalData",
    ]
)


def assignment_id(scope: str, key: str, name: str) -> str:
    """Returns the id of an assignment."""
    return f"{scope}/providers/Microsoft.Security/assessments/{key}/governanceAssignments/{name}"


def render(target_id: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an assignment as the API shows it: its dates have seven fractional digits."""
    shown = dict(properties)
    due = instant(shown["remediationDueDate"])
    assert due is not None
    shown["remediationDueDate"] = due.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    return {"id": target_id, "name": ids.segments(target_id)[-1], "type": TYPE, "properties": shown}


def is_enabled(tenant: Tenant, subscription: str) -> bool:
    """Whether Defender CSPM, which governance needs, is on in a subscription."""
    plan = tenant.store.find(f"/subscriptions/{subscription}/providers/{PRICINGS}/{DEFENDER_CSPM}")
    return plan is not None and fold(str(plan.body["properties"].get("pricingTier"))) == "standard"


def _place(tenant: Tenant, captured: Mapping[str, str]) -> tuple[str, str]:
    scope = scope_of(tenant, captured)
    tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
    return scope, assignment_id(scope, captured["key"], captured.get("name", ""))


def list_assignments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists those of a recommendation on the resources of a scope."""
    scope, _ = _place(tenant, captured)
    tenant.access.check_read(f"{TYPE}/read", scope)
    part = f"/assessments/{fold(captured['key'])}/governanceassignments/"
    found = [
        render(target_id, properties)
        for target_id, properties in tenant.governance.values()
        if part in ids.key(target_id) and ids.within(target_id, scope)
    ]
    return tenant.page(call, found)


def get_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows one."""
    del call
    scope, target_id = _place(tenant, captured)
    tenant.access.check_read(f"{TYPE}/read", scope)
    found = tenant.governance.get(ids.key(target_id))
    if found is None:
        raise refusal("GovernanceAssignmentNotFound", name=captured["name"])
    return Reply.json(render(*found))


def put_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces one."""
    scope, target_id = _place(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        properties = json_body(call).get("properties") or {}
        unknown = sorted(set(properties) - _MEMBERS)
        if unknown or not properties.get("remediationDueDate"):
            problem = f"Could not find member '{unknown[0]}'" if unknown else "remediationDueDate is missing"
            raise refusal("InvalidRequestContent", problem=problem)
        instant(properties["remediationDueDate"])
        if not is_enabled(tenant, ids.subscription_of(scope)):
            raise refusal("GovernanceNotEnabled")
        if tenant.assessor.get(captured["key"], scope) is None:
            raise refusal("AssessmentNotFound", key=captured["key"], scope=scope)
        status = 200 if ids.key(target_id) in tenant.governance else 201
        tenant.governance[ids.key(target_id)] = (target_id, dict(properties))
        tenant.store.touch(target_id)
        return Reply.json(render(target_id, properties), status=status), False

    return logged(tenant, call, f"{TYPE}/write", target_id, work)


def delete_assignment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes one."""
    _, target_id = _place(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        if tenant.governance.pop(ids.key(target_id), None) is None:
            return Reply(status=204), False
        tenant.store.touch(target_id)
        return Reply(status=200), False

    return logged(tenant, call, f"{TYPE}/delete", target_id, work)


_AT = "/{scope*}/providers/Microsoft.Security/assessments/{key}/governanceAssignments"
ROUTES = tuple(
    Route(methods=(method,), pattern=pattern, type=TYPE, handler=handler, reads=method == "GET")
    for method, pattern, handler in (
        ("GET", _AT, list_assignments),
        ("GET", f"{_AT}/{{name}}", get_assignment),
        ("PUT", f"{_AT}/{{name}}", put_assignment),
        ("DELETE", f"{_AT}/{{name}}", delete_assignment),
    )
)
