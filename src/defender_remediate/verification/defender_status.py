"""Asking Defender for Cloud about many resources with few requests. What cannot be read is an answer, too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import attrs

from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, NotFoundError
from defender_remediate.execution.outcomes import step_error
from defender_remediate.models.recommendation import Assessment, AssessmentStatus, RecommendationMetadata
from defender_remediate.redaction import redact_text
from defender_remediate.threads import in_parallel
from defender_remediate.verification.facts import Answer, Known

FEW_PAIRS = 20
"""Beyond so many pairs of a resource and a recommendation, one listing costs less than a request each."""

_FEW_KEYS = 5

Pair = tuple[str, str]
"""A resource id and an assessment key."""


class AssessmentReader(Protocol):
    """Where Defender for Cloud's word comes from."""

    def get_assessment(self, resource_id: str, key: str) -> Assessment:
        """The assessment of one recommendation on one resource."""

    def list_assessments(self, key: str | None = None, *, status: str | None = None) -> Iterator[Assessment]:
        """All assessments in scope."""

    def get_metadata(self, key: str) -> RecommendationMetadata:
        """What Azure says about one assessment type."""

    def list_metadata(self) -> Iterator[RecommendationMetadata]:
        """What Azure says about every assessment type."""


@attrs.frozen(kw_only=True)
class Inquiry:
    """Asks, and holds nothing. Raises for nothing that Azure answers."""

    reader: AssessmentReader
    workers: int

    def answers(self, pairs: Iterable[Pair]) -> dict[Pair, Answer]:
        """What Defender says of each pair; the pairs of the answer are in lower case.

        Makes one request per pair, or one listing when there are many and one request for each that it does not have:
        those outside the client's scope, and those that were made a moment ago.
        """
        asked = {folded(pair): pair for pair in pairs}
        found: dict[Pair, Answer] = {}
        if len(asked) > FEW_PAIRS:
            keys = {key for _, key in asked}
            try:
                for item in self.reader.list_assessments(next(iter(keys)) if len(keys) == 1 else None):
                    place = folded((item.resource_id, item.key))
                    if place in asked:
                        found[place] = Answer(key=item.key, assessment=item)
            except DefenderRemediateError as error:
                return {pair: found.get(pair, Answer(key=pair[1], error=_told(error))) for pair in asked}
        missing = [place for place in asked if place not in found]
        answers = in_parallel(lambda place: self._answer(*asked[place]), missing, workers=self.workers)
        return {**found, **dict(zip(missing, answers, strict=True))}

    def _answer(self, resource_id: str, key: str) -> Answer:
        try:
            return Answer(key=key, assessment=self.reader.get_assessment(resource_id, key))
        except NotFoundError:
            return Answer(key=key)
        except DefenderRemediateError as error:
            return Answer(key=key, error=_told(error))

    def learn_about(self, keys: Iterable[str], known: Known) -> Known:
        """What is known, with the metadata of these keys: one request each, or one listing when they are many."""
        missing = sorted({fold(key) for key in keys} - known.about.keys())
        for few in ([key] for key in missing) if len(missing) <= _FEW_KEYS else (missing,):
            known = self._learned(few, known)
        return known

    def _learned(self, keys: Sequence[str], known: Known) -> Known:
        try:
            found = [self.reader.get_metadata(*keys)] if len(keys) == 1 else self.reader.list_metadata()
            about = {fold(item.key): item for item in found}
        except DefenderRemediateError as error:
            told = f"the metadata of the recommendation could not be read: {_told(error)}"
            return attrs.evolve(known, unread=(*known.unread, told))
        wanted = {key: about[key] for key in keys if key in about}
        return attrs.evolve(known, about={**known.about, **wanted})

    def learn_others(self, resource_ids: Iterable[str], known: Known) -> Known:
        """What is known, with everything that is unhealthy on these resources or below them. Makes one listing."""
        places = frozenset(fold(resource_id.strip("/")) for resource_id in resource_ids)
        try:
            listed = self.reader.list_assessments(status=AssessmentStatus.UNHEALTHY)
            others = tuple(item for item in listed if not places.isdisjoint(_self_and_above(item.resource_id)))
        except DefenderRemediateError as error:
            told = f"other assessments of the resource could not be read: {_told(error)}"
            return attrs.evolve(known, unread=(*known.unread, told))
        return self.learn_about(_suspects(others, places), attrs.evolve(known, others=others))


def folded(pair: Pair) -> Pair:
    """The same pair however Azure spells it."""
    resource_id, key = pair
    return fold(resource_id.strip("/")), fold(key)


def _suspects(others: Iterable[Assessment], places: frozenset[str]) -> Iterator[str]:
    # Only what is on the resource itself can come from the same policy definition.
    return (item.key for item in others if fold(item.resource_id.strip("/")) in places)


def _self_and_above(resource_id: str) -> Iterator[str]:
    segments = fold(resource_id.strip("/")).split("/")
    return ("/".join(segments[:count]) for count in range(len(segments), 0, -1))


def _told(error: DefenderRemediateError) -> str:
    return redact_text(str(step_error(error)))
