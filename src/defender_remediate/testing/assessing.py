"""Defender for Cloud's judgement: it looks at the resources, and it is slow to notice that one changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.testing import ids
from defender_remediate.testing.clock import VirtualClock
from defender_remediate.testing.facts import facts
from defender_remediate.testing.rules import holds
from defender_remediate.testing.store import Store

SUBSCRIPTION = "Microsoft.Resources/subscriptions"
HEALTHY, UNHEALTHY, NOT_APPLICABLE = "Healthy", "Unhealthy", "NotApplicable"


@attrs.frozen(kw_only=True)
class Finding:
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


def shipped_findings() -> list[Finding]:
    """The recommendations in ``data/findings.json``."""
    return [
        Finding(
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
        coming: The next status; None when the assessment is about to vanish.
        pinned: It was set by hand and follows no rule.
        details: ``resourceDetails`` as the REST API shows them.
    """

    finding: Finding
    resource_id: str
    details: Mapping[str, Any]
    code: str = ""
    cause: str = ""
    description: str = ""
    first: float = 0.0
    changed: float = 0.0
    due: float | None = None
    coming: str | None = None
    pinned: bool = False
    additional: Mapping[str, str] = attrs.field(factory=dict)
    risk: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.resource_id}/providers/Microsoft.Security/assessments/{self.finding.key}"

    def settle(self, now: float) -> bool:
        """Let a coming judgement take effect when it is due. False when the assessment is gone."""
        if self.due is None or self.due > now:
            return True
        if self.coming is None:
            return False
        first_time = not self.code
        self.code, self.cause, self.description = self.coming, "", ""
        self.changed = self.due
        self.first = self.due if first_time else self.first
        self.due = self.coming = None
        return True


class Assessor:
    """Keeps an assessment for every finding on every resource."""

    def __init__(self, store: Store, clock: VirtualClock, lag: float) -> None:
        self._store = store
        self._clock = clock
        self.lag = lag
        self.findings: dict[str, Finding] = {finding.key: finding for finding in shipped_findings()}
        self._assessments: dict[tuple[str, str], Assessment] = {}
        store.listen(self._changed)

    def add_finding(self, finding: Finding) -> None:
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
        assessment.pinned = True
        self._assessments[_place(assessment.finding.key, assessment.resource_id)] = assessment

    def find(self, finding_key: str, resource_id: str) -> Assessment:
        """The assessment of a finding on a resource.

        Raises:
            KeyError: There is none.
        """
        return self._assessments[_place(finding_key.casefold(), resource_id)]

    def look_at(self, resource_id: str) -> None:
        """Judge one resource (and what it is a part of) without any lag."""
        self._settle_now(self._judge_all(resource_id))

    def _settle_now(self, places: list[tuple[str, str]]) -> None:
        now = self._clock.monotonic()
        for place in places:
            assessment = self._assessments[place]
            if assessment.due is not None:
                assessment.due = now
                self._keep(place, assessment, now)

    def current(self) -> Iterator[Assessment]:
        """Every assessment as Defender shows it now."""
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
        self._judge_all(resource_id)

    def _judge_all(self, resource_id: str) -> list[tuple[str, str]]:
        findings = list(self.findings.values())
        return [place for subject in _subjects(resource_id) for place in self._judge(subject, findings)]

    def _judge(self, subject: str, findings: list[Finding]) -> list[tuple[str, str]]:
        resource = self._store.find(subject)
        is_subscription = subject.count("/") == 2
        kind = SUBSCRIPTION if is_subscription else resource.kind.name if resource else ""
        folded, key = kind.casefold(), ids.key(subject)
        concerned = [f for f in findings if f.resource_type.casefold() == folded or (f.key, key) in self._assessments]
        body = resource.render() if resource and concerned else {}
        touched = []
        for finding in concerned:
            place = (finding.key, key)
            verdict = None
            here = not finding.subscriptions or ids.subscription_of(subject).casefold() in finding.subscriptions
            if here and finding.rule is not None and finding.resource_type.casefold() == folded:
                verdict = self._verdict(finding, body, subject)
            if verdict is None and place not in self._assessments:
                continue
            known = self._assessments.setdefault(place, self._fresh(finding, resource.id if resource else subject))
            self._schedule(known, verdict, gone=not kind)
            touched.append(place)
        return touched

    def _verdict(self, finding: Finding, body: Mapping[str, Any], subject: str) -> str | None:
        if finding.applies is not None and not holds(finding.applies, body, subject, self._store):
            return None
        return HEALTHY if holds(finding.rule or {}, body, subject, self._store) else UNHEALTHY

    def _fresh(self, finding: Finding, resource_id: str) -> Assessment:
        return Assessment(finding=finding, resource_id=resource_id, details={"source": "Azure", "id": resource_id})

    def _schedule(self, assessment: Assessment, verdict: str | None, *, gone: bool) -> None:
        if assessment.pinned and not gone:
            return
        if assessment.code == (verdict or "-"):
            assessment.due = assessment.coming = None
            return
        if assessment.due is None:
            assessment.due = self._clock.monotonic() + self.lag
        assessment.coming = verdict


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
