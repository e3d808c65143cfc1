"""Whether it is resolved: read the target back, then ask Defender for Cloud for its own word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs

from defender_remediate.engine.parallel import in_parallel
from defender_remediate.engine.step import StepRunner
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.models.recommendation import Assessment, AssessmentStatus
from defender_remediate.models.result import Health, RemediationReport, RemediationResult
from defender_remediate.planning.compliance import holds

_FIRST_INTERVAL = 30.0
_LONGEST_INTERVAL = 300.0


class AssessmentReader(Protocol):
    """Where Defender for Cloud's word comes from."""

    def get_assessment(self, resource_id: str, key: str) -> Assessment:
        """The assessment of one recommendation on one resource."""


@attrs.frozen(kw_only=True)
class Verifier:
    """Looks at what a run left behind. Reads only, and holds nothing."""

    runner: StepRunner
    assessments: AssessmentReader
    workers: int

    def verify(self, report: RemediationReport, *, timeout: float) -> RemediationReport:
        """The same report with ``compliant`` and ``health`` as they are now.

        Every target that was planned is read once. Defender is asked at growing intervals until it has looked at every
        compliant resource again, or ``timeout`` seconds are over.
        """
        clock = self.runner.session.clock
        deadline = clock.monotonic() + timeout
        current = self._each(report, lambda result: self._reread(report, result))
        current = self._each(current, self._ask)
        interval = _FIRST_INTERVAL
        while any(result.health is Health.PENDING for result in current.results):
            left = deadline - clock.monotonic()
            if left <= 0:
                break
            clock.sleep(min(interval, left))
            interval = min(2 * interval, _LONGEST_INTERVAL)
            current = self._each(
                current, lambda result: self._ask(result) if result.health is Health.PENDING else result
            )
        return current

    def _each(
        self, report: RemediationReport, look: Callable[[RemediationResult], RemediationResult]
    ) -> RemediationReport:
        return attrs.evolve(report, results=tuple(in_parallel(look, report.results, workers=self.workers)))

    def _reread(self, report: RemediationReport, result: RemediationResult) -> RemediationResult:
        step = report.step(result)
        if step is None:
            return result
        try:
            body = self.runner.read(step)
        except DefenderRemediateError:
            # The result says so: None is "not read", and its health will say what Defender knows.
            return attrs.evolve(result, compliant=None)
        return attrs.evolve(result, compliant=holds(step.compliant_when, body))

    def _ask(self, result: RemediationResult) -> RemediationResult:
        words = [self._word(result, key) for key in result.keys]
        return attrs.evolve(result, health=max(words, key=_WORST_LAST.index, default=Health.UNKNOWN))

    def _word(self, result: RemediationResult, key: str) -> Health:
        try:
            assessment = self.assessments.get_assessment(result.resource_id, key)
        except DefenderRemediateError:
            return Health.UNKNOWN
        if assessment.status == AssessmentStatus.HEALTHY:
            return Health.HEALTHY
        if assessment.status != AssessmentStatus.UNHEALTHY:
            return Health.UNKNOWN
        return Health.PENDING if result.compliant else Health.UNHEALTHY


_WORST_LAST = (Health.HEALTHY, Health.UNKNOWN, Health.PENDING, Health.UNHEALTHY)
