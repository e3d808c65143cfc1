"""What becomes of a step after its checks: it stays in the plan with what was found, or is left alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from defender_remediate.models.finding import Check, Finding, Verdict
from defender_remediate.models.plan import RemediationStep, SkippedResource, SkipReason


def decided(
    step: RemediationStep, findings: Iterable[Finding], waive: Mapping[Check, str]
) -> RemediationStep | SkippedResource:
    """The step with its findings, or the skip that it becomes when one of them stops it and was not waived."""
    found = tuple(_waived(finding, waive) for finding in findings)
    stopping = [finding for finding in found if finding.stops]
    if not stopping:
        return attrs.evolve(step, findings=found)
    is_blocked = any(finding.verdict is Verdict.BLOCKS for finding in stopping)
    return SkippedResource(
        resource_id=step.resource_id,
        keys=step.keys,
        reason=SkipReason.BLOCKED if is_blocked else SkipReason.UNCHECKED,
        message="; ".join(_told(finding) for finding in stopping),
        findings=found,
    )


def _waived(finding: Finding, waive: Mapping[Check, str]) -> Finding:
    if not finding.stops or finding.check not in waive:
        return finding
    return attrs.evolve(finding, verdict=Verdict.WAIVED, waived_because=waive[finding.check])


def _told(finding: Finding) -> str:
    return f"{finding.message} - {finding.advice}" if finding.advice else finding.message
