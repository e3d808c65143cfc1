"""Renders the results of a report as compliance findings of the Open Cybersecurity Schema Framework."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from defender_remediate._version import __version__
from defender_remediate.display import one_line
from defender_remediate.json_values import thaw
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import Severity
from defender_remediate.models.result import RemediationReport
from defender_remediate.redaction import redact_json, redact_text
from defender_remediate.reports.findings import ReportedFinding, findings_of

OCSF_VERSION = "1.8.0"
_CATEGORY, _CLASS = 2, 2003
# The numbers and captions are those of the schema.
_UPDATE, _CLOSE = (2, "Update"), (3, "Close")
_NEW, _RESOLVED = (1, "New"), (4, "Resolved")
_COMPLIANCE = {True: (1, "Pass"), None: (2, "Warning"), False: (3, "Fail")}
_SEVERITIES = {Severity.LOW: 2, Severity.MEDIUM: 3, Severity.HIGH: 4, Severity.CRITICAL: 5}
_UNKNOWN, _OTHER = 0, 99
_AZURE_SUBSCRIPTION = (13, "Azure Subscription")


def to_ocsf(report: RemediationReport, *, recommendations: Iterable[Recommendation] = ()) -> list[dict[str, Any]]:
    """Render the results of a report as OCSF compliance findings (class 2003, schema 1.8.0), for a SIEM.

    There is one for each result and recommendation. Its ``finding_info.uid`` is the id of the assessment, as in Defender's
    own export. A finding passes if the target was read and is compliant; what could not be decided is ``Warning``, never
    ``Pass``. Secrets are hidden.

    Args:
        report: The result of ``apply`` or, better, of ``verify``.
        recommendations: They give the severity, which a report does not have: ``client.list_recommendations()``.

    Raises:
        InvalidInputError: It is not a report, or a value is not a recommendation.
    """
    return [_finding(report, found) for found in findings_of(report, recommendations)]


def _finding(report: RemediationReport, found: ReportedFinding) -> dict[str, Any]:
    result, resource = found.result, found.resource
    activity_id, activity = _CLOSE if found.is_compliant else _UPDATE
    status_id, status = _RESOLVED if found.is_compliant else _NEW
    compliance_id, compliance = _COMPLIANCE[found.is_compliant]
    subscription = resource.subscription_id if resource else None
    described: dict[str, Any] = {"uid": _text(result.resource_id), "role_id": 1, "role": "Target"}
    if resource is not None:
        described |= {"name": _text(resource.name), "type": _text(resource.type)}
    if resource is not None and resource.resource_group:
        described["group"] = {"name": _text(resource.resource_group)}
    event: dict[str, Any] = {
        "activity_id": activity_id,
        "activity_name": activity,
        "category_uid": _CATEGORY,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Compliance Finding",
        "type_uid": 100 * _CLASS + activity_id,
        "type_name": f"Compliance Finding: {activity}",
        "severity_id": _SEVERITIES.get(found.severity, _OTHER) if found.severity else _UNKNOWN,
        "severity": _text(str(found.severity)) if found.severity else "Unknown",
        "status_id": status_id,
        "status": status,
        "time": _milliseconds(result.finished or report.finished),
        "message": found.message,
        "metadata": {
            "version": OCSF_VERSION,
            "product": {"name": "defender-remediate", "vendor_name": "defender-remediate", "version": __version__},
            "profiles": ["cloud"],
            "correlation_uid": _text(report.correlation_id),
        },
        "cloud": {"provider": "Azure"},
        "finding_info": {
            "uid": found.uid,
            "title": found.title,
            "types": ["Microsoft Defender for Cloud recommendation"],
        },
        "compliance": {
            "control": found.title,
            "checks": [
                {"uid": found.key, "name": found.title, "status_id": compliance_id, "status": compliance},
            ],
            "status_id": compliance_id,
            "status": compliance,
            "status_code": str(result.outcome),
            "status_details": [found.message],
        },
        "resources": [described],
        "unmapped": {
            "run_id": _text(report.run_id),
            "outcome": str(result.outcome),
            "before": redact_json(thaw(result.before)),
            "after": redact_json(thaw(result.after)),
            "request_id": _text(result.request_id) if result.request_id else None,
        },
    }
    if subscription:
        type_id, type_name = _AZURE_SUBSCRIPTION
        event["cloud"]["account"] = {"uid": subscription, "type_id": type_id, "type": type_name}
    if found.advice:
        event["remediation"] = {"desc": found.advice}
    return event


def _milliseconds(when: Any) -> int:
    return int(when.timestamp() * 1000)


def _text(text: str) -> str:
    return one_line(redact_text(text))
