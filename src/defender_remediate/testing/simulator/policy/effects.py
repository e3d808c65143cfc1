"""What assigned policies do to a request, in Azure's order: modify and append, then deny, then audit.

What ``auditIfNotExists`` and ``deployIfNotExists`` do follows after the request, in ``remediation``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.policy import changes
from defender_remediate.testing.simulator.policy.applied import (
    AppliedPolicy,
    Target,
    matches,
    policies_of,
    subject_of,
)
from defender_remediate.testing.simulator.policy.state import PolicyState
from defender_remediate.testing.simulator.policy.values import EvaluationError
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.store import Store
from defender_remediate.testing.simulator.transport.exchange import ArmError

_CHANGING, _REFUSING = ("modify", "append", "mutate"), ("deny",)


@attrs.frozen(kw_only=True)
class Evaluated:
    """A policy that applies to a target, and what became of it.

    Attributes:
        effect: Its effect on the target, folded.
        holds: Whether the condition of the rule holds.
        problem: Why it could not be evaluated; None if it could.
        trace: The conditions that were evaluated, as Azure reports them.
    """

    policy: AppliedPolicy
    effect: str
    holds: bool
    problem: str | None = None
    trace: list[dict[str, Any]] = attrs.field(factory=list)

    @property
    def details(self) -> dict[str, Any]:
        """The details of the evaluation, as Azure reports them."""
        found: dict[str, Any] = {"evaluatedExpressions": self.trace}
        if self.problem is not None:
            found["reason"] = self.problem
        return found


class Policies:
    """Evaluates the assigned policies on requests.

    Attributes:
        state: What is assigned and exempted.
        followers: Called with the id of each resource that a request wrote.
    """

    def __init__(self, state: PolicyState, store: Store, clock: VirtualClock) -> None:
        self.state = state
        self._store = store
        self._clock = clock
        self.followers: list[Callable[[str], None]] = []

    def wrote(self, resource_id: str) -> None:
        """Says that a request wrote a resource."""
        for follower in self.followers:
            follower(resource_id)

    def applying(self, target: Target, effects: Iterable[str] | None = None) -> Iterator[tuple[AppliedPolicy, str]]:
        """Yields the policies that apply to a target, with their effect; enforced or not, exempted or not."""
        wanted = None if effects is None else set(effects)
        for assignment in self.state.assignments.values():
            found = policies_of(self.state, assignment)
            if not found or not self.state.concerns(assignment, target.id, target.kind, target.location):
                continue
            for policy in found:
                effect = policy.effect_on(target.kind, target.location, self.state.principal)
                is_wanted = effect != "disabled" and (wanted is None or effect in wanted)
                if is_wanted and policy.evaluates(target.kind, is_tracked=target.is_tracked):
                    yield policy, effect

    def enforced(self, target: Target, effects: Iterable[str]) -> Iterator[tuple[AppliedPolicy, str]]:
        """Yields those that take effect on a target: enforced, and without an exemption."""
        for policy, effect in self.applying(target, effects):
            about = (policy.assignment, policy.reference, target.id, target.kind, target.location)
            if self.state.is_enforced(*about) and not self.state.exemptions_of(*about):
                yield policy, effect

    def evaluated(self, policy: AppliedPolicy, effect: str, target: Target) -> Evaluated:
        """Evaluates the condition of a policy on a target."""
        trace: list[dict[str, Any]] = []
        subject = subject_of(policy, target, self._store, self._clock, trace=trace)
        try:
            found = matches(subject, policy)
        except EvaluationError as error:
            return Evaluated(policy=policy, effect=effect, holds=True, problem=str(error), trace=trace)
        return Evaluated(policy=policy, effect=effect, holds=found, trace=trace)

    def against(self, target: Target, effects: Iterable[str]) -> list[Evaluated]:
        """Returns the enforced policies with one of the effects whose condition holds for a target."""
        found = [self.evaluated(policy, effect, target) for policy, effect in self.enforced(target, effects)]
        return [one for one in found if one.holds]

    def admit(self, target: Target) -> dict[str, Any]:
        """Returns the body of a request as policies change it.

        Raises:
            ArmError: 403 RequestDisallowedByPolicy.
        """
        body = self._changed(target)
        refusing = self.against(attrs.evolve(target, body=body), _REFUSING)
        if refusing:
            raise self._disallowed(target, refusing)
        for one in self.against(attrs.evolve(target, body=body), ("audit",)):
            self._record(target, one)
        return body

    def _changed(self, target: Target) -> dict[str, Any]:
        body: Mapping[str, Any] = target.body
        wanted: list[changes.FieldChange] = []
        subjects = {}
        for one in self.against(target, _CHANGING):
            if one.problem is not None:
                raise self._disallowed(target, [one])
            subject = subject_of(one.policy, target, self._store, self._clock)
            wanted += changes.operations_of(one.policy, one.effect, subject)
            subjects[id(one.policy)] = (subject, one)
        applied, refusing = changes.conflicts(wanted)
        for operation in applied:
            subject, one = subjects[id(operation.policy)]
            made = changes.apply(operation, body, subject)
            if made is None:
                refusing.append(operation)
            elif made != body:
                body = made
                self._record(target, one)
        if refusing:
            raise self._disallowed(target, [subjects[id(one.policy)][1] for one in refusing])
        return dict(body)

    def remediated(self, policy: AppliedPolicy, effect: str, target: Target) -> dict[str, Any]:
        """Returns the body of a resource as the operations of one policy change it."""
        subject = subject_of(policy, target, self._store, self._clock)
        body: Mapping[str, Any] = target.body
        for operation in changes.operations_of(policy, effect, subject):
            made = changes.apply(operation, body, subject)
            body = body if made is None else made
        return dict(body)

    def check_delete(self, target: Target, *, below: str | None = None) -> None:
        """Refuses a deletion that a policy with the effect denyAction forbids.

        Args:
            target: What is deleted.
            below: The resource group whose deletion would delete it; None if it is deleted by itself.

        Raises:
            ArmError: 403 RequestDisallowedByPolicy.
        """
        found = []
        for one in self.against(target, ("denyaction",)):
            details = {fold(name): value for name, value in (one.policy.details or {}).items()}
            names = [fold(str(name)) for name in details.get("actionnames") or ()]
            cascade = {fold(k): fold(str(v)) for k, v in (details.get("cascadebehaviors") or {}).items()}
            if "delete" in names and (below is None or cascade.get("resourcegroup") == "deny"):
                found.append(one)
        if found:
            raise self._disallowed(target, found)

    def _record(self, target: Target, one: Evaluated) -> None:
        self.state.events.append(
            {
                "timestamp": self._clock.timestamp(),
                "resourceId": target.id,
                "resourceType": target.kind,
                "resourceLocation": target.location,
                "effect": one.effect,
                "policy": one.policy,
                "isCompliant": False,
            }
        )

    def _disallowed(self, target: Target, found: list[Evaluated]) -> ArmError:
        for one in found:
            self._record(target, one)
        path = ids.path_of(target.id)
        name = "/".join(path.names) if path is not None and path.names else ids.segments(target.id)[-1]
        identifiers = [_identifier(one.policy) for one in found]
        messages = list(dict.fromkeys(text for one in found if (text := one.policy.message()) is not None))
        info = [{"type": "PolicyViolation", "info": _violation(one, self.state)} for one in found]
        more = {"target": name, "additionalInfo": info}
        if messages:
            return refusal("RequestDisallowedByPolicyFor", name=name, reasons="', '".join(messages), more=more)
        text = json.dumps(identifiers, separators=(",", ":"))
        return refusal("RequestDisallowedByPolicy", name=name, identifiers=text, more=more)


def _identifier(policy: AppliedPolicy) -> dict[str, Any]:
    assigned, definition = policy.assignment, policy.definition
    properties = definition["properties"]
    found: dict[str, Any] = {
        "policyAssignment": {"name": assigned.display_name or assigned.name, "id": assigned.id},
        "policyDefinition": {
            "name": properties.get("displayName") or definition["name"],
            "id": definition["id"],
            "version": version_of(properties),
        },
    }
    if policy.reference is not None:
        name = assigned.definition_id.rpartition("/")[2]
        found["policySetDefinition"] = {"name": name, "id": assigned.definition_id, "version": "1.0.0"}
    return found


def version_of(properties: Mapping[str, Any]) -> str:
    """Returns the version of a definition."""
    return str(properties.get("version") or (properties.get("metadata") or {}).get("version") or "1.0.0")


def _violation(one: Evaluated, state: PolicyState) -> dict[str, Any]:
    policy = one.policy
    assigned, properties = policy.assignment, policy.definition["properties"]
    about: dict[str, Any] = {
        "evaluationDetails": one.details,
        "policyDefinitionId": policy.definition["id"],
        "policyDefinitionName": policy.definition["name"],
        "policyDefinitionDisplayName": properties.get("displayName") or policy.definition["name"],
        "policyDefinitionVersion": version_of(properties),
        "policyDefinitionEffect": one.effect,
        "policyAssignmentId": assigned.id,
        "policyAssignmentName": assigned.name,
        "policyAssignmentDisplayName": assigned.display_name,
        "policyAssignmentScope": assigned.scope,
        "policyAssignmentParameters": {name: raw.get("value") for name, raw in assigned.parameters.items()},
        "policyExemptionIds": [],
        "policyEnrollmentIds": [
            entry.id for entry in state.enrollments if ids.key(entry.assignment_id) == ids.key(assigned.id)
        ],
    }
    if policy.reference is not None:
        about["policySetDefinitionId"] = assigned.definition_id
        about["policySetDefinitionName"] = assigned.definition_id.rpartition("/")[2]
        about["policyDefinitionReferenceId"] = policy.reference
        about["policyDefinitionGroupNames"] = list(policy.groups)
    message = policy.message()
    if message is not None:
        about["nonComplianceMessage"] = message
    return about
