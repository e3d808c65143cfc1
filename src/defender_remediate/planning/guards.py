"""Whether the guards protect a resource, and which guards a plan violates."""

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
from defender_remediate.fixes.decisions import is_recoverable
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import id_key
from defender_remediate.models.plan import RemediationPlan


@attrs.frozen(kw_only=True)
class GuardViolation:
    """A guard that a plan violates."""

    guard: str
    message: str
    hint: str


def protection(guards: Guards, resource_id: str, resource: Any) -> str | None:
    """Why the guards protect a resource from any change, or None.

    Args:
        guards: The guards.
        resource_id: The resource.
        resource: Its body, for the tags; None when it was not read.
    """
    if not (guards.protected_groups or guards.protected_names):
        return protecting_tag(guards, resource)
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
    if not guards.protected_tags:
        return None
    for name, value in wire.mapping(wire.pick(resource, "tags")).items():
        for protected in guards.protected_tags:
            wanted, has_value, pattern = protected.partition("=")
            if fold(wanted) == fold(name) and (not has_value or _any((pattern,), str(value))):
                return f"its tag {name}={value} is protected"
    return None


def violations(
    guards: Guards, plan: RemediationPlan, now: datetime, *, left: Collection[str] | None = None
) -> tuple[GuardViolation, ...]:
    """Every guard that applying the plan now would violate.

    Args:
        guards: The guards.
        plan: The whole plan, or a shard: a limit of a run holds for all shards together.
        now: The time.
        left: The ids of the steps that a resume continues with; None for a plan that begins. What was approved in time
            stays approved, so the age of the plan does not count then.
    """
    steps = [step for step in plan.steps if left is None or step.id in left]
    found: list[GuardViolation] = []

    def violated(guard: str, message: str, hint: str) -> None:
        found.append(GuardViolation(guard=guard, message=message, hint=hint))

    elsewhere = 0 if plan.shard is None else plan.shard.total_steps - len(plan.steps)
    count = len(steps) + elsewhere
    if count > guards.max_changes:
        where = "the plan has" if plan.shard is None else "the shards of the plan have"
        message = f"{where} {count} changes, the guard max_changes allows {guards.max_changes}"
        hint = f"apply plan.limit({guards.max_changes}), or pass guards=Guards(max_changes={count})"
        violated("max_changes", message, hint)
    if guards.max_share is not None:
        share = _share_exceeded(plan, guards.max_share)
        if share is not None:
            instead = "leave some out with plan.only(...), or plan with the same guards"
            violated("max_share", share, _or_waive("max_share", instead))
    refused = next((step for step in steps if step.impact not in guards.allowed_impacts), None)
    if refused is not None:
        message = f"the change of {refused.target_id} has the impact {refused.impact}, which the guards do not allow"
        violated("allowed_impacts", message, _or_waive("allowed_impacts", "leave it out with plan.only(...)"))
    if guards.window is not None and not guards.window.is_open(now):
        message = f"it is {now:%a %H:%M} UTC, outside the window {guards.window}"
        violated("window", message, _or_waive("window", "apply it then"))
    age = now - plan.created_at
    if left is None and guards.max_plan_age is not None and age > guards.max_plan_age:
        violated("max_plan_age", f"the plan is {age} old, {guards.max_plan_age} at most", "plan again")
    removed = [step.target_id for step in steps if step.is_removal and not is_recoverable(step)]
    if removed:
        more = f" and {len(removed) - 1} more" if len(removed) > 1 else ""
        message = f"the plan removes {removed[0]}{more}, which cannot be undone"
        violated("removal", message, _or_waive("removal", "plan the rollback without remove=[...]"))
    return tuple(found)


def _share_exceeded(plan: RemediationPlan, allowed: float) -> str | None:
    """Of which resource type the plan changes too many, or None. One resource of each type may always be changed."""
    changed: dict[str, set[str]] = defaultdict(set)
    for step in plan.steps:
        changed[fold(step.resource_type)].add(id_key(step.resource_id))
    counts = (
        {kind: len(resources) for kind, resources in changed.items()} if plan.shard is None else plan.shard.resources
    )
    for kind, count in counts.items():
        assessed = plan.assessed.get(kind)
        if count <= 1:
            continue
        if not isinstance(assessed, int) or assessed < 1:
            return f"{kind}: the plan does not say how many were assessed, so the guard max_share cannot be checked"
        if count / assessed > allowed:
            told = f"the plan changes {count} of {assessed} that were assessed"
            return f"{kind}: {told}, the guard max_share allows {allowed:.0%}"
    return None


def _or_waive(guard: str, instead: str) -> str:
    return f'{instead}, or pass waive={{"{guard}": "why"}}'


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return any(fnmatchcase(fold(text), fold(pattern)) for pattern in patterns)
