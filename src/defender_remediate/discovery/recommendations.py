"""Lists recommendations, the most worthwhile first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import attrs

from defender_remediate.casing import fold
from defender_remediate.discovery.arguments import (
    CategoryChoice,
    checked_categories,
    checked_choice,
    checked_word,
)
from defender_remediate.discovery.assessments import Assessments
from defender_remediate.discovery.counting import (
    AssessmentCounts,
    count,
    names_by_key,
    recommendations,
    with_metadata,
)
from defender_remediate.discovery.empty_listings import EmptyListings, Silence
from defender_remediate.discovery.metadata import Metadata
from defender_remediate.discovery.ranking import Tally, group_of, rank
from defender_remediate.discovery.scores import Scores
from defender_remediate.discovery.wanted import Wanted
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.control import SecurityControl
from defender_remediate.models.named import Choice, key_named
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import Severity
from defender_remediate.validation import did_you_mean, filled_string

if TYPE_CHECKING:
    from defender_remediate.catalog import Catalog


class Recommendations:
    """The recommendations in scope, which are counted from the assessments.

    Args:
        catalog: Where their fixes are looked up.
        assessments: What they are counted from.
        metadata: What Azure says about them.
        scores: The controls that they belong to.
        empty: Tells why nothing was found.
    """

    def __init__(
        self,
        catalog: Catalog,
        assessments: Assessments,
        metadata: Metadata,
        scores: Scores,
        empty: EmptyListings,
    ) -> None:
        self._catalog = catalog
        self._assessments = assessments
        self._metadata = metadata
        self._scores = scores
        self._empty = empty

    def list_recommendations(
        self,
        *,
        status: str | None = AssessmentStatus.UNHEALTHY,
        severity: str | None = None,
        control: str | None = None,
        fixable: bool | None = None,
        category: CategoryChoice = None,
    ) -> Iterator[Recommendation]:
        """The recommendations in scope, the most worthwhile first; each says why it stands where it does.

        Ranking needs all of them, so all assessments are read before the first one is given; what is kept of them are
        counts. An individual recommendation comes once for all assessments of one category and title.

        Args:
            status: Only those that some resource has this status on; None for all that were assessed.
            severity: ``Critical``, ``High``, ``Medium`` or ``Low``.
            control: The display name of a security control, or its GUID.
            fixable: Whether the catalog has a fix; both when left out.
            category: One category or several; all when left out. Only these are read, so the points do not take other
                recommendations on the same resources into account.

        Raises:
            InvalidInputError: A status or severity that is not known, or an argument of another type, before any
                request; a control that no subscription in scope has, while the listing is read.
            NotAvailableError: While the listing is read: no category is known over REST.

        Permissions: those of ``list_assessments``, ``list_metadata`` and ``list_controls``.
        """
        wanted = checked_word(AssessmentStatus, status, "status")
        rated = checked_word(Severity, severity, "severity")
        named = None if control is None else filled_string("control", control)
        fixed = checked_choice(fixable, "fixable")
        chosen = Wanted(status=wanted, categories=checked_categories(category))
        silent = None if chosen.categories else Silence()
        listed = self._listed(chosen, severity=rated, control=named, fixable=fixed, silent=silent)
        is_all = rated is None and named is None and fixed is None and not chosen.categories
        return self._empty.explained(listed, silent, is_all=is_all)

    def get_recommendation(self, key: Choice) -> Recommendation:
        """One recommendation, with the same counts and priority as in the listing; it may have no unhealthy resource.

        Raises:
            UnknownRecommendationError: Azure has no such key, or it is not a GUID.

        Permissions: those of ``list_recommendations``, and as many requests: its place depends on the others.
        """
        wanted = fold(self._metadata.published_key(key_named(key, self._catalog.titles)))
        groups = {group_of(key) if isinstance(key, (Recommendation, Assessment)) else wanted}
        ranked = self._ranked(self._noting(wanted, groups), self._scores.read_controls())
        for found, _ in ranked:
            if group_of(found) in groups or fold(found.key) == wanted:
                return found
        about = self._metadata.get_metadata(wanted)
        for found, _ in ranked:
            # Another of its generated keys stands for it.
            if about.category is not None and group_of(found) == group_of(about):
                return found
        counts = AssessmentCounts(about.key, metadata=about, category=about.category)
        counts.controls = names_by_key(self._scores.read_controls()).get(wanted, counts.controls)
        return rank(recommendations((counts,), self._catalog), Tally(()))[0]

    def _noting(self, key: str, groups: set[str]) -> Iterator[Assessment]:
        """All assessments; the group of those with a folded key is added to the groups."""
        for assessment in self._assessments.read(Wanted()):
            if fold(assessment.key) == key:
                groups.add(group_of(assessment))
            yield assessment

    def _listed(
        self,
        wanted: Wanted,
        *,
        severity: Severity | None,
        control: str | None,
        fixable: bool | None,
        silent: Silence | None,
    ) -> Iterator[Recommendation]:
        controls = self._scores.read_controls()
        name = None if control is None else _display_name(controls, control)
        # The counts of all statuses are shown, also where only one of them is wanted.
        assessments = self._assessments.read(attrs.evolve(wanted, status=None), silent)
        for found, counts in self._ranked(assessments, controls):
            if (
                counts.has(wanted.status)
                and (severity is None or found.severity == severity)
                and (name is None or name in found.controls)
                and (fixable is None or found.is_fixable is fixable)
            ):
                yield found

    def _ranked(
        self, assessments: Iterable[Assessment], controls: tuple[SecurityControl, ...]
    ) -> list[tuple[Recommendation, AssessmentCounts]]:
        tally = Tally(controls)
        counted = count(assessments, tally, names_by_key(controls))
        without = [counts.key for counts in counted.values() if counts.metadata is None]
        about = self._metadata.of_keys(without)
        counted = with_metadata(counted.values(), about, tally)
        ranked = rank(recommendations(counted.values(), self._catalog), tally)
        return [(found, counted[group_of(found)]) for found in ranked]


def _display_name(controls: tuple[SecurityControl, ...], wanted: str) -> str:
    folded = fold(wanted)
    for control in controls:
        if folded in (fold(control.display_name), fold(control.name)):
            return control.display_name
    known = sorted(control.display_name for control in controls)
    raise InvalidInputError(
        f"no subscription in scope has a control {quoted(wanted)}", hint=did_you_mean(wanted, known)
    )
