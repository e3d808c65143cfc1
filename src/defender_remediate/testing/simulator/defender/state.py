"""Defender for Cloud's assessments: one per recommendation and resource. They follow a change only after a delay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import heappop, heappush
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.defender.exemptions import EXEMPT, StandardAssignments
from defender_remediate.testing.simulator.defender.rules import holds
from defender_remediate.testing.simulator.policy.state import PolicyState, reference_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.store import Store

SUBSCRIPTION = "Microsoft.Resources/subscriptions"
PRICINGS = "Microsoft.Security/pricings"
FOUNDATIONAL, DEFENDER_CSPM = "FoundationalCspm", "CloudPosture"
"""The free plan of foundational posture management, and the paid plan that includes it."""
HEALTHY, UNHEALTHY, NOT_APPLICABLE = "Healthy", "Unhealthy", "NotApplicable"


@attrs.frozen(kw_only=True)
class SimulatedStatus:
    """The status of an assessment."""

    code: str
    cause: str | None = None
    description: str | None = None


@attrs.frozen(kw_only=True)
class AssessmentDefinition:
    """A recommendation and the rule that decides its assessments.

    Attributes:
        key: The assessment key.
        metadata: The ``properties`` of its assessmentMetadata.
        resource_type: The type that it assesses; None if only ``add_assessment`` makes its assessments.
        applies: The condition for a resource to be assessed; None for every resource of the type.
        rule: The condition for a resource to be healthy; None if no writable property decides it.
        controls: The names of its security controls.
        subscriptions: The subscriptions that define it; empty for a built-in recommendation.
    """

    key: str
    metadata: Mapping[str, Any]
    resource_type: str | None = None
    applies: Mapping[str, Any] | None = None
    rule: Mapping[str, Any] | None = None
    controls: Sequence[str] = ()
    subscriptions: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it affects the secure score."""
        return not self.metadata.get("preview") and not self.subscriptions

    def assesses(self, type_name: str | None) -> bool:
        """Whether it assesses resources of a type."""
        return type_name is not None and self.resource_type is not None and fold(self.resource_type) == fold(type_name)


@attrs.define(kw_only=True)
class SimulatedAssessment:
    """One recommendation assessed on one resource.

    Attributes:
        details: ``resourceDetails`` as the REST API shows them.
        status: What Defender shows now; None before the first evaluation.
        first: When it was first evaluated.
        changed: When the status last changed.
        due: When the status becomes ``coming``; None if no change is pending.
        coming: The next status; None if the assessment is about to be removed.
        pinned: The status that a test set by hand; it follows no rule.
        additional: ``additionalData``.
        resource_data: ``resourceAdditionalData``.
        risk: The risk that Defender CSPM found; None where it is derived from the severity.
        key: What it is found by: the assessment key, and the key of the resource's id.
        subscription: The GUID of its subscription, folded; empty for a resource above subscriptions.
    """

    definition: AssessmentDefinition
    resource_id: str
    details: Mapping[str, Any]
    status: SimulatedStatus | None = None
    first: float = 0.0
    changed: float = 0.0
    due: float | None = None
    coming: SimulatedStatus | None = None
    pinned: SimulatedStatus | None = None
    additional: Mapping[str, Any] = attrs.field(factory=dict)
    resource_data: Mapping[str, Any] = attrs.field(factory=dict)
    risk: Mapping[str, Any] | None = None

    key: tuple[str, str] = attrs.field(
        init=False, default=attrs.Factory(lambda self: _key(self.definition.key, self.resource_id), takes_self=True)
    )
    subscription: str = attrs.field(
        init=False, default=attrs.Factory(lambda self: fold(ids.subscription_of(self.resource_id)), takes_self=True)
    )

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.resource_id}/providers/Microsoft.Security/assessments/{self.definition.key}"

    def render_status(self, clock: VirtualClock) -> dict[str, Any]:
        """Returns the status as the REST API and Resource Graph show it, once there is one."""
        shown = {} if self.status is None else attrs.asdict(self.status, filter=lambda _, value: value is not None)
        shown["firstEvaluationDate"] = clock.timestamp(self.first)
        shown["statusChangeDate"] = clock.timestamp(self.changed)
        return shown

    def render_risk(self) -> dict[str, Any] | None:
        """Returns the risk as the newest REST API and Resource Graph show it; None for what is not unhealthy.

        Without the context of Defender CSPM the level is a copy of the severity.
        """
        if self.risk is not None:
            return dict(self.risk)
        if self.status is None or self.status.code != UNHEALTHY:
            return None
        level = self.definition.metadata.get("severity")
        return {
            "level": level,
            "riskFactors": [],
            "attackPathsReferences": [],
            "isContextualRisk": False,
            "paths": [],
        }

    def settle(self, now: float) -> bool:
        """Applies a pending change that is due; returns False if the assessment is removed by it."""
        if self.due is None or self.due > now:
            return True
        if self.coming is None:
            return False
        self.first = self.due if self.status is None else self.first
        self.changed = self.due
        self.status = self.coming
        self.due = self.coming = None
        return True


