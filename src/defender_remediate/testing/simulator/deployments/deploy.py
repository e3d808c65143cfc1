"""Reads and checks a deployment request, and deploys its resources."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs

from defender_remediate.arm_template import TemplateError, TemplateScope
from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import published, rendering
from defender_remediate.testing.simulator.arm.checks import check_scope
from defender_remediate.testing.simulator.arm.errors import error_body, refusal
from defender_remediate.testing.simulator.arm.groups import put_group
from defender_remediate.testing.simulator.arm.operations import SUCCEEDED
from defender_remediate.testing.simulator.arm.platform import provider
from defender_remediate.testing.simulator.arm.request_rules import Write, fault_found_later
from defender_remediate.testing.simulator.arm.routing import find_type, take_version
from defender_remediate.testing.simulator.arm.strictness import check_region
from defender_remediate.testing.simulator.arm.writes import body_after, store_body
from defender_remediate.testing.simulator.deployments.nested import NestedHistory
from defender_remediate.testing.simulator.deployments.order import Contents, TemplateReader
from defender_remediate.testing.simulator.deployments.references import reader
from defender_remediate.testing.simulator.deployments.state import (
    Deployment,
    DeploymentRequest,
    PlannedDeployment,
    providers_of,
)
from defender_remediate.testing.simulator.deployments.template import Described, described, opened, outputs
from defender_remediate.testing.simulator.monitor.audit import begin, end
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy import dates
from defender_remediate.testing.simulator.policy.applied import target_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import TENANT_ID
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType, published_since
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, Reply

_TOP = frozenset({"location", "properties", "tags", "identity"})
_PROPERTIES = frozenset(
    [
        "mode",
        "template",
        "parameters",
        "debugSetting",
        "onErrorDeployment",
        "expressionEvaluationOptions",
        "validationLevel",
    ]
)
_TYPE_NAMES = {
    fold(name): name for name in ("String", "SecureString", "Int", "Bool", "Object", "SecureObject", "Array")
}
_DEPLOYMENTS = "Microsoft.Resources/deployments"
_GROUPS = "microsoft.resources/resourcegroups"


def read_request(tenant: Tenant, base: str, name: str, body: Mapping[str, Any]) -> PlannedDeployment:
    """Reads and validates a deployment request, as Azure does before it accepts one.

    Raises:
        ArmError: 400 InvalidRequestContent, InvalidDeployment, LocationRequired, InvalidTemplate or
            InvalidTemplateDeployment; or what the api-version of a resource gets.
    """
    location, mode = _frame(base, body)
    properties = body["properties"]
    group = tenant.store.group(ids.subscription_of(base), ids.group_of(base)) if ids.group_of(base) else {}
    scope = TemplateScope(
        subscription_id=ids.subscription_of(base),
        resource_group=ids.group_of(base) or None,
        location=group.get("location") or location,
        deployment=name,
        base=None if ids.subscription_of(base) else base,
        functions={
            "providers": partial(_provider, tenant),
            "utcnow": partial(_utc_now, tenant),
            "newguid": tenant.new_id,
            "deployer": partial(_deployer, tenant),
        },
        describe=partial(_described, tenant),
    )
    template = properties.get("template")
    try:
        within = opened(template, properties.get("parameters") or {}, scope)
        contents = Contents()
        found = list(described(template or {}, within, contents))
        results = outputs(template or {}, attrs.evolve(within, keeps_unresolved=True))
    except TemplateError as error:
        violation = {"type": "TemplateViolation", "info": {"lineNumber": 1, "linePosition": 1, "path": ""}}
        raise refusal("InvalidTemplate", problem=str(error), more={"additionalInfo": [violation]}) from None
    pairs = [(resource, _kind_of(tenant, resource)) for resource in found]
    _check_policies(tenant, pairs)
    request = DeploymentRequest(
        base=base,
        name=name,
        location=location,
        mode=mode,
        template=template or {},
        parameters=_shown_parameters(template or {}, within.parameters),
        tags=body.get("tags") or {},
        resource_ids=tuple(resource.id for resource in found),
        providers=providers_of(found),
        outputs=results,
        dependencies=_dependencies(contents),
    )
    return PlannedDeployment(request=request, resources=pairs, scope=within, contents=contents)


def _provider(tenant: Tenant, namespace: str, kind: str | None = None) -> dict[str, Any]:
    """The template function ``providers``: a resource provider, or one of its types with its api-versions, newest first."""
    found = provider(tenant, namespace, None)
    if kind is None:
        return found
    for one in found["resourceTypes"]:
        if fold(one["resourceType"]) == fold(kind):
            return {name: one[name] for name in ("resourceType", "locations", "apiVersions")}
    raise TemplateError(f"the resource type '{namespace}/{kind}' could not be found")


def _utc_now(tenant: Tenant, shape: str = "yyyyMMddTHHmmssZ") -> str:
    return dates.formatted(tenant.clock.now(), "", shape)


def _deployer(tenant: Tenant) -> dict[str, Any]:
    return {"objectId": tenant.access.principal, "tenantId": TENANT_ID, "userPrincipalName": ""}


def _described(tenant: Tenant, owner: str) -> Mapping[str, Any] | None:
    """What ``subscription()`` and ``resourceGroup()`` show; None for a group that the deployment has yet to create."""
    subscription = tenant.store.subscription(ids.subscription_of(owner))
    if not ids.group_of(owner):
        return {"tenantId": TENANT_ID, "displayName": subscription.name}
    group = subscription.groups.get(fold(ids.group_of(owner)))
    return None if group is None else {"type": "Microsoft.Resources/resourceGroups", "tags": {}, **group}


def _shown_parameters(template: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters with their types as a deployment shows them: without the values of the secure ones."""
    shown: dict[str, Any] = {}
    for name, declared in (template.get("parameters") or {}).items():
        kind = fold(str(declared.get("type")))
        shown[name] = {"type": _TYPE_NAMES.get(kind, str(declared.get("type")))}
        if not kind.startswith("secure"):
            shown[name]["value"] = values.get(name)
    return shown


