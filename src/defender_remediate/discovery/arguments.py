"""Arguments of listings, checked before any request is made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.enums import OpenEnum
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.individual import RecommendationCategory
from defender_remediate.validation import strings

_Word = TypeVar("_Word", bound=OpenEnum)
_CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.ASCII | re.IGNORECASE)
CategoryChoice = RecommendationCategory | str | Iterable[RecommendationCategory | str] | None
"""One category or several; None for all."""


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


def checked_choice(choice: Any, name: str) -> bool | None:
    """True, False, or None for both.

    Raises:
        InvalidInputError: It is something else.
    """
    if choice is not None and not isinstance(choice, bool):
        raise InvalidInputError(f"{name} must be True, False or None, got {quoted(choice)}")
    return choice
