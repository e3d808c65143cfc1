"""Arguments of listings, checked before any request is made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.enums import OpenEnum
from defender_remediate.errors import InvalidInputError, UnknownRecommendationError
from defender_remediate.models.ids import ResourceId, is_guid
from defender_remediate.models.individual import RecommendationCategory
from defender_remediate.models.recommendation import Assessment, Recommendation
from defender_remediate.validation import strings

if TYPE_CHECKING:
    from defender_remediate.catalog import Catalog

_Word = TypeVar("_Word", bound=OpenEnum)
_CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.ASCII | re.IGNORECASE)
_ASSESSMENTS = "/providers/microsoft.security/assessments/"
CategoryChoice = RecommendationCategory | str | Iterable[RecommendationCategory | str] | None
"""One category or several; None for all."""
RecommendationChoice = str | Recommendation | Assessment
"""One recommendation: itself, one of its assessments, its key, an assessment id, or its display name in the catalog."""


def checked_word(words: type[_Word], value: str | None, name: str) -> _Word | None:
    """A member of an enumeration from the caller's string; None stays None.

    Raises:
        InvalidInputError: It is not a member; the message lists them.
    """
    if value is None:
        return None
    word = words(value) if isinstance(value, str) else None
    if word is None or not word.is_known:
        known = ", ".join(member.value for member in words)
        raise InvalidInputError(f"{name}={quoted(value)} is not known", hint=f"use one of {known}")
    return word


def checked_categories(given: CategoryChoice) -> tuple[RecommendationCategory, ...]:
    """One category or several, each once; none for None. One that is not known here is kept: Azure may add one.

    Raises:
        InvalidInputError: Something else was given than strings, or none at all.
    """
    if given is None:
        return ()
    hint = f"pass one or several of {', '.join(member.value for member in RecommendationCategory)}"
    if isinstance(given, (bytes, bytearray, Mapping)) or not isinstance(given, (str, Iterable)):
        raise InvalidInputError(f"category must be a string or several strings, got {quoted(given)}", hint=hint)
    listed = [given] if isinstance(given, str) else list(given)
    for item in listed:
        if not isinstance(item, str) or not item.strip():
            raise InvalidInputError(f"a category must be a string that is not empty, got {quoted(item)}", hint=hint)
    if not listed:
        raise InvalidInputError("no category was passed", hint=f"{hint}; leave it out for all")
    return tuple({fold(item): RecommendationCategory(item) for item in listed}.values())


def checked_cves(given: Iterable[str] | None) -> tuple[str, ...]:
    """The ids of CVEs, each once; none for None, which means all.

    Raises:
        InvalidInputError: Something else was given than ids such as ``CVE-2026-0001``, or none at all.
    """
    if given is None:
        return ()
    ids = strings("ids", given)
    for item in ids:
        if not _CVE.fullmatch(item):
            raise InvalidInputError(f"{quoted(item)} is not the id of a CVE", hint="pass ids such as CVE-2026-0001")
    if not ids:
        raise InvalidInputError("no ids were passed", hint="leave ids out for all CVEs")
    return tuple({fold(item): item for item in ids}.values())


def checked_resource(given: str | ResourceId | Assessment | None) -> str | None:
    """The id of a resource; None for None.

    Raises:
        InvalidResourceIdError: It is not one.
    """
    if isinstance(given, Assessment):
        return given.resource_id
    if given is None:
        return None
    return given.text if isinstance(given, ResourceId) else ResourceId.parse(given).text


def checked_text(text: str, name: str) -> str:
    """A string that is not blank.

    Raises:
        InvalidInputError: It is blank, or not a string.
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidInputError(f"{name} must be a string that is not empty, got {quoted(text)}")
    return text


def checked_choice(choice: Any, name: str) -> bool | None:
    """True, False, or None for both.

    Raises:
        InvalidInputError: It is something else.
    """
    if choice is not None and not isinstance(choice, bool):
        raise InvalidInputError(f"{name} must be True, False or None, got {quoted(choice)}")
    return choice


def assessment_key(given: RecommendationChoice, catalog: Catalog) -> str:
    """The key of the recommendation that a caller means.

    Raises:
        UnknownRecommendationError: It is a string that is not a key, an assessment id or a display name in the catalog.
        InvalidInputError: It is something else.
    """
    if isinstance(given, (Recommendation, Assessment)):
        return given.key
    if not isinstance(given, str):
        raise InvalidInputError(
            f"expected a recommendation or its key, got {quoted(given)}", hint="pass a Recommendation or its key"
        )
    if is_guid(given):
        return given
    before, found, key = fold(given).rpartition(_ASSESSMENTS)
    if found and before and is_guid(key):
        return given[-len(key) :]
    named = {fold(fix.key): fix.key for fix in catalog if fold(fix.title) == fold(given.strip())}
    if len(named) == 1:
        return next(iter(named.values()))
    if named:
        raise UnknownRecommendationError(
            f"{len(named)} recommendations are named {quoted(given)}",
            hint=f"pass one of the keys {', '.join(sorted(named.values()))}",
        )
    raise UnknownRecommendationError(
        f"{quoted(given)} is not an assessment key", hint="an assessment key is a GUID; see list_recommendations()"
    )
