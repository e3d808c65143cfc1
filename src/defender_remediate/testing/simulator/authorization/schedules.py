"""Eligible and time-bound role assignments (Privileged Identity Management): requests, and the schedules that they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import OperationForm
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.authorization.assigned_roles import RoleAssignment, RoleDefinition
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.authorization.routes import scope_of, seen_from
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Authorization"
_ASSIGNMENT, _ELIGIBILITY = "roleAssignment", "roleEligibility"
_ADDING = ("adminassign", "adminupdate", "adminextend", "adminrenew", "selfactivate", "selfextend", "selfrenew")
_REMOVING = ("adminremove", "selfdeactivate")
_EXPIRATIONS = ("AfterDuration", "AfterDateTime", "NoExpiration")
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?\Z")
_CLAUSE = re.compile(
    r"\s*(?:(principalId|roleDefinitionId)\s+eq\s+'([^']*)'|(\w+)\((?:'([^']*)')?\))\s*", re.IGNORECASE
)
_WORDS = ("atscope", "atscopeandbelow", "asapprover", "asrequestor", "astarget", "assignedto")


def _kind(call: Call) -> str:
    return _ELIGIBILITY if fold(f"{AUTHORIZATION}/{_ELIGIBILITY}") in fold(call.path) else _ASSIGNMENT


def put_request(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Assigns a role for a time, makes a principal eligible for one, or takes either back."""
    scope, kind = scope_of(tenant, captured), _kind(call)
    target_id = f"{scope}{AUTHORIZATION}/{kind}ScheduleRequests/{captured['name']}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        if ids.key(target_id) in tenant.access.schedule_requests:
            raise refusal("RoleAssignmentRequestExists", name=captured["name"])
        body = _request(tenant, target_id, kind, scope, json_body(call))
        tenant.access.schedule_requests[ids.key(target_id)] = body
        _take_effect(tenant, body, kind, scope)
        tenant.store.touch(target_id)
        return Reply.json(body, status=201), False

    return logged(tenant, call, f"{_TYPE}/{kind}ScheduleRequests/write", target_id, work)


