"""Reads secure scores and security controls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.discovery.empty_listings import EmptyListings
from defender_remediate.discovery.ranking import Tally
from defender_remediate.discovery.scopes import Scopes
from defender_remediate.discovery.score_watch import ScoreWatch
from defender_remediate.discovery.scoring import by_potential, merge_controls, official, overall, with_keys
from defender_remediate.discovery.sources import SCORES, Source
from defender_remediate.errors import NotFoundError
from defender_remediate.models.control import ControlDefinition, SecureScore, SecurityControl


class Scores:
    """The secure scores and controls of the subscriptions in scope.

    Args:
        session: What to read with.
        scopes: Whose subscriptions are read.
        source: Where scores and controls are listed.
        empty: Tells why nothing was found.
    """

    def __init__(self, session: ArmSession, scopes: Scopes, source: Source, empty: EmptyListings) -> None:
        self._session = session
        self._scopes = scopes
        self._source = source
        self._empty = empty

    def list_controls(self) -> Iterator[SecurityControl]:
        """The security controls, highest potential increase first.

        They are counted over whole subscriptions, also when the scope is a resource group. Controls of the same name in
        several subscriptions come as one: resources are summed, the maximum is the highest, and the current score is
        what it makes of the summed resources.

        Permissions: ``Microsoft.Security/secureScoreControls/read``. Makes one listing per subscription.
        """
        listed = tuple(self._source.controls())
        yield from by_potential(self._merged(listed))
        self._empty.explain(self._empty.without(subscription for subscription, _ in listed) if listed else None)

    def list_secure_scores(self) -> Iterator[tuple[str, SecureScore]]:
        """Each subscription's id with its secure score, as Azure gives it; a subscription may have several.

        Permissions: ``Microsoft.Security/secureScores/read``. Makes one listing per subscription.
        """
        return self._source.scores()

    def get_secure_score(self) -> SecureScore:
        """The secure score: Azure's own for one subscription.

        For several, points are summed and the percentage is the average weighted with Azure's own weights, so it is not
        ``current / max``. Where Azure has none yet it is 0 of 0 points.

        Permissions: ``Microsoft.Security/secureScores/read``. Makes one listing per subscription.
        """
        listed = tuple(self.list_secure_scores())
        shown = [subscription for subscription, score in listed if score.max]
        self._empty.explain(self._empty.without(shown) if shown else None)
        return overall(official(listed))

    def read_score_watch(self) -> ScoreWatch:
        """The controls and scores of every subscription, to watch the assessments of a plan with.

        Permissions: those of ``list_controls`` and ``list_secure_scores``. Makes one listing of each per subscription.
        """
        found = tuple(self._source.controls())
        scores = official(self.list_secure_scores())
        return ScoreWatch(controls=found, tally=Tally(self._merged(found)), scores=scores)

    def read_controls(self) -> tuple[SecurityControl, ...]:
        """The controls, those of the same name as one, each with the keys of its recommendations."""
        return self._merged(self._source.controls())

    def _merged(self, listed: Iterable[tuple[str, SecurityControl]]) -> tuple[SecurityControl, ...]:
        return self._with_keys(merge_controls(control for _, control in listed).values())

    def _with_keys(self, given: Iterable[SecurityControl]) -> tuple[SecurityControl, ...]:
        controls = tuple(given)
        if all(control.recommendation_keys for control in controls):
            return controls
        keys = self._defined_keys()
        return tuple(with_keys(control, keys) for control in controls)

    def _defined_keys(self) -> dict[str, tuple[str, ...]]:
        # Custom controls differ between subscriptions, so each is asked.
        found: dict[str, tuple[str, ...]] = {}
        for subscription in self._scopes.subscriptions():
            for definition in self._definitions(subscription):
                found.setdefault(fold(definition.name), definition.recommendation_keys)
        return found

    def _definitions(self, subscription: str) -> Iterator[ControlDefinition]:
        path = f"subscriptions/{subscription}/providers/Microsoft.Security/secureScoreControlDefinitions"
        try:
            yield from map(ControlDefinition.from_rest, self._session.list(path, api_version=SCORES))
        except NotFoundError:
            # A cloud without this listing still has controls; they only name no recommendations.
            return
