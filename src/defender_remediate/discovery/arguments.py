"""Arguments of listings, checked before any request is made."""

from __future__ import annotations

from typing import Any, TypeVar

from defender_remediate.enums import OpenEnum
from defender_remediate.errors import InvalidInputError, UnknownRecommendationError
from defender_remediate.models.ids import is_guid

_Word = TypeVar("_Word", bound=OpenEnum)


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


def checked_text(text: str, name: str) -> str:
    """A text that is not blank.

    Raises:
        InvalidInputError: It is blank, or no text.
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidInputError(f"{name}={text!r} is no text, or an empty one")
    return text


def checked_choice(choice: Any, name: str) -> bool | None:
    """True, False, or None for both.

    Raises:
        InvalidInputError: It is none of them.
    """
    if choice is not None and not isinstance(choice, bool):
        raise InvalidInputError(f"{name}={choice!r} is neither True, False nor None")
    return choice


def checked_key(key: str) -> str:
    """An assessment key.

    Raises:
        UnknownRecommendationError: It is no GUID, so Azure cannot have it.
    """
    if not is_guid(key):
        raise UnknownRecommendationError(
            f"{key!r} is not an assessment key", hint="an assessment key is a GUID; see list_recommendations()"
        )
    return key
