"""The operations of alerts and of the rules that suppress them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import LOCATION, OperationForm, first_reply
from defender_remediate.testing.simulator.arm.routing import Handler, Route, json_body, object_in
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.defender.alerts import (
    ALERTS,
    BUNDLES,
    RULES,
    STATE_ACTIONS,
    rule_state,
    set_state,
    simulate,
)
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.exemptions import instant
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_SHOWN_TYPE = "Microsoft.Security/Locations/alerts"
_STATES = ("Enabled", "Disabled", "Expired")
_SECONDS = 30.0


def list_alerts(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the alerts of a subscription or resource group, in one location or in all; the newest first."""
    place = fold(captured.get("location", ""))
    scope = _readable(tenant, captured, ALERTS if place else "Microsoft.Security/alerts")
    found = [
        one for one in tenant.store.resources(scope, ALERTS) if not place or fold(ids.segments(one.id)[-3]) == place
    ]
    found.sort(key=lambda one: str(one.body["properties"].get("timeGeneratedUtc", "")), reverse=True)
    return tenant.page(call, found, shown=_render)


def get_alert(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows an alert."""
    del call
    return Reply.json(_render(_found(tenant, _readable(tenant, captured, ALERTS), captured)))


def _readable(tenant: Tenant, captured: Mapping[str, str], kind: str) -> str:
    scope = scope_of(tenant, captured)
    tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
    tenant.access.check_read(f"{kind}/read", scope)
    return scope


def _found(tenant: Tenant, scope: str, captured: Mapping[str, str]) -> Resource:
    name = captured["name"]
    found = tenant.store.find(f"{scope}/providers/Microsoft.Security/locations/{captured['location']}/alerts/{name}")
    if found is None:
        raise refusal("AlertNotFound", name=name)
    return found


def _render(alert: Resource) -> dict[str, Any]:
    return {**alert.render(), "type": _SHOWN_TYPE}


def _state_action(word: str) -> Handler:
    def handle(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
        scope = scope_of(tenant, captured)
        target_id = f"{scope}/providers/Microsoft.Security/locations/{captured['location']}/alerts/{captured['name']}"

        def work(operation: LoggedOperation) -> tuple[Reply, bool]:
            tenant.access.check_write("POST", operation.action, target_id)
            tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
            set_state(tenant, _found(tenant, scope, captured), STATE_ACTIONS[word])
            return Reply(status=204), False

        return logged(tenant, call, f"{ALERTS}/{word}/action", target_id, work)

    handle.__doc__ = f"Sets the state of an alert to {STATE_ACTIONS[word]}."
    return handle


def simulate_alerts(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Raises a sample alert for each bundle once the operation ends; what Azure's samples say is not modelled."""
    scope = scope_of(tenant, captured)
    target_id = f"{scope}/providers/Microsoft.Security/locations/{captured['location']}/alerts/default"

    def work(logged_operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", logged_operation.action, target_id)
        tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
        properties = object_in(json_body(call), "properties")
        bundles = properties.get("bundles") or list(BUNDLES)
        if properties.get("kind") != "Bundles" or not isinstance(bundles, list):
            raise refusal("InvalidRequestContent", problem="properties.kind is not Bundles")
        spelled = {fold(name): name for name in BUNDLES}
        unknown = [one for one in bundles if fold(str(one)) not in spelled]
        if unknown:
            raise refusal(
                "InvalidRequestContent", problem=f"the bundle '{unknown[0]}' is not one of {', '.join(BUNDLES)}"
            )
        wanted = [spelled[fold(str(one))] for one in bundles]

        def finish(outcome: str, moment: float) -> None:
            del outcome, moment
            simulate(tenant, ids.subscription_of(scope), captured["location"], wanted)

        form = OperationForm(form=LOCATION, seconds=_SECONDS)
        running = tenant.operations.start(tenant.new_id(), form, target_id, finish=finish)
        return first_reply(call, running, Reply(status=202)), True

    return logged(tenant, call, f"{ALERTS}/simulate/action", target_id, work)


def refuse_write(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Refuses a write: Defender alone raises and removes alerts."""
    del tenant, captured
    raise refusal("MethodNotAllowed", method=call.method)


def list_rules(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the suppression rules of a subscription; `AlertType` keeps those of one type of alert."""
    scope = _readable(tenant, captured, RULES)
    wanted = call.query.get("alerttype")
    found = [
        _rule(tenant, one)
        for one in tenant.store.resources(scope, RULES)
        if wanted is None or one.body["properties"]["alertType"] == wanted
    ]
    return tenant.page(call, found)


def get_rule(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a suppression rule; one whose time has passed is Expired."""
    del call
    found = tenant.store.find(_rule_id(_readable(tenant, captured, RULES), captured))
    if found is None:
        raise refusal("SuppressionRuleNotFound", name=captured["name"])
    return Reply.json(_rule(tenant, found))


def _rule_id(scope: str, captured: Mapping[str, str]) -> str:
    return f"{scope}/providers/{RULES}/{captured['name']}"


def _rule(tenant: Tenant, rule: Resource) -> dict[str, Any]:
    shown = rule.render()
    shown["properties"]["state"] = rule_state(tenant, shown["properties"])
    return shown


def put_rule(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces a suppression rule. It dismisses the alerts that it matches from now on, and no earlier one."""
    scope = scope_of(tenant, captured)
    target_id = _rule_id(scope, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
        properties = json_body(call).get("properties")
        _check_rule(properties)
        assert isinstance(properties, Mapping)
        kind = tenant.types.get(RULES)
        assert kind is not None  # it is shipped
        kept = {**properties, "lastModifiedUtc": tenant.clock.timestamp()}
        return Reply.json(_rule(tenant, tenant.store.write(target_id, kind, {"properties": kept}))), False

    return logged(tenant, call, f"{RULES}/write", target_id, work)


def _check_rule(properties: Any) -> None:
    given = properties if isinstance(properties, Mapping) else {}
    problems = [f"'{name}' is missing" for name in ("alertType", "reason", "state") if not given.get(name)]
    if not problems and given["state"] not in _STATES:
        problems.append(f"state is not one of {', '.join(_STATES)}")
    scope = given.get("suppressionAlertsScope")
    elements = scope.get("allOf") if isinstance(scope, Mapping) else scope or []
    if not isinstance(elements, list) or not all(_is_element(one) for one in elements):
        problems.append("suppressionAlertsScope.allOf is not a list of fields with 'in' or 'contains'")
    if problems:
        raise refusal("InvalidRequestContent", problem=problems[0])
    instant(given.get("expirationDateUtc"))


def _is_element(element: Any) -> bool:
    if not isinstance(element, Mapping) or not isinstance(element.get("field"), str):
        return False
    return isinstance(element.get("in"), list) or isinstance(element.get("contains"), str)


def delete_rule(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes a suppression rule; the alerts that it dismissed stay dismissed."""
    target_id = _rule_id(scope_of(tenant, captured), captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        if tenant.store.find(target_id) is not None:
            tenant.store.remove(target_id)
        return Reply(status=204), False

    return logged(tenant, call, f"{RULES}/delete", target_id, work)


_S = "/{scope*}/providers/Microsoft.Security"
_AT = f"{_S}/locations/{{location}}/alerts"
ROUTES = (
    *(
        Route(methods=methods, pattern=pattern, type=kind, handler=handler, reads=methods == ("GET",))
        for methods, pattern, kind, handler in (
            (("GET",), f"{_S}/alerts", ALERTS, list_alerts),
            (("GET",), _AT, ALERTS, list_alerts),
            (("GET",), f"{_AT}/{{name}}", ALERTS, get_alert),
            (("PUT", "PATCH", "DELETE"), f"{_AT}/{{name}}", ALERTS, refuse_write),
            (("POST",), f"{_AT}/default/simulate", ALERTS, simulate_alerts),
            (("GET",), f"{_S}/alertsSuppressionRules", RULES, list_rules),
            (("GET",), f"{_S}/alertsSuppressionRules/{{name}}", RULES, get_rule),
            (("PUT",), f"{_S}/alertsSuppressionRules/{{name}}", RULES, put_rule),
            (("DELETE",), f"{_S}/alertsSuppressionRules/{{name}}", RULES, delete_rule),
        )
    ),
    *(
        Route(
            methods=("POST",),
            pattern=f"{_AT}/{{name}}/{word}",
            type=ALERTS,
            handler=_state_action(word),
            reads=False,
        )
        for word in STATE_ACTIONS
    ),
)
