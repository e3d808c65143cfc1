"""What a proof finds."""

from __future__ import annotations

import attrs

from defender_remediate.enums import StrEnum
from defender_remediate.notebook import notebook


class ProblemSeverity(StrEnum):
    """How bad a problem of a catalog is."""

    ERROR = "error"
    WARNING = "warning"


class Law(StrEnum):
    """What is asked of every fix."""

    FORM = "has_the_form"
    CLOSES = "closes_its_condition"
    LEAST_CHANGE = "changes_nothing_else"
    IDEMPOTENT = "is_empty_the_second_time"
    WAY_BACK = "has_a_way_back"
    SCHEMA = "fits_the_schema"
    STRICTER = "leaves_stricter_alone"
    KIND = "is_written_the_right_way"
    PERMISSIONS = "names_its_permissions"
    PARAMETERS = "explains_its_parameters"
    SECRETS = "holds_no_secret"
    TEMPLATE = "has_a_sound_template"
    AIM = "aims_at_its_condition"


@notebook
@attrs.frozen(kw_only=True, str=False)
class CatalogProblem:
    """A law that a fix does not keep.

    Attributes:
        key: The fix's assessment key; empty for a file that could not be read as a catalog.
        resource_type, variant: Which of the fixes with this key it is.
        law: What is asked of every fix.
        message: What is wrong, and on which body.
        severity: An error must be mended; a warning wants a reason.
        source: The catalog file; empty for a fix that came from none.
    """

    key: str
    resource_type: str = ""
    variant: str = ""
    law: Law = attrs.field(converter=Law)
    message: str
    severity: ProblemSeverity = attrs.field(default=ProblemSeverity.ERROR, converter=ProblemSeverity)
    source: str = ""

    @property
    def is_error(self) -> bool:
        """Whether it must be mended."""
        return self.severity is ProblemSeverity.ERROR

    def __str__(self) -> str:
        variant = f" ({self.variant})" if self.variant else ""
        place = f"{self.key} on {self.resource_type}{variant}" if self.resource_type else self.key
        mark = "" if self.is_error else " (warning)"
        return ": ".join(part for part in (self.source, place, f"{self.law}{mark}", self.message) if part)


@attrs.frozen
class Objection:
    """What one proof says of the fix it was given; ``check`` adds which fix that is."""

    message: str
    severity: ProblemSeverity = ProblemSeverity.ERROR


def warning(message: str) -> Objection:
    """A finding that wants a reason and is no mistake for certain."""
    return Objection(message, ProblemSeverity.WARNING)
