"""The limits of a run."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone, tzinfo

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.enums import StrEnum
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.fix import Impact
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value
from defender_remediate.validation import as_tuple, is_number, string


class GuardName(StrEnum):
    """The guards that one call may waive. ``removal`` applies whatever the ``Guards`` are: removals need a waiver."""

    MAX_CHANGES = "max_changes"
    MAX_SHARE = "max_share"
    MAX_PLAN_AGE = "max_plan_age"
    ALLOWED_IMPACTS = "allowed_impacts"
    WINDOW = "window"
    REMOVAL = "removal"


_MOST_DAYS = 3650
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@notebook
@attrs.frozen(kw_only=True)
class MaintenanceWindow(Value):
    """When changes may be made: each day between two times of the clock.

    Attributes:
        start, end: Wall-clock times; an end before the start is on the next day.
        days: The days on which the window opens, such as ``("sat", "sun")``; every day by default.
        zone: The time zone that both are in; UTC by default.
    """

    start: time
    end: time
    days: tuple[str, ...] = attrs.field(default=_DAYS, converter=as_tuple)
    zone: tzinfo = timezone.utc

    def __attrs_post_init__(self) -> None:
        unknown = [day for day in self.days if day not in _DAYS]
        if unknown or not self.days:
            raise InvalidInputError(
                f"days of a MaintenanceWindow must be one or more of {', '.join(_DAYS)}, got {quoted(self.days)}"
            )
        for name in ("start", "end"):
            value = getattr(self, name)
            if not isinstance(value, time):
                raise InvalidInputError(
                    f"{name} of a MaintenanceWindow must be a datetime.time, got {quoted(value)}",
                    hint="pass time(22, 0)",
                )
            if value.tzinfo is not None:
                raise InvalidInputError(
                    f"{name} of a MaintenanceWindow must not have a time zone", hint="pass zone=..."
                )
        if not isinstance(self.zone, tzinfo):
            raise InvalidInputError(
                f"zone of a MaintenanceWindow must be a datetime.tzinfo, got {quoted(self.zone)}",
                hint='pass zoneinfo.ZoneInfo("Europe/Berlin")',
            )
        if self.start == self.end:
            raise InvalidInputError(
                f"start and end of a MaintenanceWindow must differ, got {self.start:%H:%M} for both"
            )

    def is_open(self, moment: datetime) -> bool:
        """Whether the window is open at a moment, which must have a time zone.

        Raises:
            InvalidInputError: It is not a time with a time zone.
        """
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise InvalidInputError(f"expected a time with a time zone, got {quoted(moment)}")
        local = moment.astimezone(self.zone)
        now, today = local.time(), _DAYS[local.weekday()]
        yesterday = _DAYS[local.weekday() - 1]
        if self.start < self.end:
            return today in self.days and self.start <= now < self.end
        return (today in self.days and now >= self.start) or (yesterday in self.days and now < self.end)

    def __str__(self) -> str:
        return f"{self.start:%H:%M} to {self.end:%H:%M} ({self.zone}) on {', '.join(self.days)}"


@notebook
@attrs.frozen(kw_only=True)
class Guards(Value):
    """The limits of a run.

    Attributes:
        max_changes: The most steps that one ``apply`` takes; 25 by default.
        max_share: The largest share of the resources of one type that one run may change, above 0 and up to 1; any
            share by default. Counted against those in scope that are healthy or unhealthy by the
            planned recommendations. One resource of a type may always change. A plan that was made without this guard is
            refused, because the resources were not counted.
        allow_irreversible: The keys of the irreversible fixes that may be planned; none by default.
        protected_groups, protected_names: Patterns (``*`` and ``?``, any case) of resource groups and resources that
            are never planned.
        protected_tags: Tags whose resources are never planned: ``name``, or ``name=value`` with a pattern as value.
        allowed_impacts: The impacts that a step may have; every one by default.
        window: When a run may begin; always by default.
        hold_days: For how many days a plan leaves out a resource on which an earlier run failed or was rolled back, according to
            the journal; 0 for never. By default 7 for a client with a journal of its own, and 0 with the default journal,
            which all clients of a user share. ``plan`` takes a waiver named ``hold``.
        max_plan_age: How old a plan may be when it is applied; any age by default, since targets that drifted are skipped.
    """

    max_changes: int = 25
    max_share: float | None = None
    allow_irreversible: tuple[str, ...] = attrs.field(default=(), converter=as_tuple)
    protected_groups: tuple[str, ...] = attrs.field(default=(), converter=as_tuple)
    protected_names: tuple[str, ...] = attrs.field(default=(), converter=as_tuple)
    protected_tags: tuple[str, ...] = attrs.field(default=(), converter=as_tuple)
    allowed_impacts: tuple[Impact, ...] = attrs.field(default=tuple(Impact), converter=as_tuple)
    window: MaintenanceWindow | None = None
    max_plan_age: timedelta | None = None
    hold_days: float | None = None

    def __attrs_post_init__(self) -> None:
        if isinstance(self.max_changes, bool) or not isinstance(self.max_changes, int) or self.max_changes < 1:
            raise InvalidInputError(f"max_changes must be an integer of at least 1, got {quoted(self.max_changes)}")
        if self.max_share is not None and not _is_share(self.max_share):
            raise InvalidInputError(f"max_share must be a number above 0 and up to 1, got {quoted(self.max_share)}")
        unknown = [impact for impact in self.allowed_impacts if impact not in tuple(Impact)]
        if unknown:
            raise InvalidInputError(
                f"allowed_impacts must be one or more of {', '.join(Impact)}, got {quoted(self.allowed_impacts)}"
            )
        days = 0 if self.hold_days is None else self.hold_days
        if not is_number(days) or not 0 <= days <= _MOST_DAYS:
            raise InvalidInputError(f"hold_days must be a number from 0 to {_MOST_DAYS}, got {quoted(self.hold_days)}")
        self._check_kinds()

    def _check_kinds(self) -> None:
        # A wrong value would otherwise fail in the middle of a run.
        for name in ("allow_irreversible", "protected_groups", "protected_names", "protected_tags"):
            if not all(isinstance(value, str) and value.strip() for value in getattr(self, name)):
                raise InvalidInputError(f"{name} must be strings that are not blank, got {quoted(getattr(self, name))}")
        if self.window is not None and not isinstance(self.window, MaintenanceWindow):
            raise InvalidInputError(f"window must be a MaintenanceWindow, got {quoted(self.window)}")
        age = self.max_plan_age
        if age is not None and not (isinstance(age, timedelta) and age > timedelta()):
            raise InvalidInputError(f"max_plan_age must be a positive timedelta, got {quoted(age)}")

    def allows(self, key: str) -> bool:
        """Whether this irreversible fix may be planned."""
        return fold(string("key", key)) in {fold(allowed) for allowed in self.allow_irreversible}


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1
