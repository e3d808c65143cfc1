"""Defender for Cloud's assessments: one per recommendation and resource. They follow a change only after a delay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from heapq import heappop, heappush
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.defender.assessments import (
    HEALTHY,
    NOT_APPLICABLE,
    UNHEALTHY,
    AssessmentDefinition,
    SimulatedAssessment,
    SimulatedStatus,
    is_visible,
    key_of,
)
from defender_remediate.testing.simulator.defender.exemptions import EXEMPT, StandardAssignments
from defender_remediate.testing.simulator.defender.held import HeldAssessments
from defender_remediate.testing.simulator.defender.rules import holds
from defender_remediate.testing.simulator.defender.score_counts import ScoreCounts
from defender_remediate.testing.simulator.policy.state import PolicyState
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.store import Store

SUBSCRIPTION = "Microsoft.Resources/subscriptions"
PRICINGS = "Microsoft.Security/pricings"
FOUNDATIONAL, DEFENDER_CSPM = "FoundationalCspm", "CloudPosture"
"""The free plan of foundational posture management, and the paid plan that includes it."""
# So many changed resources are counted for the score at once, so that no single request counts them all.
_COUNT_FROM = 500


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
        self._held = HeldAssessments()
        # The pending changes by the moment at which they take effect; one that was called off stays until then.
        self._pending: list[tuple[float, int, tuple[str, str]]] = []
        self._scheduled = 0
        self._counts: dict[str, ScoreCounts] = {}
        self._is_immediate = False
        self._changes = 0
        self._types: dict[str, dict[str, AssessmentDefinition]] = {}
        store.listen(self._on_change)

    def add_definition(self, definition: AssessmentDefinition) -> None:
        """Adds a recommendation and assesses every resource for it without delay."""
        self.definitions[definition.key] = definition
        self.definitions_changed()
        subjects = [resource.id for resource in self._store.resources()]
        subjects += [f"/subscriptions/{subscription_id}" for subscription_id in self._store.subscriptions]
        for subject in subjects:
            self._settle_now(self._assess(subject, only=definition))

    def definitions_changed(self) -> None:
        """Must be called after a change of ``definitions``."""
        self._changes += 1
        self._types.clear()

    def changes(self) -> int:
        """Returns how often something changed in what Defender shows until now."""
        self._settle()
        return self._changes

    def everything(self) -> list[SimulatedAssessment]:
        """Returns every assessment, also those that Defender does not show."""
        self._settle()
        return list(self._held.by_key.values())

    def adopt(self, assessment: SimulatedAssessment) -> None:
        """Takes an assessment as it is."""
        self._keep(assessment)
        if assessment.due is not None:
            self._await(assessment, assessment.due)

    def remove_definition(self, key: str) -> None:
        """Removes a recommendation and its assessments."""
        for held in [one for one in self._held.by_key.values() if one.definition.key == key]:
            self._drop(held)
        del self.definitions[key]
        self._types.clear()

    def remove(self, key: str, resource_id: str) -> bool:
        """Removes an assessment that was set by hand; returns whether it was there."""
        found = self.get(key, resource_id)
        if found is not None:
            self._drop(found)
        return found is not None

    def add(self, assessment: SimulatedAssessment) -> None:
        """Adds an assessment that a test sets by hand."""
        assessment.first = assessment.changed = self._clock.monotonic()
        assessment.pinned = assessment.status
        self._keep(assessment)
        self._schedule(assessment, assessment.pinned, self._clock.now())

    def get(self, key: str, resource_id: str) -> SimulatedAssessment | None:
        """Returns the assessment of a recommendation on a resource; None if there is none."""
        return self._held.by_key.get(key_of(fold(key), resource_id))

    def of_resource(self, resource_id: str) -> Iterator[SimulatedAssessment]:
        """Yields the assessments of one resource that Defender shows now."""
        self._settle()
        held = list(self._held.by_resource.get(ids.key(resource_id), {}).values())
        return self._shown(held)

    def current(self, scope: str = "") -> Iterator[SimulatedAssessment]:
        """Yields the assessments that Defender shows now: of subscriptions with posture management, and not forgotten.

        Without the benchmark, only the recommendations that have no policy are left.

        Args:
            scope: Where they are. Of a resource also those of its resource group are among them.
        """
        self._settle()
        return self._shown(list(self._held.at(scope).values()))

    def counts(self, subscription: str) -> ScoreCounts:
        """Returns how many resources of each security control are healthy, unhealthy and not applicable."""
        self._settle()
        counts = self._counts.setdefault(fold(subscription), ScoreCounts())
        counts.update(self._is_shown(subscription), self._held.by_resource)
        return counts

    @contextmanager
    def immediately(self) -> Iterator[None]:
        """Assesses without delay what changes until the end of the block."""
        outer, self._is_immediate = self._is_immediate, True
        try:
            yield
        finally:
            self._is_immediate = outer

    def _is_shown(self, subscription: str) -> tuple[bool, bool]:
        """Whether Defender shows the assessments of a subscription, and those that have a policy."""
        has_posture = self._has_posture(subscription)
        return has_posture, has_posture and self._policies.has_benchmark(subscription)

    def listed(self, scope: str) -> tuple[list[SimulatedAssessment], Callable[[SimulatedAssessment], bool]]:
        """Returns what ``current`` chooses from, and what says whether it is shown: for a page of a long list."""
        self._settle()
        return list(self._held.at(scope).values()), self._visibility()

    def _shown(self, held: Iterable[SimulatedAssessment]) -> Iterator[SimulatedAssessment]:
        return filter(self._visibility(), held)

    def _visibility(self) -> Callable[[SimulatedAssessment], bool]:
        shown: dict[str, tuple[bool, bool]] = {}

        def is_shown(assessment: SimulatedAssessment) -> bool:
            if assessment.subscription not in shown:
                shown[assessment.subscription] = self._is_shown(assessment.subscription)
            return is_visible(assessment, shown[assessment.subscription])

        return is_shown

    def forget(self, subscription: str) -> None:
        """Removes every assessment of a subscription, as before the first evaluation."""
        for assessment in list(self._held.at(f"/subscriptions/{subscription}").values()):
            self._drop(assessment)

    def _has_posture(self, subscription: str) -> bool:
        for plan in (FOUNDATIONAL, DEFENDER_CSPM):
            found = self._store.find(f"/subscriptions/{subscription}/providers/{PRICINGS}/{plan}")
            if found is not None and fold(str(found.body["properties"].get("pricingTier"))) == "standard":
                return True
        return False

    def _keep(self, assessment: SimulatedAssessment) -> None:
        self._held.add(assessment)
        self._alter(assessment)

    def _drop(self, assessment: SimulatedAssessment) -> None:
        self._held.remove(assessment)
        self._alter(assessment)

    def _alter(self, assessment: SimulatedAssessment) -> None:
        self._changes += 1
        counts = self._counts.setdefault(assessment.subscription, ScoreCounts())
        counts.altered.add(assessment.key[1])
        if len(counts.altered) > _COUNT_FROM:
            counts.update(self._is_shown(assessment.subscription), self._held.by_resource)

    def _settle(self) -> None:
        """Applies the changes that are due by now, also those by exemptions that have ended."""
        self._end_exemptions()
        now = self._clock.monotonic()
        while self._pending and self._pending[0][0] <= now:
            _, _, key = heappop(self._pending)
            found = self._held.by_key.get(key)
            if found is not None:
                self._settle_one(found, now)

    def _settle_one(self, assessment: SimulatedAssessment, now: float) -> bool:
        if assessment.due is None or assessment.due > now:
            return True
        remains = assessment.settle()
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
        touched = self._assess_with_parents(resource_id)
        if self._is_immediate:
            self._settle_now(touched)

    def _assess_with_parents(self, resource_id: str) -> list[tuple[str, str]]:
        touched = self._assess(resource_id)
        below = ids.segments(ids.key(resource_id))
        path = ids.path_of(resource_id)
        above = [] if path is None else [path.parent]
        while path is not None and (path := ids.path_of(path.parent)) is not None:
            above.append(path.parent)
        if ids.subscription_of(resource_id):
            above.append(f"/subscriptions/{ids.subscription_of(resource_id)}")
        for subject in dict.fromkeys(above):
            if ids.key(subject) != ids.key(resource_id):
                touched += self._assess(subject, below[len(ids.segments(subject)) :])
        return touched

    def _assess(
        self, subject: str, changed: Sequence[str] = (), only: AssessmentDefinition | None = None
    ) -> list[tuple[str, str]]:
        """Schedules the status that each recommendation gives a resource or subscription.

        Args:
            subject: Its id.
            changed: The segments of what changed below it; only the recommendations that look there matter.
            only: The one recommendation that matters; None for all.
        """
        resource = self._store.find(subject)
        type_name = SUBSCRIPTION if _is_subscription(subject) else resource.type.name if resource else None
        relevant = {} if type_name is None else dict(self._of_type(type_name))
        if changed:
            relevant = {key: one for key, one in relevant.items() if one.looks_at(changed)}
        else:
            held = self._held.by_resource.get(ids.key(subject), {})
            relevant.update({name: self.definitions[name] for name in held if name in self.definitions})
        if only is not None:
            relevant = {only.key: only} if only.key in relevant else {}
        body = resource.view() if resource and relevant else {}
        touched = []
        for definition in relevant.values():
            key = key_of(definition.key, subject)
            status = None
            is_defined_here = (
                not definition.subscriptions or fold(ids.subscription_of(subject)) in definition.subscriptions
            )
            if is_defined_here and definition.assesses(type_name):
                status = self._evaluate(definition, body, subject)
            assessment = self._held.by_key.get(key)
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
        for key, assessment in list(self._held.at(scope if ids.subscription_of(scope) else "").items()):
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
                body = resource.view() if resource else {}
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
            exemption = self._policies.exemption_of(definition.reference, assessment.resource_id, time)
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
            if not self._is_immediate:
                self._await(assessment, assessment.due)
        assessment.coming = status

    def _await(self, assessment: SimulatedAssessment, due: float) -> None:
        self._scheduled += 1
        heappush(self._pending, (due, self._scheduled, assessment.key))

    def _settle_now(self, keys: list[tuple[str, str]]) -> None:
        now = self._clock.monotonic()
        for key in keys:
            assessment = self._held.by_key[key]
            if assessment.due is not None:
                assessment.due = now
                self._settle_one(assessment, now)


def _is_subscription(subject: str) -> bool:
    return subject.count("/") == 2  # /subscriptions/{id}
