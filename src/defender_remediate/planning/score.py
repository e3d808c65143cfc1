"""The score that a plan carries, to say what it is expected to add. A plan never fails because of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from defender_remediate.discovery.discovery import Discovery
from defender_remediate.discovery.score_watch import ScoreWatch
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.models.forecast import ScoreFacts
from defender_remediate.models.step import RemediationStep
from defender_remediate.planning.assessments import reads_singly
from defender_remediate.planning.selection import SelectedRecommendation

_NOT_LISTED = "the other assessments of the resources were not read, because few resources were named"
_NOT_ASSESSED = "Defender does not assess what is planned"
_FILTERED = "Resource Graph was asked for one recommendation only"


def start_watch(
    discovery: Discovery,
    recommendations: Sequence[SelectedRecommendation],
    *,
    only: Mapping[str, str] | None,
    reads_all: bool,
) -> ScoreWatch | ScoreFacts:
    """What counts the assessments while they are read; why the gain will not be known where that costs too much.

    A resource adds points only when its last unhealthy recommendation is fixed, so all of its assessments are needed. A
    listing over REST has them anyway. For a few single resources, or one recommendation from Resource Graph, much more
    would have to be read than for the plan itself.
    """
    assessed = [one for one in recommendations if one.is_assessed]
    if not assessed:
        return ScoreFacts(unknown_because=_NOT_ASSESSED)
    if reads_singly(assessed, only=only, reads_all=reads_all):
        return ScoreFacts(unknown_because=_NOT_LISTED)
    if discovery.filters_in_azure and len(assessed) == 1:
        return ScoreFacts(unknown_because=_FILTERED)
    try:
        return discovery.read_score_watch()
    except DefenderRemediateError as error:
        return ScoreFacts(unknown_because=f"the score could not be read: {error}")


def score_facts(
    watch: ScoreWatch | ScoreFacts, discovery: Discovery, steps: Iterable[RemediationStep]
) -> ScoreFacts | None:
    """What the expected gain of these steps is computed from; None where nothing is planned."""
    planned = tuple(steps)
    if not planned:
        return None
    if isinstance(watch, ScoreFacts):
        return watch
    found = watch.facts(planned, previews=())
    try:
        previews = discovery.list_previews({key for one in found.unhealthy for key in one.keys})
    except DefenderRemediateError as error:
        return ScoreFacts(unknown_because=f"it could not be read which recommendations are previews: {error}")
    return watch.facts(planned, previews=previews)
