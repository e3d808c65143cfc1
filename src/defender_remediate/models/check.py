"""The results of preflight checks."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from defender_remediate.display import one_line
from defender_remediate.enums import StrEnum
from defender_remediate.notebook import notebook
from defender_remediate.redaction import redact_text
from defender_remediate.serialization import Value
from defender_remediate.validation import string, strings

# Evidence of a group of resources that is shown at least.
_SHOWN_EVIDENCE = 4


class CheckStatus(StrEnum):
    """What a check result means for its step.

    PASSED: what was looked for is not there; the evidence says how that is known.
    """

    BLOCKED = "blocked"
    UNCHECKED = "unchecked"
    WARNING = "warning"
    WAIVED = "waived"
    PASSED = "passed"


def _redacted(given: Iterable[str]) -> tuple[str, ...]:
    # Tags, notes and reasons come from outside.
    return tuple(map(redact_text, strings("evidence", given)))


def _message(given: str) -> str:
    return redact_text(string("message", given))


@notebook
@attrs.frozen(kw_only=True, str=False)
class CheckResult(Value):
    """One result of a preflight check for a step: the problem, the evidence, and advice.

    Attributes:
        check: The name of the check, such as ``lock``.
        status: ``blocked`` and ``unchecked`` keep the step out of the plan; ``warning``, ``waived`` and ``passed`` do not.
        message: What was found, without the name of the resource, so that resources with the same result can share it.
        evidence: The facts behind it: ids of locks and policies, tags, actions of a role, Azure's message.
        advice: What the caller can do; None when there is nothing to do.
        waived_because: The reason given for waiving it; None unless ``status`` is ``waived``.
    """

    check: str
    status: CheckStatus = attrs.field(converter=CheckStatus)
    message: str = attrs.field(converter=_message)
    evidence: tuple[str, ...] = attrs.field(default=(), converter=_redacted)
    advice: str | None = None
    waived_because: str | None = None

    @property
    def is_blocking(self) -> bool:
        """Whether it keeps its step out of the plan."""
        return self.status in (CheckStatus.BLOCKED, CheckStatus.UNCHECKED)

    def lines(self) -> list[str]:
        """The result, its evidence and its advice, a line each."""
        found = [str(self)]
        if self.evidence:
            found.append(one_line(f"  evidence: {'; '.join(self.evidence)}"))
        if self.advice:
            found.append(one_line(f"  -> {self.advice}"))
        return found

    def __str__(self) -> str:
        reason = f" (waived: {self.waived_because})" if self.waived_because else ""
        return one_line(f"{self.check.replace('_', ' ')} {self.status}: {self.message}{reason}")


@attrs.frozen(kw_only=True)
class Remark(Value):
    """The lines of a printed plan about one resource.

    Attributes:
        subject: The resource, as text.
        text: Printed before the check results; None to print the check results only.
    """

    subject: str
    text: str | None = None
    results: tuple[CheckResult, ...] = ()


def grouped_lines(remarks: Iterable[Remark], *, mark: str) -> list[str]:
    """The remarks as lines. Resources with the same remark are listed below it; the evidence may differ."""
    groups: dict[object, list[Remark]] = {}
    for remark in remarks:
        same = [(each.check, each.status, each.message, each.advice, each.waived_because) for each in remark.results]
        groups.setdefault((remark.text, *same), []).append(remark)
    lines = []
    for group in groups.values():
        first = group[0]
        said = [] if first.text is None else [one_line(first.text)]
        indent = "  " if said else ""
        for position, result in enumerate(first.results):
            evidence = tuple(dict.fromkeys(text for remark in group for text in remark.results[position].evidence))
            shown = max(len(result.evidence), _SHOWN_EVIDENCE)
            if len(evidence) > shown:
                evidence = (*evidence[:shown], f"and {len(evidence) - shown} more")
            said += [f"{indent}{line}" for line in attrs.evolve(result, evidence=evidence).lines()]
        lines += [f"{mark} {said[0]}", *(f"  {line}" for line in said[1:])]
        lines += [one_line(f"    {remark.subject}") for remark in group]
    return lines
