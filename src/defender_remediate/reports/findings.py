"""What each result of a report says about one recommendation on one resource: the common part of OCSF and SARIF."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import Severity
from defender_remediate.models.result import Health, Outcome, RemediationReport, RemediationResult
from defender_remediate.redaction import redact_text
from defender_remediate.validation import instance, instances


@attrs.frozen(kw_only=True)
class ReportedFinding:
    """One recommendation on one resource, as a run and its verification left it.

    Attributes:
        uid: The id of the assessment, as Defender for Cloud exports it.
        is_compliant: None where it could not be decided.
        advice: What to do next; None where nothing is to be done or known.
    """

    uid: str
    key: str
    title: str
    severity: Severity | None
    resource: ResourceId | None
    result: RemediationResult
    is_compliant: bool | None
    message: str
    advice: str | None


def findings_of(report: RemediationReport, recommendations: Iterable[Recommendation]) -> Iterator[ReportedFinding]:
    """One for each result and recommendation, in the order of the report; strings hold no secret and no control character.

    Raises:
        InvalidInputError: It is not a report, or a value is not a recommendation.
    """
    instance("report", report, RemediationReport, hint="pass client.apply(...) or client.verify(...)")
    known = {fold(one.key): one for one in instances("recommendations", recommendations, Recommendation)}
    titles = {
        fold(key): title for skip in report.plan.skipped for key, title in zip(skip.keys, skip.titles, strict=False)
    }
    titles |= {
        fold(key): title for step in report.plan.steps for key, title in zip(step.keys, step.titles, strict=False)
    }
    for result in report.results:
        advice = (result.diagnosis.advice if result.diagnosis else None) or (
            result.error.hint if result.error else None
        )
        for key in result.keys:
            about = known.get(fold(key))
            title = about.display_name if about else titles.get(fold(key), key)
            yield ReportedFinding(
                uid=_clean(f"{result.resource_id}/providers/Microsoft.Security/assessments/{key}"),
                key=_clean(key),
                title=_clean(title),
                severity=about.severity if about else None,
                resource=_parsed(result.resource_id),
                result=result,
                is_compliant=_is_compliant(report, result),
                message=_clean(f"{title}: {result.text}"),
                advice=_clean(advice) if advice else None,
            )


def _is_compliant(report: RemediationReport, result: RemediationResult) -> bool | None:
    """Whether the resource is compliant with the recommendation, by what was read. Defender's status may lag."""
    # The condition of a rollback is the state before the fix.
    if result.compliant is not None and not report.plan.rolls_back:
        return result.compliant
    if result.health is not None:
        return result.health is Health.HEALTHY
    return True if result.outcome is Outcome.ALREADY_COMPLIANT and not report.plan.rolls_back else None


def _parsed(resource_id: str) -> ResourceId | None:
    try:
        return ResourceId.parse(resource_id)
    except InvalidResourceIdError:
        # A resource outside Azure.
        return None


def _clean(text: str) -> str:
    return one_line(redact_text(text))
