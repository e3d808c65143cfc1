"""POST checkPolicyRestrictions: what policies would say about a resource that is not written yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body, unknown_route
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.policy.applied import AppliedPolicy, Target, subject_of
from defender_remediate.testing.simulator.policy.changes import operations_of
from defender_remediate.testing.simulator.policy.effects import Evaluated
from defender_remediate.testing.simulator.policy.expressions import evaluate
from defender_remediate.testing.simulator.policy.fields import alias_path, changed
from defender_remediate.testing.simulator.policy.rules import OPERATORS, EvaluatedResource, conditions_of
from defender_remediate.testing.simulator.policy.values import MISSING
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.PolicyInsights/checkPolicyRestrictions"
_MEMBERS = frozenset({"resourceDetails", "pendingFields", "includeAuditEffect"})
WORDS = {
    fold(name): name[:1].upper() + name[1:]
    for name in (
        [
            "deny",
            "audit",
            "modify",
            "append",
            "auditIfNotExists",
            "deployIfNotExists",
            "denyAction",
            "manual",
            "mutate",
            "disabled",
        ]
    )
}
"""The effects as Azure writes them, by their folded names."""


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
    known = tenant.types.get(str(content.get("type", "")))
    target = Target(
        id=place,
        kind=str(content.get("type", "")),
        body=content,
        is_tracked=known is None or known.tracked,
        api_version=str(details.get("apiVersion") or ""),
    )
    pending = [(str(one.get("field", "")), one.get("values")) for one in body.get("pendingFields") or []]
    against = tenant.policy_effects.against(target, effects)
    return Reply.json(
        {
            "fieldRestrictions": _fields(tenant, target, pending, effects),
            "contentEvaluationResult": {"policyEvaluations": [_evaluation(one) for one in against]},
        }
    )


def _place(scope: str, content: Mapping[str, Any]) -> str:
    """Returns the id of the resource if the content contains it, else the scope."""
    namespace, _, rest = str(content.get("type", "")).partition("/")
    types, names = rest.split("/"), str(content.get("name", "")).split("/")
    if not namespace or len(types) != len(names) or not all(names):
        return scope
    return f"{scope}/providers/{namespace}/" + "/".join(f"{t}/{n}" for t, n in zip(types, names, strict=True))


def _evaluation(found: Evaluated) -> dict[str, Any]:
    return {
        "policyInfo": found.policy.info,
        "evaluationResult": "NonCompliant",
        "evaluationDetails": found.details,
        "effectDetails": {"policyEffect": WORDS[found.effect]},
    }


def _fields(
    tenant: Tenant, target: Target, pending: list[tuple[str, Any]], effects: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Returns what policies say about the fields whose values are not decided yet."""
    found: dict[str, list[dict[str, Any]]] = {}
    for policy, effect in tenant.policy_effects.enforced(target, (*effects, "modify", "append")):
        for asked, values in pending:
            for field, entry in _restrictions(tenant, policy, effect, target, asked, values):
                word = WORDS[effect]
                found.setdefault(field, []).append({**entry, "policy": policy.info, "policyEffect": word})
    return [{"field": name, "restrictions": entries} for name, entries in found.items()]


def _restrictions(
    tenant: Tenant, policy: AppliedPolicy, effect: str, target: Target, asked: str, values: Any
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields what one policy says about a field, or about the members of an object that is asked about."""

    def refuses(field: str, value: Any) -> bool:
        path = alias_path(target.kind, field)
        if path is None:
            return False
        body = changed(target.body, path, lambda _: value)
        return tenant.policy_effects.evaluated(policy, effect, attrs.evolve(target, body=body)).holds

    if effect in ("modify", "append"):
        subject = subject_of(policy, target, tenant.store, tenant.clock)
        for operation in operations_of(policy, effect, subject):
            if _is_about(operation.field, asked) and refuses(operation.field, MISSING):
                word = "Removed" if operation.verb == "remove" else "Required"
                value = {} if operation.verb == "remove" else {"defaultValue": _text(operation.value)}
                yield operation.field, {"result": word, **value, "reason": f"{operation.field} is set by a policy"}
        return
    for field, named in _compared(policy, target):
        if not _is_about(field, asked):
            continue
        candidates = named if values is None else list(values)
        refused = [value for value in candidates if refuses(field, value)]
        if refused:
            shown = [_text(value) for value in refused]
            word = "Audit" if effect == "audit" else "Deny"
            yield field, {"result": word, "values": shown, "reason": f"{field} must not be {', '.join(shown)}"}
        elif values is None and refuses(field, MISSING):
            allowed = [_text(value) for value in candidates]
            yield field, {"result": "Required", "values": allowed, "reason": f"{field} is required"}


def _compared(policy: AppliedPolicy, target: Target) -> Iterator[tuple[str, list[Any]]]:
    """Yields each field that a rule compares, except the type, with the values that it is compared with."""
    found: dict[str, list[Any]] = {}
    subject = EvaluatedResource(body=target.body, parameters=policy.parameters)
    for condition in conditions_of(policy.rule["if"]):
        named = {fold(name): value for name, value in condition.items()}
        field = evaluate(named.get("field"), subject)
        if not isinstance(field, str) or fold(field) == "type" or alias_path(target.kind, field) is None:
            continue
        wanted = evaluate(next(value for name, value in named.items() if name in OPERATORS), subject)
        listed = found.setdefault(field, [])
        if "exists" not in named:
            listed += wanted if isinstance(wanted, list) else [wanted]
    yield from found.items()


def _is_about(field: str, asked: str) -> bool:
    name, wanted = fold(field), fold(asked)
    return name == wanted or name.startswith((f"{wanted}.", f"{wanted}["))


def _text(value: Any) -> str:
    return str(value)


ROUTES = (
    Route(
        methods=("POST",),
        pattern="/{scope*}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions",
        type=_TYPE,
        handler=check_restrictions,
        reads=False,
    ),
)
