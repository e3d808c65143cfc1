"""What becomes of a step after its checks: it stays in the plan with what was found, or is left alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.plan import RemediationStep, SkippedResource, SkipReason


def decided(
    step: RemediationStep, findings: Iterable[CheckResult], waive: Mapping[str, str]
) -> RemediationStep | SkippedResource:
    """The step with its findings, or the skip that it becomes when one of them stops it and was not waived."""
    found = tuple(_waived(finding, waive) for finding in findings)
    stopping = [finding for finding in found if finding.is_blocking]
    if not stopping:
        return attrs.evolve(step, check_results=found)
    is_blocked = any(finding.status is CheckStatus.BLOCKED for finding in stopping)
    return SkippedResource(
        resource_id=step.resource_id,
        keys=step.keys,
        reason=SkipReason.BLOCKED if is_blocked else SkipReason.UNCHECKED,
        message="; ".join(_told(finding) for finding in stopping),
        check_results=found,
    )


def _waived(finding: CheckResult, waive: Mapping[str, str]) -> CheckResult:
    if not finding.is_blocking or finding.check not in waive:
        return finding
    return attrs.evolve(finding, status=CheckStatus.WAIVED, waived_because=waive[finding.check])


def _told(finding: CheckResult) -> str:
    return f"{finding.message} - {finding.advice}" if finding.advice else finding.message
