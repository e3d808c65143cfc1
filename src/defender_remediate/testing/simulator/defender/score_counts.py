"""How many resources of each security control are healthy, kept in step with the assessments of one subscription."""

from __future__ import annotations

from collections import Counter

import attrs

from defender_remediate.testing.simulator.defender.state import HEALTHY, NOT_APPLICABLE, UNHEALTHY, Assessor


@attrs.define
class ScoreCounts:
    """The counts of one subscription. Only resources whose assessments changed since the last call are counted again.

    Attributes:
        counts: The number of resources by the name of a control and their status in it.
    """

    counts: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    _statuses: dict[str, dict[str, str]] = attrs.field(factory=dict)
    _shown: tuple[bool, bool] | None = None

    def update(self, assessor: Assessor, subscription: str) -> None:
        """Counts what changed. A resource is healthy in a control if all its recommendations there are."""
        altered = assessor.altered(subscription)
        shown = assessor.is_shown(subscription)
        if shown != self._shown:
            altered = altered | set(self._statuses)
            self._shown = shown
        for resource in altered:
            self.counts.subtract(self._statuses.pop(resource, {}).items())
            found = _statuses_of(assessor, resource)
            if found:
                self._statuses[resource] = found
                self.counts.update(found.items())


def _statuses_of(assessor: Assessor, resource: str) -> dict[str, str]:
    codes: dict[str, set[str]] = {}
    for assessment in assessor.of_resource(resource):
        if assessment.definition.counts and assessment.status is not None:
            for control in assessment.definition.controls:
                codes.setdefault(control, set()).add(assessment.status.code)
    return {
        control: UNHEALTHY if UNHEALTHY in found else HEALTHY if HEALTHY in found else NOT_APPLICABLE
        for control, found in codes.items()
    }
