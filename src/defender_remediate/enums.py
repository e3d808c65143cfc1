"""Enumerations: closed ones for the values of this library, open ones for the values of Azure."""

from __future__ import annotations

from enum import Enum, EnumMeta
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.redaction import redact_text
from defender_remediate.validation import did_you_mean


class _StringEnumMeta(EnumMeta):
    """Looks values up by strings only: Python's own lookup fails with whatever the ``repr`` of another value raises."""

    def __call__(cls, value: Any = None, *args: Any, **kwargs: Any) -> Any:
        if type(value) is str and value in cls._value2member_map_ and not args and not kwargs:
            return cls._value2member_map_[value]
        if args or kwargs or isinstance(value, cls):
            return super().__call__(value, *args, **kwargs)
        if not isinstance(value, str):
            return cls._missing_(value)  # type: ignore[attr-defined]
        # A subclass of str may have a repr of its own.
        return super().__call__(str.__str__(value))


class OpenEnum(str, Enum, metaclass=_StringEnumMeta):
    """An enumeration of Azure's values, which accepts unknown ones because Azure may add a value at any time.

    Known values are matched without regard to case. An unknown value becomes a member that is equal to its string and
    is not listed among the members.
    """

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, str):
            raise InvalidInputError(f"{cls.__name__} must be a string, got {quoted(value)}")
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
        """Whether this version of the library knows the value."""
        return any(self is member for member in type(self))

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({redact_text(self.value)!r})"

    def __format__(self, spec: str) -> str:
        return str(self.value).__format__(spec)

    __hash__ = str.__hash__


class StrEnum(str, Enum, metaclass=_StringEnumMeta):
    """An enumeration of this library's values, in snake_case: an unknown value is an InvalidInputError."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        known = [str(member.value) for member in cls]
        raise InvalidInputError(f"{quoted(value)} is not a value of {cls.__name__}", hint=did_you_mean(value, known))

    @property
    def label(self) -> str:
        """The value as it is displayed, such as ``already compliant``."""
        return str(self.value).replace("_", " ")

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return str(self.value).__format__(spec)

    __hash__ = str.__hash__
