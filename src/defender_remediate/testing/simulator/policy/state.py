"""Azure Policy: assignments, what they deny, and exemptions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.store import Store
from defender_remediate.testing.simulator.transport.exchange import ArmError

AUTHORIZATION = "/providers/Microsoft.Authorization"
BENCHMARK = f"{AUTHORIZATION}/policySetDefinitions/1f3afdf9-d0c9-4c3d-847f-89da613e70a8"
"""The id of the initiative behind Defender's recommendations: the Microsoft cloud security benchmark."""
BENCHMARK_NAME = "SecurityCenterBuiltIn"
"""The name of its assignment to a subscription."""
ENFORCED, ENROLL = "Default", "Enroll"
_FIELDS = ("name", "fullname", "kind", "type", "location", "id", "tags", "identity")


@attrs.frozen(kw_only=True)
class PolicyAssignment:
    """A policy, or an initiative, assigned to a scope.

    Attributes:
        extra: Properties that are shown and have no effect here.
        top: The identity and the location, which have no effect here either.
    """

    scope: str
    name: str
    definition_id: str
    display_name: str = ""
    not_scopes: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = attrs.field(factory=dict)
    enforcement: str = ENFORCED
    extra: Mapping[str, Any] = attrs.field(factory=dict)
    top: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.scope}{AUTHORIZATION}/policyAssignments/{self.name}"

    @property
    def is_initiative(self) -> bool:
        """Whether it assigns a set of policies."""
        return "/policysetdefinitions/" in fold(self.definition_id)

    def covers(self, resource_id: str, store: Store) -> bool:
        """Whether it applies to a resource."""
        left_out = any(store.covers(scope, resource_id) for scope in self.not_scopes)
        return store.covers(self.scope, resource_id) and not left_out

    def render(self) -> dict[str, Any]:
        """Returns the assignment as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Authorization/policyAssignments",
            "properties": {
                "displayName": self.display_name,
                "policyDefinitionId": self.definition_id,
                "scope": self.scope,
                "notScopes": list(self.not_scopes),
                "parameters": dict(self.parameters),
                "enforcementMode": self.enforcement,
                "metadata": {},
                **self.extra,
            },
            **self.top,
        }


@attrs.frozen(kw_only=True)
class DenyPolicy:
    """An assigned custom policy that evaluates one value.

    Attributes:
        resource_type: The type that it evaluates; None for every type.
        path: The dotted path of the value; None for every body.
        equals: The value that it is against.
        effect: ``deny`` or ``audit``.
    """

    assignment: PolicyAssignment
    resource_type: str | None = None
    path: str | None = None
    equals: Any = None
    effect: str = "deny"

    @property
    def field(self) -> str:
        """The field in policy language: an alias of the type, or a member of every resource."""
        if self.path is None or self.resource_type is None or fold(self.path.split(".")[0]) in _FIELDS:
            return self.path or "type"
        return f"{self.resource_type}/{self.path.removeprefix('properties.')}"

    def objects(self, kind: str, body: Mapping[str, Any]) -> bool:
        """Whether it denies a body of a type."""
        if self.resource_type is not None and fold(self.resource_type) != fold(kind):
            return False
        return self.path is None or _same(value_at(body, self.path), self.equals)

    def expression(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the evaluated expression as Azure reports it."""
        return {
            "result": "True",
            "expressionKind": "Field",
            "expression": self.field,
            "path": self.path or "type",
            "expressionValue": self.resource_type if self.path is None else value_at(body, self.path),
            "targetValue": self.resource_type if self.path is None else self.equals,
            "operator": "Equals",
        }

    def definition(self) -> dict[str, Any]:
        """Returns its definition as the API shows it."""
        clauses: list[dict[str, Any]] = []
        if self.resource_type is not None or self.path is None:
            wanted = {"exists": "true"} if self.resource_type is None else {"equals": self.resource_type}
            clauses.append({"field": "type", **wanted})
        if self.path is not None:
            clauses.append({"field": self.field, "equals": self.equals})
        return definition_body(
            self.assignment.definition_id,
            {
                "displayName": self.assignment.name,
                "policyType": "Custom",
                "mode": "All",
                "parameters": {},
                "policyRule": {"if": {"allOf": clauses}, "then": {"effect": self.effect}},
            },
        )


