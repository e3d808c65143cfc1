"""Lists of Microsoft.Security whose items are not simulated: empty, in the right shape, for those who may read them.

Sub-assessments are among them because Azure retires them: their findings move to assessments of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.testing.simulator.arm.routing import Handler, Route
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_NAMESPACE = "Microsoft.Security"
_SUB = "subscriptions/{subscription}"
_GROUP = f"{_SUB}/resourceGroups/{{group}}"
_ANY = "{scope*}"


def _empty(kind: str) -> Handler:
    def handle(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
        """Lists nothing: its items are not simulated."""
        scope = scope_of(tenant, {"scope": call.path.rpartition("/providers/")[0]})
        subscription = ids.subscription_of(scope)
        if subscription:
            tenant.access.check_registered(subscription, _NAMESPACE)
        tenant.access.check_read(f"{_NAMESPACE}/{kind}/read", scope)
        del captured
        return tenant.page(call, [])

    return handle


def list_jit_policies(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the just-in-time policies of a subscription or a resource group, whatever their locations."""
    kind = f"{_NAMESPACE}/locations/jitNetworkAccessPolicies"
    scope = scope_of(tenant, {"scope": call.path.rpartition("/providers/")[0]})
    tenant.access.check_registered(captured["subscription"], _NAMESPACE)
    tenant.access.check_read(f"{kind}/read", scope)
    found = [one.render() for one in tenant.store.resources(scope) if one.type.name == kind]
    return tenant.page(call, found)


_LISTS = (
    (_SUB, "alerts", "alerts"),
    (_GROUP, "alerts", "alerts"),
    (_SUB, "locations/{location}/alerts", "alerts"),
    (_SUB, "alertsSuppressionRules", "alertsSuppressionRules"),
    (_ANY, "governanceRules", "governanceRules"),
    (_SUB, "regulatoryComplianceStandards", "regulatoryComplianceStandards"),
    (_SUB, "settings", "settings"),
    (_SUB, "workspaceSettings", "workspaceSettings"),
    (_SUB, "automations", "automations"),
    (_GROUP, "automations", "automations"),
    (_SUB, "tasks", "tasks"),
    (_SUB, "securitySolutions", "securitySolutions"),
    (_SUB, "externalSecuritySolutions", "externalSecuritySolutions"),
    (_SUB, "discoveredSecuritySolutions", "discoveredSecuritySolutions"),
    (_SUB, "topologies", "topologies"),
    (_SUB, "allowedConnections", "allowedConnections"),
    (_SUB, "serverVulnerabilityAssessmentsSettings", "serverVulnerabilityAssessmentsSettings"),
    (_SUB, "iotSecuritySolutions", "iotSecuritySolutions"),
    (_ANY, "compliances", "compliances"),
    (_ANY, "subAssessments", "subAssessments"),
)
ROUTES = (
    *(
        Route(
            methods=("GET",),
            pattern=f"/{scope}/providers/{_NAMESPACE}/{tail}",
            type=f"{_NAMESPACE}/{kind}",
            handler=_empty(kind),
        )
        for scope, tail, kind in _LISTS
    ),
    Route(
        methods=("GET",),
        pattern=f"/{_ANY}/providers/{_NAMESPACE}/assessments/{{key}}/subAssessments",
        type=f"{_NAMESPACE}/subAssessments",
        handler=_empty("subAssessments"),
    ),
    *(
        Route(
            methods=("GET",),
            pattern=f"/{scope}/providers/{_NAMESPACE}/jitNetworkAccessPolicies",
            type=f"{_NAMESPACE}/locations/jitNetworkAccessPolicies",
            handler=list_jit_policies,
        )
        for scope in (_SUB, _GROUP)
    ),
)
