"""The Azure actions that a fix needs, derived from what it reads and writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from defender_remediate.casing import fold
from defender_remediate.catalog.lint.checked_fix import CheckedFix
from defender_remediate.catalog.lint.problem import RuleViolation, warning
from defender_remediate.catalog.lint.template_resources import DEPLOYMENTS, declared_resources
from defender_remediate.fixes.candidates import needs_resource
from defender_remediate.models.fix import FixKind

DEPLOYMENT = tuple(
    f"Microsoft.Resources/deployments/{action}"
    for action in ("read", "write", "validate/action", "whatIf/action", "operationstatuses/read")
)
# A reference to a resource of these types needs a permission of its own.
_JOINS: Mapping[str, str] = {
    "microsoft.network/virtualnetworks/subnets": "Microsoft.Network/virtualNetworks/subnets/join/action",
    "microsoft.network/networksecuritygroups": "Microsoft.Network/networkSecurityGroups/join/action",
    "microsoft.network/ddosprotectionplans": "Microsoft.Network/ddosProtectionPlans/join/action",
    "microsoft.network/applicationgatewaywebapplicationfirewallpolicies": (
        "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies/join/action"
    ),
    "microsoft.managedidentity/userassignedidentities": "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
}
_NO_ACTION = {"microsoft.resources/subscriptions"}
_WORKSPACES = "microsoft.operationalinsights/workspaces"


def names_permissions(checked: CheckedFix) -> Iterator[RuleViolation]:
    """A fix names the actions for what it reads and writes, and for what it refers to."""
    fix = checked.fix
    named = [fold(permission) for permission in fix.permissions]
    for action in dict.fromkeys(_needed(checked)):
        if fold(action) not in named:
            yield RuleViolation(f"{action} is missing")
    if len(set(named)) < len(named):
        yield RuleViolation("a permission is named twice")
    if fix.kind is not FixKind.TEMPLATE and any(fold(action) in named for action in DEPLOYMENT):
        yield warning("it names permissions of a deployment, but deploys nothing")


def _needed(checked: CheckedFix) -> Iterator[str]:
    fix, kind = checked.fix, checked.target.type
    if fold(kind) not in _NO_ACTION:
        yield f"{kind}/read"
    if needs_resource(fix) and fold(fix.resource_type) not in _NO_ACTION:
        yield f"{fix.resource_type}/read"
    if fix.kind is FixKind.TEMPLATE:
        yield from DEPLOYMENT
        for resource in declared_resources(fix.template or {}):
            if fold(resource["type"]) != DEPLOYMENTS:
                yield f"{resource['type']}/write"
    else:
        yield f"{kind}/write"
    parameter_types = [fold(parameter.resource_type or "") for parameter in fix.parameters]
    yield from (_JOINS[each] for each in parameter_types if each in _JOINS)
    deployed = [fold(resource["type"]) for resource in declared_resources(fix.template or {})]
    if "microsoft.network/privateendpoints" in deployed:
        yield f"{fix.resource_type}/privateEndpointConnectionsApproval/action"
    if "microsoft.insights/diagnosticsettings" in deployed and _WORKSPACES in parameter_types:
        yield "Microsoft.OperationalInsights/workspaces/sharedKeys/action"
