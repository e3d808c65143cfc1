"""What Azure says about assessment types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError, NotFoundError
from defender_remediate.models.recommendation import RecommendationMetadata

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
