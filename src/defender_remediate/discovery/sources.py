"""The two places where Defender's findings can be read: the REST API and Resource Graph. They give equal objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol

import attrs

from defender_remediate import wire
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.discovery import kql
from defender_remediate.discovery.metadata import ASSESSMENTS, list_metadata
from defender_remediate.discovery.resource_graph import query_graph
from defender_remediate.discovery.scopes import Root, Scopes
from defender_remediate.discovery.wanted import Wanted
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidScopeError, NotAvailableError, NotFoundError
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.attack_path import AttackPath
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.cve import Cve
from defender_remediate.models.individual import RecommendationCategory

SCORES = "2020-01-01"
_SECURITY = "providers/Microsoft.Security"
_CVES_AT_ONCE = 100


class Source(Protocol):
    """Where findings are read."""

    def assessments(self, wanted: Wanted) -> Iterator[Assessment]:
        """The assessments in scope that are wanted."""

    def controls(self) -> Iterator[tuple[str, SecurityControl]]:
        """The controls of each subscription, with its id; one of the same name for each."""

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

    def assessments(self, wanted: Wanted) -> Iterator[Assessment]:
        """Read all assessments of each root, and give those that are wanted.

        Raises:
            NotAvailableError: Categories are wanted, and this cloud's REST API names no category.
        """
        categories = _Categories(self._session, self._scopes)
        found = False
        for root, items in self._interleave(map(self._listing, self._scopes.roots())):
            for item in items:
                assessment = Assessment.from_rest(item)
                if not wanted.covers(assessment):
                    continue
                if root.within and not (root.wants(assessment.resource_id) or root.wants(assessment.id)):
                    continue
                if wanted.categories:
                    assessment = categories.add_to(assessment)
                    if not wanted.has(assessment.category):
                        continue
                    found = True
                yield assessment
        if wanted.categories and not found:
            categories.check_known()

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
            for page in pages:
                yield root, page
                # Not kept while the next one is read.
                del page

    def controls(self) -> Iterator[tuple[str, SecurityControl]]:
        """Read the controls of each subscription, with their definitions."""
        for subscription, item in self._of_subscriptions("secureScoreControls", {"$expand": "definition"}):
            yield subscription, SecurityControl.from_rest(item)

    def scores(self) -> Iterator[tuple[str, SecureScore]]:
        """Read the scores of each subscription."""
        for subscription, item in self._of_subscriptions("secureScores"):
            yield subscription, SecureScore.from_rest(item)

    def _of_subscriptions(
        self, collection: str, params: Mapping[str, str] | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The items of a collection that each subscription has, with its id."""

        def pages(subscription: str) -> Pages:
            path = f"subscriptions/{subscription}/{_SECURITY}/{collection}"
            listed = self._session.list_pages(path, api_version=SCORES, params=params)
            yield from ((Root(path=subscription), page) for page in listed)

        for root, items in self._interleave(map(pages, self._scopes.subscriptions())):
            for item in items:
                yield root.path, item


class _Categories:
    """The categories of assessments that the REST API lists without their metadata.

    Azure documents the category only in Resource Graph. Over REST it is read from the metadata in the assessment where there
    is any, else from the listing of the metadata, which is read once.
    """

    def __init__(self, session: ArmSession, scopes: Scopes) -> None:
        self._session = session
        self._scopes = scopes
        self._by_key: dict[str, RecommendationCategory | None] | None = None
        self._is_any_unknown = False
        self._is_any_known = False

    def add_to(self, assessment: Assessment) -> Assessment:
        """The assessment with its category, if that is known."""
        # The severity is part of the metadata.
        if assessment.category is not None or assessment.severity is not None:
            self._is_any_known = True
            return assessment
        if self._by_key is None:
            listed = list_metadata(self._session, self._scopes.subscriptions())
            self._by_key = {fold(item.key): item.category for item in listed}
        key = fold(assessment.key)
        self._is_any_unknown = self._is_any_unknown or key not in self._by_key
        category = self._by_key.get(key)
        return assessment if category is None else attrs.evolve(assessment, category=category)

    def check_known(self) -> None:
        """Refuse to report an empty listing when the category of no assessment is known.

        Raises:
            NotAvailableError: There are assessments without metadata, and no category anywhere.
        """
        if self._is_any_unknown and not self._is_any_known and not any((self._by_key or {}).values()):
            raise NotAvailableError(
                "the REST API names no category of the assessments in scope, so which of them are wanted is not known",
                hint='create the client with source="graph"',
            )


class GraphSource:
    """Resource Graph: one query over all subscriptions, filtered by Azure. It follows changes with a delay."""

    def __init__(self, session: ArmSession, scopes: Scopes) -> None:
        self._session = session
        self._scopes = scopes

    def assessments(self, wanted: Wanted) -> Iterator[Assessment]:
        """Read the assessments that are wanted, and no others."""
        yield from map(Assessment.from_graph, self._rows(kql.assessments(wanted, self._scopes.parts())))

    def controls(self) -> Iterator[tuple[str, SecurityControl]]:
        """Read the controls of all subscriptions."""
        for row in self._rows(kql.controls()):
            yield _subscription_of(row), SecurityControl.from_graph(row)

    def scores(self) -> Iterator[tuple[str, SecureScore]]:
        """Read the scores of all subscriptions."""
        for row in self._rows(kql.scores()):
            yield _subscription_of(row), SecureScore.from_graph(row)

    def attack_paths(self) -> Iterator[AttackPath]:
        """Read the attack paths of all subscriptions. Azure has no other API for them."""
        yield from map(AttackPath.from_graph, self._rows(kql.attack_paths()))

    def cves(self, ids: Sequence[str]) -> Iterator[Cve]:
        """Read the details of CVEs, at the management groups of the scope.

        Raises:
            InvalidScopeError: At once: the scope is not a management group, where alone Azure answers.
        """
        groups = self._scopes.only_management_groups()
        if not groups:
            raise InvalidScopeError(
                "Azure gives the details of CVEs at management group or tenant scope only, and the scope of this client is "
                + quoted(", ".join(map(str, self._scopes))),
                hint="create a client for a management group; the root management group has the id of the tenant",
            )
        return self._cves(ids, groups)

    def _cves(self, ids: Sequence[str], groups: Sequence[str]) -> Iterator[Cve]:
        for start in range(0, max(len(ids), 1), _CVES_AT_ONCE):
            query = kql.cves(ids[start : start + _CVES_AT_ONCE])
            yield from map(Cve.from_graph, query_graph(self._session, query, management_groups=groups))

    def _rows(self, query: str) -> Iterator[dict[str, Any]]:
        groups = self._scopes.management_groups()
        if groups:
            return query_graph(self._session, query, management_groups=groups)
        subscriptions = self._scopes.subscriptions()
        # Without any scope Azure would answer for the whole tenant.
        return query_graph(self._session, query, subscriptions=subscriptions) if subscriptions else iter(())


def _subscription_of(row: dict[str, Any]) -> str:
    segments = wire.text(row, "id").strip("/").split("/")
    return segments[1] if len(segments) > 1 else ""
