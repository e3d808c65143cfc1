"""Enumerations for words that Azure owns: an unknown word is kept, never refused."""

from __future__ import annotations

from enum import Enum
from typing import Any

from defender_remediate.casing import fold


class OpenEnum(str, Enum):
    """A string enumeration that takes words it does not know.

    Known words are matched whatever their case. An unknown word becomes a value of its own, equal to that word, that
    is not listed among the members: Azure may add words at any time.
    """

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, str):
            return None
        folded = fold(value)
        for member in cls:
            if fold(member.value) == folded:
                return member
        unknown = str.__new__(cls, value)
        unknown._name_ = value
        unknown._value_ = value
        return unknown

    @property
    def is_known(self) -> bool:
        """Whether this is a word that this version of the library knows."""
        return any(self is member for member in type(self))

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    def __format__(self, spec: str) -> str:
        return str(self.value).__format__(spec)

    __hash__ = str.__hash__


class StrEnum(str, Enum):
    """A string enumeration of this library's own words, in snake_case: an unknown one is an error."""

    @property
    def label(self) -> str:
        """The word as text for people, such as ``already compliant``."""
        return str(self.value).replace("_", " ")

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return str(self.value).__format__(spec)

    __hash__ = str.__hash__
