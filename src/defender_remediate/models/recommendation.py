"""Recommendations: assessment types with what they affect in a scope, and their fixes."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs

from defender_remediate.casing import fold, fold_or_none
from defender_remediate.display import one_line
from defender_remediate.event_payload import read_assessment
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.fix import FixAction
from defender_remediate.models.guidance import Guidance
from defender_remediate.models.individual import RecommendationCategory, is_individual
from defender_remediate.models.priority import Priority
from defender_remediate.models.recommendation_metadata import Effort, RecommendationMetadata, Severity, fields_of
from defender_remediate.models.risk import Risk, RiskLevel
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text


@notebook
@attrs.frozen(kw_only=True)
class Recommendation(Value):
    """An assessment type with its metadata, the number of affected resources, and its fix.

    Attributes:
        key: The assessment key. The assessments of an individual recommendation may have several; this is the first of them
            in alphabetical order.
        display_name, description: As Azure shows them; the description is plain text.
        severity: None where Azure gives none.
        category: None unless it is an individual recommendation, or replaced a grouped one.
        categories: What it is about, in Azure's words, such as ``Data`` or ``Networking``.
        user_impact, implementation_effort: What Azure says that users notice, and what fixing takes.
        threats: What it protects from, in Azure's words.
        tactics, techniques: Those of MITRE ATT&CK that it counters, as Azure names them.
        preview: Whether it is in preview, and does not count for the secure score.
        policy_definition_id: The policy definition that it comes from; None for those that are not policies.
        remediation_steps: The manual steps, as plain text.
        risk: The highest risk among its unhealthy resources; None where Azure reports none.
        on_attack_paths: The number of its unhealthy resources on which Azure names it as part of an attack path.
        controls: Display names of the security controls it belongs to.
        unhealthy_count, healthy_count, not_applicable_count: Resources in the client's scope.
        fix: How this library fixes it; None when it has to be fixed by hand.
        guidance: Why there is no fix and what can be done instead, where that is known; None when there is a fix.
        potential_increase: Points that the secure score gains when only this recommendation is fixed on all its resources. It
            is often 0: a resource adds points to a control only when its last unhealthy recommendation is fixed.
        priority: Its rank; ``str(priority)`` explains it.
    """

    _computed: ClassVar[tuple[str, ...]] = ("is_fixable", "is_individual", "potential_increase")

    key: str = attrs.field(eq=fold)
    display_name: str
    description: str | None = optional_text(repr=False)
    remediation_steps: str | None = optional_text(repr=False)
    severity: Severity | None = None
    category: RecommendationCategory | None = None
    risk: Risk | None = None
    on_attack_paths: int = 0
    categories: tuple[str, ...] = attrs.field(default=(), repr=False)
    user_impact: Effort | None = None
    implementation_effort: Effort | None = None
    threats: tuple[str, ...] = attrs.field(default=(), repr=False)
    tactics: tuple[str, ...] = attrs.field(default=(), repr=False)
    techniques: tuple[str, ...] = attrs.field(default=(), repr=False)
    preview: bool = False
    policy_definition_id: str | None = optional_text(eq=fold_or_none)
    controls: tuple[str, ...] = ()
    unhealthy_count: int = 0
    healthy_count: int = 0
    not_applicable_count: int = 0
    fix: FixAction | None = attrs.field(default=None, repr=False)
    guidance: Guidance | None = attrs.field(default=None, repr=False)
    priority: Priority = attrs.field(factory=Priority, repr=False)

    @classmethod
    def from_event(cls, payload: Any) -> Recommendation:
        """Read the recommendation of an event of continuous export or a workflow automation. Makes no request.

        It has no fix, guidance or rank, which only ``client.get_recommendation`` knows, and counts the resource of the
        event alone. To plan for this one resource pass ``AssessmentEvent.from_payload(payload).assessment`` to
        ``client.plan``; a recommendation is planned for all its resources.

        Args:
            payload: One event, ``{"records": [event]}``, or one of these as JSON in a string or bytes.

        Raises:
            RetiredError: It is about a sub-assessment; Azure has retired these.
            InvalidInputError: It is not JSON, or holds no assessment or several.
        """
        record = read_assessment(payload)
        assessment = Assessment.from_rest(record.json)
        metadata = RecommendationMetadata.from_graph(record.json)
        status = None if fold(record.action) == "delete" else assessment.status
        is_unhealthy = status == AssessmentStatus.UNHEALTHY
        risk = assessment.risk if is_unhealthy else None
        return cls(
            key=assessment.key,
            display_name=assessment.display_name or metadata.display_name or assessment.key,
            risk=risk,
            on_attack_paths=int(risk is not None and bool(risk.attack_paths)),
            unhealthy_count=int(is_unhealthy),
            healthy_count=int(status == AssessmentStatus.HEALTHY),
            not_applicable_count=int(status == AssessmentStatus.NOT_APPLICABLE),
            **fields_of(metadata),
        )

    @property
    def is_fixable(self) -> bool:
        """Whether the catalog has a fix for it."""
        return self.fix is not None

    @property
    def is_individual(self) -> bool:
        """Whether it is an individual recommendation, which is addressed by category and not by key."""
        return is_individual(self.category)

    @property
    def risk_level(self) -> RiskLevel | None:
        """The highest risk level among its unhealthy resources; None where Azure reports none."""
        return None if self.risk is None else self.risk.level

    @property
    def potential_increase(self) -> float:
        """Points gained when this recommendation alone is fixed on all its resources."""
        return self.priority.points

    def __str__(self) -> str:
        fix = "manual"
        if self.fix:
            fix = str(self.fix.kind)
        elif self.guidance:
            fix = f"manual: {self.guidance.reason.label}"
        severity = self.severity or "no severity"
        return one_line(f"{self.display_name} [{severity}, {self.unhealthy_count} unhealthy, {fix}] {self.key}")
