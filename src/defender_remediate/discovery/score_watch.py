"""Collects, while a plan's assessments are read, what the expected gain of the score is computed from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import attrs

from defender_remediate.casing import fold
from defender_remediate.discovery.ranking import Tally
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.forecast import ControlFacts, ScoreFacts, UnhealthyResource
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.step import RemediationStep


@attrs.frozen(kw_only=True)
class ScoreWatch:
    """The controls and scores of some subscriptions, and which recommendations are unhealthy together.

    Attributes:
        controls: Those of each subscription, with its id.
        tally: Over the same controls, merged by name.
        scores: The score of each subscription.
    """

    controls: tuple[tuple[str, SecurityControl], ...]
    tally: Tally
    scores: list[SecureScore]

    def watched(self, assessments: Iterable[Assessment]) -> Iterator[Assessment]:
        """The same assessments, counted while they are read."""
        for assessment in assessments:
            if assessment.status == AssessmentStatus.UNHEALTHY:
                self.tally.add(assessment.key, assessment.resource_id)
            yield assessment

    def facts(self, steps: Iterable[RemediationStep], previews: Collection[str]) -> ScoreFacts:
        """What the gain of these steps, or of some of them, is computed from.

        Args:
            steps: The steps of the plan.
            previews: The keys that do not count, in lower case.
        """
        resources = {id_key(step.resource_id): step.resource_id for step in steps}
        unhealthy = []
        for resource_id in resources.values():
            subscription = ResourceId.parse(resource_id).subscription_id or ""
            for control, keys in self.tally.unhealthy_on(resource_id):
                counted = tuple(key for key in keys if key not in previews)
                if counted:
                    unhealthy.append(
                        UnhealthyResource(
                            subscription_id=subscription, control=control.name, resource_id=resource_id, keys=counted
                        )
                    )
        controls = [
            ControlFacts(
                subscription_id=subscription,
                name=control.name,
                display_name=control.display_name,
                current_score=control.current_score,
                max_score=control.max_score,
                healthy_count=control.healthy_count,
                unhealthy_count=control.unhealthy_count,
            )
            for subscription, control in self.controls
            if control.max_score > 0
        ]
        return ScoreFacts(
            current=sum(score.current for score in self.scores),
            max=sum(score.max for score in self.scores),
            controls=tuple(sorted(controls, key=lambda one: (fold(one.subscription_id), fold(one.name)))),
            unhealthy=tuple(unhealthy),
        )
