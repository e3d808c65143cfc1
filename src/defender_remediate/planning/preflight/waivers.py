"""Waivers: the checks that one call may go past, by name and with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from defender_remediate.errors import InvalidInputError
from defender_remediate.models.finding import Check
from defender_remediate.models.guards import WAIVABLE


def check_waivers(waive: Mapping[str, str] | None) -> dict[Check, str]:
    """The reasons by check; none for None.

    Raises:
        InvalidInputError: There is no such check, or a waiver has no reason.
    """
    return {Check(name): reason for name, reason in _reasons(waive, Check).items()}


def split(waive: Mapping[str, str] | None) -> tuple[dict[str, str], dict[str, str]]:
    """The waivers of checks, and those of guards.

    Raises:
        InvalidInputError: There is no such check or guard, or a waiver has no reason.
    """
    names = frozenset(check.value for check in Check)
    given = _reasons(waive, (*Check, *WAIVABLE))
    checks = {name: reason for name, reason in given.items() if name in names}
    return checks, {name: reason for name, reason in given.items() if name not in names}


def _reasons(waive: Mapping[str, str] | None, known: Iterable[str]) -> dict[str, str]:
    if waive is None:
        return {}
    if not isinstance(waive, Mapping):
        raise InvalidInputError(f"waivers are reasons by name, got {waive!r}", hint='pass waive={"lock": "why"}')
    names = [str(name) for name in known]
    for name, reason in waive.items():
        if name not in names:
            raise InvalidInputError(f"{name!r} cannot be waived", hint=f"these can: {', '.join(names)}")
        if not isinstance(reason, str) or not reason.strip():
            raise InvalidInputError(f"waiving {name!r} needs a reason", hint=f'waive={{"{name}": "why"}}')
    return {str(name): reason.strip() for name, reason in waive.items()}
