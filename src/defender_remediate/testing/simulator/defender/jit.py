"""Just-in-time network access: who asked for which ports of a machine, and until when.

Rules of network security groups are not changed: Azure documents neither their names nor their priorities.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body, objects_in
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.exemptions import instant
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

POLICIES = "Microsoft.Security/locations/jitNetworkAccessPolicies"
_INITIATED, _REVOKED = "Initiated", "Revoked"
_DURATION = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?\Z")
_Port = Mapping[str, Any]


def list_policies(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the policies of a subscription or resource group, in one location or in all."""
    scope, place = _readable(tenant, captured), fold(captured.get("location", ""))
    found = [
        one for one in tenant.store.resources(scope, POLICIES) if not place or fold(ids.segments(one.id)[-3]) == place
    ]
    return tenant.page(call, found, shown=lambda one: _render(tenant, one))


def get_policy(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a policy with its requests; one whose time is over is Revoked."""
    del call
    return Reply.json(_render(tenant, _found(tenant, _readable(tenant, captured), captured)))


def _readable(tenant: Tenant, captured: Mapping[str, str]) -> str:
    scope = scope_of(tenant, captured)
    tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
    tenant.access.check_read(f"{POLICIES}/read", scope)
    return scope


def _found(tenant: Tenant, scope: str, captured: Mapping[str, str]) -> Resource:
    location, name = captured["location"], captured["name"]
    path = f"{scope}/providers/Microsoft.Security/locations/{location}/jitNetworkAccessPolicies/{name}"
    found = tenant.store.find(path)
    if found is None:
        raise refusal("ResourceNotFound", type=POLICIES, name=f"{location}/{name}", group=ids.group_of(scope))
    return found


def _render(tenant: Tenant, policy: Resource) -> dict[str, Any]:
    shown = policy.render()
    shown.setdefault("location", ids.segments(policy.id)[-3])
    now = tenant.clock.now()
    for request in objects_in(shown["properties"], "requests"):
        for port in _ports(request):
            ends = wire.timestamp(port, "endTimeUtc")
            if port.get("status") == _INITIATED and ends is not None and ends <= now:
                port.update(status=_REVOKED, statusReason="Expired")
    return shown


def _ports(request: Mapping[str, Any]) -> Iterator[Any]:
    for machine in objects_in(request, "virtualMachines"):
        yield from objects_in(machine, "ports")


def initiate(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Asks for access to ports that the policy has, within its durations and sources; a newer request revokes an older one."""
    scope = scope_of(tenant, captured)
    location, name = captured["location"], captured["name"]
    target_id = f"{scope}/providers/Microsoft.Security/locations/{location}/jitNetworkAccessPolicies/{name}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, target_id)
        tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
        policy = _found(tenant, scope, captured)
        properties = _render(tenant, policy)["properties"]
        body = json_body(call)
        machines = body.get("virtualMachines")
        if not isinstance(machines, list) or not machines:
            raise refusal("InvalidRequestContent", problem="'virtualMachines' is missing")
        made: dict[str, Any] = {
            "virtualMachines": [_granted(tenant, properties, machine) for machine in machines],
            "startTimeUtc": tenant.clock.timestamp(),
            "requestor": CALLER_ID,
        }
        if body.get("justification") is not None:
            made["justification"] = str(body["justification"])
        requests = objects_in(properties, "requests")
        _revoke_older(requests, made)
        kept = {**properties, "requests": [*requests, made]}
        tenant.store.write(policy.id, policy.type, {**policy.body, "properties": kept})
        return Reply.json(made, status=202), False

    return logged(tenant, call, f"{POLICIES}/initiate/action", target_id, work)


def _granted(tenant: Tenant, policy: Mapping[str, Any], machine: Any) -> dict[str, Any]:
    """Returns the ports of one machine as the request that is kept shows them.

    Raises:
        ArmError: 400: the policy has not the machine or a port, or it does not allow the time or the source.
    """
    given = machine if isinstance(machine, Mapping) else {}
    machines = objects_in(policy, "virtualMachines")
    held = [one for one in machines if ids.key(str(one.get("id"))) == ids.key(str(given.get("id")))]
    if not held:
        raise refusal("InvalidRequestContent", problem=f"the policy has no virtual machine '{given.get('id')}'")
    wanted = given.get("ports")
    if not isinstance(wanted, list) or not wanted:
        raise refusal("InvalidRequestContent", problem="'ports' is missing")
    rules = objects_in(held[0], "ports")
    ports = []
    for port in wanted:
        number = port.get("number") if isinstance(port, Mapping) else None
        rule = next((one for one in rules if number is not None and one.get("number") == number), None)
        if rule is None:
            raise refusal("InvalidRequestContent", problem=f"the policy has no port {port!r} of '{held[0]['id']}'")
        ports.append(_granted_port(tenant, rule, port))
    return {"id": held[0]["id"], "ports": ports}


def _granted_port(tenant: Tenant, rule: _Port, port: _Port) -> dict[str, Any]:
    ends, now = instant(port.get("endTimeUtc")), tenant.clock.now()
    if ends is None or ends <= now:
        raise refusal("InvalidRequestContent", problem="endTimeUtc is missing or has passed")
    longest = _duration(str(rule.get("maxRequestAccessDuration")))
    if longest is not None and ends - now > longest:
        raise refusal(
            "InvalidRequestContent",
            problem=f"endTimeUtc is later than maxRequestAccessDuration, {rule['maxRequestAccessDuration']}, allows",
        )
    allowed = [rule["allowedSourceAddressPrefix"]] if rule.get("allowedSourceAddressPrefix") else []
    several = rule.get("allowedSourceAddressPrefixes")
    allowed += several if isinstance(several, list) else []
    source = port.get("allowedSourceAddressPrefix")
    if source is not None and allowed and "*" not in allowed and source not in allowed:
        raise refusal(
            "InvalidRequestContent", problem=f"the source '{source}' is not one of {', '.join(map(str, allowed))}"
        )
    made = {"number": rule["number"], "allowedSourceAddressPrefix": source or (allowed[0] if allowed else "*")}
    return {**made, "endTimeUtc": port["endTimeUtc"], "status": _INITIATED, "statusReason": "UserRequested"}


def _duration(text: str) -> timedelta | None:
    found = _DURATION.match(text)
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _revoke_older(requests: Sequence[Mapping[str, Any]], newest: Mapping[str, Any]) -> None:
    for request in requests:
        for machine in objects_in(request, "virtualMachines"):
            taken = [
                port["number"]
                for one in newest["virtualMachines"]
                if ids.key(one["id"]) == ids.key(str(machine.get("id")))
                for port in one["ports"]
            ]
            ports: list[Any] = list(objects_in(machine, "ports"))
            for port in ports:
                if port.get("status") == _INITIATED and port.get("number") in taken:
                    port.update(status=_REVOKED, statusReason="NewerRequestInitiated")


_S = "/{scope*}/providers/Microsoft.Security"
_AT = f"{_S}/locations/{{location}}/jitNetworkAccessPolicies"
ROUTES = (
    Route(methods=("GET",), pattern=f"{_S}/jitNetworkAccessPolicies", type=POLICIES, handler=list_policies),
    Route(methods=("GET",), pattern=_AT, type=POLICIES, handler=list_policies),
    Route(methods=("GET",), pattern=f"{_AT}/{{name}}", type=POLICIES, handler=get_policy),
    Route(methods=("POST",), pattern=f"{_AT}/{{name}}/initiate", type=POLICIES, handler=initiate, reads=False),
)
