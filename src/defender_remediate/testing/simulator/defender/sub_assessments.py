"""Sub-assessments, which Azure retired in July 2026: its API lists none any more, but for those that a test adds."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

SUB_ASSESSMENTS = "Microsoft.Security/assessments/subAssessments"


def list_sub_assessments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists what a test added at a scope or below it. Individual recommendations are assessments and not in this list."""
    scope = _readable(tenant, captured)
    part = f"/assessments/{fold(captured['key'])}/" if "key" in captured else "/assessments/"
    found = [
        one.render()
        for one in tenant.store.resources("", SUB_ASSESSMENTS)
        if tenant.store.covers(scope, one.id) and part in ids.key(one.id)
    ]
    return tenant.page(call, found)


def get_sub_assessment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a sub-assessment that a test added."""
    scope = _readable(tenant, captured)
    found = tenant.store.find(call.path)
    if found is None:
        raise refusal("AssessmentNotFound", key=captured["name"], scope=scope)
    return Reply.json(found.render())


def _readable(tenant: Tenant, captured: Mapping[str, str]) -> str:
    scope = scope_of(tenant, captured)
    if ids.subscription_of(scope):
        tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
    tenant.access.check_read(f"{SUB_ASSESSMENTS}/read", scope)
    return scope


def refuse_write(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Refuses a write: Defender alone made sub-assessments."""
    del tenant, captured
    raise refusal("MethodNotAllowed", method=call.method)


_S = "/{scope*}/providers/Microsoft.Security"
_AT = f"{_S}/assessments/{{key}}/subAssessments"
ROUTES = (
    Route(methods=("GET",), pattern=f"{_S}/subAssessments", type=SUB_ASSESSMENTS, handler=list_sub_assessments),
    Route(methods=("GET",), pattern=_AT, type=SUB_ASSESSMENTS, handler=list_sub_assessments),
    Route(methods=("GET",), pattern=f"{_AT}/{{name}}", type=SUB_ASSESSMENTS, handler=get_sub_assessment),
    Route(
        methods=("PUT", "PATCH", "DELETE"),
        pattern=f"{_AT}/{{name}}",
        type=SUB_ASSESSMENTS,
        handler=refuse_write,
        reads=False,
    ),
)
