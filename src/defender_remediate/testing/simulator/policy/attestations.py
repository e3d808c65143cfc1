"""Attestations: statements about the compliance of resources with manual policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body, positive_option
from defender_remediate.testing.simulator.authorization.routes import scope_of, seen_from
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy import odata
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_INSIGHTS = "/providers/Microsoft.PolicyInsights"
_TYPE = "Microsoft.PolicyInsights"
_STATES = ("Compliant", "NonCompliant", "Unknown")


def _attestation_id(tenant: Tenant, captured: Mapping[str, str]) -> str:
    return f"{scope_of(tenant, captured)}{_INSIGHTS}/attestations/{captured['name']}"


def list_attestations(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the attestations at a scope and below it."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/attestations/read", scope)
    every = tenant.policies.attestations.values()
    found: list[dict[str, Any]] = seen_from(tenant, scope, "", every, lambda one: one["id"].rpartition(_INSIGHTS)[0])
    if call.query.get("$filter"):
        test = odata.parse_filter(call.query["$filter"])
        found = [one for one in found if test(one["properties"])]
    return tenant.page(call, found, size=positive_option(call, "$top"))


def get_attestation(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows an attestation."""
    del call
    target_id = _attestation_id(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/attestations/read", target_id)
    found = tenant.policies.attestations.get(ids.key(target_id))
    if found is None:
        raise refusal("PolicyInsightsNotFound", kind="attestation", name=captured["name"])
    return Reply.json(found)


def put_attestation(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Sets the compliance of a resource with a manual policy."""
    target_id = _attestation_id(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        properties = json_body(call).get("properties")
        given = properties if isinstance(properties, Mapping) else {}
        assignment = tenant.policies.assignments.get(ids.key(str(given.get("policyAssignmentId"))))
        if assignment is None or not tenant.store.covers(assignment.scope, target_id):
            raise refusal(
                "InvalidAttestation", problem="the policyAssignmentId is not that of an assignment at the scope"
            )
        state = given.get("complianceState", "Unknown")
        if state not in _STATES:
            raise refusal("InvalidAttestation", problem=f"the complianceState is {state!r}; use {', '.join(_STATES)}")
        held = tenant.policies.attestations.get(ids.key(target_id))
        body = {
            "id": target_id,
            "name": captured["name"],
            "type": f"{_TYPE}/attestations",
            "properties": {
                **given,
                "complianceState": state,
                "provisioningState": "Succeeded",
                "lastComplianceStateChangeAt": tenant.clock.timestamp(),
            },
        }
        tenant.policies.attestations[ids.key(target_id)] = body
        return Reply.json(body, status=200 if held else 201), False

    return logged(tenant, call, f"{_TYPE}/attestations/write", target_id, work)


def delete_attestation(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Removes an attestation."""
    target_id = _attestation_id(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        found = tenant.policies.attestations.pop(ids.key(target_id), None)
        return Reply(status=204 if found is None else 200), False

    return logged(tenant, call, f"{_TYPE}/attestations/delete", target_id, work)


ROUTES = tuple(
    Route(
        methods=(method,),
        pattern=f"/{{scope*}}{_INSIGHTS}/attestations{tail}",
        type=f"{_TYPE}/attestations",
        handler=handler,
        reads=method == "GET",
    )
    for method, tail, handler in (
        ("GET", "", list_attestations),
        ("GET", "/{name}", get_attestation),
        ("PUT", "/{name}", put_attestation),
        ("DELETE", "/{name}", delete_attestation),
    )
)
