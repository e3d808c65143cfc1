"""The values of this library: frozen, comparable, picklable, without input or output.

- ``ids``, ``id_parts``, ``named``: ids, and what a caller names.
- ``recommendation``, ``recommendation_metadata``, ``assessment``, ``individual``, ``event``, ``cve``: what Defender finds.
- ``risk``, ``attack_path``, ``priority``, ``control``, ``forecast``: what matters most, and the secure score.
- ``posture``, ``exemption``, ``governance``: whether Defender evaluates, what is exempt, and who owns it.
- ``fix``, ``condition``, ``dependencies``, ``live_use``, ``guidance``, ``freshness``: what the catalog says.
- ``plan``, ``step``, ``check``, ``guards``, ``waves``, ``shard``, ``estimate``: what will be done.
- ``result``, ``diagnosis``, ``change_history``, ``watch``, ``activity``: what was done.
- ``plan_diff``, ``plan_groups``, ``plan_text``, ``report_text``, ``text_layout``: how plans and reports are printed.
"""

from typing import TYPE_CHECKING, Any

from defender_remediate.json_values import ABSENT, Absent, FrozenMap
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.change_history import (
    ChangeRecord,
    ChangeRecordStatus,
    ChangeType,
    RecordedChange,
    ResourceChange,
    UndoneChange,
    Writer,
    WriterKind,
)
from defender_remediate.models.check import CheckResult, CheckStatus, Remark
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.control import ControlDefinition, SecureScore, SecurityControl
from defender_remediate.models.dependencies import Dependencies
from defender_remediate.models.diagnosis import Cause, Diagnosis, Verification
from defender_remediate.models.estimate import RunEstimate, SubscriptionEstimate
from defender_remediate.models.fix import (
    ArrayStrategy,
    Evidence,
    FixAction,
    FixKind,
    FixParameter,
    Impact,
    LeftOutMember,
    NotApplicable,
    ParameterType,
    Reversibility,
)
from defender_remediate.models.forecast import (
    ControlFacts,
    ControlForecast,
    ScoreFacts,
    ScoreForecast,
    UnhealthyResource,
)
from defender_remediate.models.governance import GovernanceAssignment
from defender_remediate.models.guards import GuardName, Guards, MaintenanceWindow
from defender_remediate.models.guidance import Guidance, GuidanceReason
from defender_remediate.models.ids import ResourceId, Scope, ScopeKind
from defender_remediate.models.individual import CveReference, IndividualDetails, RecommendationCategory
from defender_remediate.models.live_use import Aggregation, LiveUse
from defender_remediate.models.named import (
    NamedRecommendation,
    NamesControl,
    NamesRecommendation,
    NamesRecommendations,
    NamesResource,
    NamesRun,
    NamesStep,
)
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.plan_diff import PlanDiff
from defender_remediate.models.plan_groups import Place, PlanSummary, ResultGroup, SkipGroup, StepGroup
from defender_remediate.models.posture import (
    DefenderPlan,
    PostureIssue,
    PostureReason,
    PostureWarning,
    SecurityConnector,
    SubscriptionPosture,
)
from defender_remediate.models.priority import Priority
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import Effort, RecommendationMetadata, Severity
from defender_remediate.models.result import Health, Outcome, RemediationReport, RemediationResult, StepError
from defender_remediate.models.risk import Risk, RiskLevel
from defender_remediate.models.shard import PlanShard, ShardSummary
from defender_remediate.models.step import (
    CreatedResource,
    PlannedRequest,
    PropertyChange,
    RemediationStep,
    SkippedResource,
    SkipReason,
)
from defender_remediate.public_path import show_public_path

if TYPE_CHECKING:
    from defender_remediate.models.activity import ActivityEvent, ActivityStatus
    from defender_remediate.models.attack_path import AttackPath
    from defender_remediate.models.cve import Cve, CveAssessment
    from defender_remediate.models.event import AssessmentEvent, EventAction, EventBatch, IgnoredRecord, latest_events
    from defender_remediate.models.exemption import (
        AttestationEvidence,
        ComplianceState,
        Exemption,
        ExemptionApi,
        ExemptionCategory,
        ExemptionListing,
    )
    from defender_remediate.models.freshness import BlockedPlan, CatalogFreshness, RetiredRecommendation, RetiredService
    from defender_remediate.models.watch import WatchReport
    from defender_remediate.models.waves import Gate, WaveFinished, Waves