@attrs.frozen(kw_only=True)
class PolicyExemption:
    """A scope that is exempted from an assigned policy.

    Attributes:
        assignment_id: What it is exempted from.
        references: The policies of the initiative; empty for all.
        expires: When it ends; None for never.
    """

    scope: str
    name: str
    assignment_id: str
    references: tuple[str, ...] = ()
    expires: datetime | None = None
    category: str = "Waiver"
    description: str = ""
    display_name: str = ""
    metadata: Mapping[str, Any] = attrs.field(factory=dict)
    selectors: tuple[Any, ...] = ()

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.scope}{AUTHORIZATION}/policyExemptions/{self.name}"

    def holds(self, now: datetime) -> bool:
        """Whether it is still in effect."""
        return self.expires is None or now < self.expires

    def render(self) -> dict[str, Any]:
        """Returns the exemption as the API shows it."""
        properties: dict[str, Any] = {
            "policyAssignmentId": self.assignment_id,
            "policyDefinitionReferenceIds": list(self.references),
            "exemptionCategory": self.category,
            "displayName": self.display_name or self.name,
            "description": self.description,
            "assignmentScopeValidation": "Default",
        }
        if self.metadata:
            properties["metadata"] = dict(self.metadata)
        if self.selectors:
            properties["resourceSelectors"] = list(self.selectors)
        if self.expires is not None:
            properties["expiresOn"] = self.expires.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Authorization/policyExemptions",
            "properties": properties,
        }


@attrs.frozen(kw_only=True)
class EnrolledScope:
    """A scope in which an assignment in the mode Enroll is enforced.

    Attributes:
        assignment_id: The assignment.
        references: The policies of the initiative; empty for all.
        selectors: The ``selectors`` of each resource selector, as the API shows them.
    """

    scope: str
    name: str
    assignment_id: str
    references: tuple[str, ...] = ()
    selectors: tuple[tuple[Mapping[str, Any], ...], ...] = ()

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.scope}{AUTHORIZATION}/policyEnrollments/{self.name}"

    def takes(self, kind: str, location: str) -> bool:
        """Whether a resource of a type and a location is selected."""
        return not self.selectors or any(
            all(_selects(one, kind, location) for one in group) for group in self.selectors
        )

    def render(self) -> dict[str, Any]:
        """Returns the enrollment as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Authorization/policyEnrollments",
            "properties": {
                "policyAssignmentId": self.assignment_id,
                "policyDefinitionReferenceIds": list(self.references),
                "resourceSelectors": [
                    {"name": f"selector{number}", "selectors": [dict(one) for one in group]}
                    for number, group in enumerate(self.selectors)
                ],
                "assignmentScopeValidation": "Default",
            },
        }


def _selects(selector: Mapping[str, Any], kind: str, location: str) -> bool:
    found = {
        "resourcetype": kind,
        "resourcelocation": location.replace(" ", ""),
        "resourcewithoutlocation": "false" if location else "true",
    }[fold(selector["kind"])]
    listed = {fold(str(one)).replace(" ", "") for one in selector.get("in") or selector.get("notIn") or ()}
    return (fold(found) in listed) is ("in" in selector)


def _same(value: Any, wanted: Any) -> bool:
    # Policies ignore the case of strings.
    both = isinstance(value, str) and isinstance(wanted, str)
    return bool(fold(value) == fold(wanted) if both else value == wanted)


def value_at(body: Any, path: str) -> Any:
    """Returns the value at a dotted path; None if it is absent."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


