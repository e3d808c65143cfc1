"""Arguments of listings, checked before any request is made."""

from __future__ import annotations

import re
from typing import TypeVar

from defender_remediate.errors import InvalidInputError, UnknownRecommendationError
from defender_remediate.models._enums import OpenEnum

_Word = TypeVar("_Word", bound=OpenEnum)
_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def checked_word(words: type[_Word], value: str | None, name: str) -> _Word | None:
    """A member of an enumeration from the caller's text; None stays None.

    Raises:
        InvalidInputError: It is none of the words; the message lists them.
    """
    if value is None:
        return None
    word = words(value) if isinstance(value, str) else None
    if word is None or not word.is_known:
        known = ", ".join(member.value for member in words)
        raise InvalidInputError(f"{name}={value!r} is not known", hint=f"use one of {known}")
    return word


def checked_key(key: str) -> str:
    """An assessment key.

    Raises:
        UnknownRecommendationError: It is no GUID, so Azure cannot have it.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise UnknownRecommendationError(
            f"{key!r} is not an assessment key", hint="an assessment key is a GUID; see list_recommendations()"
        )
    return key
