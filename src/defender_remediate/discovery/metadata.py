"""What Azure says about assessment types, and their keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.catalog.titles import title_key
from defender_remediate.discovery.scopes import Scopes
from defender_remediate.display import quoted
from defender_remediate.errors import MalformedResponseError, NotFoundError, UnknownRecommendationError
from defender_remediate.models.ids import is_guid
from defender_remediate.models.named import Choice, key_named
from defender_remediate.models.recommendation_metadata import RecommendationMetadata

if TYPE_CHECKING:
    from defender_remediate.catalog import Catalog

ASSESSMENTS = ("2025-05-04", "2021-06-01", "2020-01-01")
_TYPE = "providers/Microsoft.Security/assessmentMetadata"


def list_metadata(session: ArmSession, subscriptions: Iterable[str]) -> Iterator[RecommendationMetadata]:
    """All assessment types of these subscriptions, the custom ones too, each once."""
    seen: set[str] = set()
    for subscription in subscriptions:
        for item in session.list(f"subscriptions/{subscription}/{_TYPE}", api_versions=ASSESSMENTS):
            found = RecommendationMetadata.from_rest(item)
            if fold(found.key) not in seen:
                seen.add(fold(found.key))
                yield found


def metadata_of(
    session: ArmSession, subscriptions: Iterable[str], keys: Iterable[str]
) -> dict[str, RecommendationMetadata]:
    """The metadata of these keys, as far as Azure has any, by key in lower case.

    The built-in types are the same in every subscription, so one listing is enough unless there are custom ones.
    """
    missing = {fold(key) for key in keys}
    found: dict[str, RecommendationMetadata] = {}
    for subscription in subscriptions:
        if not missing:
            break
        for item in list_metadata(session, (subscription,)):
            if fold(item.key) in missing:
                missing.discard(fold(item.key))
                found[fold(item.key)] = item
    return found


def get_metadata(session: ArmSession, subscriptions: Iterable[str], key: str) -> RecommendationMetadata | None:
    """The metadata of one key; None when no subscription knows it."""
    for subscription in subscriptions:
        found = _metadata_in(session, subscription, key)
        if found is not None:
            return found
    return None


def _metadata_in(session: ArmSession, subscription: str, key: str) -> RecommendationMetadata | None:
    try:
        response = session.get(f"subscriptions/{subscription}/{_TYPE}/{key}", api_versions=ASSESSMENTS)
    except NotFoundError:
        return None
    found = RecommendationMetadata.from_rest(response.body)
    if fold(found.key) != fold(key):
        raise MalformedResponseError(f"GET {response.url}: the response is about {found.key or 'nothing'}")
    return found


class Metadata:
    """The metadata of the subscriptions in scope.

    Args:
        session: What to read with.
        scopes: Whose subscriptions are asked.
        catalog: Knows recommendations whose keys Azure does not publish, by their display names.
    """

    def __init__(self, session: ArmSession, scopes: Scopes, catalog: Catalog) -> None:
        self._session = session
        self._scopes = scopes
        self._catalog = catalog

    def list_metadata(self) -> Iterator[RecommendationMetadata]:
        """What Azure says about every assessment type, the custom ones of the subscriptions too, each once.

        Permissions: ``Microsoft.Security/assessmentMetadata/read``. Makes one listing per subscription.
        """
        yield from list_metadata(self._session, self._scopes.subscriptions())

    def get_metadata(self, key: Choice) -> RecommendationMetadata:
        """What Azure says about one assessment type.

        Raises:
            UnknownRecommendationError: Azure has no such key, or it is not a GUID.
        """
        wanted = self.published_key(key_named(key, self._catalog.titles))
        found = get_metadata(self._session, self._scopes.subscriptions(), wanted)
        if found is None:
            raise UnknownRecommendationError(
                f"Azure has no recommendation with the key {wanted}", hint="list_recommendations() shows those in scope"
            )
        return found

    def key_by_title(self, titles: Iterable[str]) -> str:
        """The key of a recommendation whose key Azure does not publish: its tenants know it by one of its display names.

        Raises:
            UnknownRecommendationError: Azure has no recommendation with one of these display names.
        """
        wanted = {title_key(title): title for title in titles}
        for about in self.list_metadata():
            if title_key(about.display_name or "") in wanted:
                return about.key
        raise UnknownRecommendationError(
            f"Azure has no recommendation named {' or '.join(map(quoted, wanted.values()))}",
            hint="list_recommendations() shows those in scope",
        )

    def list_previews(self, keys: Iterable[str]) -> frozenset[str]:
        """Those of these keys, folded, that are previews and do not count for the score.

        Permissions: ``Microsoft.Security/assessmentMetadata/read``. Makes one listing per subscription.
        """
        return frozenset(key for key, found in self.of_keys(keys).items() if found.preview)

    def of_keys(self, keys: Iterable[str]) -> dict[str, RecommendationMetadata]:
        """The metadata of these keys, as far as Azure has any, by key in lower case."""
        return metadata_of(self._session, self._scopes.subscriptions(), keys)

    def published_key(self, key: str) -> str:
        """The key in Azure of a recommendation that the catalog names by a word of its own."""
        if is_guid(key):
            return key
        return self.key_by_title(title for known, title in self._catalog.titles() if fold(known) == fold(key))
