"""What a check before a change found: what stands in its way, what the evidence is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from defender_remediate.enums import StrEnum
from defender_remediate.models.notebook import notebook
from defender_remediate.redaction import redact_text


class CheckName(StrEnum):
    """What is looked at before a change is planned. Each can be waived by this name."""

    PERMISSION = "permission"
    DENY_ASSIGNMENT = "deny_assignment"
    LOCK = "lock"
    POLICY = "policy"
    EXEMPTION = "exemption"
    SUBSCRIPTION = "subscription"
    PROVIDER = "resource_provider"
    PATCH = "patch_support"
    PRIVATE_ENDPOINT = "private_endpoint"
    FUNCTION_APP = "function_app"
    OWNERSHIP = "ownership"


class CheckStatus(StrEnum):
    """What a finding means for its step."""

    BLOCKED = "blocked"
    UNCHECKED = "unchecked"
    WARNING = "warning"
    WAIVED = "waived"


def _check_name(name: str) -> str:
    return CheckName(name) if name in tuple(CheckName) else name


def _redacted(texts: Iterable[str]) -> tuple[str, ...]:
    # Tags, notes and reasons are other people's texts.
    return tuple(map(redact_text, texts))


@notebook
@attrs.frozen(kw_only=True, str=False)
class CheckResult:
    """One thing that a check found about a step.

    Attributes:
        check: The name of the check: a ``CheckName``, or the name of a check of your own.
        status: ``blocked`` and ``unchecked`` keep the step out of the plan; ``warning`` and ``waived`` do not.
        message: What was found, without the resource's own name, so that it reads the same for all that share it.
        evidence: Where it was seen: ids of locks and policies, tags, what a role gives, what an answer said.
        advice: What to do about it; empty when there is nothing to add.
        waived_because: The reason given for waiving it; empty unless ``status`` is ``waived``.
    """

    check: str = attrs.field(converter=_check_name)
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
