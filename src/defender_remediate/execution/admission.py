"""Whether a plan may be applied: approved, made for this client, and within the guards. Makes no request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import GuardError, PlanError, PlanNotApprovedError
from defender_remediate.executors.protocol import FixExecutor
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.planning.guards import protection, violations


def check_approved(plan: RemediationPlan, approve: str) -> None:
    """Refuse a plan that was not approved as it is.

    Raises:
        PlanNotApprovedError: ``approve`` is not this plan's digest.
    """
    if not isinstance(approve, str) or fold(approve.strip()) != plan.digest:
        raise PlanNotApprovedError(
            f"the plan's digest is {plan.digest[:12]}…, but {quoted(approve[:12] if isinstance(approve, str) else approve)} was approved",
            hint="read the plan, then pass all 64 characters of its digest: approve=plan.digest",
        )


def check_distinct(plan: RemediationPlan) -> None:
    """Refuse a plan that was combined from others and has a step twice: results and records are kept by step.

    Raises:
        PlanError: Names the step.
    """
    counted = Counter(step.id for step in plan.steps)
    for step in plan.steps:
        if counted[step.id] > 1:
            raise PlanError(f"the plan has the step {step.id} twice, on {step.target_id}", hint="create a new plan")


def check_place(
    plan: RemediationPlan, *, endpoint: str, scope: Sequence[str], executors: Mapping[str, FixExecutor]
) -> None:
    """Refuse a plan that was made for another client.

    Raises:
        PlanError: It was made for another endpoint or scope, or needs an executor that is not there.
    """
    _check_same("endpoint", [plan.endpoint], [endpoint])
    _check_same("scope", plan.scope, scope)
    unknown = sorted({step.executor for step in plan.steps} - set(executors))
    if unknown:
        raise PlanError(f"the plan needs an executor {quoted(unknown[0])}", hint="pass it to the client: executors={…}")


def check_tenants(planned: Sequence[str], here: Sequence[str]) -> None:
    """Refuse a plan of another tenant. A plan without a tenant was made by a caller who may not read it.

    Raises:
        PlanError: A subscription of the plan is in a tenant that the plan does not name.
    """
    others = {fold(tenant) for tenant in here} - {fold(tenant) for tenant in planned}
    if planned and others:
        _check_same("tenant", planned, here)


def _check_same(name: str, planned: Sequence[str], here: Sequence[str]) -> None:
    if sorted(fold(text) for text in planned) != sorted(fold(text) for text in here):
        places = f"{', '.join(planned)}, not {', '.join(here)}"
        raise PlanError(f"the plan was created for another {name}: {places}", hint="create a new plan with this client")


def check_guards(
    plan: RemediationPlan,
    guards: Guards,
    *,
    now: datetime,
    waive: Collection[str],
    left: Collection[str] | None = None,
) -> None:
    """Refuse a plan that goes beyond a guard which was not waived.

    Args:
        plan: The plan.
        guards: The guards.
        now: The time.
        waive: The names of the guards that were waived.
        left: The ids of the steps that a resume has to execute; None for a plan that begins.

    Raises:
        GuardError: Names the guard.
    """
    for found in violations(guards, plan, now, left=left):
        if found.guard not in waive:
            raise GuardError(found.message, guard=found.guard, hint=found.hint)
    for step in plan.steps:
        if left is not None and step.id not in left:
            continue
        written = [step.resource_id]
        if step.is_removal or not ResourceId.parse(step.resource_id).contains(step.target_id):
            # A part of the resource that is only changed goes by the resource.
            written.append(step.target_id)
        for resource_id in written:
            if reason := protection(guards, resource_id, None):
                raise GuardError(
                    f"{step.target_id}: {reason}", guard="protected", hint="leave it out with plan.only(...)"
                )
        for key in step.irreversible_keys:
            if not guards.allows(key):
                raise GuardError(
                    f"the change of {step.target_id} cannot be undone, and the guards do not allow it",
                    guard="allow_irreversible",
                    hint=f'pass guards=Guards(allow_irreversible=["{key}"])',
                )
