"""The policies that an assignment applies: each with its parameters, and the effect that it has on a resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.policy.expressions import evaluate
from defender_remediate.testing.simulator.policy.fields import alias_path
from defender_remediate.testing.simulator.policy.rules import EvaluatedResource, holds
from defender_remediate.testing.simulator.policy.state import PolicyAssignment, PolicyState, takes
from defender_remediate.testing.simulator.policy.values import MISSING
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.store import TENANT_ID, Store
from defender_remediate.testing.simulator.state.types import ResourceType

GROUPS = "Microsoft.Resources/subscriptions/resourceGroups"
SUBSCRIPTIONS = "Microsoft.Resources/subscriptions"


@attrs.frozen(kw_only=True)
class AppliedPolicy:
    """One policy of an assignment.

    Attributes:
        definition: The definition, as the API shows it.
        reference: Its reference id in the initiative; None for an assignment of one policy.
        groups: The groups of the initiative that it belongs to.
        parameters: The values of its parameters, by their folded names.
        declared: The effect that its parameters give it, folded; an override can replace it.
    """

    assignment: PolicyAssignment
    definition: Mapping[str, Any]
    reference: str | None
    groups: tuple[str, ...]
    parameters: Mapping[str, Any]
    declared: str

    @property
    def rule(self) -> Mapping[str, Any]:
        """The policy rule."""
        rule: Mapping[str, Any] = self.definition["properties"]["policyRule"]
        return rule

    @property
    def details(self) -> Any:
        """The details of the effect."""
        then = {fold(name): value for name, value in self.rule["then"].items()}
        return then.get("details")

    @property
    def info(self) -> dict[str, str]:
        """The ids by which Azure names it."""
        about = {"policyDefinitionId": str(self.definition["id"]), "policyAssignmentId": self.assignment.id}
        if self.reference is not None:
            about["policySetDefinitionId"] = self.assignment.definition_id
            about["policyDefinitionReferenceId"] = self.reference
        return about

    def effect_on(self, kind: str, location: str, principal: str) -> str:
        """Returns its effect on a resource, folded: what an override says, or what its parameters give it."""
        for one in self.assignment.extra.get("overrides") or ():
            selectors = one.get("selectors") or ()
            listed = [each for each in selectors if fold(str(each.get("kind"))) == "policydefinitionreferenceid"]
            is_meant = all(
                (self.reference in (each.get("in") or each.get("notIn") or ())) is bool(each.get("in"))
                for each in listed
            )
            if (
                fold(str(one.get("kind"))) == "policyeffect"
                and is_meant
                and takes([selectors], kind, location, principal)
            ):
                return fold(str(one.get("value")))
        return self.declared

    def evaluates(self, kind: str, *, is_tracked: bool) -> bool:
        """Whether its mode takes resources of a type into account."""
        mode = fold(str(self.definition["properties"].get("mode") or "Indexed"))
        if mode == "indexed":
            return is_tracked and kind not in (GROUPS, SUBSCRIPTIONS)
        return mode == "all"

    def message(self) -> str | None:
        """Returns what the assignment says to a caller that it refuses."""
        general = None
        for one in self.assignment.extra.get("nonComplianceMessages") or ():
            if one.get("policyDefinitionReferenceId") is None:
                general = one.get("message")
            elif one["policyDefinitionReferenceId"] == self.reference:
                return str(one.get("message"))
        return general


def policies_of(state: PolicyState, assignment: PolicyAssignment) -> list[AppliedPolicy]:
    """Returns the policies that an assignment applies, as far as their definitions were written by clients or tests."""
    key = ids.key(assignment.id)
    if key not in state.applied:
        state.applied[key] = list(_policies_of(state, assignment))
    found: list[AppliedPolicy] = state.applied[key]
    return found


def _policies_of(state: PolicyState, assignment: PolicyAssignment) -> Iterator[AppliedPolicy]:
    body = state.written.get(ids.key(assignment.definition_id))
    if body is None:
        return
    given = values_of(body["properties"], assignment.parameters)
    if not assignment.is_initiative:
        yield _applied(assignment, body, None, (), given)
        return
    for place, one in enumerate(body["properties"].get("policyDefinitions") or ()):
        member = state.written.get(ids.key(str(one["policyDefinitionId"])))
        if member is None:
            continue
        subject = EvaluatedResource(body={}, parameters=given)
        passed = {name: evaluate(value, subject) for name, value in (one.get("parameters") or {}).items()}
        reference = str(one.get("policyDefinitionReferenceId") or f"{member['name']}_{place + 1}")
        groups = tuple(map(str, one.get("groupNames") or ()))
        yield _applied(assignment, member, reference, groups, values_of(member["properties"], passed))


def _applied(
    assignment: PolicyAssignment,
    body: Mapping[str, Any],
    reference: str | None,
    groups: tuple[str, ...],
    parameters: Mapping[str, Any],
) -> AppliedPolicy:
    then = {fold(name): value for name, value in body["properties"]["policyRule"]["then"].items()}
    effect = evaluate(then["effect"], EvaluatedResource(body={}, parameters=parameters))
    return AppliedPolicy(
        assignment=assignment,
        definition=body,
        reference=reference,
        groups=groups,
        parameters=parameters,
        declared="disabled" if effect is MISSING else fold(str(effect)),
    )


def values_of(properties: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of the parameters of a definition, by their folded names."""
    passed = {fold(name): raw.get("value") if isinstance(raw, Mapping) else raw for name, raw in given.items()}
    found = {}
    for name, declared in (properties.get("parameters") or {}).items():
        if fold(name) in passed:
            found[fold(name)] = passed[fold(name)]
        elif "defaultValue" in declared:
            found[fold(name)] = declared["defaultValue"]
    return found


