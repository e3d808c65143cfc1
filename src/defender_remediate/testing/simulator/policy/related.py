"""The related resources that ``auditIfNotExists`` and ``deployIfNotExists`` look for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.policy.applied import AppliedPolicy, Target, subject_of, target_of
from defender_remediate.testing.simulator.policy.expressions import evaluate
from defender_remediate.testing.simulator.policy.rules import EvaluatedResource, holds
from defender_remediate.testing.simulator.policy.values import EvaluationError
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource, Store
from defender_remediate.testing.simulator.state.tenant import Tenant


def details_of(policy: AppliedPolicy) -> dict[str, Any]:
    """Returns the details of an effect by their folded names."""
    details = policy.details
    return {fold(name): value for name, value in details.items()} if isinstance(details, Mapping) else {}


def has_related(tenant: Tenant, policy: AppliedPolicy, target: Target) -> bool:
    """Whether a related resource exists that meets the existence condition of a policy."""
    origin = subject_of(policy, target, tenant.store, tenant.clock)
    condition = details_of(policy).get("existencecondition")
    for resource in _candidates(tenant.store, policy, target, origin):
        if condition is None:
            return True
        about = target_of(resource.type, resource.id, resource.render())
        subject = subject_of(policy, about, tenant.store, tenant.clock, origin=origin)
        try:
            if holds(condition, subject):
                return True
        except EvaluationError:
            continue
    return False


def _candidates(store: Store, policy: AppliedPolicy, target: Target, origin: EvaluatedResource) -> Iterator[Resource]:
    details = details_of(policy)
    kind = str(evaluate(details.get("type"), origin))
    name = details.get("name")
    wanted = None if name is None else fold(str(evaluate(name, origin)))
    known = store.types.get(kind)
    if fold(kind) == fold(target.kind):
        found = store.find(target.id)
        listed: Iterator[Resource] = iter([found] if found is not None else [])
    elif fold(kind).startswith(f"{fold(target.kind)}/") or (known is not None and known.extension):
        listed = (one for one in store.resources(target.id) if fold(one.type.name) == fold(kind))
    else:
        listed = (one for one in store.resources(_scope(details, target, origin)) if fold(one.type.name) == fold(kind))
    for resource in listed:
        path = ids.path_of(resource.id)
        names = {fold(resource.name)} | ({fold("/".join(path.names))} if path is not None else set())
        if (wanted is None or wanted in names) and _has_kind(details, resource):
            yield resource


def _has_kind(details: Mapping[str, Any], resource: Resource) -> bool:
    wanted = details.get("kind")
    return wanted is None or fold(str(resource.body.get("kind"))) == fold(str(wanted))


def _scope(details: Mapping[str, Any], target: Target, origin: EvaluatedResource) -> str:
    subscription = f"/subscriptions/{ids.subscription_of(target.id)}"
    in_subscription = fold(str(details.get("existencescope"))) == "subscription" or not ids.group_of(target.id)
    group = details.get("resourcegroupname")
    if group is not None:
        return f"{subscription}/resourceGroups/{evaluate(group, origin)}"
    return subscription if in_subscription else f"{subscription}/resourceGroups/{ids.group_of(target.id)}"
