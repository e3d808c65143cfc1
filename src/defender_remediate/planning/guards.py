"""Where a plan goes beyond its guards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.fixes.candidates import resource_or_parent
from defender_remediate.models.guards import Guards
from defender_remediate.models.plan import RemediationPlan


@attrs.frozen(kw_only=True)
class Violation:
    """One guard that a plan goes beyond."""

    guard: str
    message: str
    hint: str = ""


def protection(guards: Guards, resource_id: str, resource: Any) -> str | None:
    """Why the guards protect a resource from any change, or None.

    Args:
        guards: The guards.
        resource_id: The resource.
        resource: Its body, for the tags; None when it was not read.
    """
    parsed = resource_or_parent(resource_id)
    if parsed.resource_group and _any(guards.protected_groups, parsed.resource_group):
        return f"its resource group {parsed.resource_group!r} is protected"
    # A database is protected by its own name, and by that of its server; a group and a subscription by their own.
    above = (parsed.group, parsed.subscription)
    for one in parsed.scopes():
        if (one == parsed or one not in above) and _any(guards.protected_names, one.name):
            return f"its name {one.name!r} is protected"
    return protecting_tag(guards, resource)


def protecting_tag(guards: Guards, resource: Any) -> str | None:
    """Why one of its tags protects a resource from any change, or None."""
    for name, value in wire.mapping(wire.pick(resource, "tags")).items():
        for protected in guards.protected_tags:
            wanted, has_value, pattern = protected.partition("=")
            if fold(wanted) == fold(name) and (not has_value or _any((pattern,), str(value))):
                return f"its tag {name}={value} is protected"
    return None


def violations(
    guards: Guards, plan: RemediationPlan, now: datetime, *, left: Collection[str] | None = None
) -> tuple[Violation, ...]:
    """Every guard that applying the plan now would go beyond.

    Args:
        guards: The guards.
        plan: The whole plan: a share is that of the run.
        now: The time.
        left: The ids of the steps that a resume goes on with; None for a plan that begins. What was approved in time
            stays approved, so the age of the plan does not count then.
    """
    ahead = plan if left is None else attrs.evolve(plan, steps=tuple(step for step in plan.steps if step.id in left))
    found = (
        _changes(guards, ahead),
        _share(guards, plan),
        _impacts(guards, ahead),
        _window(guards, now),
        _age(guards, plan, now) if left is None else None,
        _removal(ahead),
    )
    return tuple(filter(None, found))


def _changes(guards: Guards, plan: RemediationPlan) -> Violation | None:
    count = len(plan.steps)
    if count <= guards.max_changes:
        return None
    return Violation(
        guard="max_changes",
        message=f"the plan has {count} changes, the guard max_changes allows {guards.max_changes}",
        hint=f"apply plan.limit({guards.max_changes}), or pass guards=Guards(max_changes={count})",
    )


def _share(guards: Guards, plan: RemediationPlan) -> Violation | None:
    if guards.max_share is None:
        return None
    changed: dict[str, set[str]] = defaultdict(set)
    for step in plan.steps:
        changed[fold(step.resource_type)].add(fold(step.resource_id))
    for kind, resources in changed.items():
        message = _beyond_share(guards.max_share, len(resources), plan.assessed.get(kind))
        if message:
            hint = _waiver("max_share", "leave some out with plan.only(...), or plan with the same guards")
            return Violation(guard="max_share", message=f"{kind}: {message}", hint=hint)
    return None


def _beyond_share(share: float, changed: int, assessed: Any) -> str:
    # Without one of each type no plan for a few resources could ever begin.
    if changed <= 1:
        return ""
    if not isinstance(assessed, int) or assessed < 1:
        return "the plan does not say how many were assessed, so the guard max_share cannot be checked"
    if changed / assessed <= share:
        return ""
    return f"the plan changes {changed} of {assessed} that were assessed, the guard max_share allows {share:.0%}"


def _removal(plan: RemediationPlan) -> Violation | None:
    removed = [step.target_id for step in plan.steps if step.is_removal]
    if not removed:
        return None
    more = f" and {len(removed) - 1} more" if len(removed) > 1 else ""
    return Violation(
        guard="removal",
        message=f"the plan removes {removed[0]}{more}, which cannot be undone",
        hint=_waiver("removal", "plan the rollback without remove=[...]"),
    )


def _impacts(guards: Guards, plan: RemediationPlan) -> Violation | None:
    for step in plan.steps:
        if step.impact not in guards.allowed_impacts:
            message = f"the change of {step.target_id} has the impact {step.impact}, which the guards do not allow"
            return Violation(
                guard="allowed_impacts",
                message=message,
                hint=_waiver("allowed_impacts", "leave it out with plan.only(...)"),
            )
    return None


def _window(guards: Guards, now: datetime) -> Violation | None:
    if guards.window is None or guards.window.is_open(now):
        return None
    return Violation(
        guard="window",
        message=f"it is {now:%a %H:%M} UTC, outside the window {guards.window}",
        hint=_waiver("window", "apply it then"),
    )


def _waiver(guard: str, otherwise: str) -> str:
    return f'{otherwise}, or pass waive={{"{guard}": "why"}}'


def _age(guards: Guards, plan: RemediationPlan, now: datetime) -> Violation | None:
    age = now - plan.created_at
    if guards.max_plan_age is None or age <= guards.max_plan_age:
        return None
    return Violation(
        guard="max_plan_age", message=f"the plan is {age} old, {guards.max_plan_age} at most", hint="plan again"
    )


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return any(fnmatchcase(fold(text), fold(pattern)) for pattern in patterns)
