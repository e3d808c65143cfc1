"""How a PUT or PATCH of a resource is answered, from top to bottom; the steps are the same for every type.

The request is checked, Azure Policy admits it, it is merged into the resource, the provider adds what it computes, and the
result is stored at once or when the operation of the write ends. What a provider does of its own is in its folder:

- what it refuses: ``arm/request_rules`` (by type), ``defender/plans``, ``defender/automations``
- what it adds: ``arm/computed`` and ``arm/answers`` (both from data), ``web/contracts``, ``network/elements``, ``sql/sizes``
- what it keeps elsewhere too: ``web/sites``, ``defender/plans``, and the listeners that ``state/tenant`` adds to the store
- what its first answer is: ``arm/computed``, ``web/contracts``, ``compute/answers``
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import answers, computed, published, rendering
from defender_remediate.testing.simulator.arm.checks import check_etag, existing
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.identities import with_ids
from defender_remediate.testing.simulator.arm.merging import changed_members, patched, put
from defender_remediate.testing.simulator.arm.operations import BODY, OperationForm, first_reply, write_of
from defender_remediate.testing.simulator.arm.refusal_forms import missing
from defender_remediate.testing.simulator.arm.request_rules import Write, check_write, fault_found_later
from defender_remediate.testing.simulator.arm.routing import json_body
from defender_remediate.testing.simulator.compute.answers import answer_to_write
from defender_remediate.testing.simulator.defender import contacts
from defender_remediate.testing.simulator.defender.automations import check_automation
from defender_remediate.testing.simulator.defender.plans import check_enablement, extension_outcomes
from defender_remediate.testing.simulator.monitor.audit import end, logged, outcome
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.network import elements
from defender_remediate.testing.simulator.policy.applied import target_of
from defender_remediate.testing.simulator.sql import sizes
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType
from defender_remediate.testing.simulator.transport.exchange import Call, Reply
from defender_remediate.testing.simulator.web import contracts, sites


def write_resource(tenant: Tenant, call: Call, target: ids.ResourcePath, kind: ResourceType) -> Reply:
    """Patches or puts a resource, at once or by a long-running operation."""

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write(call.method, operation.action, target.id)
        tenant.access.check_registered(target.subscription, kind.namespace)
        # Clients create and update a table or a queue without a body.
        sent = json_body(call, empty=None if kind.tracked else {})
        body = rendering.as_stored(kind, call.api_version, sent)
        found = tenant.store.find(target.id)
        _check_place(tenant, call, target, kind, found, body)
        current = found.render() if found else None
        write = Write(
            target=target,
            kind=kind.name,
            version=call.api_version,
            body=body,
            current=current or {},
            store=tenant.store,
        )
        result = body_after(tenant, call.method, kind, write)
        status, form = _answer_form(tenant, call, kind, write, result)
        if form is None:
            return _write_at_once(tenant, call, sent, target, kind, result, status, current), False
        return _start_operation(tenant, call, sent, target, kind, result, form, operation, status), not form.at_once

    return logged(tenant, call, f"{kind.name}/write", target.id, work)


def _check_place(
    tenant: Tenant,
    call: Call,
    target: ids.ResourcePath,
    kind: ResourceType,
    found: Resource | None,
    body: Mapping[str, Any],
) -> None:
    """Refuses a write to what does not exist, is busy, or cannot be created under this name."""
    check_etag(call, found, kind)
    if found is None and call.method == "PATCH":
        existing(tenant, target)
    if found is not None and found.busy:
        raise refusal(kind.busy)
    if found is None:
        tenant.creations.check(target, kind, body)
    has_known_name = fold(target.name) in (fold(name) for name in kind.fixed)
    if kind.fixed and not has_known_name and not contacts.is_first_form(target, call.api_version):
        raise missing(target)


def body_after(tenant: Tenant, method: str, kind: ResourceType, write: Write) -> dict[str, Any]:
    """Returns the body of the resource after a write, as policies change it and with what the provider adds.

    Azure Policy sees a PATCH merged into the resource, and a PUT as it is sent, before the provider adds its defaults.

    Raises:
        ArmError: The provider or a policy refuses the write.
    """
    check_write(write)
    resource_id, version, current = write.target.id, write.version, write.current or None
    now = tenant.clock.timestamp()
    if method == "PATCH":
        result = sizes.completed(kind.name, current, write.body, patched(kind, write.current, write.body))
        result = tenant.policy_effects.admit(target_of(kind, resource_id, result, version))
        result = computed.completed_patch(kind.name, resource_id, version, now, write.current, result, write.body)
    else:
        sent = tenant.policy_effects.admit(target_of(kind, resource_id, write.body, version))
        result = put(kind, current, sent)
        result = sizes.completed(kind.name, current, sent, result)
        result = elements.completed(kind, resource_id, version, current, result)
        result = computed.completed(kind.name, resource_id, version, now, current, result, sent)
        result = answers.completed(kind.name, resource_id, now, current, result)
    check_enablement(kind, write.target.name, current, result)
    check_automation(kind, result)
    return with_ids(tenant, result, assigned=not kind.identities_late)


def _answer_form(
    tenant: Tenant, call: Call, kind: ResourceType, write: Write, result: Mapping[str, Any]
) -> tuple[int, OperationForm | None]:
    """Returns the status of a write that ends at once, and the form of its operation; None if it ends at once.

    Raises:
        ArmError: What an operation would fail with, if there is none.
    """
    exists = bool(write.current)
    name = write_of(call.method, exists=exists)
    answering = sites.answers_late(kind, result)
    answer = answering.answer_to(name, call.api_version, partial(changed_members, write.current, write.body))
    form = tenant.operation_form(call.method, write.target.id, answering, answer)
    fault = fault_found_later(write)
    if fault is not None and form is None:
        raise fault
    if fault is not None and form is not None:
        form = form.failing(fault.reply.body["error"])
    status = int(answer[0])
    if status == 202:  # what a write that does not end at once is answered
        status = 200 if exists else 201
    if form is None and name not in kind.operations:
        status = published.settled(call.method, write.target.id, status)
    return status, form


def _write_at_once(
    tenant: Tenant,
    call: Call,
    sent: Mapping[str, Any],
    target: ids.ResourcePath,
    kind: ResourceType,
    result: Mapping[str, Any],
    status: int,
    before: Mapping[str, Any] | None,
) -> Reply:
    written = store_body(tenant, target.id, kind, result)
    answer = _as_parent(tenant, _first_answer(tenant, call, sent, written, before), written)
    return Reply.json(answer, status=status, headers=rendering.headers_of(written, call.api_version))


def _as_parent(tenant: Tenant, body: dict[str, Any], written: Resource) -> dict[str, Any]:
    """Some child resources are answered with the id, name and type of their parent."""
    if fold(written.name) not in map(fold, written.type.answers_as_parent):
        return body
    parent = tenant.store.find(written.id.rsplit("/", 2)[0])
    assert parent is not None  # a write below a parent that is not there was refused
    about = ("id", "name", "type", "location", "tags")
    return body | {name: value for name, value in parent.view().items() if name in about}


def store_body(tenant: Tenant, resource_id: str, kind: ResourceType, body: Mapping[str, Any]) -> Resource:
    """Stores a body, and what it says about children in the children."""
    found = tenant.store.find(resource_id)
    content = dict(body)
    properties = dict(content.get("properties") or {})
    content["properties"] = extension_outcomes(tenant, kind, resource_id, properties)
    content = sites.completed(tenant, kind.name, resource_id, content)
    content = with_ids(tenant, content, assigned=True)
    written = tenant.store.write(found.id if found else resource_id, kind, content)
    tenant.policy_effects.wrote(written.id)
    sites.wrote(tenant, written, properties)
    return written


def _start_operation(
    tenant: Tenant,
    call: Call,
    sent: Mapping[str, Any],
    target: ids.ResourcePath,
    kind: ResourceType,
    result: dict[str, Any],
    form: OperationForm,
    operation: LoggedOperation,
    status: int,
) -> Reply:
    """Starts the long-running operation of a write. While it runs, the resource shows its old body and a state."""
    found = tenant.store.find(target.id)
    before = found.render() if found else {**result, "properties": {}}
    resource_id = found.id if found else target.id
    if form.at_once:
        failed = tenant.store.write(resource_id, kind, _in_state(before, "Failed"))
        return rendering.shown(failed, call.api_version, status)
    state = form.state or ("Updating" if found else "Creating")
    moving = before if found else computed.answer_to_creation(kind.name, result, sent)
    shows_state = kind.state is not None or form.status is None or form.form == BODY
    if shows_state:
        moving = _in_state(moving, state)
    resource = tenant.store.write(resource_id, kind, moving)
    resource.busy = True

    def finish(ending: str, moment: float) -> None:
        resource.busy = False
        with tenant.changes.by(operation):
            settle(ending)
        end(tenant, operation, *outcome(ending), moment=moment)

    def settle(ending: str) -> None:
        if ending == "Succeeded":
            rested = dict(result)
            rested["properties"] = {k: v for k, v in result["properties"].items() if k != "provisioningState"}
            store_body(tenant, resource.id, kind, rested)
        elif found is None and not shows_state:
            tenant.store.remove(resource.id)  # what could not be created, and has no state to say so, is not there
        else:
            ended = _in_state(before, ending) if shows_state else before
            tenant.store.write(resource.id, kind, ended)

    running = tenant.operations.start(
        tenant.new_id(), form, resource.id, finish=finish, result=lambda: rendering.shown(resource, call.api_version)
    )
    answered = resource
    if found and isinstance(result.get("properties"), dict):
        # Most identities are there at once, also where the properties change late.
        late = {"properties": before.get("properties", {})} if kind.updates_late else {}
        if late and kind.identities_late and "identity" in before:
            late["identity"] = before["identity"]
        answered = Resource(id=resource.id, type=resource.type, body={**result, **late}, revision=resource.revision)
    answer = _first_answer(tenant, call, sent, answered, before if found else None)
    shown_state = rendering.body_of(resource, call.api_version)["properties"].get("provisioningState")
    if shown_state is not None:
        # The operation is under way, whatever a resource of the type shows that rests.
        answer = _in_state(answer, shown_state)
    headers = rendering.headers_of(resource, call.api_version)
    return first_reply(call, running, Reply.json(answer, status=status if status == 201 else 200, headers=headers))


def _first_answer(
    tenant: Tenant, call: Call, sent: Mapping[str, Any], resource: Resource, before: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Returns the answer to a write as its type gives it, which is not always what a GET shows then."""
    kind, version = resource.type, call.api_version
    body = rendering.body_of(resource, version)
    put_body = sent if call.method == "PUT" else None
    if before is not None:
        body = computed.answer_to_update(kind.name, body["id"], version, tenant.clock.timestamp(), body, put_body)
    else:
        body = computed.answer_to_creation(kind.name, body, sent)
    if call.method == "PUT":
        body = contracts.answer_to_put(kind.name, body)
    return answer_to_write(kind, version, before, body, put_body)


def _in_state(body: Mapping[str, Any], state: str) -> dict[str, Any]:
    return {**body, "properties": {**(body.get("properties") or {}), "provisioningState": state}}