def _dependencies(contents: Contents) -> tuple[Mapping[str, Any], ...]:
    """Returns what each resource of a template waits for because ``dependsOn`` says so."""
    found = []
    for one in contents.declared:
        named = [other for text in one.depends_on for other in contents.declared if other.is_named(text)]
        if named:
            found.append({"dependsOn": [_reference(other.id) for other in named], **_reference(one.id)})
    return tuple(found)


def _reference(resource_id: str) -> dict[str, Any]:
    path = ids.path_of(resource_id)
    return {
        "id": resource_id,
        "resourceType": path.type if path is not None else "",
        "resourceName": "/".join(path.names) if path is not None else "",
    }


def _frame(base: str, body: Mapping[str, Any]) -> tuple[str, str]:
    """Returns the location and the mode of a request whose top-level members are valid."""
    properties = body.get("properties") or {}
    if isinstance(properties, Mapping) and "templateLink" in properties:
        link = properties["templateLink"]
        raise refusal("InvalidContentLink", uri=link.get("uri", link.get("id")) if isinstance(link, Mapping) else link)
    unknown_names = sorted((set(body) - _TOP) | (set(properties) - _PROPERTIES))
    if unknown_names:
        raise refusal("InvalidRequestContent", problem=f"Could not find member '{unknown_names[0]}' of a deployment")
    location = str(body.get("location") or "")
    if not ids.group_of(base) and not location:
        raise refusal("LocationRequiredForDeployment")
    if location:
        check_region(location, "LocationNotAvailableForDeployment")
    if ids.group_of(base) and location:
        raise refusal("InvalidDeployment", problem="The 'location' property is not allowed at resource group scope.")
    mode = str(properties.get("mode", "")).capitalize()
    if mode not in ("Incremental", "Complete"):
        raise refusal("InvalidDeployment", problem=f"The deployment mode '{mode}' is not Incremental or Complete.")
    return location, mode