class Assessor:
    """Keeps the assessments of the tenant in step with its resources.

    Attributes:
        definitions: The recommendations by assessment key.
        standard_assignments: Defender's own exemptions and attestations.
    """

    def __init__(self, store: Store, clock: VirtualClock, policies: PolicyState, assessment_lag: float) -> None:
        self._store = store
        self._clock = clock
        self._policies = policies
        self._assessment_lag = assessment_lag
        self._exemptions_checked_at = clock.now()
        self.standard_assignments = StandardAssignments(store)
        self.definitions = {raw["key"]: AssessmentDefinition(**raw) for raw in facts("findings")}
        self._assessments: dict[tuple[str, str], SimulatedAssessment] = {}
        self._by_subscription: dict[str, dict[tuple[str, str], SimulatedAssessment]] = {}
        self._by_resource: dict[str, dict[str, SimulatedAssessment]] = {}
        # The pending changes by the moment at which they take effect; one that was called off stays until then.
        self._pending: list[tuple[float, int, tuple[str, str]]] = []
        self._scheduled = 0
        self._altered: dict[str, set[str]] = {}
        self._types: dict[str, dict[str, AssessmentDefinition]] = {}
        store.listen(self._on_change)

    def add_definition(self, definition: AssessmentDefinition) -> None:
        """Adds a recommendation and assesses every resource for it without delay."""
        self.definitions[definition.key] = definition
        self._types.clear()
        subjects = [resource.id for resource in self._store.resources()]
        subjects += [f"/subscriptions/{subscription_id}" for subscription_id in self._store.subscriptions]
        for subject in subjects:
            self._settle_now(self._assess(subject, definition))

    def add(self, assessment: SimulatedAssessment) -> None:
        """Adds an assessment that a test sets by hand."""
        assessment.first = assessment.changed = self._clock.monotonic()
        assessment.pinned = assessment.status
        self._keep(assessment)
        self._schedule(assessment, assessment.pinned, self._clock.now())

    def get(self, key: str, resource_id: str) -> SimulatedAssessment | None:
        """Returns the assessment of a recommendation on a resource; None if there is none."""
        return self._assessments.get(_key(fold(key), resource_id))

    def of_resource(self, resource_id: str) -> Iterator[SimulatedAssessment]:
        """Yields the assessments of one resource that Defender shows now."""
        self._settle()
        held = list(self._by_resource.get(ids.key(resource_id), {}).values())
        return self._shown(held)

    def current(self, subscription: str | None = None) -> Iterator[SimulatedAssessment]:
        """Yields the assessments that Defender shows now: of subscriptions with posture management, and not forgotten.

        Without the benchmark, only the recommendations that have no policy are left.

        Args:
            subscription: The subscription whose assessments are wanted; None for all.
        """
        self._settle()
        if subscription is None:
            held = list(self._assessments.values())
        else:
            held = list(self._by_subscription.get(fold(subscription), {}).values())
        return self._shown(held)

    def is_shown(self, subscription: str) -> tuple[bool, bool]:
        """Whether Defender shows the assessments of a subscription at all, and those that have a policy."""
        return self._has_posture(subscription), self._policies.has_benchmark(subscription)

    def altered(self, subscription: str) -> set[str]:
        """Returns the keys of the resources whose assessments changed since the last call."""
        self._settle()
        return self._altered.pop(fold(subscription), set())

    def _shown(self, held: Iterable[SimulatedAssessment]) -> Iterator[SimulatedAssessment]:
        shown: dict[str, tuple[bool, bool]] = {}
        for assessment in held:
            if assessment.status is None:
                continue
            subscription = assessment.subscription
            if subscription not in shown:
                shown[subscription] = self.is_shown(subscription)
            has_posture, has_benchmark = shown[subscription]
            if has_posture and (has_benchmark or not assessment.definition.metadata.get("policyDefinitionId")):
                yield assessment

    def forget(self, subscription: str) -> None:
        """Removes every assessment of a subscription, as before the first evaluation."""
        for assessment in list(self._by_subscription.get(fold(subscription), {}).values()):
            self._drop(assessment)

    def _has_posture(self, subscription: str) -> bool:
        for plan in (FOUNDATIONAL, DEFENDER_CSPM):
            found = self._store.find(f"/subscriptions/{subscription}/providers/{PRICINGS}/{plan}")
            if found is not None and fold(str(found.body["properties"].get("pricingTier"))) == "standard":
                return True
        return False

    def _keep(self, assessment: SimulatedAssessment) -> None:
        key = assessment.key
        self._assessments[key] = assessment
        self._by_subscription.setdefault(assessment.subscription, {})[key] = assessment
        self._by_resource.setdefault(key[1], {})[key[0]] = assessment
        self._alter(assessment)

    def _drop(self, assessment: SimulatedAssessment) -> None:
        key = assessment.key
        del self._assessments[key]
        del self._by_subscription[assessment.subscription][key]
        del self._by_resource[key[1]][key[0]]
        self._alter(assessment)

    def _alter(self, assessment: SimulatedAssessment) -> None:
        self._altered.setdefault(assessment.subscription, set()).add(assessment.key[1])

    def _settle(self) -> None:
        """Applies the changes that are due by now, also those by exemptions that have ended."""
        self._end_exemptions()
        now = self._clock.monotonic()
        while self._pending and self._pending[0][0] <= now:
            _, _, key = heappop(self._pending)
            found = self._assessments.get(key)
            if found is not None:
                self._settle_one(found, now)

    def _settle_one(self, assessment: SimulatedAssessment, now: float) -> bool:
        if assessment.due is None or assessment.due > now:
            return True
        remains = assessment.settle(now)
        if remains:
            self._alter(assessment)
        else:
            self._drop(assessment)
        return remains

    def assess_now(self, resource_id: str) -> None:
        """Assesses a resource and its parents without delay."""
        self._settle_now(self._assess_with_parents(resource_id))

    def reassess(self, scope: str, *, at_once: bool = False) -> None:
        """Assesses again what an exemption at a scope may apply to, after the usual delay or at once."""
        touched = self._reassess(scope, self._clock.now())
        if at_once:
            self._settle_now(touched)

    def _on_change(self, resource_id: str) -> None:
        self._settle()
        self._assess_with_parents(resource_id)

    def _assess_with_parents(self, resource_id: str) -> list[tuple[str, str]]:
        subjects = [resource_id]
        path = ids.path_of(resource_id)
        while path is not None:
            subjects.append(path.parent)
            path = ids.path_of(path.parent)
        if ids.subscription_of(resource_id):
            subjects.append(f"/subscriptions/{ids.subscription_of(resource_id)}")
        return [key for subject in dict.fromkeys(subjects) for key in self._assess(subject)]

    def _assess(self, subject: str, only: AssessmentDefinition | None = None) -> list[tuple[str, str]]:
        """Schedules the status that each recommendation gives a resource or subscription."""
        resource = self._store.find(subject)
        type_name = SUBSCRIPTION if _is_subscription(subject) else resource.type.name if resource else None
        held = self._by_resource.get(ids.key(subject), {})
        relevant = {} if type_name is None else dict(self._of_type(type_name))
        relevant.update({name: self.definitions[name] for name in held if name in self.definitions})
        if only is not None:
            relevant = {only.key: only} if only.key in relevant else {}
        body = resource.render() if resource and relevant else {}
        touched = []
        for definition in relevant.values():
            key = _key(definition.key, subject)
            status = None
            is_defined_here = (
                not definition.subscriptions or fold(ids.subscription_of(subject)) in definition.subscriptions
            )
            if is_defined_here and definition.assesses(type_name):
                status = self._evaluate(definition, body, subject)
            assessment = self._assessments.get(key)
            if assessment is None:
                if status is None:
                    continue
                resource_id = resource.id if resource else subject
                details = {"source": "Azure", "id": resource_id}
                assessment = SimulatedAssessment(definition=definition, resource_id=resource_id, details=details)
                self._keep(assessment)
            if assessment.pinned is not None and type_name is not None:
                status = assessment.pinned
            self._schedule(assessment, status, self._clock.now())
            touched.append(key)
        return touched

    def _of_type(self, type_name: str) -> Mapping[str, AssessmentDefinition]:
        """Returns the recommendations that assess resources of a type, by their keys."""
        kind = fold(type_name)
        if kind not in self._types:
            self._types[kind] = {key: one for key, one in self.definitions.items() if one.assesses(type_name)}
        return self._types[kind]

    def _reassess(self, scope: str, time: datetime) -> list[tuple[str, str]]:
        touched = []
        subscription = ids.subscription_of(scope)
        held = self._by_subscription.get(fold(subscription), {}) if subscription else self._assessments
        for key, assessment in list(held.items()):
            subject = assessment.resource_id
            if not self._store.covers(scope, subject):
                continue
            if not self._settle_one(assessment, self._clock.monotonic()):
                continue
            touched.append(key)
            resource = self._store.find(subject)
            if assessment.pinned is not None:
                self._schedule(assessment, assessment.pinned, time)
            elif resource is not None or _is_subscription(subject):
                body = resource.render() if resource else {}
                self._schedule(assessment, self._evaluate(assessment.definition, body, subject), time)
        return touched

    def _end_exemptions(self) -> None:
        """Assesses again what was covered by exemptions that have expired since the last call."""
        now = self._clock.now()
        since = self._exemptions_checked_at
        for expired_at, exemption in self._policies.ended(since, now):
            self._reassess(exemption.scope, expired_at)
        for expired_at, assignment in self.standard_assignments.ended(since, now):
            self._reassess(assignment.scope, expired_at)
        self._exemptions_checked_at = now

    def _evaluate(
        self, definition: AssessmentDefinition, body: Mapping[str, Any], subject: str
    ) -> SimulatedStatus | None:
        if definition.rule is None:
            return None
        if definition.applies is not None and not holds(definition.applies, body, subject, self._store):
            return None
        return SimulatedStatus(code=HEALTHY if holds(definition.rule, body, subject, self._store) else UNHEALTHY)

    def _schedule(self, assessment: SimulatedAssessment, status: SimulatedStatus | None, time: datetime) -> None:
        """Lets a status take effect after the usual delay from a moment; None removes the assessment."""
        definition = assessment.definition
        if status is not None and self._policies.exemptions and not definition.subscriptions:
            reference = reference_of(definition.metadata)
            exemption = self._policies.exemption_of(reference, assessment.resource_id, time)
            if exemption is not None:
                status = SimulatedStatus(code=NOT_APPLICABLE, cause="Exempt", description=exemption.description or None)
        own = self.standard_assignments.about(definition.key, assessment.resource_id, time)
        if status is not None and own is not None:
            if own.effect == EXEMPT:
                status = SimulatedStatus(
                    code=NOT_APPLICABLE, cause="Exempt", description=own.properties.get("description")
                )
            elif own.data["complianceState"] != "unknown":
                status = SimulatedStatus(code=HEALTHY if own.data["complianceState"] == "compliant" else UNHEALTHY)
        if assessment.status == status:
            assessment.due = assessment.coming = None
            return
        if assessment.due is None:
            elapsed = (self._clock.now() - time).total_seconds()
            assessment.due = self._clock.monotonic() - elapsed + self._assessment_lag
            self._scheduled += 1
            heappush(self._pending, (assessment.due, self._scheduled, assessment.key))
        assessment.coming = status

    def _settle_now(self, keys: list[tuple[str, str]]) -> None:
        now = self._clock.monotonic()
        for key in keys:
            assessment = self._assessments[key]
            if assessment.due is not None:
                assessment.due = now
                self._settle_one(assessment, now)


def _is_subscription(subject: str) -> bool:
    return subject.count("/") == 2  # /subscriptions/{id}


def _key(assessment_key: str, resource_id: str) -> tuple[str, str]:
    return assessment_key, ids.key(resource_id)
