"""One table of a catalog file, read by getters that say where they are when a value is not what it must be."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Any, TypeVar

from defender_remediate.display import quoted
from defender_remediate.enums import StrEnum
from defender_remediate.errors import CatalogError

_W = TypeVar("_W", bound=StrEnum)
_REQUIRED: Any = object()
_INDEX = re.compile(r"\[\d+\]")
_NAMES = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    list: "an array",
    dict: "a table",
    date: "a date",
}


def described(value: Any) -> str:
    """What a value is, in the words of a catalog file."""
    return _NAMES.get(type(value), f"a {type(value).__name__}")


class TomlTable:
    """A table and where it stands.

    Attributes:
        values: The raw members.
        source: The file.
        path: The key path of the table in it; empty for the file itself.
    """

    __slots__ = ("path", "source", "values")

    def __init__(self, values: Any, *, source: str, path: str) -> None:
        self.source = source
        self.path = path
        if not isinstance(values, dict):
            raise self.error(f"expected a table, got {described(values)}")
        self.values: dict[str, Any] = values

    def error(self, message: str, name: str = "") -> CatalogError:
        """The error about the table, or about one of its members."""
        return CatalogError(message, source=self.source, path=self.at(name) if name else self.path)

    def at(self, name: str) -> str:
        """The key path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def only(self, known: frozenset[str]) -> None:
        """Raise an error for a key that is not one of these; most often it is misspelled."""
        for name in self.values:
            if name not in known:
                raise self.error(f"unknown key; the valid keys are {', '.join(sorted(known))}", name)

    def text(self, name: str, default: Any = _REQUIRED, *, shape: re.Pattern[str] | None = None, like: str = "") -> Any:
        """A string that is not blank, and that matches the given shape as a whole."""
        value = self._get(name, str, default)
        if value is default:
            return value
        if not value.strip():
            raise self.error("must not be empty", name)
        if shape is not None and shape.fullmatch(value) is None:
            raise self.error(f"{quoted(value)} must look like {like}", name)
        return value

    def strings(self, name: str, *, shape: re.Pattern[str] | None = None, like: str = "") -> tuple[str, ...]:
        """An array of strings that are not blank; empty if the key is missing."""
        values = self._get(name, list, ())
        for number, value in enumerate(values):
            if not isinstance(value, str) or not value.strip():
                raise self.error("must be a string that is not empty", f"{name}[{number}]")
            if shape is not None and shape.fullmatch(value) is None:
                raise self.error(f"{quoted(value)} must look like {like}", f"{name}[{number}]")
        return tuple(values)

    def word(self, name: str, words: type[_W], default: Any = _REQUIRED) -> Any:
        """One of the words of an enumeration."""
        value = self._get(name, str, default)
        if value is None:
            return None
        try:
            return words(value)
        except ValueError:
            known = ", ".join(word.value for word in words)
            raise self.error(f"{quoted(value)} is not one of {known}", name) from None

    def json_value(self, name: str) -> Any:
        """A JSON value: TOML also has dates, infinity and NaN."""
        self._check_json(name, self.values[name])
        return self.values[name]

    def _check_json(self, name: str, value: Any) -> None:
        if isinstance(value, dict):
            inner = TomlTable(value, source=self.source, path=self.at(name))
            for each in value:
                inner.json_value(each)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                self._check_json(f"{name}[{number}]", item)
        elif not isinstance(value, (str, bool, int, float)):
            raise self.error(f"must be a JSON value, got {described(value)}", name)
        elif isinstance(value, float) and not math.isfinite(value):
            raise self.error("must be a JSON value, got a number that is not finite", name)

    def flag(self, name: str, *, default: bool | None) -> bool | None:
        """True or false; the default when the key is missing."""
        value: bool | None = self._get(name, bool, default)
        return value

    def day(self, name: str) -> date | None:
        """A day, as TOML writes it: ``2026-07-31``; None when the key is missing."""
        value: date | None = self._get(name, date, None)
        return value

    def table(self, name: str) -> TomlTable | None:
        """A table within this one; None when the key is missing."""
        if name not in self.values:
            return None
        return TomlTable(self.values[name], source=self.source, path=self.at(name))

    def tables(self, name: str) -> tuple[TomlTable, ...]:
        """An array of tables; empty when the key is missing."""
        place = self.at(name)
        if isinstance(self.values.get(name), dict):
            raise self.error(f"must be an array of tables, so write [[{re.sub(_INDEX, '', place)}]]", name)
        values = self._get(name, list, ())
        return tuple(
            TomlTable(each, source=self.source, path=f"{place}[{number}]") for number, each in enumerate(values)
        )

    def _get(self, name: str, kind: type[Any], default: Any) -> Any:
        value = self.values.get(name, default)
        if value is _REQUIRED:
            raise self.error("is missing", name)
        if value is not default and type(value) is not kind:
            raise self.error(f"must be {_NAMES[kind]}, got {described(value)}", name)
        return value
