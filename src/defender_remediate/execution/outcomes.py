"""How a step ends, as a result."""

from __future__ import annotations

from typing import Any

from defender_remediate.errors import DefenderRemediateError
from defender_remediate.execution.retry import reaction_to, step_error
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.paths import look_up
from defender_remediate.json_values import ABSENT, FrozenMap
from defender_remediate.models.condition import Operator
from defender_remediate.models.plan import RemediationStep, SkippedResource, SkipReason
from defender_remediate.models.result import Outcome, RemediationResult, StepError

# A check before the change that stops it says what Azure would have said.
_LEFT_ALONE = {
    SkipReason.ALREADY_COMPLIANT: Outcome.ALREADY_COMPLIANT,
    SkipReason.BLOCKED: Outcome.BLOCKED,
    SkipReason.UNCHECKED: Outcome.BLOCKED,
}


def planned_before(step: RemediationStep) -> FrozenMap:
    """The members that a step changes as they were planned, by path; those that were absent are left out."""
    return FrozenMap({change.path: change.before for change in step.changes if change.before is not ABSENT})


def ended(
    step: RemediationStep, outcome: Outcome, *, body: Any = ABSENT, error: StepError | None = None
) -> RemediationResult:
    """The result of a step; ``body`` is the target as it was last read, ``ABSENT`` when it was not."""
    was_read = body is not ABSENT
    return RemediationResult(
        step_id=step.id,
        resource_id=step.resource_id,
        keys=step.keys,
        outcome=outcome,
        before=planned_before(step),
        after=_shown(step, body) if was_read else None,
        error=error,
        compliant=holds(step.compliant_when, body) if was_read else None,
    )


def moved(step: RemediationStep, body: Any) -> RemediationResult:
    """The result of a step whose target is not as it was planned: nothing was sent."""
    if holds(step.compliant_when, body):
        return ended(step, Outcome.ALREADY_COMPLIANT, body=body)
    drifted = StepError(
        code="Drifted",
        message="the target changed since it was planned",
        hint="plan again and approve the new plan",
    )
    return ended(step, Outcome.SKIPPED, body=body, error=drifted)


def protected(step: RemediationStep, why: str, body: Any) -> RemediationResult:
    """The result of a step whose resource got a protected tag since it was planned: nothing was sent."""
    error = StepError(
        code="Protected",
        message=why,
        hint="a plan made now leaves it out; take the tag off, or change protected_tags of the Guards",
    )
    return ended(step, Outcome.SKIPPED, body=body, error=error)


def there_already(step: RemediationStep, resource_id: str, body: Any) -> RemediationResult:
    """The result of a step that was to create what somebody has created since: nothing was sent."""
    error = StepError(
        code="Drifted",
        message=f"{resource_id} was to be created, and exists by now",
        hint="plan again and approve the new plan",
    )
    return ended(step, Outcome.SKIPPED, body=body, error=error)


def not_read(step: RemediationStep, error: DefenderRemediateError) -> RemediationResult:
    """The result of a step whose target could not be looked at. Nothing was sent, so nothing is in doubt."""
    blocked = reaction_to(error).outcome is Outcome.BLOCKED
    return ended(step, Outcome.BLOCKED if blocked else Outcome.FAILED, error=step_error(error))


def not_in_effect(step: RemediationStep, body: Any) -> StepError:
    """Why a success that the target does not show is none."""
    if body is None:
        return StepError(
            code="NotInEffect",
            message="Azure answered success, and the target does not exist any more",
            hint="something deleted it; see the activity log",
        )
    condition = step.compliant_when
    parts = condition.of if condition.operator is Operator.ALL else (condition,)
    unmet = ", or that ".join(str(part) for part in parts if not holds(part, body))
    return StepError(
        code="NotInEffect",
        message=f"Azure answered success, but it is not true that {unmet}",
        hint="the provider ignored the change, or something put it back at once; see the activity log",
    )


def not_tried(step: RemediationStep, stopped: str) -> RemediationResult:
    """The result of a step that had not begun when the run was stopped."""
    why = StepError(
        code="NotTried",
        message=f"the run was stopped before it: {stopped}",
        hint="client.resume(run_id) goes on with it",
    )
    return ended(step, Outcome.SKIPPED, error=why)


def preserved(skip: SkippedResource) -> RemediationResult:
    """The result of a resource that the plan had left out."""
    outcome = _LEFT_ALONE.get(skip.reason, Outcome.SKIPPED)
    why = StepError(code=str(skip.reason), message=skip.message or skip.reason.label)
    return RemediationResult(
        resource_id=skip.resource_id,
        keys=skip.keys,
        outcome=outcome,
        error=None if outcome is Outcome.ALREADY_COMPLIANT else why,
    )


def _shown(step: RemediationStep, body: Any) -> dict[str, Any]:
    found = ((change.path, _at(body, change.path)) for change in step.changes)
    return {path: value for path, value in found if value is not ABSENT}


def _at(body: Any, path: str) -> Any:
    try:
        return look_up(body, path)
    except ValueError:
        # The what-if of a template names resources, not members of the target.
        return ABSENT
