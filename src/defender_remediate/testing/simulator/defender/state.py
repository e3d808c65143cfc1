"""Defender for Cloud's judgement: it looks at the resources, and it is slow to notice that one changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.defender.rules import holds
from defender_remediate.testing.simulator.policy.state import Policies, reference_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.store import Store

SUBSCRIPTION = "Microsoft.Resources/subscriptions"
HEALTHY, UNHEALTHY, NOT_APPLICABLE = "Healthy", "Unhealthy", "NotApplicable"


@attrs.frozen(kw_only=True)
class Verdict:
    """A judgement."""

    code: str
    cause: str = ""
    description: str = ""


@attrs.frozen(kw_only=True)
class _Moment:
    """An instant, on the clock's face and in its seconds: neither can be had from the other without loss."""

    seconds: float
    time: datetime


_GOOD, _BAD = Verdict(code=HEALTHY), Verdict(code=UNHEALTHY)


@attrs.frozen(kw_only=True)
class AssessmentDefinition:
    """A recommendation as Defender knows it.

    Attributes:
        key: The assessment key.
        metadata: The ``properties`` of its assessmentMetadata.
        resource_type: What it looks at; empty when only ``add_assessment`` makes assessments of it.
        applies: The resources it is about; all of the type when None.
        rule: When such a resource is healthy; None when nothing that a caller can write decides it.
        controls: Names of the security controls that it counts in.
        subscriptions: Where it is defined; empty for a built-in one.
    """

    key: str
    metadata: Mapping[str, Any]
    resource_type: str = ""
    applies: Mapping[str, Any] | None = None
    rule: Mapping[str, Any] | None = None
    controls: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it moves the secure score."""
        return not self.metadata.get("preview") and not self.subscriptions


def shipped_findings() -> list[AssessmentDefinition]:
    """The recommendations in ``data/findings.json``."""
    return [
        AssessmentDefinition(
            key=raw["key"],
            metadata=raw["metadata"],
            resource_type=raw.get("resource_type", ""),
            applies=raw.get("applies"),
            rule=raw.get("rule"),
            controls=tuple(raw.get("controls", ())),
        )
        for raw in facts("findings")
    ]


@attrs.define(kw_only=True)
class Assessment:
    """One finding on one resource.

    Attributes:
        due: When the judgement changes to ``coming``; None when nothing is coming.
        coming: The next judgement; None when the assessment is about to vanish.
        pinned: The judgement that was set by hand, when it follows no rule.
        details: ``resourceDetails`` as the REST API shows them.
    """

    finding: AssessmentDefinition
    resource_id: str
    details: Mapping[str, Any]
    code: str = ""
    cause: str = ""
    description: str = ""
    first: float = 0.0
    changed: float = 0.0
    due: float | None = None
    coming: Verdict | None = None
    pinned: Verdict | None = None
    additional: Mapping[str, str] = attrs.field(factory=dict)
    risk: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.resource_id}/providers/Microsoft.Security/assessments/{self.finding.key}"

    @property
    def verdict(self) -> Verdict:
        """What is shown now; its code is empty before the first judgement."""
        return Verdict(code=self.code, cause=self.cause, description=self.description)

    def settle(self, now: float) -> bool:
        """Let a coming judgement take effect when it is due. False when the assessment is gone."""
        if self.due is None or self.due > now:
            return True
        if self.coming is None:
            return False
        first_time = not self.code
        self.code, self.cause, self.description = self.coming.code, self.coming.cause, self.coming.description
        self.changed = self.due
        self.first = self.due if first_time else self.first
        self.due = self.coming = None
        return True


class Assessor:
    """Keeps an assessment for every finding on every resource."""

    def __init__(self, store: Store, clock: VirtualClock, policies: Policies, lag: float) -> None:
        self._store = store
        self._clock = clock
        self._policies = policies
        self._looked = clock.now()
        self.lag = lag
        self.findings: dict[str, AssessmentDefinition] = {finding.key: finding for finding in shipped_findings()}
        self._assessments: dict[tuple[str, str], Assessment] = {}
        store.listen(self._changed)

    def add_finding(self, finding: AssessmentDefinition) -> None:
        """Judge by one more recommendation from now on; what exists is judged at once."""
        self.findings[finding.key] = finding
        subjects = [resource.id for resource in self._store.resources()]
        subjects += [f"/subscriptions/{subscription_id}" for subscription_id in self._store.subscriptions]
        for subject in subjects:
            self._settle_now(self._judge(subject, [finding]))

    def add(self, assessment: Assessment) -> None:
        """Put an assessment there by hand."""
        moment = self._clock.monotonic()
        assessment.first = assessment.changed = moment
        assessment.pinned = assessment.verdict
        self._assessments[_place(assessment.finding.key, assessment.resource_id)] = assessment
        self._schedule(assessment, assessment.pinned, self._now(), gone=False)

    def find(self, finding_key: str, resource_id: str) -> Assessment:
        """The assessment of a finding on a resource.

        Raises:
            KeyError: There is none.
        """
        return self._assessments[_place(fold(finding_key), resource_id)]

    def look_at(self, resource_id: str) -> None:
        """Judge one resource (and what it is a part of) without any lag."""
        self._settle_now(self._judge_all(resource_id))

    def reconsider(self, scope: str) -> None:
        """Judge again what an exemption at a scope may concern: it has just begun, or was taken back."""
        self._reconsider(scope, self._now())

    def reconsider_now(self, scope: str) -> None:
        """The same without any lag."""
        self._settle_now(self._reconsider(scope, self._now()))

    def _now(self) -> _Moment:
        return _Moment(seconds=self._clock.monotonic(), time=self._clock.now())

    def _reconsider(self, scope: str, moment: _Moment) -> list[tuple[str, str]]:
        touched = []
        for place, assessment in list(self._assessments.items()):
            subject = assessment.resource_id
            if not self._store.covers(scope, subject) or not self._keep(place, assessment, moment.seconds):
                continue
            touched.append(place)
            resource = self._store.find(subject)
            if assessment.pinned is not None:
                self._schedule(assessment, assessment.pinned, moment, gone=False)
            elif resource is not None or _is_subscription(subject):
                body = resource.render() if resource else {}
                self._schedule(assessment, self._verdict(assessment.finding, body, subject), moment, gone=False)
        return touched

    def _end_exemptions(self) -> None:
        """Notice the exemptions that have ended since the last look."""
        now = self._now()
        for ended, exemption in self._policies.ended(self._looked, now.time):
            seconds = now.seconds - (now.time - ended).total_seconds()
            self._reconsider(exemption.scope, _Moment(seconds=seconds, time=ended))
        self._looked = now.time

    def _settle_now(self, places: list[tuple[str, str]]) -> None:
        now = self._clock.monotonic()
        for place in places:
            assessment = self._assessments[place]
            if assessment.due is not None:
                assessment.due = now
                self._keep(place, assessment, now)

    def current(self) -> Iterator[Assessment]:
        """Every assessment as Defender shows it now."""
        self._end_exemptions()
        now = self._clock.monotonic()
        for place, assessment in list(self._assessments.items()):
            if self._keep(place, assessment, now) and assessment.code:
                yield assessment

    def _keep(self, place: tuple[str, str], assessment: Assessment, now: float) -> bool:
        kept = assessment.settle(now)
        if not kept:
            del self._assessments[place]
        return kept

    def _changed(self, resource_id: str) -> None:
        self._end_exemptions()
        self._judge_all(resource_id)

    def _judge_all(self, resource_id: str) -> list[tuple[str, str]]:
        findings = list(self.findings.values())
        return [place for subject in _subjects(resource_id) for place in self._judge(subject, findings)]

    def _judge(self, subject: str, findings: list[AssessmentDefinition]) -> list[tuple[str, str]]:
        resource = self._store.find(subject)
        kind = SUBSCRIPTION if _is_subscription(subject) else resource.kind.name if resource else ""
        folded, key = fold(kind), ids.key(subject)
        concerned = [f for f in findings if fold(f.resource_type) == folded or (f.key, key) in self._assessments]
        body = resource.render() if resource and concerned else {}
        touched = []
        for finding in concerned:
            place = (finding.key, key)
            verdict = None
            here = not finding.subscriptions or fold(ids.subscription_of(subject)) in finding.subscriptions
            if here and fold(finding.resource_type) == folded:
                verdict = self._verdict(finding, body, subject)
            if verdict is None and place not in self._assessments:
                continue
            known = self._assessments.setdefault(place, self._fresh(finding, resource.id if resource else subject))
            self._schedule(known, verdict, self._now(), gone=not kind)
            touched.append(place)
        return touched

    def _verdict(self, finding: AssessmentDefinition, body: Mapping[str, Any], subject: str) -> Verdict | None:
        if finding.rule is None:
            return None
        if finding.applies is not None and not holds(finding.applies, body, subject, self._store):
            return None
        return _GOOD if holds(finding.rule, body, subject, self._store) else _BAD

    def _fresh(self, finding: AssessmentDefinition, resource_id: str) -> Assessment:
        return Assessment(finding=finding, resource_id=resource_id, details={"source": "Azure", "id": resource_id})

    def _schedule(self, assessment: Assessment, verdict: Verdict | None, moment: _Moment, *, gone: bool) -> None:
        if assessment.pinned is not None and not gone:
            verdict = assessment.pinned
        if verdict is not None:
            verdict = self._exempted(assessment, moment.time) or verdict
        if assessment.verdict == verdict:
            assessment.due = assessment.coming = None
            return
        if assessment.due is None:
            assessment.due = moment.seconds + self.lag
        assessment.coming = verdict

    def _exempted(self, assessment: Assessment, time: datetime) -> Verdict | None:
        finding = assessment.finding
        if not self._policies.exemptions or finding.subscriptions:
            return None
        found = self._policies.exemption_of(reference_of(finding.metadata), assessment.resource_id, time)
        return None if found is None else Verdict(code=NOT_APPLICABLE, cause="Exempt", description=found.description)


def _is_subscription(subject: str) -> bool:
    return subject.count("/") == 2  # /subscriptions/{id}


def _place(finding_key: str, resource_id: str) -> tuple[str, str]:
    return finding_key, ids.key(resource_id)


def _subjects(resource_id: str) -> list[str]:
    """The resource and all that it is a part of: its parents, what it extends, its subscription."""
    found = [resource_id]
    target = ids.target_of(resource_id)
    while target is not None:
        found.append(target.parent)
        target = ids.target_of(target.parent)
    subscription = ids.subscription_of(resource_id)
    if subscription:
        found.append(f"/subscriptions/{subscription}")
    return list(dict.fromkeys(found))
