"""How many resources of each security control are healthy, kept in step with the assessments of one subscription."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from defender_remediate.testing.simulator.defender.assessments import (
    HEALTHY,
    NOT_APPLICABLE,
    UNHEALTHY,
    SimulatedAssessment,
    is_visible,
)


@attrs.define
class ScoreCounts:
    """The counts of one subscription.

    Attributes:
        altered: The keys of the resources whose assessments changed since the last update.
        counts: The number of resources by the name of a control and their status in it.
    """

    altered: set[str] = attrs.field(factory=set)
    counts: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    _statuses: dict[str, dict[str, str]] = attrs.field(factory=dict)
    _shown: tuple[bool, bool] | None = None

    def update(self, shown: tuple[bool, bool], by_resource: Mapping[str, Mapping[str, SimulatedAssessment]]) -> None:
        """Counts what changed, or everything if other assessments are shown than before."""
        if shown != self._shown:
            self.altered |= set(self._statuses)
            self._shown = shown
        for resource in self.altered:
            for pair in self._statuses.pop(resource, {}).items():
                self.counts[pair] -= 1
            held = by_resource.get(resource, {})
            found = _statuses(held.values(), shown)
            if held:
                self._statuses[resource] = found
            for pair in found.items():
                self.counts[pair] += 1
        self.altered.clear()


def _statuses(assessments: Iterable[SimulatedAssessment], shown: tuple[bool, bool]) -> dict[str, str]:
    """Returns the status of a resource in each control: healthy if all its recommendations there are."""
    codes: dict[str, set[str]] = {}
    for assessment in assessments:
        if assessment.status is not None and assessment.definition.counts and is_visible(assessment, shown):
            for control in assessment.definition.controls:
                codes.setdefault(control, set()).add(assessment.status.code)
    return {
        control: UNHEALTHY if UNHEALTHY in found else HEALTHY if HEALTHY in found else NOT_APPLICABLE
        for control, found in codes.items()
    }
