"""Remediation tasks, which act as the identity of the assignment: it needs the roles for what it changes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import OperationForm
from defender_remediate.testing.simulator.arm.routing import Route, json_body, positive_option
from defender_remediate.testing.simulator.authorization.routes import scope_of, seen_from
from defender_remediate.testing.simulator.deployments.state import Deployment
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy import odata
from defender_remediate.testing.simulator.policy.applied import (
    AppliedPolicy,
    Target,
    policies_of,
)
from defender_remediate.testing.simulator.policy.compliance import NON_COMPLIANT, compliance, targets
from defender_remediate.testing.simulator.policy.deploying import deploy_for, principal_of
from defender_remediate.testing.simulator.policy.values import EvaluationError
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, Reply

_TYPE = "Microsoft.PolicyInsights/remediations"
_REMEDIABLE = ("modify", "deployifnotexists", "append")
_MODES = ("ExistingNonCompliant", "ReEvaluateCompliance")
_FINAL = ("Succeeded", "Failed", "Canceled")
_MEMBERS = frozenset(
    [
        "policyAssignmentId",
        "policyDefinitionReferenceId",
        "resourceDiscoveryMode",
        "filters",
        "resourceCount",
        "parallelDeployments",
        "failureThreshold",
    ]
)
_SECONDS = 60.0


@attrs.define(kw_only=True)
class Remediation:
    """A remediation task.

    Attributes:
        properties: What the request said.
        started: Whether its deployments were made.
        deployments: Each remediated resource with the id of its deployment; None for a resource that was changed at once.
        errors: Why a resource could not be remediated, by its id.
    """

    id: str
    properties: Mapping[str, Any]
    created: float
    correlation_id: str
    changed: float
    started: bool = False
    is_canceled: bool = False
    deployments: list[tuple[str, str | None]] = attrs.field(factory=list)
    errors: dict[str, dict[str, Any]] = attrs.field(factory=dict)


def _target_id(tenant: Tenant, captured: Mapping[str, str]) -> tuple[str, str]:
    scope = scope_of(tenant, captured)
    return scope, f"{scope}/providers/{_TYPE}/{captured['name']}"


def _found(tenant: Tenant, captured: Mapping[str, str]) -> Remediation:
    _, target_id = _target_id(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/read", target_id)
    found: Remediation | None = tenant.policies.remediations.get(ids.key(target_id))
    if found is None:
        raise refusal("PolicyInsightsNotFound", kind="remediation", name=captured["name"])
    return found


def put_remediation(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Starts a remediation task. It is not a long-running operation: its state is read."""
    scope, target_id = _target_id(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        sent = json_body(call).get("properties")
        properties = dict(sent) if isinstance(sent, Mapping) else {}
        policy = _remediable(tenant, scope, captured["name"], properties)
        held = tenant.policies.remediations.get(ids.key(target_id))
        if held is not None and _state(tenant, held)[0] not in _FINAL:
            raise _invalid(captured["name"], "a remediation that is in progress cannot be changed")
        now = tenant.clock.monotonic()
        task = Remediation(
            id=target_id,
            properties={name: properties[name] for name in sorted(_MEMBERS) if properties.get(name) is not None},
            created=now,
            changed=now,
            correlation_id=operation.correlation_id,
        )
        tenant.policies.remediations[ids.key(target_id)] = task
        tenant.operations.start(
            tenant.new_id(),
            OperationForm(seconds=_SECONDS),
            target_id,
            finish=partial(_remediate, tenant, task, policy, scope),
        )
        return Reply.json(_rendered(tenant, task), status=201 if held is None else 200), False

    return logged(tenant, call, f"{_TYPE}/write", target_id, work)


def _invalid(name: str, problem: str) -> ArmError:
    return refusal("InvalidCreateRemediationRequest", name=name, problem=problem)


def _remediable(tenant: Tenant, scope: str, name: str, properties: Mapping[str, Any]) -> AppliedPolicy:
    """Returns the policy that a task remediates.

    Raises:
        ArmError: 400 InvalidCreateRemediationRequest.
    """
    shown_only = {
        "provisioningState",
        "createdOn",
        "lastUpdatedOn",
        "deploymentStatus",
        "statusMessage",
        "correlationId",
    }
    unknown = sorted(set(properties) - _MEMBERS - shown_only)
    if unknown:
        raise refusal("InvalidRequestContent", problem=f"Could not find member '{unknown[0]}'")
    assignment = tenant.policies.assignments.get(ids.key(str(properties.get("policyAssignmentId"))))
    if assignment is None or not (
        tenant.store.covers(assignment.scope, scope) or tenant.store.covers(scope, assignment.scope)
    ):
        raise _invalid(name, "the policyAssignmentId is not that of an assignment at the scope")
    if properties.get("resourceDiscoveryMode", _MODES[0]) not in _MODES:
        raise _invalid(name, f"the resourceDiscoveryMode is not one of {', '.join(_MODES)}")
    _check_number(name, "resourceCount", properties.get("resourceCount"), 1, 50_000)
    _check_number(name, "parallelDeployments", properties.get("parallelDeployments"), 1, 30)
    threshold = properties.get("failureThreshold") or {}
    _check_number(name, "failureThreshold.percentage", threshold.get("percentage"), 0.0, 1.0)
    reference = properties.get("policyDefinitionReferenceId")
    if assignment.is_initiative and not reference:
        raise _invalid(name, "a remediation of an initiative needs a policyDefinitionReferenceId")
    for policy in policies_of(tenant.policies, assignment):
        if policy.reference == (reference or None) and policy.declared in _REMEDIABLE:
            return policy
    raise _invalid(name, "the policy has no effect that can be remediated: use deployIfNotExists or modify")


def _check_number(name: str, member: str, value: Any, least: float, most: float) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (is_number and least <= value <= most):
        raise _invalid(name, f"{member} is {value!r}; use a number from {least} to {most}")


def _remediate(
    tenant: Tenant, task: Remediation, policy: AppliedPolicy, scope: str, ending: str, moment: float
) -> None:
    del ending
    task.started, task.changed = True, moment
    if task.is_canceled:
        return
    filters = task.properties.get("filters") or {}
    locations = {fold(str(one)) for one in filters.get("locations") or ()}
    wanted = {ids.key(str(one)) for one in filters.get("resourceIds") or ()}
    most = task.properties.get("resourceCount", 500)
    for target in targets(tenant, scope):
        about = (target.kind, target.location, tenant.policies.principal)
        effect = policy.effect_on(*about)
        if len(task.deployments) >= most or effect not in _REMEDIABLE or not _concerns(tenant, policy, target):
            continue
        if (locations and fold(target.location) not in locations) or (wanted and ids.key(target.id) not in wanted):
            continue
        if compliance(tenant, policy, effect, target)[0] == NON_COMPLIANT:
            _remediate_one(tenant, task, policy, effect, target)


def _concerns(tenant: Tenant, policy: AppliedPolicy, target: Target) -> bool:
    return tenant.policies.concerns(policy.assignment, target.id, target.kind, target.location) and policy.evaluates(
        target.kind, is_tracked=target.is_tracked
    )


def _remediate_one(tenant: Tenant, task: Remediation, policy: AppliedPolicy, effect: str, target: Target) -> None:
    deployment = None
    try:
        if effect == "deployifnotexists":
            deployment = deploy_for(tenant, policy, target)
        else:
            with tenant.access.acting(principal_of(policy.assignment)):
                tenant.access.check_write("PUT", f"{target.kind}/write", target.id)
            _change(tenant, policy, effect, target)
    except (ArmError, EvaluationError) as error:
        body = (
            error.reply.body["error"]
            if isinstance(error, ArmError)
            else {"code": "InvalidTemplate", "message": str(error)}
        )
        task.errors[ids.key(target.id)] = body
    task.deployments.append((target.id, deployment))


def _change(tenant: Tenant, policy: AppliedPolicy, effect: str, target: Target) -> None:
    body = tenant.policy_effects.remediated(policy, effect, target)
    resource = tenant.store.find(target.id)
    if resource is not None:
        tenant.store.write(resource.id, resource.type, body)
        return
    subscription = tenant.store.subscription(ids.subscription_of(target.id))
    if ids.group_of(target.id):
        subscription.groups[fold(ids.group_of(target.id))].update(body)
    else:
        subscription.tags = dict(body.get("tags") or {})
    tenant.store.touch(target.id)


def _state(tenant: Tenant, task: Remediation) -> tuple[str, dict[str, int]]:
    """Returns the provisioning state of a task, and how many of its deployments there are, succeeded and failed."""
    states = [_status(tenant, task, resource, deployment)[0] for resource, deployment in task.deployments]
    counts = {
        "totalDeployments": len(states),
        "successfulDeployments": states.count("Succeeded"),
        "failedDeployments": states.count("Failed"),
    }
    if task.is_canceled:
        return "Canceled", counts
    if not task.started:
        return "Accepted", counts
    if len(states) > counts["successfulDeployments"] + counts["failedDeployments"]:
        return "InProgress", counts
    limit = (task.properties.get("failureThreshold") or {}).get("percentage", 0.0)
    failed = counts["failedDeployments"] > limit * len(states)
    return ("Failed" if failed else "Succeeded"), counts


def _status(tenant: Tenant, task: Remediation, resource: str, deployment: str | None) -> tuple[str, Deployment | None]:
    if ids.key(resource) in task.errors:
        return "Failed", None
    found = None if deployment is None else tenant.deployments.find(deployment)
    if found is None:
        return "Succeeded", None
    return ("InProgress" if found.is_active else found.state), found


def _rendered(tenant: Tenant, task: Remediation) -> dict[str, Any]:
    state, counts = _state(tenant, task)
    return {
        "id": task.id,
        "name": task.id.rpartition("/")[2],
        "type": _TYPE,
        "properties": {
            "resourceDiscoveryMode": _MODES[0],
            "resourceCount": 500,
            "parallelDeployments": 10,
            "failureThreshold": {"percentage": 0.0},
            **task.properties,
            "provisioningState": state,
            "createdOn": tenant.clock.timestamp(task.created),
            "lastUpdatedOn": tenant.clock.timestamp(task.changed),
            "deploymentStatus": counts,
            "correlationId": task.correlation_id,
        },
    }


def get_remediation(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a remediation task."""
    del call
    return Reply.json(_rendered(tenant, _found(tenant, captured)))


def list_remediations(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the remediation tasks at a scope and below it."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/read", scope)
    every = tenant.policies.remediations.values()
    found = seen_from(tenant, scope, "", every, lambda one: one.id.rpartition("/providers/")[0])
    shown = [_rendered(tenant, one) for one in found]
    if call.query.get("$filter"):
        test = odata.parse_filter(call.query["$filter"])
        shown = [one for one in shown if test(one["properties"])]
    return tenant.page(call, shown, size=positive_option(call, "$top"))


def list_deployments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the deployments of a remediation task."""
    task = _found(tenant, captured)
    shown = []
    for resource, deployment in task.deployments:
        status, found = _status(tenant, task, resource, deployment)
        held = tenant.store.find(resource)
        error = task.errors.get(ids.key(resource)) or (found.error if found is not None else None)
        shown.append(
            {
                "remediatedResourceId": resource,
                "deploymentId": deployment,
                "status": status,
                "resourceLocation": "" if held is None else held.body.get("location") or "",
                **({} if error is None else {"error": error}),
                "createdOn": tenant.clock.timestamp(task.changed),
                "lastUpdatedOn": tenant.clock.timestamp(task.changed if found is None else found.ended),
            }
        )
    return tenant.page(call, shown, size=positive_option(call, "$top"))


def cancel_remediation(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Cancels a remediation task that is not over."""
    task = _found(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, task.id)
        if _state(tenant, task)[0] in _FINAL:
            raise refusal("InvalidCancelRemediationRequest", name=captured["name"])
        task.is_canceled, task.changed = True, tenant.clock.monotonic()
        return Reply.json(_rendered(tenant, task)), False

    return logged(tenant, call, f"{_TYPE}/cancel/action", task.id, work)


def delete_remediation(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes a remediation task that is over."""
    _, target_id = _target_id(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        task = tenant.policies.remediations.get(ids.key(target_id))
        if task is None:
            return Reply(status=204), False
        if _state(tenant, task)[0] not in _FINAL:
            raise refusal("InvalidDeleteRemediationRequest", name=captured["name"])
        del tenant.policies.remediations[ids.key(target_id)]
        return Reply.json(_rendered(tenant, task)), False

    return logged(tenant, call, f"{_TYPE}/delete", target_id, work)


_AT = f"/{{scope*}}/providers/{_TYPE}"
ROUTES = tuple(
    Route(methods=(method,), pattern=f"{_AT}{tail}", type=_TYPE, handler=handler, reads=reads)
    for method, tail, handler, reads in (
        ("GET", "", list_remediations, True),
        ("GET", "/{name}", get_remediation, True),
        ("PUT", "/{name}", put_remediation, False),
        ("DELETE", "/{name}", delete_remediation, False),
        ("POST", "/{name}/cancel", cancel_remediation, False),
        ("POST", "/{name}/listDeployments", list_deployments, True),
    )
)
