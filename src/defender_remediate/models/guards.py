"""The limits of a run."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from defender_remediate.errors import InvalidInputError
from defender_remediate.models._notebook import notebook


def _keys(given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise InvalidInputError(f"allow_irreversible must be several keys, got one text {given!r}", hint="pass [key]")
    return tuple(given)


@notebook
@attrs.frozen(kw_only=True)
class Guards:
    """What a run may not go beyond.

    Attributes:
        max_changes: The most steps that one ``apply`` takes; 25 unless told otherwise.
        allow_irreversible: The keys of the fixes without a way back that may be planned; none unless named.
    """

    max_changes: int = 25
    allow_irreversible: tuple[str, ...] = attrs.field(default=(), converter=_keys)

    def __attrs_post_init__(self) -> None:
        if isinstance(self.max_changes, bool) or not isinstance(self.max_changes, int) or self.max_changes < 1:
            raise InvalidInputError(f"max_changes must be a whole number of at least 1, got {self.max_changes!r}")

    def allows(self, key: str) -> bool:
        """Whether this irreversible fix was consented to."""
        return key.casefold() in {allowed.casefold() for allowed in self.allow_irreversible}
