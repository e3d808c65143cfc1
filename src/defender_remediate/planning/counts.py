"""How many resources of each type there are to change, so that a guard can say how large a share is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.json_values import FrozenMap
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.recommendation import Assessment, AssessmentStatus

_JUDGED = frozenset({AssessmentStatus.HEALTHY, AssessmentStatus.UNHEALTHY})


class Census:
    """Counts the resources of a listing while somebody else reads it.

    A resource counts once, however many recommendations judge it, and not when none of them applies to it.

    Args:
        keys: The assessment keys of the recommendations that are planned; others do not count.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(fold(key) for key in keys)
        self._found: dict[str, set[str]] = defaultdict(set)

    def passing(self, assessments: Iterable[Assessment]) -> Iterator[Assessment]:
        """The same assessments, counted as they pass."""
        for assessment in assessments:
            if assessment.status in _JUDGED and fold(assessment.key) in self._keys:
                self._add(assessment.resource_id)
            yield assessment

    def _add(self, resource_id: str) -> None:
        try:
            kind = ResourceId.parse(resource_id).type
        except InvalidResourceIdError:
            # What lives outside Azure is not changed either.
            return
        self._found[fold(kind)].add(fold(resource_id))

    def counts(self) -> FrozenMap:
        """How many were counted, by their type in lower case."""
        return FrozenMap({kind: len(found) for kind, found in sorted(self._found.items())})
