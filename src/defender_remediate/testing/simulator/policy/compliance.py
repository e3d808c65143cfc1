"""The compliance of resources with the assigned policies, as it is now.

Azure evaluates after writes, once a day and on demand; here every answer is up to date. The policies behind Defender's
recommendations show what Defender shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.defender.assessments import HEALTHY, NOT_APPLICABLE, SimulatedAssessment
from defender_remediate.testing.simulator.policy.applied import (
    GROUPS,
    SUBSCRIPTIONS,
    AppliedPolicy,
    Target,
    policies_of,
    subject_of,
    target_of,
)
from defender_remediate.testing.simulator.policy.definitions import find_definition
from defender_remediate.testing.simulator.policy.effects import version_of
from defender_remediate.testing.simulator.policy.related import details_of, has_related
from defender_remediate.testing.simulator.policy.restrictions import WORDS
from defender_remediate.testing.simulator.policy.rules import holds
from defender_remediate.testing.simulator.policy.state import PolicyAssignment, reference_of
from defender_remediate.testing.simulator.policy.values import EvaluationError
from defender_remediate.testing.simulator.state import hierarchy, ids
from defender_remediate.testing.simulator.state.tenant import Tenant

COMPLIANT, NON_COMPLIANT, EXEMPT, UNKNOWN, PROTECTED, ERROR = (
    "Compliant",
    "NonCompliant",
    "Exempt",
    "Unknown",
    "Protected",
    "Error",
)
_DECIDING = ("type", "name", "kind")


def states(tenant: Tenant, scope: str, *, details: bool = False) -> list[dict[str, Any]]:
    """Returns the compliance of each resource at a scope and below it with each policy, as ``policyStates`` shows it.

    Args:
        tenant: The tenant.
        scope: A management group, subscription, resource group or resource.
        details: Whether to show the evaluated expressions.
    """
    found: list[dict[str, Any]] = []
    for assignment in tenant.policies.assignments.values():
        found += _of_recommendations(tenant, assignment, scope)
    for target in targets(tenant, scope):
        for policy, effect in tenant.policy_effects.applying(target):
            state, trace = compliance(tenant, policy, effect, target)
            if state is not None:
                row = _row(tenant, policy, effect, target, state)
                found.append({**row, "policyEvaluationDetails": {"evaluatedExpressions": trace}} if details else row)
    return found


def targets(tenant: Tenant, scope: str) -> Iterator[Target]:
    """Yields what policies are evaluated on at a scope: subscriptions, groups and resources; only itself for a resource."""
    one = tenant.store.find(scope)
    if one is not None:
        yield target_of(one.type, one.id, one.render())
        return
    for subscription in tenant.store.subscriptions.values():
        place = f"/subscriptions/{subscription.id}"
        if tenant.store.covers(scope, place):
            yield Target(id=place, kind=SUBSCRIPTIONS, body={"tags": dict(subscription.tags)})
        for group in subscription.groups.values():
            if tenant.store.covers(scope, group["id"]):
                yield Target(id=group["id"], kind=GROUPS, body=group)
        if tenant.store.covers(scope, place) or ids.within(scope, place):
            for resource in tenant.store.resources(place if tenant.store.covers(scope, place) else scope):
                yield target_of(resource.type, resource.id, resource.render())


def compliance(
    tenant: Tenant, policy: AppliedPolicy, effect: str, target: Target
) -> tuple[str | None, list[dict[str, Any]]]:
    """Returns the state of a target under a policy, and the evaluated expressions; no state if it does not apply."""
    subject = subject_of(policy, target, tenant.store, tenant.clock)
    try:
        if _may_hold(policy.rule["if"], subject) is False:
            return None, []
        found = tenant.policy_effects.evaluated(policy, effect, target)
        about = (policy.assignment, policy.reference, target.id, target.kind, target.location)
        state: str | None
        if found.problem is not None:
            state = ERROR
        elif effect in ("auditifnotexists", "deployifnotexists"):
            if not found.holds:
                return None, []
            state = COMPLIANT if has_related(tenant, policy, target) else NON_COMPLIANT
        elif effect == "manual":
            state = _attested(tenant, policy, target) if found.holds else None
        elif effect == "denyaction":
            state = PROTECTED if found.holds else None
        else:
            state = NON_COMPLIANT if found.holds else COMPLIANT
    except EvaluationError:
        return ERROR, []
    if state is not None and tenant.policies.exemptions_of(*about):
        state = EXEMPT
    return state, found.trace


def _may_hold(condition: Mapping[str, Any], subject: Any) -> bool | None:
    """Whether a rule can hold as far as type, name and kind decide; None if they do not decide it."""
    named = {fold(name): value for name, value in condition.items()}
    if "not" in named:
        inner = _may_hold(named["not"], subject)
        return None if inner is None else not inner
    for word, decides in (("allof", False), ("anyof", True)):
        if word in named:
            parts = [_may_hold(one, subject) for one in named[word]]
            if decides in parts:
                return decides
            return None if None in parts else not decides
    if fold(str(named.get("field"))) in _DECIDING:
        return holds(condition, subject)
    return None


def _attested(tenant: Tenant, policy: AppliedPolicy, target: Target) -> str:
    for body in tenant.policies.attestations.values():
        properties = body["properties"]
        is_meant = ids.key(properties["policyAssignmentId"]) == ids.key(policy.assignment.id)
        same = properties.get("policyDefinitionReferenceId") in (None, policy.reference)
        if is_meant and same and ids.within(target.id, body["id"].rpartition("/providers/")[0]):
            return str(properties.get("complianceState") or UNKNOWN)
    return str(details_of(policy).get("defaultstate") or UNKNOWN)


def _row(tenant: Tenant, policy: AppliedPolicy, effect: str, target: Target, state: str) -> dict[str, Any]:
    return _shown(
        tenant,
        policy.assignment,
        policy.definition,
        policy.reference,
        target,
        effect=WORDS.get(effect, effect),
        state=state,
        groups=policy.groups,
        parameters={name: {"value": value} for name, value in policy.parameters.items()},
    )


def _shown(
    tenant: Tenant,
    assignment: PolicyAssignment,
    definition: Mapping[str, Any],
    reference: str | None,
    target: Target,
    *,
    effect: str,
    state: str,
    groups: tuple[str, ...] = (),
    parameters: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    properties = definition["properties"]
    initiative = find_definition(tenant, assignment.definition_id) if reference is not None else None
    subscription = ids.subscription_of(target.id)
    above = [group["name"] for group in hierarchy.chain_of(tenant.store.management_groups, subscription)]
    return {
        "@odata.id": None,
        "@odata.context": None,
        "timestamp": tenant.clock.timestamp(_evaluated(tenant, target.id)),
        "resourceId": target.id,
        "policyAssignmentId": assignment.id,
        "policyDefinitionId": definition["id"],
        "effectiveParameters": json.dumps(parameters) if parameters else "",
        "isCompliant": state not in (NON_COMPLIANT, ERROR, UNKNOWN),
        "subscriptionId": subscription,
        "resourceType": target.kind,
        "resourceLocation": target.location,
        "resourceGroup": ids.group_of(target.id),
        "resourceTags": "tbd",
        "policyAssignmentName": assignment.name,
        "policyAssignmentOwner": "tbd",
        "policyAssignmentParameters": json.dumps(dict(assignment.parameters)) if assignment.parameters else "",
        "policyAssignmentScope": assignment.scope,
        "policyDefinitionName": definition["name"],
        "policyDefinitionAction": fold(effect),
        "policyDefinitionCategory": (properties.get("metadata") or {}).get("category") or "tbd",
        "policySetDefinitionId": assignment.definition_id if initiative else "",
        "policySetDefinitionName": assignment.definition_id.rpartition("/")[2] if initiative else "",
        "policySetDefinitionOwner": "",
        "policySetDefinitionCategory": (
            ((initiative["properties"].get("metadata") or {}).get("category") or "") if initiative else ""
        ),
        "policySetDefinitionParameters": "",
        "managementGroupIds": ",".join(above),
        "policyDefinitionReferenceId": reference or "",
        "complianceState": state,
        "policyDefinitionGroupNames": list(groups),
        "policyDefinitionVersion": version_of(properties),
        "policySetDefinitionVersion": version_of(initiative["properties"]) if initiative else "",
        "policyAssignmentVersion": "",
    }


def _evaluated(tenant: Tenant, resource_id: str) -> float:
    resource = tenant.store.find(resource_id)
    return 0.0 if resource is None else tenant.times.of(resource)[1]


def _of_recommendations(tenant: Tenant, assignment: PolicyAssignment, scope: str) -> Iterator[dict[str, Any]]:
    """Yields the states of the policies behind recommendations that an assignment has."""
    if policies_of(tenant.policies, assignment) or not assignment.is_initiative:
        return
    initiative = find_definition(tenant, assignment.definition_id)
    members = initiative["properties"].get("policyDefinitions", ()) if initiative is not None else ()
    by_key = {ids.key(one["policyDefinitionId"]): one["policyDefinitionReferenceId"] for one in members}
    for assessment in assessments_at(tenant, scope):
        policy_id = assessment.definition.metadata.get("policyDefinitionId")
        reference = by_key.get(ids.key(str(policy_id)))
        if policy_id is None or reference is None or not assignment.covers(assessment.resource_id, tenant.store):
            continue
        state = _state_of(assessment)
        resource = tenant.store.find(assessment.resource_id)
        body = resource.render() if resource is not None else {}
        kind = resource.type.name if resource is not None else SUBSCRIPTIONS
        target = Target(id=assessment.resource_id, kind=kind, body=body)
        definition = find_definition(tenant, str(policy_id))
        if state is not None and definition is not None:
            yield _shown(
                tenant,
                assignment,
                definition,
                reference_of(assessment.definition.metadata),
                target,
                effect="Audit",
                state=state,
            )


def assessments_at(tenant: Tenant, scope: str) -> Iterator[SimulatedAssessment]:
    """Yields the assessments of the resources at a scope and below it; only its own for a resource."""
    if tenant.store.find(scope) is not None:
        yield from tenant.assessor.of_resource(scope)
        return
    for subscription in tenant.store.subscriptions.values():
        place = f"/subscriptions/{subscription.id}"
        if tenant.store.covers(scope, place) or ids.within(scope, place):
            for assessment in tenant.assessor.current(place):
                if tenant.store.covers(scope, assessment.resource_id):
                    yield assessment


def _state_of(assessment: SimulatedAssessment) -> str | None:
    status = assessment.status
    assert status is not None  # without one it is not shown
    if status.code == NOT_APPLICABLE:
        return EXEMPT if status.cause == "Exempt" else None
    return COMPLIANT if status.code == HEALTHY else NON_COMPLIANT
