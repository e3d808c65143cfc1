"""Template deployments at all four scopes: long-running operations that deploy resources."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.computed import as_known
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import (
    AZURE_ASYNC,
    LOCATION,
    SUCCEEDED,
    OperationForm,
    RunningOperation,
    first_reply,
)
from defender_remediate.testing.simulator.arm.routing import Route, json_body, positive_option
from defender_remediate.testing.simulator.deployments.deploy import deploy, read_request
from defender_remediate.testing.simulator.deployments.state import (
    Deployment,
    DeploymentRequest,
    PlannedDeployment,
    hash_of,
)
from defender_remediate.testing.simulator.deployments.whatif import changes
from defender_remediate.testing.simulator.monitor.audit import end, logged, outcome
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, Reply

TYPE = "Microsoft.Resources/deployments"
_NAME = re.compile(r"[-\w._()]{1,64}\Z")
_HISTORY = 800
_USUAL = OperationForm(form=AZURE_ASYNC, seconds=20.0, retry_after=5)
_QUICK = OperationForm(form=LOCATION, seconds=3.0, retry_after=1)


def _base(tenant: Tenant, captured: Mapping[str, str]) -> str:
    if "group" in captured:
        return str(tenant.store.group(captured["subscription"], captured["group"])["id"])
    if "management" in captured:
        found = tenant.store.management_groups.get(fold(captured["management"]))
        if found is None:
            raise refusal("ManagementGroupNotFound", group=captured["management"])
        return f"/providers/Microsoft.Management/managementGroups/{found['name']}"
    if "subscription" not in captured:
        return ""
    return f"/subscriptions/{tenant.store.subscription(captured['subscription']).id}"


def _id(base: str, name: str) -> str:
    return f"{base}/providers/{TYPE}/{name}"


def _found(tenant: Tenant, captured: Mapping[str, str]) -> Deployment:
    found = tenant.deployments.find(_id(_base(tenant, captured), captured["name"]))
    if found is None:
        raise refusal("DeploymentNotFound", name=captured["name"])
    return found


def _resource_type(tenant: Tenant) -> ResourceType:
    resource_type = tenant.types.get(TYPE)
    assert resource_type is not None  # it ships with the simulator
    return resource_type


def put_deployment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Starts a deployment."""
    base = _base(tenant, captured)
    deployment_id = _id(base, captured["name"])

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, deployment_id)
        planned = read_request(tenant, base, captured["name"], json_body(call))
        request = planned.request
        known = tenant.deployments.find(deployment_id)
        _check_name(tenant, base, captured["name"], known, request)
        deployment = Deployment(
            id=deployment_id,
            request=request,
            correlation_id=operation.correlation_id,
            started=tenant.clock.monotonic(),
            ended=tenant.clock.monotonic(),
        )
        tenant.deployments.add(deployment)
        running = _start(tenant, call, deployment, planned, operation)
        path = f"{deployment_id}/operationStatuses/{running.id}"
        headers = {"Azure-AsyncOperation": f"{call.base}{path}?api-version={call.api_version}"}
        if running.form.retry_after is not None:
            headers["Retry-After"] = str(running.form.retry_after)
        body = as_known(TYPE, call.api_version, deployment.render(tenant.clock))
        body["properties"] = {**body["properties"], "provisioningState": "Accepted"}
        return Reply.json(body, status=200 if known else 201, headers=headers), True

    return logged(tenant, call, f"{TYPE}/write", deployment_id, work)


def _check_name(tenant: Tenant, base: str, name: str, known: Deployment | None, request: DeploymentRequest) -> None:
    if not _NAME.match(name):
        raise refusal("InvalidDeployment", problem=f"The deployment name '{name}' is not valid.")
    if known is not None:
        if known.is_active:
            raise refusal("DeploymentActive", id=known.id)
        if known.request.location != request.location:
            raise refusal(
                "InvalidDeploymentLocation", name=name, location=known.request.location, wanted=request.location
            )
        return
    there = list(tenant.deployments.at(base))
    if len(there) >= _HISTORY:
        # Azure deletes old entries by itself, unless a lock forbids it.
        if any(ids.within(base, lock.scope) for lock in tenant.access.locks):
            raise refusal("DeploymentQuotaExceeded", name=name)
        tenant.deployments.remove(there[0].id)


