"""Reads Defender's status of many resources with few requests. What cannot be read is a status as well, with the error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import attrs

from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, NotFoundError
from defender_remediate.execution.outcomes import step_error
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.ids import id_key
from defender_remediate.models.recommendation_metadata import RecommendationMetadata
from defender_remediate.redaction import redact_text
from defender_remediate.threads import in_parallel
from defender_remediate.verification.facts import DefenderStatus, VerificationContext

FEW_PAIRS = 20
"""With more pairs of a resource and a recommendation, one listing costs less than a request for each."""

_FEW_KEYS = 5

Pair = tuple[str, str]
"""A resource id and an assessment key."""


class AssessmentReader(Protocol):
    """Where the assessments of Defender for Cloud are read."""

    def get_assessment(self, resource_id: str, key: str) -> Assessment:
        """The assessment of one recommendation on one resource."""

    def list_assessments(self, key: str | None = None, *, status: str | None = None) -> Iterator[Assessment]:
        """All assessments in scope."""

    def get_metadata(self, key: str) -> RecommendationMetadata:
        """The metadata of one assessment type."""

    def list_metadata(self) -> Iterator[RecommendationMetadata]:
        """The metadata of every assessment type."""


@attrs.frozen(kw_only=True)
class DefenderStatusReader:
    """Reads what a verification needs from Defender. Raises no error of Azure's: it becomes a part of what is returned."""

    reader: AssessmentReader
    workers: int

    def read(self, pairs: Iterable[Pair]) -> dict[Pair, DefenderStatus]:
        """Return Defender's status of each pair, by ``pair_key``.

        Makes one request per pair, or one listing when there are many and one request for each that it does not have: those
        outside the client's scope, and those that were made a moment ago.
        """
        wanted = {pair_key(pair): pair for pair in pairs}
        found: dict[Pair, DefenderStatus] = {}
        if len(wanted) > FEW_PAIRS:
            keys = {key for _, key in wanted}
            try:
                for item in self.reader.list_assessments(next(iter(keys)) if len(keys) == 1 else None):
                    place = pair_key((item.resource_id, item.key))
                    if place in wanted:
                        found[place] = DefenderStatus(key=item.key, assessment=item)
            except DefenderRemediateError as error:
                text = _error_text(error)
                return {pair: found.get(pair, DefenderStatus(key=pair[1], error=text)) for pair in wanted}

        def read_one(place: Pair) -> DefenderStatus:
            resource_id, key = wanted[place]
            try:
                return DefenderStatus(key=key, assessment=self.reader.get_assessment(resource_id, key))
            except NotFoundError:
                return DefenderStatus(key=key)
            except DefenderRemediateError as error:
                return DefenderStatus(key=key, error=_error_text(error))

        missing = [place for place in wanted if place not in found]
        statuses = in_parallel(read_one, missing, workers=self.workers)
        return {**found, **dict(zip(missing, statuses, strict=True))}

    def with_metadata(self, context: VerificationContext, keys: Iterable[str]) -> VerificationContext:
        """Return the context with the metadata of these keys: one request each, or one listing when they are many."""
        missing = sorted({fold(key) for key in keys} - context.about.keys())
        about, unread = dict(context.about), list(context.unread)
        for group in [missing] if len(missing) > _FEW_KEYS else [[key] for key in missing]:
            try:
                read = self.reader.list_metadata() if len(group) > 1 else [self.reader.get_metadata(group[0])]
                found = {fold(item.key): item for item in read}
            except DefenderRemediateError as error:
                unread.append(f"the metadata of the recommendation could not be read: {_error_text(error)}")
                continue
            about.update({key: found[key] for key in group if key in found})
        return attrs.evolve(context, about=about, unread=tuple(unread))

    def with_others(self, context: VerificationContext, resource_ids: Iterable[str]) -> VerificationContext:
        """Return the context with everything that is unhealthy on these resources or below them. Makes one listing."""
        places = {id_key(resource_id) for resource_id in resource_ids}
        try:
            listed = self.reader.list_assessments(status=AssessmentStatus.UNHEALTHY)
            others = tuple(item for item in listed if not places.isdisjoint(_with_parents(item.resource_id)))
        except DefenderRemediateError as error:
            text = f"other assessments of the resource could not be read: {_error_text(error)}"
            return attrs.evolve(context, unread=(*context.unread, text))
        # Only a recommendation on the resource itself can come from the same policy definition.
        suspects = [item.key for item in others if id_key(item.resource_id) in places]
        return self.with_metadata(attrs.evolve(context, others=others), suspects)


def pair_key(pair: Pair) -> Pair:
    """The same pair however Azure spells it."""
    resource_id, key = pair
    return id_key(resource_id), fold(key)


def _with_parents(resource_id: str) -> Iterator[str]:
    key = id_key(resource_id)
    while key:
        yield key
        key = key.rpartition("/")[0]


def _error_text(error: DefenderRemediateError) -> str:
    return redact_text(str(step_error(error)))
