"""Renders the results of a report in the Static Analysis Results Interchange Format."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from defender_remediate._version import __version__
from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import Severity
from defender_remediate.models.result import RemediationReport
from defender_remediate.redaction import redact_text
from defender_remediate.reports.findings import ReportedFinding, findings_of

_KINDS = {True: "pass", None: "open", False: "fail"}


def to_sarif(report: RemediationReport, *, recommendations: Iterable[Recommendation] = ()) -> dict[str, Any]:
    """Render the results of a report as a SARIF 2.1.0 log: a rule for each recommendation, a result for each resource.

    A result is of the kind ``pass`` if the target was read and is compliant, ``fail`` if it is not, and ``open`` where that
    could not be decided. The location is a logical one, the id of the resource: there is no file. Secrets are hidden.

    Args:
        report: The result of ``apply`` or, better, of ``verify``.
        recommendations: They give the severity, which a report does not have: ``client.list_recommendations()``.

    Raises:
        InvalidInputError: It is not a report, or a value is not a recommendation.
    """
    found = list(findings_of(report, recommendations))
    rules = {one.key: {"id": one.key, "shortDescription": {"text": one.title}} for one in found}
    index = {key: number for number, key in enumerate(rules)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "defender-remediate",
                "version": __version__,
                "informationUri": "https://github.com/defender-remediate/defender-remediate",
                "rules": list(rules.values()),
            }
        },
        "automationDetails": {"id": f"defender-remediate/{_text(report.run_id)}"},
        "invocations": [
            {
                "executionSuccessful": not report.failures,
                "startTimeUtc": _utc(report.started),
                "endTimeUtc": _utc(report.finished),
                "toolExecutionNotifications": [
                    {"level": "warning", "message": {"text": _text(warning)}} for warning in report.warnings
                ],
            }
        ],
        "results": [_result(one, index[one.key]) for one in found],
        "properties": {"correlationId": _text(report.correlation_id), "planDigest": report.plan.digest},
    }
    return {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }


def _result(found: ReportedFinding, rule: int) -> dict[str, Any]:
    kind = _KINDS[found.is_compliant]
    # A level is about a problem; everything else has none.
    level = "none" if kind != "fail" else "warning" if found.severity in (Severity.LOW, Severity.MEDIUM) else "error"
    resource_id = _text(found.result.resource_id)
    name = found.resource.name if found.resource else found.result.resource_id
    return {
        "ruleId": found.key,
        "ruleIndex": rule,
        "kind": kind,
        "level": level,
        "message": {"text": found.message},
        "locations": [
            {"logicalLocations": [{"name": _text(name), "fullyQualifiedName": resource_id, "kind": "resource"}]}
        ],
        "partialFingerprints": {"assessmentId/v1": hashlib.sha256(fold(found.uid).encode()).hexdigest()},
        "properties": {"outcome": str(found.result.outcome), "assessmentId": found.uid}
        | ({"advice": found.advice} if found.advice else {}),
    }


def _utc(when: datetime) -> str:
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(text: str) -> str:
    return one_line(redact_text(text))
