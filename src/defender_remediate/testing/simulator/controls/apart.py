"""Adds what the simulator keeps apart from resources, from the body that a GET of Azure shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.defender.assessments import AssessmentDefinition
from defender_remediate.testing.simulator.deployments.state import Deployment, DeploymentRequest
from defender_remediate.testing.simulator.policy.state import ENFORCED, PolicyAssignment
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import copied
from defender_remediate.testing.simulator.state.tenant import Tenant

_OWN = ("policyDefinitionId", "displayName", "scope", "enforcementMode")


def _add_assignment(tenant: Tenant, target: ids.ResourcePath, body: Mapping[str, Any]) -> None:
    properties = body["properties"]
    tenant.policies.assign(
        PolicyAssignment(
            scope=target.scope,
            name=target.name,
            definition_id=str(properties.get("policyDefinitionId", "")),
            display_name=str(properties.get("displayName") or ""),
            not_scopes=tuple(map(str, properties.get("notScopes") or ())),
            parameters=copied(properties.get("parameters") or {}),
            enforcement=str(properties.get("enforcementMode") or ENFORCED),
            extra={name: copied(value) for name, value in properties.items() if name not in _OWN},
            top={name: copied(body[name]) for name in body if name not in ("id", "name", "type", "properties")},
        )
    )


def _add_metadata(tenant: Tenant, target: ids.ResourcePath, body: Mapping[str, Any]) -> None:
    subscriptions = (fold(target.subscription),) if target.subscription else ()
    metadata = {"displayName": target.name, "severity": "Medium", **copied(body["properties"])}
    definition = AssessmentDefinition(key=fold(target.name), metadata=metadata, subscriptions=subscriptions)
    tenant.assessor.add_definition(definition)


def _add_deployment(tenant: Tenant, target: ids.ResourcePath, body: Mapping[str, Any]) -> None:
    properties = body["properties"]
    request = DeploymentRequest(
        base=target.scope,
        name=target.name,
        location=str(body.get("location") or ""),
        mode=str(properties.get("mode", "Incremental")),
        template={"outputs": {}} if "outputs" in properties else {},
        parameters=copied(properties.get("parameters") or {}),
        tags=copied(body.get("tags") or {}),
        resource_ids=tuple(str(one.get("id")) for one in properties.get("outputResources") or ()),
        outputs=copied(properties.get("outputs") or {}),
        providers=tuple(copied(properties.get("providers") or ())),
        dependencies=tuple(copied(properties.get("dependencies") or ())),
    )
    now = tenant.clock.monotonic()
    tenant.deployments.add(
        Deployment(
            id=target.id,
            request=request,
            correlation_id=str(properties.get("correlationId") or tenant.new_id()),
            started=now,
            ended=now,
            state=str(properties.get("provisioningState", "Succeeded")),
            error=properties.get("error"),
        )
    )


ADDED_APART: Mapping[str, Callable[[Tenant, ids.ResourcePath, Mapping[str, Any]], None]] = {
    "microsoft.authorization/policyassignments": _add_assignment,
    "microsoft.security/assessmentmetadata": _add_metadata,
    "microsoft.resources/deployments": _add_deployment,
}
"""What adds each type that can be added like a resource, by its folded name."""