def _start(
    tenant: Tenant, call: Call, deployment: Deployment, planned: PlannedDeployment, operation: LoggedOperation
) -> RunningOperation:
    form = tenant.operation_form("PUT", deployment.id, _resource_type(tenant)) or _USUAL
    tenant.clock.monotonic()

    def finish(ending: str, moment: float) -> None:
        if ending == SUCCEEDED:
            error = deploy(tenant, deployment, planned, operation, call, moment)
            if error is not None:
                running.outcome, running.error = "Failed", error
        deployment.state, deployment.error = running.outcome or ending, running.error
        deployment.ended = moment
        status, sub_status = outcome(deployment.state)
        end(tenant, operation, status, sub_status, moment=moment)

    running = tenant.operations.start(
        tenant.new_id(), form, deployment.id, finish=finish, result=lambda: Reply.json(deployment.render(tenant.clock))
    )
    deployment.running = running
    return running


def get_deployment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a deployment."""
    if call.method == "HEAD":
        found = tenant.deployments.find(_id(_base(tenant, captured), captured["name"]))
        return Reply(status=204 if found else 404)
    tenant.access.check_read(f"{TYPE}/read", _base(tenant, captured))
    return Reply.json(as_known(TYPE, call.api_version, _found(tenant, captured).render(tenant.clock)))


def list_deployments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the deployments at a scope, newest first."""
    base = _base(tenant, captured)
    text = call.query.get("$filter", "")
    match = re.match(r"provisioningState eq '(\w+)'\Z", text)
    if text and not match:
        raise refusal("InvalidFilter", filter=text)
    kept = [one for one in tenant.deployments.at(base) if not match or one.state == match.group(1)]
    return tenant.page(
        call, [deployment.render(tenant.clock) for deployment in reversed(kept)], size=positive_option(call, "$top")
    )


def delete_deployment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes a deployment from the history."""
    base = _base(tenant, captured)
    deployment_id = _id(base, captured["name"])

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, deployment_id)
        found = tenant.deployments.find(deployment_id)
        if found is not None and found.is_active:
            raise refusal("DeploymentActive", id=found.id)
        tenant.deployments.remove(deployment_id)
        return Reply(status=204), False

    return logged(tenant, call, f"{TYPE}/delete", deployment_id, work)


def cancel_deployment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Cancels a running deployment."""
    found = _found(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, found.id)
        if not found.is_active or found.running is None:
            raise refusal("DeploymentCannotBeCancelled", name=captured["name"], state=found.state)
        tenant.operations.cancel(found.running)
        return Reply(status=204), False

    return logged(tenant, call, f"{TYPE}/cancel/action", found.id, work)


def validate_deployment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Validates a template."""
    base = _base(tenant, captured)
    tenant.access.check_role(f"{TYPE}/validate/action", base)
    shell = {"id": _id(base, captured["name"]), "name": captured["name"], "type": TYPE}
    try:
        request = read_request(tenant, base, captured["name"], json_body(call)).request
    except ArmError as error:
        return Reply.json(error.reply.body, status=error.reply.status)
    properties = {
        "provisioningState": "Succeeded",
        "mode": request.mode,
        "timestamp": tenant.clock.timestamp(),
        "validatedResources": [{"id": resource_id} for resource_id in request.resource_ids],
    }
    return Reply.json({**shell, "properties": properties})


def what_if(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Predicts what a deployment would change."""
    base = _base(tenant, captured)
    tenant.access.check_role(f"{TYPE}/whatIf/action", base)
    body = json_body(call)
    settings = (body.get("properties") or {}).pop("whatIfSettings", None) or {}
    ids_only = fold(str(settings.get("resultFormat", ""))) == "resourceidonly"
    try:
        planned = read_request(tenant, base, captured["name"], body)
        for resource, resource_type in planned.resources:
            tenant.access.check_role(f"{resource_type.name}/write", resource.id)
        result: dict[str, Any] = {
            "status": "Succeeded",
            "properties": {"changes": changes(tenant, base, planned.resources, ids_only=ids_only)},
        }
    except ArmError as error:
        result = {"status": "Failed", "error": error.reply.body["error"]}
    content = json.dumps(result)
    tenant.clock.monotonic()
    form = tenant.operation_form("POST", _id(base, captured["name"]), _resource_type(tenant)) or _QUICK
    running = tenant.operations.start(
        tenant.new_id(),
        attrs.evolve(form, form=LOCATION),
        _id(base, captured["name"]) + "/whatIf",
        finish=_nothing_more,
        result=lambda: Reply.json(json.loads(content)),
    )
    return first_reply(call, running, Reply(status=202))


