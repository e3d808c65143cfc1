"""The Fix button of Microsoft Defender for Cloud, as a library one can trust with production.

>>> from azure.identity import DefaultAzureCredential
>>> from defender_remediate import RemediationClient
>>> client = RemediationClient(DefaultAzureCredential(), "/subscriptions/00000000-0000-0000-0000-000000000000")
>>> plan = client.plan(["1c5de8e1-f68d-6a17-e0d2-ec259c42768c"])  # reads only
>>> print(plan)
>>> report = client.apply(plan, approve=plan.digest)  # writes

``defender_remediate.errors`` has every error, ``defender_remediate.executors`` what a custom executor needs,
``defender_remediate.hooks`` and ``defender_remediate.reports`` ready-made hooks and renderers, and
``defender_remediate.testing`` an offline Azure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from defender_remediate._version import __version__
from defender_remediate.client import RemediationClient
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.json_values import ABSENT
from defender_remediate.models.activity import ActivityEvent, ActivityStatus
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.condition import Condition
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.diagnosis import Cause, Diagnosis, Verification
from defender_remediate.models.fix import FixAction, FixKind, FixParameter, Impact, Reversibility
from defender_remediate.models.guards import Guards, MaintenanceWindow
from defender_remediate.models.guidance import Guidance, GuidanceReason
from defender_remediate.models.ids import ResourceId, Scope
from defender_remediate.models.plan import (
    CreatedResource,
    PlannedRequest,
    PropertyChange,
    RemediationPlan,
    RemediationStep,
    SkippedResource,
    SkipReason,
)
from defender_remediate.models.priority import Priority
from defender_remediate.models.recommendation import (
    Assessment,
    AssessmentStatus,
    Recommendation,
    RiskLevel,
    Severity,
)
from defender_remediate.models.result import Health, Outcome, RemediationReport, RemediationResult, StepError

if TYPE_CHECKING:
    from defender_remediate.catalog import Catalog, CatalogProblem, Law, ProblemSeverity
    from defender_remediate.executors import FixExecutor, PatchExecutor, TemplateExecutor
    from defender_remediate.journal import FileJournal, Journal, MemoryJournal
    from defender_remediate.models.waves import WaveFinished, Waves

# Loaded when first used: a runbook that only lists should not pay for deploying.
_LATER = {
    "Catalog": "defender_remediate.catalog",
    "CatalogProblem": "defender_remediate.catalog",
    "FileJournal": "defender_remediate.journal",
    "FixExecutor": "defender_remediate.executors",
    "Journal": "defender_remediate.journal",
    "Law": "defender_remediate.catalog",
    "MemoryJournal": "defender_remediate.journal",
    "PatchExecutor": "defender_remediate.executors",
    "ProblemSeverity": "defender_remediate.catalog",
    "TemplateExecutor": "defender_remediate.executors",
    "WaveFinished": "defender_remediate.models.waves",
    "Waves": "defender_remediate.models.waves",
}

__all__ = [
    "ABSENT",
    "ActivityEvent",
    "ActivityStatus",
    "Assessment",
    "AssessmentStatus",
    "Catalog",
    "CatalogProblem",
    "Cause",
    "CheckResult",
    "CheckStatus",
    "Condition",
    "CreatedResource",
    "DefenderRemediateError",
    "Diagnosis",
    "FileJournal",
    "FixAction",
    "FixExecutor",
    "FixKind",
    "FixParameter",
    "Guards",
    "Guidance",
    "GuidanceReason",
    "Health",
    "Impact",
    "Journal",
    "Law",
    "MaintenanceWindow",
    "MemoryJournal",
    "Outcome",
    "PatchExecutor",
    "PlannedRequest",
    "Priority",
    "ProblemSeverity",
    "PropertyChange",
    "Recommendation",
    "RemediationClient",
    "RemediationPlan",
    "RemediationReport",
    "RemediationResult",
    "RemediationStep",
    "ResourceId",
    "Reversibility",
    "RiskLevel",
    "Scope",
    "SecureScore",
    "SecurityControl",
    "Severity",
    "SkipReason",
    "SkippedResource",
    "StepError",
    "TemplateExecutor",
    "Verification",
    "WaveFinished",
    "Waves",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_LATER[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
