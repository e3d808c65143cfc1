"""Reads the assessments that a plan is about, and counts the resources that they are on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from defender_remediate.casing import fold
from defender_remediate.discovery.discovery import Discovery
from defender_remediate.discovery.score_watch import ScoreWatch
from defender_remediate.errors import InvalidResourceIdError, MalformedResponseError, NotFoundError
from defender_remediate.json_values import FrozenMap
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.planning.selection import SelectedRecommendation

MAX_SINGLE_READS = 20
"""Up to so many assessments are read one by one. More of them are read by a listing, which is filtered."""


def read_assessments(
    discovery: Discovery,
    recommendations: Sequence[SelectedRecommendation],
    *,
    only: Mapping[str, str] | None,
    named: Collection[str] = (),
    reads_all: bool = False,
    watch: ScoreWatch | None = None,
) -> tuple[Assessment, ...]:
    """The assessments of the recommendations.

    Args:
        discovery: What to read with.
        recommendations: What is planned.
        only: The resources that the plan is restricted to, by their key; None for those that are unhealthy.
        named: The keys of resources that are of interest although they may not be unhealthy.
        reads_all: Whether assessments of every status are wanted, to count the resources.
        watch: What counts all unhealthy assessments while they are read; only for recommendations that are listed.

    Raises:
        RequestError, ConnectionFailedError, MalformedResponseError: A listing could not be read.
    """
    assumed = _assumed(discovery, recommendations, only)
    recommendations = [one for one in recommendations if one.is_assessed]
    keys = {fold(one.key): one.key for one in recommendations}
    if not keys:
        return assumed
    is_restricted = _is_restricted(recommendations, only)
    if reads_singly(recommendations, only=only, reads_all=reads_all):
        return (*assumed, *_read_pairs(discovery, _pairs(recommendations, only)))
    status = None if is_restricted or named or reads_all else AssessmentStatus.UNHEALTHY
    single = next(iter(keys.values())) if len(keys) == 1 and watch is None else None
    listed = discovery.list_assessments(single, status=status)
    watched = listed if watch is None else watch.watched(listed)
    return (*assumed, *(assessment for assessment in watched if fold(assessment.key) in keys))


def reads_singly(
    recommendations: Sequence[SelectedRecommendation], *, only: Mapping[str, str] | None, reads_all: bool
) -> bool:
    """Whether the assessments are so few that each is read by its id."""
    if reads_all or not _is_restricted(recommendations, only):
        return False
    return len(_pairs(recommendations, only)) <= MAX_SINGLE_READS


def _is_restricted(recommendations: Sequence[SelectedRecommendation], only: Mapping[str, str] | None) -> bool:
    return only is not None or all(one.resources is not None for one in recommendations)


def _pairs(recommendations: Sequence[SelectedRecommendation], only: Mapping[str, str] | None) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for one in recommendations:
        resources = one.resources or {} if only is None else only
        pairs.extend((one.key, resource_id) for resource_id in resources.values() if one.covers(resource_id))
    return pairs


def _assumed(
    discovery: Discovery, recommendations: Iterable[SelectedRecommendation], only: Mapping[str, str] | None
) -> tuple[Assessment, ...]:
    """An unhealthy assessment for each resource of what Defender does not assess: the target shows whether it is."""
    found = []
    for one in recommendations:
        if one.is_assessed:
            continue
        if only is not None:
            resources = tuple(resource for resource in only.values() if one.covers(resource))
        elif one.resources is not None:
            resources = tuple(one.resources.values())
        else:
            resources = tuple(f"/subscriptions/{subscription}" for subscription in discovery.subscriptions())
        found += [
            Assessment(
                id=f"{resource}/providers/Microsoft.Security/assessments/{one.key}",
                key=one.key,
                resource_id=resource,
                status=AssessmentStatus.UNHEALTHY,
            )
            for resource in resources
            if discovery.covers(resource)
        ]
    return tuple(found)


def _read_pairs(discovery: Discovery, pairs: Iterable[tuple[str, str]]) -> tuple[Assessment, ...]:
    found: list[Assessment] = []
    missing: set[tuple[str, str]] = set()
    for key, resource in pairs:
        # A listing shows the client's scope only, and so does this.
        if discovery.covers(resource):
            try:
                found.append(discovery.get_assessment(resource, key))
            except (NotFoundError, MalformedResponseError):
                missing.add((fold(key), id_key(resource)))
    if missing:
        # An assessment that was just made is listed before it can be read by its id, and the other way round.
        keys = {key for key, _ in missing}
        listed = discovery.list_assessments(next(iter(keys)) if len(keys) == 1 else None)
        found.extend(one for one in listed if (fold(one.key), id_key(one.resource_id)) in missing)
    return tuple(found)


def assessed_counts(assessments: Iterable[Assessment]) -> FrozenMap:
    """How many resources of each type, in lower case, are Healthy or Unhealthy. A resource counts once.

    So a guard can say how large a share of them is changed. A resource outside Azure does not count.
    """
    resources: dict[str, set[str]] = defaultdict(set)
    for assessment in assessments:
        if assessment.status in (AssessmentStatus.HEALTHY, AssessmentStatus.UNHEALTHY):
            try:
                resource = ResourceId.parse(assessment.resource_id)
            except InvalidResourceIdError:
                continue
            resources[fold(resource.type)].add(resource.key)
    return FrozenMap({kind: len(found) for kind, found in sorted(resources.items())})