# Loaded when first used: a client that is made and only lists recommendations does not need them.
_LATE = {
    "ActivityEvent": "activity",
    "ActivityStatus": "activity",
    "AssessmentEvent": "event",
    "AttackPath": "attack_path",
    "AttestationEvidence": "exemption",
    "BlockedPlan": "freshness",
    "CatalogFreshness": "freshness",
    "ComplianceState": "exemption",
    "Cve": "cve",
    "CveAssessment": "cve",
    "EventAction": "event",
    "EventBatch": "event",
    "Exemption": "exemption",
    "ExemptionApi": "exemption",
    "ExemptionCategory": "exemption",
    "ExemptionListing": "exemption",
    "Gate": "waves",
    "IgnoredRecord": "event",
    "RetiredRecommendation": "freshness",
    "RetiredService": "freshness",
    "WatchReport": "watch",
    "WaveFinished": "waves",
    "Waves": "waves",
    "latest_events": "event",
}

__all__ = [
    "ABSENT",
    "Absent",
    "ActivityEvent",
    "ActivityStatus",
    "Aggregation",
    "ArrayStrategy",
    "Assessment",
    "AssessmentEvent",
    "AssessmentStatus",
    "AttackPath",
    "AttestationEvidence",
    "BlockedPlan",
    "CatalogFreshness",
    "Cause",
    "ChangeRecord",
    "ChangeRecordStatus",
    "ChangeType",
    "CheckResult",
    "CheckStatus",
    "ComplianceState",
    "Condition",
    "ControlDefinition",
    "ControlFacts",
    "ControlForecast",
    "CreatedResource",
    "Cve",
    "CveAssessment",
    "CveReference",
    "DefenderPlan",
    "Dependencies",
    "Diagnosis",
    "Effort",
    "EventAction",
    "EventBatch",
    "Evidence",
    "Exemption",
    "ExemptionApi",
    "ExemptionCategory",
    "ExemptionListing",
    "FixAction",
    "FixKind",
    "FixParameter",
    "FrozenMap",
    "Gate",
    "GovernanceAssignment",
    "GuardName",
    "Guards",
    "Guidance",
    "GuidanceReason",
    "Health",
    "IgnoredRecord",
    "Impact",
    "IndividualDetails",
    "LeftOutMember",
    "LiveUse",
    "MaintenanceWindow",
    "NamedRecommendation",
    "NamesControl",
    "NamesRecommendation",
    "NamesRecommendations",
    "NamesResource",
    "NamesRun",
    "NamesStep",
    "NotApplicable",
    "Operator",
    "Outcome",
    "ParameterType",
    "Place",
    "PlanDiff",
    "PlanShard",
    "PlanSummary",
    "PlannedRequest",
    "PostureIssue",
    "PostureReason",
    "PostureWarning",
    "Priority",
    "PropertyChange",
    "Recommendation",
    "RecommendationCategory",
    "RecommendationMetadata",
    "RecordedChange",
    "Remark",
    "RemediationPlan",
    "RemediationReport",
    "RemediationResult",
    "RemediationStep",
    "ResourceChange",
    "ResourceId",
    "ResultGroup",
    "RetiredRecommendation",
    "RetiredService",
    "Reversibility",
    "Risk",
    "RiskLevel",
    "RunEstimate",
    "Scope",
    "ScopeKind",
    "ScoreFacts",
    "ScoreForecast",
    "SecureScore",
    "SecurityConnector",
    "SecurityControl",
    "Severity",
    "ShardSummary",
    "SkipGroup",
    "SkipReason",
    "SkippedResource",
    "StepError",
    "StepGroup",
    "SubscriptionEstimate",
    "SubscriptionPosture",
    "UndoneChange",
    "UnhealthyResource",
    "Verification",
    "WatchReport",
    "WaveFinished",
    "Waves",
    "Writer",
    "WriterKind",
    "latest_events",
]

show_public_path(__name__, [name for name in __all__ if name not in _LATE])


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
