"""What a preflight check found about a step: the problem, the evidence, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from defender_remediate.enums import StrEnum
from defender_remediate.models.notebook import notebook
from defender_remediate.redaction import redact_text


class CheckStatus(StrEnum):
    """What a check result means for its step."""

    BLOCKED = "blocked"
    UNCHECKED = "unchecked"
    WARNING = "warning"
    WAIVED = "waived"


def _redacted(given: Iterable[str]) -> tuple[str, ...]:
    # Tags, notes and reasons come from outside.
    return tuple(map(redact_text, given))


@notebook
@attrs.frozen(kw_only=True, str=False)
class CheckResult:
    """One thing that a preflight check found about a step.

    Attributes:
        check: The name of the check, such as ``lock``.
        status: ``blocked`` and ``unchecked`` keep the step out of the plan; ``warning`` and ``waived`` do not.
        message: What was found, without the resource's own name, so that it reads the same for all that share it.
        evidence: Where it was seen: ids of locks and policies, tags, what a role allows, what an answer said.
        advice: What to do about it; empty when there is nothing to add.
        waived_because: The reason given for waiving it; empty unless ``status`` is ``waived``.
    """

    check: str
    status: CheckStatus = attrs.field(converter=CheckStatus)
    message: str = attrs.field(converter=redact_text)
    evidence: tuple[str, ...] = attrs.field(default=(), converter=_redacted)
    advice: str = ""
    waived_because: str = ""

    @property
    def is_blocking(self) -> bool:
        """Whether it keeps its step out of the plan."""
        return self.status in (CheckStatus.BLOCKED, CheckStatus.UNCHECKED)

    def __str__(self) -> str:
        reason = f" (waived: {self.waived_because})" if self.waived_because else ""
        return f"{self.check.replace('_', ' ')} {self.status}: {self.message}{reason}"
