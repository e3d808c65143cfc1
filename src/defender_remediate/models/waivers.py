"""Waivers: the checks that one call may go past, by name and with a reason."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.models.check import CheckName
from defender_remediate.models.guards import WAIVABLE
from defender_remediate.validation import reasons


def check_waivers(waive: Mapping[str, str] | None) -> dict[CheckName, str]:
    """The reasons by check; none for None.

    Raises:
        InvalidInputError: There is no such check, or a waiver has no reason.
    """
    return {CheckName(name): reason for name, reason in reasons({} if waive is None else waive, CheckName).items()}


def split(waive: Mapping[str, str] | None) -> tuple[dict[str, str], dict[str, str]]:
    """The waivers of checks, and those of guards.

    Raises:
        InvalidInputError: There is no such check or guard, or a waiver has no reason.
    """
    names = frozenset(check.value for check in CheckName)
    given = reasons({} if waive is None else waive, (*CheckName, *WAIVABLE))
    checks = {name: reason for name, reason in given.items() if name in names}
    return checks, {name: reason for name, reason in given.items() if name not in names}
