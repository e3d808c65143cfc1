"""Waivers: the checks and guards that one call may ignore, by name and with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.guards import GuardName
from defender_remediate.preflight import BUILT_IN_CHECKS
from defender_remediate.validation import did_you_mean

CHECK_NAMES = tuple(check.name for check in BUILT_IN_CHECKS)
"""The names of the checks that every client makes."""


@attrs.frozen(kw_only=True)
class Waivers:
    """What one call may ignore: the reason by the name of the check or guard."""

    checks: Mapping[str, str]
    guards: Mapping[str, str]

    @property
    def recorded_guards(self) -> tuple[str, ...]:
        """The waived guards as the journal keeps them: name and reason."""
        return tuple(f"{name}: {reason}" for name, reason in self.guards.items())


def _first_name(given: object, known: Iterable[str]) -> str:
    """The first known name in what a caller passed, else the first that is known."""
    names = [str(name) for name in known]
    passed = given if isinstance(given, (list, tuple, set, frozenset)) else [given]
    return next((name for name in names if name in passed), names[0])


def parse_waivers(
    waive: Mapping[str, str] | None,
    *,
    checks: Iterable[str] | None = CHECK_NAMES,
    guards: Iterable[str] | None = tuple(GuardName),
) -> Waivers:
    """What a caller passed as ``waive``.

    Args:
        waive: Reasons by name; None for no waivers.
        checks: The names of the checks that can be waived; None for a verb that makes no checks.
        guards: The names of the guards that can be waived; None for a verb that applies nothing.

    Raises:
        InvalidInputError: There is no check or guard of that name, another verb takes it, or it has no reason.
    """
    taken = (*(checks or ()), *(guards or ()))
    if waive is not None and not isinstance(waive, Mapping):
        raise InvalidInputError(
            f"waive must be a mapping of names to reasons, got {quoted(waive)}",
            hint=f'pass waive={{"{_first_name(waive, taken)}": "why"}}',
        )
    found: dict[str, str] = {}
    for name, reason in (waive or {}).items():
        if name in tuple(GuardName) and guards is None:
            raise InvalidInputError(
                f"{quoted(str(name))} is a guard, which this method does not waive", hint="pass it to apply or resume"
            )
        if name in CHECK_NAMES and checks is None:
            raise InvalidInputError(
                f"{quoted(str(name))} is a check, which this method does not waive",
                hint="pass it to plan or plan_rollback",
            )
        if name not in taken:
            raise InvalidInputError(f"{quoted(name)} cannot be waived", hint=did_you_mean(name, map(str, taken)))
        if not isinstance(reason, str) or not reason.strip():
            raise InvalidInputError(
                f"waiving {quoted(str(name))} needs a reason", hint=f'pass waive={{"{name}": "why"}}'
            )
        found[str(name)] = reason.strip()
    return Waivers(
        checks={name: reason for name, reason in found.items() if name in tuple(checks or ())},
        guards={name: reason for name, reason in found.items() if name in tuple(guards or ())},
    )
