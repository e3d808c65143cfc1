"""What a check before a change found: what stands in its way, what the evidence is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from defender_remediate.enums import Word
from defender_remediate.models.notebook import notebook
from defender_remediate.redaction import redact_text


class Check(Word):
    """What is looked at before a change is planned. Each can be waived by this name."""

    PERMISSION = "permission"
    DENY_ASSIGNMENT = "deny assignment"
    LOCK = "lock"
    POLICY = "policy"
    EXEMPTION = "exemption"
    SUBSCRIPTION = "subscription"
    PROVIDER = "resource provider"
    PATCH = "patch support"
    PRIVATE_ENDPOINT = "private endpoint"
    FUNCTION_APP = "function app"
    OWNERSHIP = "ownership"


class Verdict(Word):
    """What a finding means for its step."""

    BLOCKS = "blocks"
    UNCHECKED = "could not be checked"
    WARNS = "warns"
    WAIVED = "waived"


def _redacted(texts: Iterable[str]) -> tuple[str, ...]:
    # Tags, notes and reasons are other people's texts.
    return tuple(map(redact_text, texts))


@notebook
@attrs.frozen(kw_only=True, str=False)
class Finding:
    """One thing that a check found about a step.

    Attributes:
        check: Which check.
        verdict: ``blocks`` and ``could not be checked`` keep the step out of the plan; ``warns`` and ``waived`` do not.
        message: What was found, without the resource's own name, so that it reads the same for all that share it.
        evidence: Where it was seen: ids of locks and policies, tags, what a role gives, what an answer said.
        advice: What to do about it; empty when there is nothing to add.
        waived_because: The reason given for waiving it; empty unless ``verdict`` is ``waived``.
    """

    check: Check = attrs.field(converter=Check)
    verdict: Verdict = attrs.field(converter=Verdict)
    message: str = attrs.field(converter=redact_text)
    evidence: tuple[str, ...] = attrs.field(default=(), converter=_redacted)
    advice: str = ""
    waived_because: str = ""

    @property
    def stops(self) -> bool:
        """Whether it keeps its step out of the plan."""
        return self.verdict in (Verdict.BLOCKS, Verdict.UNCHECKED)

    def __str__(self) -> str:
        reason = f" (waived: {self.waived_because})" if self.waived_because else ""
        return f"{self.check} {self.verdict}: {self.message}{reason}"