def _nothing_more(ending: str, moment: float) -> None:
    """A what-if changes nothing."""
    del ending, moment


def export_template(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows the template of a deployment."""
    del call
    return Reply.json({"template": _found(tenant, captured).request.template})


def list_operations(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the operations of a deployment."""
    return tenant.page(call, _found(tenant, captured).steps)


def get_operation(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows one operation of a deployment."""
    del call
    for step in _found(tenant, captured).steps:
        if fold(str(step["operationId"])) == fold(captured["operation"]):
            return Reply.json(step)
    raise refusal("DeploymentOperationNotFound", operation=captured["operation"], name=captured["name"])


def template_hash(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Returns the hash of a template, the same as that of a deployment of it, and the template without spaces."""
    del tenant, captured
    template = json_body(call)
    minified = json.dumps(template, separators=(",", ":"))
    return Reply.json({"minifiedTemplate": minified, "templateHash": hash_of(template)})


_RG = "/subscriptions/{subscription}/resourceGroups/{group}"
_SUB = "/subscriptions/{subscription}"
_MANAGEMENT = "/providers/Microsoft.Management/managementGroups/{management}"

ROUTES = (
    *(
        Route(methods=(method,), pattern=pattern, type=TYPE, handler=handler, reads=method in ("GET", "HEAD"))
        for scope in (_RG, _SUB, _MANAGEMENT, "")
        for method, pattern, handler in (
            ("PUT", f"{scope}/providers/{TYPE}/{{name}}", put_deployment),
            ("GET", f"{scope}/providers/{TYPE}/{{name}}", get_deployment),
            ("HEAD", f"{scope}/providers/{TYPE}/{{name}}", get_deployment),
            ("DELETE", f"{scope}/providers/{TYPE}/{{name}}", delete_deployment),
            ("GET", f"{scope}/providers/{TYPE}", list_deployments),
            ("POST", f"{scope}/providers/{TYPE}/{{name}}/cancel", cancel_deployment),
            ("POST", f"{scope}/providers/{TYPE}/{{name}}/validate", validate_deployment),
            ("POST", f"{scope}/providers/{TYPE}/{{name}}/whatIf", what_if),
            ("POST", f"{scope}/providers/{TYPE}/{{name}}/exportTemplate", export_template),
        )
    ),
    # At a resource group this path has no "providers/Microsoft.Resources"; the one of any scope has.
    Route(methods=("GET",), pattern=f"{_RG}/deployments/{{name}}/operations", type=TYPE, handler=list_operations),
    *(
        Route(methods=("GET",), pattern=f"{place}/{TYPE}/{{name}}/operations", type=TYPE, handler=list_operations)
        for place in (f"{_RG}/providers", f"{_SUB}/providers", f"{_MANAGEMENT}/providers", "/providers")
    ),
    Route(
        methods=("POST",),
        pattern="/providers/Microsoft.Resources/calculateTemplateHash",
        type=TYPE,
        handler=template_hash,
    ),
    *(
        Route(methods=("GET",), pattern=f"{place}/{{name}}/operations/{{operation}}", type=TYPE, handler=get_operation)
        for place in (
            f"{_RG}/deployments",
            f"{_RG}/providers/{TYPE}",
            f"{_SUB}/providers/{TYPE}",
            f"{_MANAGEMENT}/providers/{TYPE}",
            f"/providers/{TYPE}",
        )
    ),
)
