"""The checks of what a test passes to a control: a spelling error would otherwise make a fault or a lock that never applies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.ids import Scope
from defender_remediate.validation import did_you_mean, is_number, string, strings

METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS")
_HEADER, _HEADER_VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\t -~\x80-\xff]*")
_KINDS = {
    "name": str,
    "type": str,
    "location": str,
    "kind": str,
    "properties": Mapping,
    "tags": Mapping,
    "identity": Mapping,
}
_ACTION = re.compile(r"[\w.*-]+(/[\w.*-]+)*")


def word(name: str, given: str, known: Iterable[str]) -> str:
    """The value of an argument, which must be one of the known words.

    Raises:
        InvalidInputError: It is not.
    """
    listed = tuple(known)
    if not isinstance(given, str) or given not in listed:
        raise InvalidInputError(
            f"{name} must be one of {', '.join(listed)}, got {quoted(given)}", hint=did_you_mean(given, listed)
        )
    return given


def text(name: str, given: str) -> str:
    """The value of an argument, which must be a string that is not empty.

    Raises:
        InvalidInputError: It is not.
    """
    if not string(name, given).strip():
        raise InvalidInputError(f"{name} must not be empty, got {quoted(given)}")
    return given


def name_in_id(name: str, given: str) -> str:
    """The value of an argument, which must be one segment of an id.

    Raises:
        InvalidInputError: It is not.
    """
    if "/" in text(name, given):
        raise InvalidInputError(f"{name} must be a name without slashes, got {quoted(given)}")
    return given


def count(name: str, given: int, *, least: int = 0, most: int | None = None) -> int:
    """The value of an argument, which must be an integer within limits.

    Raises:
        InvalidInputError: It is not.
    """
    whole = isinstance(given, int) and not isinstance(given, bool)
    if not whole or given < least or (most is not None and given > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InvalidInputError(f"{name} must be an integer {limits}, got {quoted(given)}")
    return given


def amount(name: str, given: float) -> float:
    """The value of an argument, which must be a finite number that is not negative.

    Raises:
        InvalidInputError: It is not.
    """
    if not is_number(given) or not 0 <= given < float("inf"):
        raise InvalidInputError(f"{name} must be a number of at least 0, got {quoted(given)}")
    return given


def methods(given: Iterable[str]) -> tuple[str, ...]:
    """The HTTP methods of an argument, in capital letters.

    Raises:
        InvalidInputError: One of them does not exist, or it is a single string.
    """
    return tuple(word("method", method.strip().upper(), METHODS) for method in strings("methods", given))


def methods_of(given: str) -> tuple[str, ...]:
    """The HTTP methods of an argument that separates them by ``|``.

    Raises:
        InvalidInputError: One of them does not exist.
    """
    return methods(string("method", given).split("|"))


def pattern(name: str, given: str) -> re.Pattern[str]:
    """The value of an argument, which must be a regular expression; it ignores case.

    Raises:
        InvalidInputError: It is not.
    """
    try:
        return re.compile(string(name, given), re.IGNORECASE)
    except re.error as error:
        raise InvalidInputError(
            f"{name} must be a regular expression, got {quoted(given)}: {error}", hint="escape ids with re.escape"
        ) from None


def scope(given: str) -> str:
    """The scope of an argument, with one slash at its start and none at its end.

    Raises:
        InvalidScopeError: It is not the id of a management group, a subscription, a resource group or a resource.
    """
    return Scope.parse(given).text


def actions(name: str, given: Iterable[str]) -> tuple[str, ...]:
    """The value of an argument, which must be several actions of Azure, such as ``Microsoft.Storage/*/write``.

    Raises:
        InvalidInputError: It is a single string, or one of them is not an action: a scope starts with a slash.
    """
    found = strings(name, given)
    for action in found:
        if not _ACTION.fullmatch(action) or not ("/" in action or "*" in action):
            raise InvalidInputError(
                f"{name} must be actions of Azure, got {quoted(action)}",
                hint="an action looks like Microsoft.Storage/storageAccounts/write; * matches anything",
            )
    return found


def mapping(name: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The value of an argument, which must be a mapping with strings as keys.

    Raises:
        InvalidInputError: It is not.
    """
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise InvalidInputError(f"{name} must be a mapping with strings as keys, got {quoted(given)}")
    return given


def headers(given: Mapping[str, str]) -> Mapping[str, str]:
    """The value of an argument, which must be headers that HTTP can carry.

    Raises:
        InvalidInputError: It is not.
    """
    for header, value in mapping("headers", given).items():
        if not _HEADER.fullmatch(header) or not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidInputError(
                f"headers must be names and strings that HTTP can carry, got {quoted(header)}: {quoted(value)}"
            )
    return given


def resource_body(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The value of an argument, which must be a resource: its members that every resource has are of the usual kinds.

    Raises:
        InvalidInputError: It is not.
    """
    for member, kind in _KINDS.items():
        value = mapping("body", given).get(member)
        if value is not None and not isinstance(value, kind):
            wanted = "a string" if kind is str else "an object"
            raise InvalidInputError(f"{member} of the body must be {wanted}, got {quoted(value)}")
    return given


def mapping_or_none(name: str, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The value of an argument, which must be a mapping with strings as keys, or None.

    Raises:
        InvalidInputError: It is neither.
    """
    return None if given is None else dict(mapping(name, given))
