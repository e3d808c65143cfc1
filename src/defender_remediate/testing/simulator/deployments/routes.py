"""Template deployments at resource group and subscription scope. They take time, and they really deploy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import AZURE_ASYNC, LOCATION, SUCCEEDED, Running, Slow
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.deployments.state import Deployment, Prepared, deploy, prepare
from defender_remediate.testing.simulator.deployments.whatif import changes
from defender_remediate.testing.simulator.monitor.audit import end, logged, outcome
from defender_remediate.testing.simulator.monitor.state import Operation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import World
from defender_remediate.testing.simulator.state.types import Kind
from defender_remediate.testing.simulator.transport.exchange import Answer, ArmError, Call

TYPE = "Microsoft.Resources/deployments"
_NAME = re.compile(r"[-\w._()]{1,64}\Z")
_HISTORY = 800
_USUAL = Slow(form=AZURE_ASYNC, seconds=20.0, retry_after=5)
_QUICK = Slow(form=LOCATION, seconds=3.0, retry_after=1)


def _base(world: World, holes: Mapping[str, str]) -> str:
    if "group" in holes:
        return str(world.store.group(holes["subscription"], holes["group"])["id"])
    return f"/subscriptions/{world.store.subscription(holes['subscription']).id}"


def _id(base: str, name: str) -> str:
    return f"{base}/providers/{TYPE}/{name}"


def _found(world: World, holes: Mapping[str, str]) -> Deployment:
    found: Deployment | None = world.deployments.get(ids.key(_id(_base(world, holes), holes["name"])))
    if found is None:
        raise refusal("DeploymentNotFound", name=holes["name"])
    return found


def _kind(world: World) -> Kind:
    kind = world.kinds.get(TYPE)
    assert kind is not None  # it ships with the simulator
    return kind


def _put(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    base = _base(world, holes)
    deployment_id = _id(base, holes["name"])

    def work(operation: Operation) -> tuple[Answer, bool]:
        world.access.check_write("PUT", operation.action, deployment_id)
        prepared = prepare(world, base, holes["name"], json_body(call))
        known = world.deployments.get(ids.key(deployment_id))
        _check_name(world, base, holes["name"], known, prepared)
        deployment = Deployment(
            id=deployment_id,
            prepared=prepared,
            correlation_id=operation.correlation_id,
            started=world.clock.monotonic(),
            ended=world.clock.monotonic(),
        )
        world.deployments[ids.key(deployment_id)] = deployment
        running = _start(world, call, deployment, operation)
        path = f"{deployment_id}/operationStatuses/{running.id}"
        headers = {"Azure-AsyncOperation": f"{call.base}{path}?api-version={call.api_version}"}
        if running.slow.retry_after is not None:
            headers["Retry-After"] = str(running.slow.retry_after)
        return Answer.json(deployment.render(world), status=200 if known else 201, headers=headers), True

    return logged(world, call, f"{TYPE}/write", deployment_id, work)


def _check_name(world: World, base: str, name: str, known: Deployment | None, prepared: Prepared) -> None:
    if not _NAME.match(name):
        raise refusal("InvalidDeployment", problem=f"The deployment name '{name}' is not valid.")
    if known is not None:
        if known.is_active:
            raise refusal("DeploymentActive", id=known.id)
        if known.prepared.location != prepared.location:
            raise refusal(
                "InvalidDeploymentLocation", name=name, location=known.prepared.location, wanted=prepared.location
            )
        return
    there = [key for key, deployment in world.deployments.items() if deployment.prepared.base == base]
    if len(there) >= _HISTORY:
        # Azure clears old entries by itself, unless a lock keeps it from deleting anything.
        if any(ids.within(base, lock.scope) for lock in world.access.locks):
            raise refusal("DeploymentQuotaExceeded", name=name)
        del world.deployments[there[0]]


def _start(world: World, call: Call, deployment: Deployment, operation: Operation) -> Running:
    slow = world.slowness("PUT", deployment.id, _kind(world)) or _USUAL
    now = world.clock.monotonic()

    def finish(ending: str, moment: float) -> None:
        if ending == SUCCEEDED:
            error = deploy(world, deployment, operation, call, moment)
            if error is not None:
                running.outcome, running.error = "Failed", error
        deployment.state, deployment.error = running.outcome, running.error
        deployment.ended = moment
        status, sub_status = outcome(running.outcome)
        end(world, operation, status, sub_status, moment=moment)

    running = Running(
        id=world.new_id(),
        slow=slow,
        resource_id=deployment.id,
        started=now,
        due=now + slow.seconds,
        result=lambda: Answer.json(deployment.render(world)),
        finish=finish,
    )
    deployment.running = running
    world.operations.start(running)
    return running


def _get(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    if call.method == "HEAD":
        there = ids.key(_id(_base(world, holes), holes["name"])) in world.deployments
        return Answer(status=204 if there else 404)
    world.access.check_read(f"{TYPE}/read", _base(world, holes))
    return Answer.json(_found(world, holes).render(world))


def _list(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    base = _base(world, holes)
    text = call.query.get("$filter", "")
    match = re.match(r"provisioningState eq '(\w+)'\Z", text)
    if text and not match:
        raise refusal("InvalidFilter", filter=text)
    found = [deployment for deployment in world.deployments.values() if deployment.prepared.base == base]
    kept = [deployment for deployment in found if not match or deployment.state == match.group(1)]
    size = int(call.query["$top"]) if "$top" in call.query else None
    return world.page(call, [deployment.render(world) for deployment in reversed(kept)], size=size)


def _delete(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    base = _base(world, holes)
    deployment_id = _id(base, holes["name"])

    def work(operation: Operation) -> tuple[Answer, bool]:
        world.access.check_write("DELETE", operation.action, deployment_id)
        found = world.deployments.get(ids.key(deployment_id))
        if found is not None and found.is_active:
            raise refusal("DeploymentActive", id=found.id)
        world.deployments.pop(ids.key(deployment_id), None)
        return Answer(status=204), False

    return logged(world, call, f"{TYPE}/delete", deployment_id, work)


def _cancel(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    found = _found(world, holes)

    def work(operation: Operation) -> tuple[Answer, bool]:
        world.access.check_write("POST", operation.action, found.id)
        if not found.is_active or found.running is None:
            raise refusal("DeploymentCannotBeCancelled", name=holes["name"], state=found.state)
        world.operations.cancel(found.running)
        return Answer(status=204), False

    return logged(world, call, f"{TYPE}/cancel/action", found.id, work)


def _validate(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    base = _base(world, holes)
    world.access.check_role(f"{TYPE}/validate/action", base)
    shell = {"id": _id(base, holes["name"]), "name": holes["name"], "type": TYPE}
    try:
        prepared = prepare(world, base, holes["name"], json_body(call))
    except ArmError as error:
        return Answer.json({**shell, **error.answer.body}, status=error.answer.status)
    properties = {
        "provisioningState": "Succeeded",
        "mode": prepared.mode,
        "timestamp": world.timestamp(),
        "validatedResources": [{"id": resource.id} for resource, _ in prepared.resources],
    }
    return Answer.json({**shell, "properties": properties})


def _what_if(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    base = _base(world, holes)
    world.access.check_role(f"{TYPE}/whatIf/action", base)
    body = json_body(call)
    settings = (body.get("properties") or {}).pop("whatIfSettings", None) or {}
    ids_only = fold(str(settings.get("resultFormat", ""))) == "resourceidonly"
    try:
        prepared = prepare(world, base, holes["name"], body)
        for resource, kind in prepared.resources:
            world.access.check_role(f"{kind.name}/write", resource.id)
        result: dict[str, Any] = {
            "status": "Succeeded",
            "properties": {"changes": changes(world, base, prepared.resources, ids_only=ids_only)},
        }
    except ArmError as error:
        result = {"status": "Failed", "error": error.answer.body["error"]}
    content = json.dumps(result)
    now = world.clock.monotonic()
    slow = world.slowness("POST", _id(base, holes["name"]), _kind(world)) or _QUICK
    running = Running(
        id=world.new_id(),
        slow=attrs.evolve(slow, form=LOCATION),
        resource_id=_id(base, holes["name"]) + "/whatIf",
        started=now,
        due=now + slow.seconds,
        result=lambda: Answer.json(json.loads(content)),
        finish=_nothing_more,
    )
    world.operations.start(running)
    return world.operations.first_answer(call, running, Answer(status=202))


def _nothing_more(ending: str, moment: float) -> None:
    """A what-if leaves nothing behind."""
    del ending, moment


def _export(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    del call
    return Answer.json({"template": _found(world, holes).prepared.template})


def _operations(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    return world.page(call, _found(world, holes).steps)


_RG = "/subscriptions/{subscription}/resourceGroups/{group}"
_SUB = "/subscriptions/{subscription}"

ROUTES = (
    *(
        Route(methods=(method,), pattern=pattern, type=TYPE, handler=handler, reads=method in ("GET", "HEAD"))
        for scope in (_RG, _SUB)
        for method, pattern, handler in (
            ("PUT", f"{scope}/providers/{TYPE}/{{name}}", _put),
            ("GET", f"{scope}/providers/{TYPE}/{{name}}", _get),
            ("HEAD", f"{scope}/providers/{TYPE}/{{name}}", _get),
            ("DELETE", f"{scope}/providers/{TYPE}/{{name}}", _delete),
            ("GET", f"{scope}/providers/{TYPE}", _list),
            ("POST", f"{scope}/providers/{TYPE}/{{name}}/cancel", _cancel),
            ("POST", f"{scope}/providers/{TYPE}/{{name}}/validate", _validate),
            ("POST", f"{scope}/providers/{TYPE}/{{name}}/whatIf", _what_if),
            ("POST", f"{scope}/providers/{TYPE}/{{name}}/exportTemplate", _export),
        )
    ),
    # At a resource group this one path has no "providers/Microsoft.Resources".
    Route(methods=("GET",), pattern=f"{_RG}/deployments/{{name}}/operations", type=TYPE, handler=_operations),
    Route(methods=("GET",), pattern=f"{_SUB}/providers/{TYPE}/{{name}}/operations", type=TYPE, handler=_operations),
)
