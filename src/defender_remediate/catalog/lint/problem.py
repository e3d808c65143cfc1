"""The rules of the catalog, and what is reported when a fix violates one."""

from __future__ import annotations

import attrs

from defender_remediate.enums import StrEnum
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value


class ProblemSeverity(StrEnum):
    """How severe a problem of a catalog is."""

    ERROR = "error"
    WARNING = "warning"


class Rule(StrEnum):
    """What every fix has to satisfy."""

    IS_READABLE = "is_readable"
    IS_CURRENT = "is_current"
    CLOSES_CONDITION = "closes_condition"
    CHANGES_NOTHING_ELSE = "changes_nothing_else"
    IS_IDEMPOTENT = "is_idempotent"
    UNDO_RESTORES_ORIGINAL = "undo_restores_original"
    MATCHES_SCHEMA = "matches_schema"
    KEEPS_STRICTER_VALUES = "keeps_stricter_values"
    USES_SUPPORTED_METHOD = "uses_supported_method"
    KEEPS_WRITE_ONLY_MEMBERS = "keeps_write_only_members"
    NAMES_PERMISSIONS = "names_permissions"
    EXPLAINS_PARAMETERS = "explains_parameters"
    CONTAINS_NO_SECRET = "contains_no_secret"  # noqa: S105 - the name of a rule
    HAS_VALID_TEMPLATE = "has_valid_template"
    WRITES_WHAT_CONDITION_READS = "writes_what_condition_reads"
    NAMES_LIVE_USE = "names_live_use"


@notebook
@attrs.frozen(kw_only=True, str=False)
class CatalogProblem(Value):
    """A rule that a fix violates.

    Attributes:
        key: The fix's assessment key; for a file that cannot be read as a catalog, the key path of the mistake, if known.
        resource_type, variant: Which of the fixes with this key it is; None for a file that cannot be read.
        rule: The rule.
        message: What is wrong, and for which body.
        severity: An error has to be corrected; a warning is worth a look.
        source: The catalog file; None for a fix that was made in code.
    """

    key: str | None = None
    resource_type: str | None = None
    variant: str | None = None
    rule: Rule = attrs.field(converter=Rule)
    message: str
    severity: ProblemSeverity = attrs.field(default=ProblemSeverity.ERROR, converter=ProblemSeverity)
    source: str | None = None

    @property
    def is_error(self) -> bool:
        """Whether it has to be corrected."""
        return self.severity is ProblemSeverity.ERROR

    def __str__(self) -> str:
        variant = f" ({self.variant})" if self.variant else ""
        place = f"{self.key} on {self.resource_type}{variant}" if self.resource_type else self.key
        mark = "" if self.is_error else " (warning)"
        return ": ".join(part for part in (self.source, place, f"{self.rule}{mark}", self.message) if part)


@attrs.frozen
class RuleViolation(Value):
    """What one rule reports about the fix it was given; ``check`` adds which fix that is."""

    message: str
    severity: ProblemSeverity = ProblemSeverity.ERROR


def warning(message: str) -> RuleViolation:
    """A violation that is worth a look and can be right as it is."""
    return RuleViolation(message, ProblemSeverity.WARNING)
