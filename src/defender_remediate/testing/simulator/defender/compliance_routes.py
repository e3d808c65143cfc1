"""The operations of regulatory compliance. What a test adds as a resource is listed beside what is counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.defender.compliance import ASSESSMENTS, CONTROLS, STANDARDS
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply


def list_standards(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the standards of a subscription with the number of controls in each state."""
    return _listed(tenant, call, tenant.compliance.standards_of(_readable(tenant, captured, STANDARDS)), STANDARDS)


def get_standard(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a standard."""
    return _shown(tenant, call, tenant.compliance.standards_of(_readable(tenant, captured, STANDARDS)))


def list_controls(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the controls of a standard; one without a recommendation is Unsupported."""
    subscription = _readable(tenant, captured, CONTROLS)
    return _listed(
        tenant,
        call,
        tenant.compliance.controls_of(subscription, captured["standard"]),
        CONTROLS,
        tenant.compliance.standards_of(subscription),
    )


def get_control(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a control."""
    subscription = _readable(tenant, captured, CONTROLS)
    return _shown(tenant, call, tenant.compliance.controls_of(subscription, captured["standard"]))


def list_assessments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the recommendations of a control with the number of resources in each state; an exempt one is skipped."""
    subscription = _readable(tenant, captured, ASSESSMENTS)
    found = tenant.compliance.assessments_of(subscription, captured["standard"], captured["control"])
    above = tenant.compliance.controls_of(subscription, captured["standard"])
    return _listed(tenant, call, found, ASSESSMENTS, above)


def get_assessment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a recommendation of a control."""
    subscription = _readable(tenant, captured, ASSESSMENTS)
    return _shown(
        tenant, call, tenant.compliance.assessments_of(subscription, captured["standard"], captured["control"])
    )


def _readable(tenant: Tenant, captured: Mapping[str, str], kind: str) -> str:
    found = tenant.store.subscription(captured["subscription"])
    tenant.access.check_registered(found.id, "Microsoft.Security")
    tenant.access.check_read(f"{kind}/read", f"/subscriptions/{found.id}")
    return found.id


def _listed(
    tenant: Tenant,
    call: Call,
    counted: Iterable[dict[str, Any]],
    kind: str,
    above: Iterable[dict[str, Any]] | None = None,
) -> Reply:
    # What is listed is a child of what the path names.
    parent = ids.key(call.path).rpartition("/")[0]
    stored = [one.render() for one in tenant.store.resources("", kind) if ids.key(one.id).startswith(f"{parent}/")]
    found = {ids.key(one["id"]): one for one in (*counted, *stored)}
    # An empty list below what does not exist would read as "nothing fails".
    if not found and above is not None:
        there = {ids.key(one["id"]) for one in above}
        if parent not in there and tenant.store.find(parent) is None:
            raise refusal("ComplianceNotFound", name=ids.segments(call.path)[-2])
    wanted = call.query.get("$filter")
    if wanted is not None:
        state = _state_of(wanted)
        found = {key: one for key, one in found.items() if fold(str(one["properties"].get("state"))) == state}
    return tenant.page(call, found.values())


def _state_of(text: str) -> str:
    """Returns the state of ``properties/state eq 'Failed'``, the one filter that is documented."""
    words = text.split()
    if len(words) != 3 or fold(words[0]) not in ("properties/state", "state") or fold(words[1]) != "eq":
        raise refusal("InvalidFilter", filter=text)
    return fold(words[2].strip("'"))


def _shown(tenant: Tenant, call: Call, counted: Iterable[dict[str, Any]]) -> Reply:
    wanted = ids.key(call.path)
    stored = tenant.store.find(call.path)
    found = next((one for one in counted if ids.key(one["id"]) == wanted), None) if stored is None else stored.render()
    if found is None:
        raise refusal("ComplianceNotFound", name=ids.segments(call.path)[-1])
    return Reply.json(found)


def refuse_write(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Refuses a write: Defender alone judges compliance."""
    del tenant, captured
    raise refusal("MethodNotAllowed", method=call.method)


_S = f"/subscriptions/{{subscription}}/providers/{STANDARDS}"
_C = f"{_S}/{{standard}}/regulatoryComplianceControls"
_A = f"{_C}/{{control}}/regulatoryComplianceAssessments"
ROUTES = (
    Route(methods=("GET",), pattern=_S, type=STANDARDS, handler=list_standards),
    Route(methods=("GET",), pattern=f"{_S}/{{standard}}", type=STANDARDS, handler=get_standard),
    Route(methods=("GET",), pattern=_C, type=CONTROLS, handler=list_controls),
    Route(methods=("GET",), pattern=f"{_C}/{{control}}", type=CONTROLS, handler=get_control),
    Route(methods=("GET",), pattern=_A, type=ASSESSMENTS, handler=list_assessments),
    Route(methods=("GET",), pattern=f"{_A}/{{key}}", type=ASSESSMENTS, handler=get_assessment),
    *(
        Route(methods=("PUT", "PATCH", "DELETE"), pattern=pattern, type=kind, handler=refuse_write, reads=False)
        for pattern, kind in (
            (f"{_S}/{{standard}}", STANDARDS),
            (f"{_C}/{{control}}", CONTROLS),
            (f"{_A}/{{key}}", ASSESSMENTS),
        )
    ),
)
