"""Moves of resources to another resource group or subscription, and their validation."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import LOCATION, OperationForm, first_reply
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.monitor.audit import end, logged, outcome
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Resources/resourceGroups"
_ACTION = "Microsoft.Resources/subscriptions/resourceGroups"
_FORM = OperationForm(form=LOCATION, seconds=20.0, retry_after=15)


def move_resources(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Moves resources to another group, with their children, or only says whether that is possible; a long-running operation.

    Which types Azure cannot move is not simulated. Roles, locks and assessments do not follow a resource, as in Azure.
    """
    source = tenant.store.group(captured["subscription"], captured["group"])
    source_id = str(source["id"])
    only_validates = fold(ids.segments(call.path)[-1]) == "validatemoveresources"
    word = "validateMoveResources" if only_validates else "moveResources"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, source_id)
        resources, target_id = _request(tenant, call, source_id)
        for resource in resources:
            tenant.access.check_write(
                "PUT", f"{resource.type.name}/write", f"{target_id}{resource.id[len(source_id) :]}"
            )

        def finish(ending: str, moment: float) -> None:
            if not only_validates:
                with tenant.changes.by(operation):
                    for resource in resources:
                        _move(tenant, resource, source_id, target_id)
            end(tenant, operation, *outcome(ending), moment=moment)

        tenant.clock.monotonic()
        running = tenant.operations.start(
            tenant.new_id(), _FORM, source_id, finish=finish, result=lambda: Reply(status=204)
        )
        return first_reply(call, running, Reply(status=202)), True

    return logged(tenant, call, f"{_ACTION}/{word}/action", source_id, work)


def _request(tenant: Tenant, call: Call, source_id: str) -> tuple[list[Resource], str]:
    """Returns what to move and the id of the group to move it to.

    Raises:
        ArmError: 400 or 404: the request, a resource or the target is not what it should be; 409: something is in the way.
    """
    body = json_body(call)
    wanted, target = body.get("resources"), body.get("targetResourceGroup")
    if not isinstance(wanted, list) or not wanted or not isinstance(target, str) or not ids.group_of(target):
        raise refusal("InvalidRequestContent", problem="'resources' and 'targetResourceGroup' are needed")
    target_id = str(tenant.store.group(ids.subscription_of(target), ids.group_of(target))["id"])
    if ids.key(target_id) == ids.key(source_id):
        raise refusal("InvalidRequestContent", problem="the source and the target resource group are the same")
    resources = []
    for resource_id in wanted:
        path = ids.path_of(str(resource_id))
        found = tenant.store.find(str(resource_id))
        if found is None or path is None or not ids.within(found.id, source_id) or path.is_nested:
            raise refusal("ResourceMoveNotFound", id=resource_id, group=source_id)
        if tenant.store.find(f"{target_id}{found.id[len(source_id) :]}") is not None:
            raise refusal("ResourceMoveConflict", id=resource_id, group=target_id)
        resources.append(found)
    return resources, target_id


def _move(tenant: Tenant, resource: Resource, source_id: str, target_id: str) -> None:
    everything = [(one.id, one.type, one.render()) for one in tenant.store.resources(resource.id)]
    tenant.store.remove(resource.id)
    for resource_id, kind, body in everything:
        moved = {name: value for name, value in body.items() if name not in ("id", "name", "type")}
        tenant.store.write(f"{target_id}{resource_id[len(source_id) :]}", kind, moved)


_GROUP = "/subscriptions/{subscription}/resourceGroups/{group}"
ROUTES = tuple(
    Route(methods=("POST",), pattern=f"{_GROUP}/{word}", type=_TYPE, handler=move_resources, reads=False)
    for word in ("moveResources", "validateMoveResources")
)
