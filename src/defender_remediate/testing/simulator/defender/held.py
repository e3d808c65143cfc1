"""The assessments of a tenant, found by recommendation and resource, by place, and by resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from defender_remediate.testing.simulator.defender.assessments import SimulatedAssessment
from defender_remediate.testing.simulator.state import ids

Key = tuple[str, str]
"""The assessment key, and the key of the resource's id."""


class HeldAssessments:
    """Every assessment, also those that Defender does not show.

    Attributes:
        by_key: Each by what it is found by.
        by_resource: Those of a resource by their assessment keys, by the key of its id.
    """

    def __init__(self) -> None:
        self.by_key: dict[Key, SimulatedAssessment] = {}
        self.by_resource: dict[str, dict[str, SimulatedAssessment]] = {}
        # By the key of a subscription or resource group.
        self._below: dict[str, dict[Key, SimulatedAssessment]] = {}

    def add(self, assessment: SimulatedAssessment) -> None:
        """Adds an assessment, or replaces the one of the same recommendation and resource."""
        key = assessment.key
        self.by_key[key] = assessment
        for place in _places(key[1]):
            self._below.setdefault(place, {})[key] = assessment
        self.by_resource.setdefault(key[1], {})[key[0]] = assessment

    def remove(self, assessment: SimulatedAssessment) -> None:
        """Removes an assessment."""
        key = assessment.key
        del self.by_key[key]
        for place in _places(key[1]):
            del self._below[place][key]
        del self.by_resource[key[1]][key[0]]

    def at(self, scope: str) -> Mapping[Key, SimulatedAssessment]:
        """Returns the assessments at a scope or below it, and perhaps others of the same resource group."""
        places = list(_places(ids.key(scope)))
        return self._below.get(places[-1], {}) if places else self.by_key


def _places(resource_key: str) -> Iterator[str]:
    """Yields the keys of the subscription and the resource group that a resource is in."""
    words = ids.segments(resource_key)
    if len(words) > 1 and words[0] == "subscriptions":
        yield "/" + "/".join(words[:2])
        if len(words) > 3 and words[2] == "resourcegroups":
            yield "/" + "/".join(words[:4])
