"""Deployments of ``deployIfNotExists``: after a write, and for remediation tasks, as the identity of the assignment."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.operations import OperationForm
from defender_remediate.testing.simulator.deployments.routes import put_deployment
from defender_remediate.testing.simulator.policy.applied import (
    AppliedPolicy,
    Target,
    subject_of,
    target_of,
)
from defender_remediate.testing.simulator.policy.expressions import evaluate
from defender_remediate.testing.simulator.policy.related import details_of, has_related
from defender_remediate.testing.simulator.policy.state import PolicyAssignment
from defender_remediate.testing.simulator.policy.values import EvaluationError
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call

_USUAL_DELAY = 600.0
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?\Z")
_DEPLOYMENTS = "2024-03-01"


def follow(tenant: Tenant, resource_id: str) -> None:
    """Evaluates the policies with deployIfNotExists after a write, once their delay is over."""
    resource = tenant.store.find(resource_id)
    assert resource is not None  # it was written just now
    target = target_of(resource.type, resource.id, resource.body)
    for policy, _ in tenant.policy_effects.enforced(target, ("deployifnotexists",)):
        tenant.clock.monotonic()
        delay = _delay(details_of(policy).get("evaluationdelay"))
        tenant.operations.start(
            tenant.new_id(),
            OperationForm(seconds=delay),
            resource_id,
            finish=partial(_deploy_later, tenant, policy, resource_id),
        )


def _delay(text: Any) -> float:
    if fold(str(text)).startswith("afterprovisioning"):
        return 0.0
    found = _DURATION.match(str(text))
    return _USUAL_DELAY if found is None else 3600.0 * int(found[1] or 0) + 60.0 * int(found[2] or 0)


def _deploy_later(tenant: Tenant, policy: AppliedPolicy, resource_id: str, ending: str, moment: float) -> None:
    del ending, moment
    resource = tenant.store.find(resource_id)
    if resource is None:
        return
    target = target_of(resource.type, resource.id, resource.render())
    try:
        applies = tenant.policy_effects.evaluated(policy, "deployifnotexists", target).holds
        if applies and not has_related(tenant, policy, target):
            deploy_for(tenant, policy, target)
    except (ArmError, EvaluationError):
        return  # the policy stays not compliant, as the states show


def deploy_for(tenant: Tenant, policy: AppliedPolicy, target: Target) -> str:
    """Starts the deployment of a policy for a resource, as the identity of the assignment; returns its id.

    Raises:
        ArmError: The deployment is refused, or the identity lacks a role.
    """
    subject = subject_of(policy, target, tenant.store, tenant.clock)
    details = details_of(policy)
    deployment = {fold(name): value for name, value in details["deployment"].items()}
    properties = dict(deployment["properties"])
    properties["parameters"] = evaluate(properties.get("parameters") or {}, subject)
    body: dict[str, Any] = {"properties": properties}
    subscription = ids.subscription_of(target.id)
    base = f"/subscriptions/{subscription}"
    captured = {
        "subscription": subscription,
        "name": f"PolicyDeployment_{int(tenant.clock.now().timestamp())}_{tenant.new_id()[:8]}",
    }
    group = details.get("resourcegroupname")
    name = ids.group_of(target.id) if group is None else str(evaluate(group, subject))
    if fold(str(details.get("deploymentscope"))) == "subscription" or not name:
        body["location"] = evaluate(deployment.get("location") or target.location, subject)
    else:
        captured["group"] = name
        base = f"{base}/resourceGroups/{name}"
    path = f"{base}/providers/Microsoft.Resources/deployments/{captured['name']}"
    url = f"https://policy{path}?api-version={_DEPLOYMENTS}"
    call = Call.of("PUT", url, {"Content-Type": "application/json"}, json.dumps(body).encode())
    principal = principal_of(policy.assignment)
    with tenant.access.acting(principal):
        put_deployment(tenant, call, captured)
    made = tenant.deployments.find(path)
    assert made is not None  # it was made just now
    assert made.running is not None
    inner = made.running.finish
    made.running.finish = partial(_finish_as, tenant, principal, inner)
    tenant.policies.tracked.append(
        {
            "trackedResourceId": target.id,
            "policyDetails": policy.info,
            "createdBy": {
                "policyDetails": policy.info,
                "deploymentId": path,
                "deploymentTime": tenant.clock.timestamp(),
            },
            "lastModifiedBy": {
                "policyDetails": policy.info,
                "deploymentId": path,
                "deploymentTime": tenant.clock.timestamp(),
            },
            "lastUpdateUtc": tenant.clock.timestamp(),
        }
    )
    return path


def _finish_as(tenant: Tenant, principal: str, inner: Any, ending: str, moment: float) -> None:
    with tenant.access.acting(principal):
        inner(ending, moment)


def principal_of(assignment: PolicyAssignment) -> str:
    """Returns the object id of the identity of an assignment; empty for one without an identity."""
    identity = assignment.top.get("identity") or {}
    if identity.get("principalId"):
        return str(identity["principalId"])
    assigned = identity.get("userAssignedIdentities") or {}
    return next((str((one or {}).get("principalId") or name) for name, one in assigned.items()), "")
