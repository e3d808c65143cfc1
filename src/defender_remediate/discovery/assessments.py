"""Reads assessments: all in scope, those of one recommendation, and a single one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import attrs

from defender_remediate import wire
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.discovery.arguments import CategoryChoice, checked_categories, checked_word
from defender_remediate.discovery.empty_listings import EmptyListings, Silence
from defender_remediate.discovery.governance import with_governance
from defender_remediate.discovery.metadata import ASSESSMENTS, Metadata
from defender_remediate.discovery.scopes import Scopes
from defender_remediate.discovery.sources import Source
from defender_remediate.discovery.wanted import Wanted
from defender_remediate.errors import MalformedResponseError
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.named import Choice, key_named, named
from defender_remediate.models.recommendation import Recommendation

if TYPE_CHECKING:
    from defender_remediate.catalog import Catalog


class Assessments:
    """The assessments in scope.

    Args:
        session: What to read with.
        scopes: What is read.
        catalog: Knows recommendations by their display names.
        source: Where they are listed.
        metadata: What Azure says about their types.
        empty: Tells why nothing was found.
    """

    def __init__(
        self,
        session: ArmSession,
        scopes: Scopes,
        catalog: Catalog,
        source: Source,
        metadata: Metadata,
        empty: EmptyListings,
    ) -> None:
        self._session = session
        self._scopes = scopes
        self._catalog = catalog
        self._source = source
        self._metadata = metadata
        self._empty = empty

    def list_assessments(
        self,
        key: Choice | None = None,
        *,
        status: str | None = None,
        category: CategoryChoice = None,
    ) -> Iterator[Assessment]:
        """The assessments in scope, one for each recommendation and resource.

        Args:
            key: What names one recommendation, or a control for all of its recommendations; all when left out. Of an
                individual recommendation all assessments with its title, because their keys are generated.
            status: ``Healthy``, ``Unhealthy`` or ``NotApplicable``; all when left out. Exempt resources are
                NotApplicable, with a cause.
            category: One category or several; all when left out.

        Raises:
            UnknownRecommendationError, InvalidInputError: Before any request, for a string that names no recommendation, a
                status that is not known, or a category that is not a string.
            UnknownRecommendationError: While the listing is read: neither Azure nor the catalog has the key.
            InvalidScopeError: While the listing is read: the resource group of a scope does not exist.
            NotAvailableError: While the listing is read: no category is known over REST.

        Permissions: ``Microsoft.Security/assessments/read``; for a category over REST those of ``list_metadata``.
        """
        wanted = Wanted(
            status=checked_word(AssessmentStatus, status, "status"), categories=checked_categories(category)
        )
        is_all = not wanted.categories and wanted.status in (None, AssessmentStatus.UNHEALTHY)
        if key is None:
            silent = Silence() if wanted == Wanted() else None
            return self._empty.explained(self.read(wanted, silent), silent, is_all=is_all)
        if isinstance(key, (Recommendation, Assessment)) and key.is_individual and key.category and key.display_name:
            wanted = attrs.evolve(wanted, title=key.display_name, categories=wanted.categories or (key.category,))
            return self._empty.explained(self.read(wanted), is_all=is_all)
        keys = tuple(one.key for one in named(key, self._catalog.titles))
        about = keys[0] if len(keys) == 1 else None
        return self._empty.explained(self._of_recommendations(keys, wanted), is_all=is_all, about=about)

    def with_governance(self, assessments: Iterable[Assessment]) -> Iterator[Assessment]:
        """The assessments with their owner and due date. Makes one listing for each subscription and recommendation.

        Raises:
            RequestError: They cannot be read, or this cloud does not have the API.

        Permissions: ``Microsoft.Security/assessments/governanceAssignments/read``.
        """
        return with_governance(self._session, assessments)

    def get_assessment(self, resource_id: str, key: str) -> Assessment:
        """One recommendation on one resource, as Defender sees it now. Always read over REST: Resource Graph lags.

        Raises:
            UnknownRecommendationError: The key is not a GUID.
            NotFoundError: Defender has not assessed this resource, or the caller may not see it.
            MalformedResponseError: The answer is about something else.

        Permissions: ``Microsoft.Security/assessments/read``. Makes one request.
        """
        path = (
            f"{resource_id.strip('/')}/providers/Microsoft.Security/assessments/{key_named(key, self._catalog.titles)}"
        )
        response = self._session.get(path, api_versions=ASSESSMENTS)
        found = Assessment.from_rest(wire.mapping(response.body))
        if fold(found.id) != fold(f"/{path}"):
            raise MalformedResponseError(f"GET {response.url}: the response is about {found.id}")
        return found

    def read(self, wanted: Wanted, silent: Silence | None = None) -> Iterator[Assessment]:
        """The assessments that are wanted; of which subscriptions there are some is heard by ``silent``."""
        empty = self._scopes.unconfirmed_groups()
        if silent is not None:
            self._empty.expect_all(silent)
        for found in self._source.assessments(wanted):
            if empty:
                empty = frozenset(scope for scope in empty if not scope.contains(found.resource_id))
            if silent is not None:
                silent.hear(found.id)
            yield found
        self._scopes.check_exist(empty)

    def _of_recommendations(self, keys: tuple[str, ...], wanted: Wanted) -> Iterator[Assessment]:
        keys = tuple(map(self._metadata.published_key, keys))
        folded = frozenset(map(fold, keys))
        is_empty = True
        for found in self.read(attrs.evolve(wanted, key=keys[0] if len(keys) == 1 else None)):
            if fold(found.key) in folded:
                is_empty = False
                yield found
        # A misspelt key would read as "all is well".
        if is_empty and len(keys) == 1 and not self._knows(keys[0]):
            self._metadata.get_metadata(keys[0])

    def _knows(self, key: str) -> bool:
        return key in self._catalog or self._catalog.get_guidance(key) is not None