def _kind_of(tenant: Tenant, resource: Described) -> ResourceType:
    call = Call.of("PUT", f"https://template{resource.id}?api-version={resource.api_version}", {}, b"")
    operation = published.find("PUT", resource.id)
    if tenant.types.get(resource.type) is not None or operation is None:
        return find_type(tenant, call, resource.type).for_name(ids.segments(resource.id)[-1])
    take_version(
        tenant, call, resource.type, since=min(published_since(resource.type) or operation.since, operation.since)
    )
    kind = published.type_of(operation)
    return attrs.evolve(
        kind, top=tuple(resource.body), tracked="location" in resource.body and len(operation.parts) == 2
    )


def _check_policies(tenant: Tenant, resources: list[tuple[Described, ResourceType]]) -> None:
    refused = [
        error
        for resource, resource_type in resources
        if (error := _policy_error(tenant, resource, resource_type)) is not None
    ]
    if refused:
        raise refusal("InvalidTemplateDeployment", more={"details": refused})


def _policy_error(tenant: Tenant, resource: Described, resource_type: ResourceType) -> dict[str, Any] | None:
    try:
        tenant.policy_effects.admit(target_of(resource_type, resource.id, resource.body, resource.api_version))
    except ArmError as error:
        found: dict[str, Any] = error.reply.body["error"]
        return found
    return None


def deploy(
    tenant: Tenant,
    deployment: Deployment,
    planned: PlannedDeployment,
    operation: LoggedOperation,
    call: Call,
    moment: float,
) -> dict[str, Any] | None:
    """Deploys the resources; returns the error of the deployment if one of them fails.

    The other resources are deployed even if one fails; nothing is undone.
    """
    failures = []
    history = NestedHistory(tenant, deployment, planned.contents.nested)
    for resource, resource_type in planned.resources:
        inner = begin(tenant, _inner(call, operation, resource), f"{resource_type.name}/write", resource.id)
        with tenant.changes.by(inner):
            reply = _attempt(tenant, resource, resource_type)
        failed = reply.status >= 400
        if failed:
            failures.append({"code": _code(reply), "message": json.dumps(reply.body, indent=2).replace("\n", "\r\n")})
        end(tenant, inner, *(("Failed", "Conflict") if failed else ("Succeeded", "OK")), moment=moment)
        owner = history.owner_of(resource.id)
        owner.steps.append(_step(tenant, owner, (resource.id, resource.type), reply, moment))
    for above, entry, reply in history.end(moment):
        above.steps.append(_step(tenant, above, (entry.id, _DEPLOYMENTS), reply, moment))
        if entry.error is not None and not failures:
            failures.append({"code": _code(reply), "message": str(entry.error["message"])})
    if deployment.request.mode == "Complete":
        with tenant.changes.by(operation):
            _remove_others(tenant, deployment)
    if failures:
        error: dict[str, Any] = error_body("DeploymentFailed")["error"]
        return {**error, "details": failures}
    if deployment.request.outputs:
        within = attrs.evolve(planned.scope, read=TemplateReader(reader(tenant), planned.contents))
        try:
            results = outputs(deployment.request.template, within)
        except TemplateError as error:
            return _error(refusal("InvalidTemplate", problem=str(error)).reply)
        except ArmError as error:  # what an output reads may not be read, or not so
            return _error(error.reply)
        deployment.request = deployment.request.with_outputs(results)
        deployment.steps.append(_step(tenant, deployment, None, Reply(status=200), moment))
    return None


def _inner(call: Call, operation: LoggedOperation, resource: Described) -> Call:
    headers = {"x-ms-correlation-request-id": operation.correlation_id}
    return Call.of("PUT", f"{call.base}{resource.id}?api-version={resource.api_version}", headers, b"")