def validate_request(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Checks a request without making it."""
    scope, kind = scope_of(tenant, captured), _kind(call)
    target_id = f"{scope}{AUTHORIZATION}/{kind}ScheduleRequests/{captured['name']}"
    tenant.access.check_role(f"{_TYPE}/{kind}ScheduleRequests/write", scope)
    return Reply.json(_request(tenant, target_id, kind, scope, json_body(call)))


def _request(tenant: Tenant, target_id: str, kind: str, scope: str, body: Mapping[str, Any]) -> dict[str, Any]:
    properties = body.get("properties")
    given = properties if isinstance(properties, Mapping) else {}
    principal = str(given.get("principalId") or "")
    if not ids.is_guid(target_id.rpartition("/")[2]) or not ids.is_guid(principal):
        raise refusal("InvalidRole", problem="the name of the request and the principalId have to be GUIDs")
    role = _role(tenant, given)
    request_type = str(given.get("requestType") or "")
    if fold(request_type) not in (*_ADDING, *_REMOVING):
        raise refusal("InvalidRole", problem=f"the requestType is {request_type!r}")
    schedule = dict(given.get("scheduleInfo") or {})
    expiration = schedule.get("expiration") or {"type": "NoExpiration"}
    if expiration.get("type") not in _EXPIRATIONS:
        raise refusal("InvalidRole", problem=f"the type of the expiration is {expiration.get('type')!r}")
    start = str(schedule.get("startDateTime") or tenant.clock.timestamp())
    if fold(request_type) in _REMOVING and _held(tenant, kind, scope, principal, role) is None:
        raise refusal("RoleAssignmentDoesNotExist")
    name = tenant.new_id()
    return {
        "id": target_id,
        "name": target_id.rpartition("/")[2],
        "type": f"{_TYPE}/{kind[:1].upper()}{kind[1:]}ScheduleRequests",
        "properties": {
            f"target{kind[:1].upper()}{kind[1:]}ScheduleId": f"{scope}{AUTHORIZATION}/{kind}Schedules/{name}",
            "scope": scope,
            "roleDefinitionId": role.id(scope),
            "principalId": principal,
            "principalType": given.get("principalType") or "User",
            "requestType": request_type,
            "status": "Revoked" if fold(request_type) in _REMOVING else "Provisioned",
            "scheduleInfo": {"startDateTime": start, "expiration": dict(expiration)},
            "justification": given.get("justification"),
            "requestorId": CALLER_ID,
            "createdOn": tenant.clock.timestamp(),
            **({"condition": given["condition"], "conditionVersion": "2.0"} if given.get("condition") else {}),
        },
    }


def _role(tenant: Tenant, properties: Mapping[str, Any]) -> RoleDefinition:
    name = str(properties.get("roleDefinitionId") or "").rpartition("/")[2]
    found = tenant.access.definitions.get(fold(name))
    if found is None:
        raise refusal("RoleDefinitionDoesNotExist", name=name)
    return found


def _held(tenant: Tenant, kind: str, scope: str, principal: str, role: RoleDefinition) -> dict[str, Any] | None:
    """Returns the request by which a principal has (or may have) a role at a scope; None without one."""
    for body in tenant.access.schedule_requests.values():
        properties = body["properties"]
        about = (ids.key(properties["scope"]), fold(properties["principalId"]), ids.key(properties["roleDefinitionId"]))
        is_of_kind = fold(f"/{kind}ScheduleRequests/") in fold(body["id"])
        if is_of_kind and about == (ids.key(scope), fold(principal), ids.key(role.id(scope))) and _lasts(tenant, body):
            return dict(body)
    return None


def _ends(body: Mapping[str, Any]) -> datetime | None:
    schedule = body["properties"]["scheduleInfo"]
    expiration = schedule["expiration"]
    if expiration["type"] == "AfterDateTime":
        return wire.timestamp({"time": expiration.get("endDateTime")}, "time")
    start = wire.timestamp({"time": schedule["startDateTime"]}, "time")
    found = _DURATION.match(str(expiration.get("duration")))
    if expiration["type"] != "AfterDuration" or start is None or found is None:
        return None
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return start + timedelta(days=days, hours=hours, minutes=minutes)


def _lasts(tenant: Tenant, body: Mapping[str, Any]) -> bool:
    end = _ends(body)
    return body["properties"]["status"] == "Provisioned" and (end is None or tenant.clock.now() < end)


def _take_effect(tenant: Tenant, body: dict[str, Any], kind: str, scope: str) -> None:
    properties = body["properties"]
    role, principal = _role(tenant, properties), properties["principalId"]
    if fold(properties["requestType"]) in _REMOVING:
        for other in tenant.access.schedule_requests.values():
            held = _held(tenant, kind, scope, principal, role)
            if held is not None and other["id"] == held["id"]:
                other["properties"]["status"] = "Revoked"
        for assignment in list(tenant.access.assignments) if kind == _ASSIGNMENT else ():
            about = (ids.key(assignment.scope), fold(assignment.principal_id), assignment.definition.name)
            if about == (ids.key(scope), fold(principal), role.name):
                tenant.access.unassign(assignment)
        return
    if kind == _ELIGIBILITY:
        return
    assignment = RoleAssignment(
        scope=scope,
        name=tenant.new_id(),
        definition=role,
        principal_id=principal,
        principal_type=properties["principalType"],
        condition=properties.get("condition"),
    )
    tenant.access.assign(assignment, caller=CALLER_ID)
    end = _ends(body)
    if end is not None:
        tenant.clock.monotonic()
        seconds = max(0.0, (end - tenant.clock.now()).total_seconds())
        tenant.operations.start(
            tenant.new_id(), OperationForm(seconds=seconds), assignment.id, finish=partial(_expire, tenant, assignment)
        )


def _expire(tenant: Tenant, assignment: RoleAssignment, ending: str, moment: float) -> None:
    del ending, moment
    if assignment in tenant.access.assignments:
        tenant.access.unassign(assignment)


def cancel_request(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Cancels a request."""
    body, kind = _found(tenant, call, captured, "ScheduleRequests"), _kind(call)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, body["id"])
        body["properties"]["status"] = "Canceled"
        return Reply(status=200), False

    return logged(tenant, call, f"{_TYPE}/{kind}ScheduleRequests/cancel/action", body["id"], work)


def _found(tenant: Tenant, call: Call, captured: Mapping[str, str], what: str) -> dict[str, Any]:
    scope, kind = scope_of(tenant, captured), _kind(call)
    tenant.access.check_read(f"{_TYPE}/{kind}{what}/read", scope)
    for one in _shown(tenant, kind, what):
        if fold(one["name"]) == fold(captured["name"]) and ids.key(one["properties"]["scope"]) == ids.key(scope):
            return one
    raise refusal("RoleAssignmentRequestNotFound", name=captured["name"])