@attrs.frozen(kw_only=True)
class Target:
    """A resource, a resource group or a subscription that policies are evaluated on.

    Attributes:
        body: What GET shows, or would show after the request.
        api_version: The api-version of the request; None without a request.
    """

    id: str
    kind: str
    body: Mapping[str, Any]
    is_tracked: bool = True
    api_version: str | None = None

    @property
    def location(self) -> str:
        """Its location; empty for one without."""
        return str(self.body.get("location") or "")


def target_of(
    resource_type: ResourceType, resource_id: str, body: Mapping[str, Any], api_version: str | None = None
) -> Target:
    """Returns a resource of a type as policies evaluate it."""
    return Target(
        id=resource_id, kind=resource_type.name, body=body, is_tracked=resource_type.tracked, api_version=api_version
    )


def subject_of(
    policy: AppliedPolicy,
    target: Target,
    store: Store,
    clock: VirtualClock,
    *,
    origin: EvaluatedResource | None = None,
    trace: list[dict[str, Any]] | None = None,
) -> EvaluatedResource:
    """Returns a resource as a policy sees it."""
    path = ids.path_of(target.id)
    names = path.names if path is not None and not path.is_collection else (ids.segments(target.id)[-1],)
    body = {
        **target.body,
        "id": target.id,
        "type": target.kind,
        "name": names[-1],
        "fullName": "/".join(names),
    }
    subscription = store.subscriptions.get(fold(ids.subscription_of(target.id)))
    group = subscription.groups.get(fold(ids.group_of(target.id))) if subscription is not None else None
    words: dict[str, Any] = {
        "policy": {
            "assignmentId": policy.assignment.id,
            "definitionId": policy.definition["id"],
            "setDefinitionId": policy.assignment.definition_id if policy.reference is not None else "",
            "definitionReferenceId": policy.reference or "",
        },
        "requestcontext": {"apiVersion": target.api_version} if target.api_version is not None else {},
        "utcnow": clock.timestamp(),
        "tenant": {"tenantId": TENANT_ID},
    }
    if subscription is not None:
        words["subscription"] = {
            "id": f"/subscriptions/{subscription.id}",
            "subscriptionId": subscription.id,
            "tenantId": TENANT_ID,
            "displayName": subscription.name,
            "tags": dict(subscription.tags),
        }
    if group is not None:
        words["resourcegroup"] = dict(group)
    return EvaluatedResource(
        body=body,
        locate=lambda field: alias_path(target.kind, field),
        parameters=policy.parameters,
        words=words,
        origin=origin,
        trace=trace,
    )


def matches(subject: EvaluatedResource, policy: AppliedPolicy) -> bool:
    """Whether the condition of a policy holds for a resource.

    Raises:
        EvaluationError: It cannot be evaluated.
    """
    rule = {fold(name): value for name, value in policy.rule.items()}
    return holds(rule["if"], subject)
