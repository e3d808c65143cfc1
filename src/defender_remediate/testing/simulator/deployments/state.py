"""The work of a deployment: read the request, check it, and put the resources in place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.arm_template import TemplateError, TemplateScope
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import SUCCEEDED, Running, deployment_error
from defender_remediate.testing.simulator.arm.routes import check_scope, store
from defender_remediate.testing.simulator.arm.routing import find_kind
from defender_remediate.testing.simulator.arm.writes import put
from defender_remediate.testing.simulator.deployments.template import Described, described, opened, outputs
from defender_remediate.testing.simulator.monitor.audit import begin, end
from defender_remediate.testing.simulator.monitor.state import Operation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import World
from defender_remediate.testing.simulator.state.types import Kind
from defender_remediate.testing.simulator.transport.exchange import Answer, ArmError, Call

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


@attrs.frozen(kw_only=True)
class Prepared:
    """A deployment request, understood.

    Attributes:
        base: The id of the resource group or subscription.
        resources: What the template describes, with the type of each.
    """

    base: str
    name: str
    location: str
    mode: str
    template: Mapping[str, Any]
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]
    resources: list[tuple[Described, Kind]]
    outputs: Mapping[str, Any]


@attrs.define(kw_only=True)
class Deployment:
    """One entry of the deployment history.

    Attributes:
        steps: Its operations, as the API lists them.
        running: The long-running write behind it.
    """

    id: str
    prepared: Prepared
    correlation_id: str
    started: float
    ended: float
    state: str = "Running"
    error: Mapping[str, Any] | None = None
    steps: list[dict[str, Any]] = attrs.field(factory=list)
    running: Running | None = None

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.state == "Running"

    def render(self, world: World) -> dict[str, Any]:
        """As GET shows it."""
        text = json.dumps(self.prepared.template, sort_keys=True)
        properties: dict[str, Any] = {
            "templateHash": str(int(hashlib.sha256(text.encode()).hexdigest()[:16], 16)),
            "parameters": dict(self.prepared.parameters),
            "mode": self.prepared.mode,
            "provisioningState": self.state,
            "timestamp": world.timestamp(self.ended),
            "duration": f"PT{self.ended - self.started:.7f}S",
            "correlationId": self.correlation_id,
            "providers": [],
            "dependencies": [],
        }
        if self.state == SUCCEEDED:
            properties["outputs"] = dict(self.prepared.outputs)
            properties["outputResources"] = [{"id": resource.id} for resource, _ in self.prepared.resources]
        if self.error is not None:
            properties["error"] = self.error
        shown: dict[str, Any] = {
            "id": self.id,
            "name": self.prepared.name,
            "type": "Microsoft.Resources/deployments",
            "properties": properties,
        }
        if self.prepared.location:
            shown["location"] = self.prepared.location
        if self.prepared.tags:
            shown["tags"] = dict(self.prepared.tags)
        return shown


def prepare(world: World, base: str, name: str, body: Mapping[str, Any]) -> Prepared:
    """Understand a deployment request, and look ahead as Azure does before it accepts one.

    Raises:
        ArmError: 400 InvalidRequestContent, InvalidDeployment, LocationRequired, InvalidTemplate or
            InvalidTemplateDeployment; or what the api-version of a resource gets.
    """
    location, mode = _frame(base, body)
    properties = body["properties"]
    group = world.store.group(ids.subscription_of(base), ids.group_of(base)) if ids.group_of(base) else {}
    scope = TemplateScope(
        subscription_id=ids.subscription_of(base),
        resource_group=ids.group_of(base) or None,
        location=group.get("location"),
        deployment=name,
    )
    template = properties.get("template")
    try:
        within = opened(template, properties.get("parameters") or {}, scope)
        found = list(described(template or {}, within))
        results = outputs(template or {}, within)
    except TemplateError as error:
        violation = {"type": "TemplateViolation", "info": {"lineNumber": 1, "linePosition": 1, "path": ""}}
        raise refusal("InvalidTemplate", problem=str(error), more={"additionalInfo": [violation]}) from None
    pairs = [(resource, _kind_of(world, resource)) for resource in found]
    _check_policies(world, pairs)
    return Prepared(
        base=base,
        name=name,
        location=location,
        mode=mode,
        template=template or {},
        parameters=properties.get("parameters") or {},
        tags=body.get("tags") or {},
        resources=pairs,
        outputs=results,
    )


def _frame(base: str, body: Mapping[str, Any]) -> tuple[str, str]:
    """The location and the mode of a request whose outer members are in order."""
    properties = body.get("properties") or {}
    strangers = sorted((set(body) - _TOP) | (set(properties) - _PROPERTIES))
    if strangers:
        raise refusal("InvalidRequestContent", problem=f"Could not find member '{strangers[0]}' of a deployment")
    location = str(body.get("location") or "")
    if not ids.group_of(base) and not location:
        raise refusal("LocationRequiredForDeployment")
    if ids.group_of(base) and location:
        raise refusal("InvalidDeployment", problem="The 'location' property is not allowed at resource group scope.")
    mode = str(properties.get("mode", ""))
    if mode not in ("Incremental", "Complete"):
        raise refusal("InvalidDeployment", problem=f"The deployment mode '{mode}' is not Incremental or Complete.")
    return location, mode


def _kind_of(world: World, resource: Described) -> Kind:
    call = Call.of("PUT", f"https://template{resource.id}?api-version={resource.api_version}", {}, b"")
    return find_kind(world, call, resource.type)


def _check_policies(world: World, resources: list[tuple[Described, Kind]]) -> None:
    refused = [error for resource, kind in resources if (error := _policy_error(world, resource, kind)) is not None]
    if refused:
        raise refusal("InvalidTemplateDeployment", more={"details": refused})


def _policy_error(world: World, resource: Described, kind: Kind) -> dict[str, Any] | None:
    try:
        world.policies.check(resource.id, kind.name, resource.body)
    except ArmError as error:
        found: dict[str, Any] = error.answer.body["error"]
        return found
    return None


def deploy(
    world: World, deployment: Deployment, operation: Operation, call: Call, moment: float
) -> dict[str, Any] | None:
    """Put the resources in place; the error of the deployment when one of them could not be.

    Resources that could not be put do not keep the others from being: nothing is undone.
    """
    failures = []
    for resource, kind in deployment.prepared.resources:
        inner = begin(world, _inner(call, operation, resource), f"{kind.name}/write", resource.id)
        answer = _attempt(world, resource, kind)
        failed = answer.status >= 400
        if failed:
            failures.append({"code": _code(answer), "message": json.dumps(answer.body, indent=2).replace("\n", "\r\n")})
        end(world, inner, *(("Failed", "Conflict") if failed else ("Succeeded", "OK")), moment=moment)
        deployment.steps.append(_step(world, deployment, resource, answer, moment))
    if deployment.prepared.mode == "Complete":
        _remove_others(world, deployment)
    if failures:
        return deployment_error(failures)
    if deployment.prepared.outputs:
        deployment.steps.append(_step(world, deployment, None, Answer(status=200), moment))
    return None


def _inner(call: Call, operation: Operation, resource: Described) -> Call:
    headers = {"x-ms-correlation-request-id": operation.correlation_id}
    return Call.of("PUT", f"{call.base}{resource.id}?api-version={resource.api_version}", headers, b"")


def _code(answer: Answer) -> str:
    return str(answer.body["error"]["code"])


def _attempt(world: World, resource: Described, kind: Kind) -> Answer:
    try:
        return _place(world, resource, kind)
    except ArmError as error:
        return error.answer


def _place(world: World, resource: Described, kind: Kind) -> Answer:
    target = ids.target_of(resource.id)
    assert target is not None  # the template was read before
    check_scope(world, target)
    world.access.check_write("PUT", f"{kind.name}/write", target.id)
    world.access.check_registered(target.subscription, kind.namespace)
    found = world.store.find(target.id)
    if found is not None and found.busy:
        raise refusal(kind.busy)
    result = put(kind, found.render() if found else None, resource.body)
    world.policies.check(target.id, kind.name, result)
    slow = world.slowness("PUT", target.id, kind)
    if slow is not None and (slow.ends != SUCCEEDED or slow.at_once):
        raise ArmError(Answer.json({"error": slow.error}, status=409))
    store(world, target.id, kind, result)
    return Answer(status=200 if found else 201)


def _remove_others(world: World, deployment: Deployment) -> None:
    kept = {ids.key(resource.id) for resource, _ in deployment.prepared.resources}
    for resource in list(world.store.resources(deployment.prepared.base)):
        target = ids.target_of(resource.id)
        if target is not None and resource.kind.tracked and not target.is_nested and ids.key(resource.id) not in kept:
            world.store.remove(resource.id)


def _step(
    world: World, deployment: Deployment, resource: Described | None, answer: Answer, moment: float
) -> dict[str, Any]:
    operation_id = world.new_id().replace("-", "").upper()[:16]
    failed = answer.status >= 400
    properties: dict[str, Any] = {
        "provisioningOperation": "Create" if resource else "EvaluateDeploymentOutput",
        "provisioningState": "Failed" if failed else "Succeeded",
        "timestamp": world.timestamp(moment),
        "duration": "PT1.0000000S",
        "statusCode": "Conflict" if failed else "Created" if answer.status == 201 else "OK",
    }
    if failed:
        properties["statusMessage"] = {"status": "Failed", **answer.body}
    if resource is not None:
        properties["targetResource"] = {
            "id": resource.id,
            "resourceType": resource.type,
            "resourceName": ids.segments(resource.id)[-1],
        }
    return {
        "id": f"{deployment.id}/operations/{operation_id}",
        "operationId": operation_id,
        "properties": properties,
    }