def _shown(tenant: Tenant, kind: str, what: str) -> list[dict[str, Any]]:
    """Returns the requests of a kind, or the schedules and instances that they made and that last."""
    prefix = fold(f"/{kind}ScheduleRequests/")
    requests = [body for body in tenant.access.schedule_requests.values() if prefix in fold(body["id"])]
    if what == "ScheduleRequests":
        return requests
    word = kind[:1].upper() + kind[1:]
    found = []
    for body in requests:
        properties = body["properties"]
        if fold(properties["requestType"]) in _REMOVING or not _lasts(tenant, body):
            continue
        schedule_id = properties[f"target{word}ScheduleId"]
        name = schedule_id.rpartition("/")[2]
        end = _ends(body)
        found.append(
            {
                "id": f"{properties['scope']}{AUTHORIZATION}/{kind}{what}/{name}",
                "name": name,
                "type": f"{_TYPE}/{word}{what}",
                "properties": {
                    "scope": properties["scope"],
                    "roleDefinitionId": properties["roleDefinitionId"],
                    "principalId": properties["principalId"],
                    "principalType": properties["principalType"],
                    f"{kind}ScheduleRequestId": body["id"],
                    f"{kind}ScheduleId": schedule_id,
                    "status": "Provisioned",
                    "memberType": "Direct",
                    "startDateTime": properties["scheduleInfo"]["startDateTime"],
                    "endDateTime": None if end is None else end.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "createdOn": properties["createdOn"],
                    **({"assignmentType": "Assigned"} if kind == _ASSIGNMENT else {}),
                },
            }
        )
    return found


def listing(what: str) -> Callable[[Tenant, Call, Mapping[str, str]], Reply]:
    """Returns what lists the requests, the schedules or the instances."""

    def handle(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
        """Lists the requests for roles, or the schedules or the instances that they made and that last."""
        scope, kind = scope_of(tenant, captured), _kind(call)
        tenant.access.check_read(f"{_TYPE}/{kind}{what}/read", scope)
        text = call.query.get("$filter", "")
        found = seen_from(tenant, scope, "", _shown(tenant, kind, what), lambda one: one["properties"]["scope"])
        for part in re.split(r"\s+and\s+", text, flags=re.IGNORECASE) if text else ():
            clause = _CLAUSE.fullmatch(part)
            word = fold(clause[3] or "") if clause else ""
            if clause is None or (word and word not in _WORDS):
                raise refusal("InvalidFilter", filter=text)
            if clause[1]:
                name = "principalId" if fold(clause[1]) == "principalid" else "roleDefinitionId"
                found = [one for one in found if fold(one["properties"][name]) == fold(clause[2])]
            elif word == "assignedto":
                names = tenant.access.names_of(clause[4] or "")
                found = [one for one in found if fold(one["properties"]["principalId"]) in names]
            elif word == "astarget":
                found = [one for one in found if fold(one["properties"]["principalId"]) == fold(CALLER_ID)]
            elif word == "atscope":
                found = [one for one in found if tenant.store.covers(one["properties"]["scope"], scope)]
        return tenant.page(call, found)

    return handle


def showing(what: str) -> Callable[[Tenant, Call, Mapping[str, str]], Reply]:
    """Returns what shows one request, schedule or instance."""

    def handle(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
        """Shows a request for a role, or the schedule or the instance that it made."""
        return Reply.json(_found(tenant, call, captured, what))

    return handle


def list_children(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the subscriptions and resource groups below a scope in which a role can be activated."""
    scope = scope_of(tenant, captured)
    found = []
    for subscription in tenant.store.subscriptions.values():
        place = f"/subscriptions/{subscription.id}"
        if tenant.store.covers(scope, place) and ids.key(scope) != ids.key(place):
            found.append({"id": place, "name": subscription.name, "type": "subscription"})
        for group in subscription.groups.values():
            shown = {"id": group["id"], "name": group["name"], "type": "resourcegroup"}
            if tenant.store.covers(scope, shown["id"]) and ids.key(scope) != ids.key(shown["id"]):
                found += [shown]
    return tenant.page(call, found)


_AT = f"/{{scope*}}{AUTHORIZATION}"
ROUTES = (
    *(
        Route(
            methods=(method,),
            pattern=f"{_AT}/{kind}{what}{tail}",
            type=f"{_TYPE}/{kind}{what}",
            handler=handler,
            reads=reads,
        )
        for kind in (_ASSIGNMENT, _ELIGIBILITY)
        for what, method, tail, handler, reads in (
            *(
                (what, "GET", tail, make(what), True)
                for what in ("ScheduleRequests", "Schedules", "ScheduleInstances")
                for tail, make in (("", listing), ("/{name}", showing))
            ),
            ("ScheduleRequests", "PUT", "/{name}", put_request, False),
            ("ScheduleRequests", "POST", "/{name}/cancel", cancel_request, False),
            ("ScheduleRequests", "POST", "/{name}/validate", validate_request, True),
        )
    ),
    Route(
        methods=("GET",),
        pattern=f"{_AT}/eligibleChildResources",
        type=f"{_TYPE}/eligibleChildResources",
        handler=list_children,
    ),
)
