"""What a recommendation is, and one assessment of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.defender.rules import children_in
from defender_remediate.testing.simulator.policy.state import reference_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.store import copied

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
        reference: The benchmark's reference id of its policy; None if it has none.
        shown: The metadata as JSON values, one copy for all its assessments.
        children: The children that its conditions look at, as segments in lower case; ``*`` stands for any name.
    """

    key: str
    metadata: Mapping[str, Any]
    resource_type: str | None = None
    applies: Mapping[str, Any] | None = None
    rule: Mapping[str, Any] | None = None
    controls: Sequence[str] = ()
    subscriptions: tuple[str, ...] = ()
    reference: str | None = attrs.field(
        init=False, default=attrs.Factory(lambda self: reference_of(self.metadata), takes_self=True)
    )

    children: tuple[tuple[str, ...], ...] = attrs.field(
        init=False,
        default=attrs.Factory(
            lambda self: tuple({*children_in(self.rule), *children_in(self.applies)}), takes_self=True
        ),
    )

    shown: Mapping[str, Any] = attrs.field(
        init=False, repr=False, default=attrs.Factory(lambda self: copied(self.metadata), takes_self=True)
    )

    def __deepcopy__(self, memo: dict[int, Any]) -> AssessmentDefinition:
        return self

    def looks_at(self, below: Sequence[str]) -> bool:
        """Whether it depends on a resource below the one that it assesses, whose id continues with these segments."""
        return any(
            all(fnmatchcase(name, pattern) for name, pattern in zip(below, patterns, strict=False))
            for patterns in self.children
        )

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
        init=False, default=attrs.Factory(lambda self: key_of(self.definition.key, self.resource_id), takes_self=True)
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

    def settle(self) -> bool:
        """Applies the pending change, which is due; returns False if the assessment is removed by it."""
        assert self.due is not None
        if self.coming is None:
            return False
        self.first = self.due if self.status is None else self.first
        self.changed = self.due
        self.status = self.coming
        self.due = self.coming = None
        return True


def is_visible(assessment: SimulatedAssessment, shown: tuple[bool, bool]) -> bool:
    """Whether Defender shows an assessment.

    Args:
        assessment: The assessment.
        shown: Whether it shows the assessments of the subscription, and those that have a policy.
    """
    has_posture, has_benchmark = shown
    if assessment.status is None or not has_posture:
        return False
    return has_benchmark or not assessment.definition.metadata.get("policyDefinitionId")


def key_of(assessment_key: str, resource_id: str) -> tuple[str, str]:
    """Returns what an assessment is found by."""
    return assessment_key, ids.key(resource_id)
