"""Azure Policy: assignments, what they deny, and exemptions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.store import Store

AUTHORIZATION = "/providers/Microsoft.Authorization"
BENCHMARK = f"{AUTHORIZATION}/policySetDefinitions/1f3afdf9-d0c9-4c3d-847f-89da613e70a8"
"""The id of the initiative behind Defender's recommendations: the Microsoft cloud security benchmark."""
BENCHMARK_NAME = "SecurityCenterBuiltIn"
"""The name of its assignment to a subscription."""
ENFORCED, ENROLL = "Default", "Enroll"


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
    def selectors(self) -> list[list[Mapping[str, Any]]]:
        """The selectors in its resource selectors, one of which a resource has to meet as a whole."""
        return [list(group.get("selectors") or ()) for group in self.extra.get("resourceSelectors") or ()]

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
                **({"displayName": self.display_name} if self.display_name else {}),
                "policyDefinitionId": self.definition_id,
                "scope": self.scope,
                **({"notScopes": list(self.not_scopes)} if self.not_scopes else {}),
                **({"parameters": dict(self.parameters)} if self.parameters else {}),
                "enforcementMode": self.enforcement,
                "metadata": {},
                **self.extra,
            },
            **self.top,
        }


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


def takes(groups: Iterable[Iterable[Mapping[str, Any]]], kind: str, location: str, principal: str) -> bool:
    """Whether a resource is selected: by one of the groups as a whole, or because there is none."""
    listed = [list(group) for group in groups]
    return not listed or any(all(_selects(one, kind, location, principal) for one in group) for group in listed)


def _selects(selector: Mapping[str, Any], kind: str, location: str, principal: str) -> bool:
    about = {
        "resourcetype": kind,
        "resourcelocation": location.replace(" ", ""),
        "resourcewithoutlocation": "false" if location else "true",
        "userprincipalid": principal,
        "groupprincipalid": "",
    }
    found = about.get(fold(str(selector.get("kind"))))
    if found is None:
        return True  # one by the reference of a policy, which does not depend on the resource
    listed = {fold(str(one)).replace(" ", "") for one in selector.get("in") or selector.get("notIn") or ()}
    return (fold(found) in listed) is bool(selector.get("in"))


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
        applied: The policies of each assignment that were worked out; emptied when a definition or an assignment changes.
        events: What policies did to requests, as the API lists it.
        remediations: The remediation tasks, by their id in lower case.
        attestations: The statements about manual policies, by their id in lower case.
        tracked: The resources that policies deployed something for, as the API lists them.
        principal: Who makes the request, for selectors by principal.
        initiatives: The reference ids in each custom initiative, by the initiative's id in lower case.
    """

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self._store = store
        self._clock = clock
        self.assignments: dict[str, PolicyAssignment] = {}
        self.applied: dict[str, Any] = {}
        self._benchmarks: dict[str, list[PolicyAssignment]] | None = None
        self.events: list[dict[str, Any]] = []
        self.remediations: dict[str, Any] = {}
        self.attestations: dict[str, dict[str, Any]] = {}
        self.tracked: list[dict[str, Any]] = []
        self.principal = CALLER_ID
        self.exemptions: list[PolicyExemption] = []
        self.written: dict[str, dict[str, Any]] = {}
        self.initiatives: dict[str, frozenset[str]] = {}
        self.enrollments: list[EnrolledScope] = []

    def assign(self, assignment: PolicyAssignment) -> None:
        """Adds an assignment."""
        self.assignments[ids.key(assignment.id)] = assignment
        self._changed()

    def unassign(self, assignment_id: str) -> bool:
        """Removes an assignment; returns whether it existed."""
        self._changed()
        return self.assignments.pop(ids.key(assignment_id), None) is not None

    def assign_benchmark(self, scope: str) -> None:
        """Assigns the benchmark to a subscription, as Defender for Cloud does."""
        name = f"ASC Default (subscription: {ids.subscription_of(scope)})"
        self.assign(PolicyAssignment(scope=scope, name=BENCHMARK_NAME, definition_id=BENCHMARK, display_name=name))

    def has_benchmark(self, subscription: str) -> bool:
        """Whether the benchmark is assigned to a subscription or above it."""
        if self._benchmarks is None:
            # By subscription, because a tenant with a thousand of them asks for each.
            self._benchmarks = {}
            for one in self.assignments.values():
                if one.definition_id == BENCHMARK:
                    self._benchmarks.setdefault(fold(ids.subscription_of(one.scope)), []).append(one)
        scope = f"/subscriptions/{subscription}"
        candidates = [*self._benchmarks.get(fold(subscription), ()), *self._benchmarks.get("", ())]
        return any(one.covers(scope, self._store) for one in candidates)

    def define(self, body: Mapping[str, Any]) -> None:
        """Adds or replaces a definition or an initiative."""
        self.written[ids.key(str(body["id"]))] = dict(body)
        self._changed()

    def undefine(self, definition_id: str) -> None:
        """Removes a definition or an initiative, if it exists."""
        self.written.pop(ids.key(definition_id), None)
        self._changed()

    def _changed(self) -> None:
        self.applied.clear()
        self._benchmarks = None

    def concerns(self, assignment: PolicyAssignment, resource_id: str, kind: str, location: str) -> bool:
        """Whether an assignment applies to a resource of a type at a location, enforced or not."""
        return assignment.covers(resource_id, self._store) and takes(
            assignment.selectors, kind, location, self.principal
        )

    def is_enforced(
        self, assignment: PolicyAssignment, reference: str | None, resource_id: str, kind: str, location: str
    ) -> bool:
        """Whether one policy of an assignment that applies to a resource takes effect on it."""
        if assignment.enforcement == ENROLL:
            return any(
                ids.key(one.assignment_id) == ids.key(assignment.id)
                and (not one.references or reference in one.references)
                and self._store.covers(one.scope, resource_id)
                and takes(one.selectors, kind, location, self.principal)
                for one in self.enrollments
            )
        return assignment.enforcement == ENFORCED

    def exemptions_of(
        self, assignment: PolicyAssignment, reference: str | None, resource_id: str, kind: str, location: str
    ) -> list[PolicyExemption]:
        """Returns the exemptions in effect of a resource from one policy of an assignment."""
        now = self._clock.now()
        return [
            one
            for one in self.exemptions
            if ids.key(one.assignment_id) == ids.key(assignment.id)
            and (not one.references or reference in one.references)
            and one.holds(now)
            and self._store.covers(one.scope, resource_id)
            and takes([group.get("selectors") or () for group in one.selectors], kind, location, self.principal)
        ]

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
