"""The two places where Defender's findings can be read: the REST API and Resource Graph. They give equal objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Protocol

from defender_remediate import wire
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.discovery import kql
from defender_remediate.discovery.resource_graph import query_graph
from defender_remediate.discovery.scopes import Root, Scopes
from defender_remediate.errors import NotFoundError
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.recommendation import Assessment, AssessmentStatus

ASSESSMENTS = ("2025-05-04", "2021-06-01", "2020-01-01")
SCORES = "2020-01-01"
_SECURITY = "providers/Microsoft.Security"


class Source(Protocol):
    """Where findings are read."""

    def assessments(self, *, key: str | None, status: AssessmentStatus | None) -> Iterator[Assessment]:
        """The assessments in scope, of one recommendation and one status when these are given."""

    def controls(self) -> Iterator[SecurityControl]:
        """The controls of each subscription; one of the same name for each."""

    def scores(self) -> Iterator[tuple[str, SecureScore]]:
        """The secure scores of each subscription, with its id."""


Pages = Iterator[tuple[Root, list[dict[str, Any]]]]
"""The pages of one root's listing."""


class Interleave(Protocol):
    """How several listings are read: one after the other, or side by side."""

    def __call__(self, listings: Iterable[Pages], /) -> Pages:
        """The pages of all of them, those of each in their order."""


class RestSource:
    """Microsoft.Security over Azure Resource Manager. It filters nothing itself, so everything is read."""

    def __init__(self, session: ArmSession, scopes: Scopes, interleave: Interleave = chain.from_iterable) -> None:
        self._session = session
        self._scopes = scopes
        self._interleave = interleave

    def assessments(self, *, key: str | None, status: AssessmentStatus | None) -> Iterator[Assessment]:
        """Read all assessments of each root, and give those that are wanted."""
        wanted = fold(key) if key else None
        for root, items in self._interleave(map(self._listing, self._scopes.roots())):
            for item in items:
                found = Assessment.from_rest(item)
                if (
                    (wanted is None or fold(found.key) == wanted)
                    and (status is None or found.status == status)
                    and (root.wants(found.resource_id) or root.wants(found.id))
                ):
                    yield found

    def _listing(self, root: Root) -> Pages:
        try:
            pages = self._session.list_pages(f"{root.path}/{_SECURITY}/assessments", api_versions=ASSESSMENTS)
        except NotFoundError:
            subscriptions = self._scopes.subscription_roots()
            if root in subscriptions:
                raise
            # Not every cloud lists at a management group. One that does not exist was noticed when it was expanded.
            yield from self._interleave(map(self._listing, subscriptions))
        else:
            yield from ((root, page) for page in pages)

    def controls(self) -> Iterator[SecurityControl]:
        """Read the controls of each subscription, with their definitions."""
        for subscription in self._scopes.subscriptions():
            path = f"subscriptions/{subscription}/{_SECURITY}/secureScoreControls"
            items = self._session.list(path, api_version=SCORES, params={"$expand": "definition"})
            yield from map(SecurityControl.from_rest, items)

    def scores(self) -> Iterator[tuple[str, SecureScore]]:
        """Read the scores of each subscription."""
        for subscription in self._scopes.subscriptions():
            for item in self._session.list(
                f"subscriptions/{subscription}/{_SECURITY}/secureScores", api_version=SCORES
            ):
                yield subscription, SecureScore.from_rest(item)


class GraphSource:
    """Resource Graph: one query over all subscriptions, filtered by Azure. It follows changes with a delay."""

    def __init__(self, session: ArmSession, scopes: Scopes) -> None:
        self._session = session
        self._scopes = scopes

    def assessments(self, *, key: str | None, status: AssessmentStatus | None) -> Iterator[Assessment]:
        """Read the assessments that are wanted, and no others."""
        query = kql.assessments(key=key, status=status, within=self._scopes.parts())
        yield from map(Assessment.from_graph, self._rows(query))

    def controls(self) -> Iterator[SecurityControl]:
        """Read the controls of all subscriptions."""
        yield from map(SecurityControl.from_graph, self._rows(kql.controls()))

    def scores(self) -> Iterator[tuple[str, SecureScore]]:
        """Read the scores of all subscriptions."""
        for row in self._rows(kql.scores()):
            segments = wire.text(row, "id").strip("/").split("/")
            yield segments[1] if len(segments) > 1 else "", SecureScore.from_graph(row)

    def _rows(self, query: str) -> Iterator[dict[str, Any]]:
        groups = self._scopes.management_groups()
        if groups:
            return query_graph(self._session, query, management_groups=groups)
        subscriptions = self._scopes.subscriptions()
        # Without any scope Azure would answer for the whole tenant.
        return query_graph(self._session, query, subscriptions=subscriptions) if subscriptions else iter(())
