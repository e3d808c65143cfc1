"""Remediates the recommendations of Microsoft Defender for Cloud: plan, apply, verify, roll back.

>>> from azure.identity import DefaultAzureCredential
>>> from defender_remediate import RemediationClient
>>> client = RemediationClient(DefaultAzureCredential(), "/subscriptions/00000000-0000-0000-0000-000000000000")
>>> plan = client.plan(["1c5de8e1-f68d-6a17-e0d2-ec259c42768c"])  # reads only
>>> print(plan)
>>> report = client.apply(plan, approve=plan.digest)  # writes

The other values are in ``defender_remediate.models``, every error in ``defender_remediate.errors``, hooks and the events
that they receive in ``defender_remediate.hooks``, renderers in ``defender_remediate.reports``, what custom executors,
journals, checks and catalogs need in ``defender_remediate.executors``, ``.journal``, ``.preflight`` and ``.catalog``, and
an offline Azure in ``defender_remediate.testing``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from defender_remediate._version import __version__
from defender_remediate.client import RemediationClient
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.models import (
    Assessment,
    AssessmentStatus,
    CheckResult,
    FixAction,
    Guards,
    Guidance,
    MaintenanceWindow,
    Outcome,
    Recommendation,
    RemediationPlan,
    RemediationReport,
    RemediationResult,
    RemediationStep,
    ResourceId,
    Scope,
    SecureScore,
    SecurityControl,
    Severity,
    SkippedResource,
    SkipReason,
)
from defender_remediate.notebook import show_with
from defender_remediate.public_path import show_public_path

if TYPE_CHECKING:
    from defender_remediate.catalog import Catalog
    from defender_remediate.journal import FileJournal, MemoryJournal
    from defender_remediate.models import ActivityEvent, Waves


def _notebook_card(value: object) -> str | None:
    """A value in a notebook. The templates are loaded when the first value is shown."""
    from defender_remediate.reports.cards import card

    return card(value)


show_with(_notebook_card)

# Loaded when first used: a script that only lists recommendations does not need them.
_LATE = {
    "ActivityEvent": "defender_remediate.models",
    "Catalog": "defender_remediate.catalog",
    "FileJournal": "defender_remediate.journal",
    "MemoryJournal": "defender_remediate.journal",
    "Waves": "defender_remediate.models",
}

__all__ = [
    "ActivityEvent",
    "Assessment",
    "AssessmentStatus",
    "Catalog",
    "CheckResult",
    "DefenderRemediateError",
    "FileJournal",
    "FixAction",
    "Guards",
    "Guidance",
    "MaintenanceWindow",
    "MemoryJournal",
    "Outcome",
    "Recommendation",
    "RemediationClient",
    "RemediationPlan",
    "RemediationReport",
    "RemediationResult",
    "RemediationStep",
    "ResourceId",
    "Scope",
    "SecureScore",
    "SecurityControl",
    "Severity",
    "SkipReason",
    "SkippedResource",
    "Waves",
    "__version__",
]

show_public_path(__name__, ["RemediationClient"])


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_LATE[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
