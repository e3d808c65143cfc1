"""POST checkPolicyRestrictions: what policies would say about a resource that is not written yet."""

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


def check_restrictions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Says what policies would object to in a resource that does not exist yet."""
    scope = scope_of(tenant, captured)
    if not ids.subscription_of(scope) or ids.path_of(scope) is not None:
        # Azure accepts a subscription or a group; at a management group it accepts other bodies, which are not simulated.
        raise unknown_route(call)
    # The action is a read, so locks and disabled subscriptions do not matter; the limit is that of writes.
    tenant.access.check_read(f"{_TYPE}/read", scope)
    body = json_body(call)
    unknown_names = sorted(set(body) - _MEMBERS)
    details = body.get("resourceDetails")
    if unknown_names or not isinstance(details, Mapping) or not isinstance(details.get("resourceContent"), Mapping):
        problem = (
            f"Could not find member '{unknown_names[0]}'"
            if unknown_names
            else "resourceDetails.resourceContent is missing"
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
                    for found in tenant.policies.policies_against(place, str(content.get("type", "")), content, effects)
                ]
            },
        }
    )


def _place(scope: str, content: Mapping[str, Any]) -> str:
    """Returns the id of the resource if the content contains it, else the scope."""
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
    """Returns what policies say about the fields whose values are not decided yet."""
    found: dict[str, list[dict[str, Any]]] = {}
    for policy in tenant.policies.deny_policies:
        if policy.effect not in effects or not tenant.policies.in_force(
            policy.assignment, place, str(content.get("type", "")), content
        ):
            continue
        of_type = policy.resource_type
        if policy.path is None or (of_type and fold(of_type) != fold(str(content.get("type", "")))):
            continue
        for field in pending:
            values = _against(policy, field)
            if values:
                word = _WORDS[policy.effect]
                reason = f"{policy.field} must not be {policy.equals}"
                entry = {"result": word, "values": values, "policy": _info(policy)}
                found.setdefault(policy.field, []).append({**entry, "policyEffect": word, "reason": reason})
    return [{"field": name, "restrictions": entries} for name, entries in found.items()]


def _against(policy: DenyPolicy, field: Mapping[str, Any]) -> list[str]:
    """Returns the values of a pending field that a policy denies; a field without values could have any."""
    name, asked = fold(policy.field), fold(str(field.get("field", "")))
    if name != asked and not name.startswith(f"{asked}."):
        return []
    refused = str(policy.equals)
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