def _error(reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = reply.body["error"]
    return found


def _code(reply: Reply) -> str:
    return str(_error(reply)["code"])


def _attempt(tenant: Tenant, resource: Described, resource_type: ResourceType) -> Reply:
    try:
        body = resource.resolved(reader(tenant))
        if fold(resource.type) == _GROUPS:
            return _place_group(tenant, resource, body)
        return _place(tenant, attrs.evolve(resource, body=body), resource_type)
    except TemplateError as error:
        return refusal("InvalidTemplate", problem=str(error)).reply
    except ArmError as error:
        return error.reply


def _place_group(tenant: Tenant, resource: Described, body: Mapping[str, Any]) -> Reply:
    subscription, name = ids.subscription_of(resource.id), ids.segments(resource.id)[-1]
    url = f"https://template/subscriptions/{subscription}/resourceGroups/{name}?api-version={resource.api_version}"
    given = {member: value for member, value in body.items() if member in ("location", "tags", "managedBy")}
    call = Call.of("PUT", url, {"content-type": "application/json"}, json.dumps(given).encode())
    return put_group(tenant, call, {"subscription": subscription, "group": name})


def _place(tenant: Tenant, resource: Described, resource_type: ResourceType) -> Reply:
    target = ids.path_of(resource.id)
    assert target is not None  # the template was read before
    check_scope(tenant, target)
    tenant.access.check_write("PUT", f"{resource_type.name}/write", target.id)
    tenant.access.check_registered(target.subscription, resource_type.namespace)
    found = tenant.store.find(target.id)
    if found is not None and found.busy:
        raise refusal(resource_type.busy)
    if found is None:
        tenant.creations.check(target, resource_type, resource.body)
    write = Write(
        target=target,
        kind=resource_type.name,
        version=resource.api_version,
        body=rendering.as_stored(resource_type, resource.api_version, resource.body),
        current=found.render() if found else {},
        store=tenant.store,
    )
    result = body_after(tenant, "PUT", resource_type, write)
    fault = fault_found_later(write)
    if fault is not None:
        raise fault
    form = tenant.operation_form("PUT", target.id, resource_type)
    if form is not None and (form.ends != SUCCEEDED or form.at_once):
        raise ArmError(Reply.json({"error": form.error}, status=409))
    store_body(tenant, target.id, resource_type, result)
    return Reply(status=200 if found else 201)


def _remove_others(tenant: Tenant, deployment: Deployment) -> None:
    kept = set(map(ids.key, deployment.request.resource_ids))
    for resource in list(tenant.store.resources(deployment.request.base)):
        target = ids.path_of(resource.id)
        if target is not None and resource.type.tracked and not target.is_nested and ids.key(resource.id) not in kept:
            tenant.store.remove(resource.id)


def _step(
    tenant: Tenant, deployment: Deployment, target: tuple[str, str] | None, reply: Reply, moment: float
) -> dict[str, Any]:
    operation_id = tenant.new_id().replace("-", "").upper()[:16]
    failed = reply.status >= 400
    properties: dict[str, Any] = {
        "provisioningOperation": "Create" if target else "EvaluateDeploymentOutput",
        "provisioningState": "Failed" if failed else "Succeeded",
        "timestamp": tenant.clock.timestamp(moment),
        "duration": "PT1.0000000S",
        "statusCode": "Conflict" if failed else "Created" if reply.status == 201 else "OK",
    }
    if failed:
        properties["statusMessage"] = {"status": "Failed", **reply.body}
    if target is not None:
        properties["targetResource"] = {
            "id": target[0],
            "resourceType": target[1],
            "resourceName": ids.segments(target[0])[-1],
        }
    return {
        "id": f"{deployment.id}/operations/{operation_id}",
        "operationId": operation_id,
        "properties": properties,
    }
