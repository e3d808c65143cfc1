"""What policies would say to a resource that is not written yet: POST checkPolicyRestrictions. Nothing changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body, unknown_route
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.policy.state import DenyPolicy
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.PolicyInsights/checkPolicyRestrictions"
_MEMBERS = frozenset({"resourceDetails", "pendingFields", "includeAuditEffect"})
_WORDS = {"deny": "Deny", "audit": "Audit"}


def check_restrictions(tenant: Tenant, call: Call, holes: Mapping[str, str]) -> Reply:
    """Says what policies would object to in a resource that does not exist yet."""
    scope = scope_of(tenant, holes)
    if not ids.subscription_of(scope) or ids.path_of(scope) is not None:
        # Azure takes a subscription or a group; at a management group it takes other bodies, which are not here.
        raise unknown_route(call)
    # The action is a read, so that locks and disabled subscriptions do not matter; the POST costs a write token.
    tenant.access.check_read(f"{_TYPE}/read", scope)
    body = json_body(call)
    strangers = sorted(set(body) - _MEMBERS)
    details = body.get("resourceDetails")
    if strangers or not isinstance(details, Mapping) or not isinstance(details.get("resourceContent"), Mapping):
        problem = (
            f"Could not find member '{strangers[0]}'" if strangers else "resourceDetails.resourceContent is missing"
        )
        raise refusal("InvalidRequestContent", problem=problem)
    content = details["resourceContent"]
    effects = ("deny", "audit") if body.get("includeAuditEffect") else ("deny",)
    place = _place(str(details.get("scope") or scope), content)
    return Reply.json(
        {
            "fieldRestrictions": _fields(tenant, place, content, body.get("pendingFields") or [], effects),
            "contentEvaluationResult": {
                "policyEvaluations": [
                    _evaluation(found, content)
                    for found in tenant.policies.objections(place, str(content.get("type", "")), content, effects)
                ]
            },
        }
    )


def _place(scope: str, content: Mapping[str, Any]) -> str:
    """The id of the resource, as far as the content tells; policies and exemptions of it look there."""
    namespace, _, rest = str(content.get("type", "")).partition("/")
    types, names = rest.split("/"), str(content.get("name", "")).split("/")
    if not namespace or len(types) != len(names) or not all(names):
        return scope
    return f"{scope}/providers/{namespace}/" + "/".join(f"{t}/{n}" for t, n in zip(types, names, strict=True))


def _evaluation(found: DenyPolicy, content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "policyInfo": _info(found),
        "evaluationResult": "NonCompliant",
        "evaluationDetails": {"evaluatedExpressions": [found.expression(content)]},
        "effectDetails": {"policyEffect": _WORDS[found.effect]},
    }


def _info(found: DenyPolicy) -> dict[str, str]:
    return {"policyDefinitionId": found.assignment.definition_id, "policyAssignmentId": found.assignment.id}


def _fields(
    tenant: Tenant, place: str, content: Mapping[str, Any], pending: list[Any], effects: tuple[str, ...]
) -> list[dict[str, Any]]:
    """What policies say to the values that are still open; only those fields that were asked about."""
    found: dict[str, list[dict[str, Any]]] = {}
    for restriction in tenant.policies.deny_policies:
        if restriction.effect not in effects or not tenant.policies.in_force(restriction.assignment, place):
            continue
        of_type = restriction.resource_type
        if restriction.path is None or (of_type and fold(of_type) != fold(str(content.get("type", "")))):
            continue
        for field in pending:
            values = _against(restriction, field)
            if values:
                word = _WORDS[restriction.effect]
                reason = f"{restriction.field} must not be {restriction.equals}"
                entry = {"result": word, "values": values, "policy": _info(restriction)}
                found.setdefault(restriction.field, []).append({**entry, "policyEffect": word, "reason": reason})
    return [{"field": name, "restrictions": entries} for name, entries in found.items()]


def _against(restriction: DenyPolicy, field: Mapping[str, Any]) -> list[str]:
    """The values of a pending field that a policy is against; one that has no values could take any."""
    name, asked = fold(restriction.field), fold(str(field.get("field", "")))
    if name != asked and not name.startswith(f"{asked}."):
        return []
    refused = str(restriction.equals)
    values = field.get("values")
    return [refused] if values is None or refused in map(str, values) else []


ROUTES = (
    Route(
        methods=("POST",),
        pattern="/{scope*}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions",
        type=_TYPE,
        handler=check_restrictions,
        reads=False,
    ),
)
