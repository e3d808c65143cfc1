"""The result of a step, for every way in which it can end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, RequestError
from defender_remediate.execution.retry import is_blocking
from defender_remediate.execution.target_state import TargetState
from defender_remediate.fixes.conditions import holds, same
from defender_remediate.fixes.paths import join, look_up, member
from defender_remediate.json_values import ABSENT, FrozenMap
from defender_remediate.models.condition import Operator
from defender_remediate.models.result import Outcome, RemediationResult, StepError
from defender_remediate.models.step import PropertyChange, RemediationStep, SkippedResource, SkipReason
from defender_remediate.redaction import redact_text

# A check before the change that blocks it says what Azure would have said.
_OUTCOME_OF_SKIP = {
    SkipReason.ALREADY_COMPLIANT: Outcome.ALREADY_COMPLIANT,
    SkipReason.BLOCKED: Outcome.BLOCKED,
    SkipReason.UNCHECKED: Outcome.BLOCKED,
}
_PLAN_AGAIN = "create and approve a new plan"
_FAILED_WORDS = ("failed", "canceled", "cancelled")


def result_of(
    step: RemediationStep, outcome: Outcome, *, state: TargetState | None = None, error: StepError | None = None
) -> RemediationResult:
    """The result of a step.

    Args:
        step: The step.
        outcome: How it ended.
        state: The target as it was last read; None if it was not read.
        error: Why it did not succeed.
    """
    after = None
    if state is not None:
        found = {change.path: _value_at(state.body, change.path) for change in step.changes}
        after = {path: value for path, value in found.items() if value is not ABSENT}
    return RemediationResult(
        step_id=step.id,
        resource_id=step.resource_id,
        keys=step.keys,
        outcome=outcome,
        before=planned_before(step),
        after=after,
        error=error,
        compliant=None if state is None else state.satisfies(step.compliant_when),
    )


def planned_before(step: RemediationStep) -> FrozenMap:
    """The members that a step changes as they were planned, by path; those that were absent are left out."""
    return FrozenMap({change.path: change.before for change in step.changes if change.before is not ABSENT})


def drifted(step: RemediationStep, state: TargetState) -> RemediationResult:
    """Nothing was sent, because the target is not as it was planned."""
    changed = [change.path for change in step.changes if not _is(change.before, state.body, change.path)]
    what = ", ".join(changed) or "something that the step depends on"
    error = StepError(code="Drifted", message=f"the target has changed since it was planned: {what}", hint=_PLAN_AGAIN)
    return result_of(step, Outcome.SKIPPED, state=state, error=error)


def already_exists(step: RemediationStep, resource_id: str, state: TargetState) -> RemediationResult:
    """Nothing was sent, because something that the step creates exists already."""
    error = StepError(code="Drifted", message=f"{resource_id} would be created, but it exists now", hint=_PLAN_AGAIN)
    return result_of(step, Outcome.SKIPPED, state=state, error=error)


def protected(step: RemediationStep, reason: str, state: TargetState) -> RemediationResult:
    """Nothing was sent, because the resource has got a protected tag since it was planned."""
    error = StepError(
        code="Protected", message=reason, hint="remove the tag, or change protected_tags of the guards, and plan again"
    )
    return result_of(step, Outcome.SKIPPED, state=state, error=error)


def not_readable(step: RemediationStep, error: DefenderRemediateError) -> RemediationResult:
    """Nothing was sent, because the target could not be read."""
    return result_of(step, Outcome.BLOCKED if is_blocking(error) else Outcome.FAILED, error=step_error(error))


def not_as_shown(step: RemediationStep, paths: Sequence[str], state: TargetState) -> RemediationResult:
    """Nothing was sent, because the request would change more of the target than the plan shows."""
    error = StepError(
        code="NotAsShown",
        message=f"the request would also change {', '.join(paths)}, which the plan does not show",
        hint=_PLAN_AGAIN,
    )
    return result_of(step, Outcome.FAILED, state=state, error=error)


def withheld(step: RemediationStep) -> RemediationResult:
    """Nothing was sent, because the journal, from which the run is resumed, does not have the whole request."""
    error = StepError(
        code="Withheld",
        message="the request contained a secret, which the journal does not keep, so it cannot be sent from there",
        hint=_PLAN_AGAIN,
    )
    return result_of(step, Outcome.FAILED, error=error)


def not_attempted(step: RemediationStep, stopped: str) -> RemediationResult:
    """Nothing was sent, because the run had been stopped before the step began."""
    error = StepError(
        code="NotAttempted",
        message=f"the run was stopped before this step: {stopped}",
        hint="client.resume(run_id) continues the run",
    )
    return result_of(step, Outcome.SKIPPED, error=error)


def still_changing(step: RemediationStep, state: TargetState) -> RemediationResult:
    """Azure reports success, and the target is still in motion."""
    error = StepError(
        code="StillChanging",
        message="Azure reported success, but the target is still being changed",
        hint="client.verify(report) reads it again",
    )
    return result_of(step, Outcome.IN_DOUBT, state=state, error=error)


def not_in_effect(step: RemediationStep, state: TargetState) -> RemediationResult:
    """Azure reports success, and the target does not show it."""
    if not state.exists:
        message = "Azure reported success, but the target does not exist any more"
        hint = "find out who deleted it: see the activity log"
    else:
        condition = step.compliant_when
        parts = condition.of if condition.operator is Operator.ALL else (condition,)
        unmet = ", or that ".join(str(part) for part in parts if not holds(part, state.body))
        message = f"Azure reported success, but it is not true that {unmet}"
        hint = "the provider ignored the change, or something reverted it at once: see the activity log"
    error = StepError(code="NotInEffect", message=message, hint=hint)
    return result_of(step, Outcome.FAILED, state=state, error=error)


def partially_applied(step: RemediationStep, state: TargetState, error: StepError) -> RemediationResult:
    """Azure reports that the change, or a part of it, failed, and the target shows the change or a part of it."""
    shown = [change.path for change in step.changes if is_in_effect(change, state.body)]
    if shown:
        error = StepError(
            code=error.code,
            message=f"{error.message}; in effect despite the error: {', '.join(shown)}",
            status=error.status,
            hint="see what failed, then create a new plan for it or roll the run back",
        )
    return result_of(step, Outcome.PARTIALLY_APPLIED, state=state, error=error)


def skipped_result(skip: SkippedResource) -> RemediationResult:
    """The result of a resource that the plan had left out."""
    outcome = _OUTCOME_OF_SKIP.get(skip.reason, Outcome.SKIPPED)
    error = StepError(code=str(skip.reason), message=skip.message or skip.reason.label)
    return RemediationResult(
        resource_id=skip.resource_id,
        keys=skip.keys,
        outcome=outcome,
        error=None if outcome is Outcome.ALREADY_COMPLIANT else error,
    )


def step_error(error: Exception) -> StepError:
    """An error as it stands in a result."""
    if not isinstance(error, DefenderRemediateError):
        return StepError(code=type(error).__name__, message=redact_text(str(error)), hint="please report this")
    if isinstance(error, RequestError):
        details = "".join(f"; {detail}" for detail in error.details)
        return StepError(
            code=error.code or type(error).__name__,
            message=f"{error.message}{details}",
            status=error.status,
            hint=error.hint,
        )
    return StepError(code=type(error).__name__.removesuffix("Error"), message=error.message, hint=error.hint)


def unread_after(error: Exception, unread: DefenderRemediateError) -> StepError:
    """An error after which the target could not be read either."""
    return attrs.evolve(step_error(error), hint=f"the target could not be read either: {unread.message}")


def failed_parts(body: Any, before: Any, changes: Sequence[PropertyChange]) -> StepError | None:
    """What a body that came with a success says has failed; None if it says nothing of that kind.

    Some types accept a request as a whole and report for each part whether it worked: the extensions of a Defender plan
    in ``operationStatus``, nested resources in a ``provisioningState`` of their own. A part that had failed before is
    named only if the step changes it.
    """
    failures = list(_failures(body, ()))
    if not failures:
        return None
    earlier = dict(_failures(before, ()))
    touched = [fold(change.path) for change in changes]
    parts = [
        f"{path}: {told}"
        for path, told in failures
        if path not in earlier or any(fold(path).startswith(one) for one in touched)
    ]
    if not parts:
        return None
    return StepError(code="PartiallyFailed", message=f"Azure reported that a part failed: {'; '.join(parts)}")


def _failures(value: Any, at: tuple[str | int, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            yield from _failures(item, (*at, place))
    if not isinstance(value, Mapping):
        return
    # The state of the resource itself is how the whole change ended.
    is_own = len(at) == 1 and at[0] == "properties"
    for member_name, item in value.items():
        if isinstance(item, str):
            if not is_own and fold(item) in _FAILED_WORDS and fold(member_name) == "provisioningstate":
                yield join(at), item
        elif isinstance(item, (dict, list, tuple, Mapping)):
            if fold(member_name) == "operationstatus" and isinstance(item, Mapping):
                yield from _failed_operation(item, value, at)
            yield from _failures(item, (*at, member_name))


def _failed_operation(
    status: Mapping[str, Any], part: Mapping[str, Any], at: tuple[str | int, ...]
) -> Iterator[tuple[str, str]]:
    if fold(str(status.get(member(status, "code"), ""))) in _FAILED_WORDS:
        name = part.get(member(part, "name"), "")
        message = status.get(member(status, "message"), "")
        yield join(at), redact_text(" ".join(str(text) for text in (name, message) if text) or "failed")


def is_in_effect(change: PropertyChange, body: Any) -> bool:
    """Whether a body shows a change."""
    return _is(change.after, body, change.path) and not _is(change.before, body, change.path)


def _is(value: Any, body: Any, path: str) -> bool:
    now = _value_at(body, path)
    if value is ABSENT or now is ABSENT:
        return value is now or (value is ABSENT and now is None)
    return same(value, now)


def _value_at(body: Any, path: str) -> Any:
    try:
        return look_up(body, path)
    except ValueError:
        # The what-if of a template names resources, not members of the target.
        return ABSENT
