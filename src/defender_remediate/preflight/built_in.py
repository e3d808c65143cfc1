"""The checks that every client makes, in the order in which their results are listed."""

from __future__ import annotations

from defender_remediate.preflight.access_model import AccessModelCheck
from defender_remediate.preflight.check import Check
from defender_remediate.preflight.defender_plans import DefenderPlanCheck
from defender_remediate.preflight.deny_assignments import DenyAssignmentCheck
from defender_remediate.preflight.deployment_stacks import DeploymentStackCheck
from defender_remediate.preflight.diagnostic_settings import DiagnosticSettingCheck
from defender_remediate.preflight.entra_administrators import EntraAdministratorCheck
from defender_remediate.preflight.exemptions import ExemptionCheck
from defender_remediate.preflight.features import FeatureCheck
from defender_remediate.preflight.function_apps import FunctionAppCheck
from defender_remediate.preflight.live_use import LiveUseCheck
from defender_remediate.preflight.locks import LockCheck
from defender_remediate.preflight.network_access import NetworkAccessCheck
from defender_remediate.preflight.ownership import OwnershipCheck
from defender_remediate.preflight.parameters import ParameterCheck
from defender_remediate.preflight.patch_support import PatchSupportCheck
from defender_remediate.preflight.permissions import PermissionCheck
from defender_remediate.preflight.policy import PolicyCheck
from defender_remediate.preflight.providers import ProviderCheck
from defender_remediate.preflight.regional_limits import RegionalLimitCheck
from defender_remediate.preflight.running_state import RunningStateCheck
from defender_remediate.preflight.storage_use import StorageUseCheck
from defender_remediate.preflight.subscriptions import SubscriptionCheck
from defender_remediate.preflight.virtual_machines import VirtualMachineCheck

BUILT_IN_CHECKS: tuple[Check, ...] = (
    SubscriptionCheck(),
    ProviderCheck(),
    FeatureCheck(),
    ParameterCheck(),
    PermissionCheck(),
    DenyAssignmentCheck(),
    DeploymentStackCheck(),
    LockCheck(),
    PolicyCheck(),
    ExemptionCheck(),
    PatchSupportCheck(),
    RunningStateCheck(),
    VirtualMachineCheck(),
    DiagnosticSettingCheck(),
    DefenderPlanCheck(),
    RegionalLimitCheck(),
    NetworkAccessCheck(),
    FunctionAppCheck(),
    StorageUseCheck(),
    AccessModelCheck(),
    EntraAdministratorCheck(),
    LiveUseCheck(),
    OwnershipCheck(),
)