def definition_body(definition_id: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a definition as its API shows it."""
    _, kind, name = definition_id.rsplit("/", 2)
    return {
        "id": definition_id,
        "name": name,
        "type": f"Microsoft.Authorization/{kind}",
        "properties": dict(properties),
    }


def reference_of(metadata: Mapping[str, Any]) -> str | None:
    """Returns the benchmark's reference id of the policy behind a recommendation; None for one without a policy.

    The names are the simulator's own; in Azure the authors of an initiative choose them.
    """
    if not metadata.get("policyDefinitionId"):
        return None
    words = re.findall(r"[A-Za-z0-9]+", str(metadata["displayName"]))
    name = "".join(word[:1].upper() + word[1:] for word in words)
    return name[:1].lower() + name[1:]


class PolicyState:
    """The policy assignments and exemptions of a tenant.

    Attributes:
        assignments: By their id in lower case.
        written: The definitions and initiatives that clients wrote, by their id in lower case.
        initiatives: The reference ids in each custom initiative, by the initiative's id in lower case.
    """

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self._store = store
        self._clock = clock
        self.assignments: dict[str, PolicyAssignment] = {}
        self.deny_policies: list[DenyPolicy] = []
        self.exemptions: list[PolicyExemption] = []
        self.written: dict[str, dict[str, Any]] = {}
        self.initiatives: dict[str, frozenset[str]] = {}
        self.enrollments: list[EnrolledScope] = []

    def assign(self, assignment: PolicyAssignment) -> None:
        """Adds an assignment."""
        self.assignments[ids.key(assignment.id)] = assignment

    def unassign(self, assignment_id: str) -> None:
        """Removes an assignment, if it exists, and what it refuses."""
        self.assignments.pop(ids.key(assignment_id), None)
        self.deny_policies[:] = [
            one for one in self.deny_policies if ids.key(one.assignment.id) != ids.key(assignment_id)
        ]

    def assign_benchmark(self, scope: str) -> None:
        """Assigns the benchmark to a subscription, as Defender for Cloud does."""
        name = f"ASC Default (subscription: {ids.subscription_of(scope)})"
        self.assign(PolicyAssignment(scope=scope, name=BENCHMARK_NAME, definition_id=BENCHMARK, display_name=name))

    def has_benchmark(self, subscription: str) -> bool:
        """Whether the benchmark is assigned to a subscription or above it."""
        scope = f"/subscriptions/{subscription}"
        return any(
            one.definition_id == BENCHMARK and one.covers(scope, self._store) for one in self.assignments.values()
        )

    def add_policy(self, policy: DenyPolicy) -> None:
        """Assigns a custom policy."""
        self.assign(policy.assignment)
        self.deny_policies.append(policy)

    def policies_against(
        self, resource_id: str, kind: str, body: Mapping[str, Any], effects: Iterable[str]
    ) -> list[DenyPolicy]:
        """Returns the enforced policies with one of the effects that deny a body."""
        wanted = tuple(effects)
        return [
            found
            for found in self.deny_policies
            if found.effect in wanted
            and self.in_force(found.assignment, resource_id, kind, body)
            and found.objects(kind, body)
        ]

    def in_force(self, assignment: PolicyAssignment, resource_id: str, kind: str, body: Mapping[str, Any]) -> bool:
        """Whether an assignment of one policy is enforced on a resource of a type with a body."""
        if not assignment.covers(resource_id, self._store):
            return False
        if assignment.enforcement == ENROLL:
            place = str(body.get("location") or "")
            is_enrolled = any(
                ids.key(one.assignment_id) == ids.key(assignment.id)
                and self._store.covers(one.scope, resource_id)
                and one.takes(kind, place)
                for one in self.enrollments
            )
            if not is_enrolled:
                return False
        elif assignment.enforcement != ENFORCED:
            return False
        now = self._clock.now()
        return not any(
            ids.key(exemption.assignment_id) == ids.key(assignment.id)
            and exemption.holds(now)
            and self._store.covers(exemption.scope, resource_id)
            for exemption in self.exemptions
        )

    def exemption_of(self, reference: str | None, resource_id: str, now: datetime) -> PolicyExemption | None:
        """Returns an exemption of a resource from a policy; None unless every initiative with the policy exempts it."""
        found = None
        for assignment in self.assignments.values() if reference is not None else ():
            members = self.initiatives.get(ids.key(assignment.definition_id), frozenset())
            has_policy = assignment.definition_id == BENCHMARK or reference in members
            if not has_policy or not assignment.covers(resource_id, self._store):
                continue
            for exemption in self.exemptions:
                is_from_it = ids.key(exemption.assignment_id) == ids.key(assignment.id)
                meant = is_from_it and reference in (exemption.references or (reference,))
                if meant and exemption.holds(now) and self._store.covers(exemption.scope, resource_id):
                    found = exemption
                    break
            else:
                return None
        return found

    def ended(self, since: datetime, until: datetime) -> list[tuple[datetime, PolicyExemption]]:
        """Returns the exemptions that expired in a period, in order, each with its time."""
        found = [(one.expires, one) for one in self.exemptions if one.expires is not None]
        return sorted(((end, one) for end, one in found if since < end <= until), key=lambda pair: pair[0])

    def check(self, resource_id: str, kind: str, body: Mapping[str, Any]) -> None:
        """Refuses a body that a deny policy forbids.

        Raises:
            ArmError: 403 RequestDisallowedByPolicy.
        """
        for found in self.policies_against(resource_id, kind, body, ("deny",)):
            raise _disallowed(found, resource_id, body)


def _disallowed(policy: DenyPolicy, resource_id: str, body: Mapping[str, Any]) -> ArmError:
    name = ids.segments(resource_id)[-1]
    assigned = policy.assignment
    definition_name = assigned.definition_id.rpartition("/")[2]
    identifiers = [
        {
            "policyAssignment": {"name": assigned.name, "id": assigned.id},
            "policyDefinition": {"name": definition_name, "id": assigned.definition_id, "version": "1.0.0"},
        }
    ]
    info = {
        "evaluationDetails": {"evaluatedExpressions": [policy.expression(body)]},
        "policyDefinitionId": assigned.definition_id,
        "policyAssignmentId": assigned.id,
    }
    return refusal(
        "RequestDisallowedByPolicy",
        name=name,
        identifiers=json.dumps(identifiers, separators=(",", ":")),
        more={"target": name, "additionalInfo": [{"type": "PolicyViolation", "info": info}]},
    )
