"""Policy definitions and initiatives, with their versions: what is built in, and what clients write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body, positive_option
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.checks import check_definition, check_parameters
from defender_remediate.testing.simulator.policy.effects import version_of
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION, BENCHMARK, definition_body, reference_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Authorization"
_POLICIES, _SETS = "policyDefinitions", "policySetDefinitions"
_EQUALS = re.compile(r"\s*(policyType|category)\s+eq\s+'([^']*)'\s*\Z", re.IGNORECASE)
_KINDS = ("notspecified", "builtin", "custom", "static")
_VERSION = re.compile(r"\d+\.\d+\.\d+(-[\w-]+)?\Z")


def every_definition(tenant: Tenant, *, is_set: bool) -> dict[str, dict[str, Any]]:
    """Returns every definition (or initiative) by the key of its id."""
    kind = fold(f"/{_SETS}/" if is_set else f"/{_POLICIES}/")
    own = {key: body for key, body in tenant.policies.written.items() if kind in key}
    if is_set:
        return {ids.key(BENCHMARK): built_in_set(tenant), **own}
    return {**{ids.key(body["id"]): body for body in _behind_recommendations(tenant)}, **own}


def find_definition(tenant: Tenant, definition_id: str) -> dict[str, Any] | None:
    """Returns a definition or an initiative; None if it does not exist."""
    key = ids.key(definition_id)
    if key in tenant.policies.written:
        return tenant.policies.written[key]
    if key == ids.key(BENCHMARK):
        return built_in_set(tenant)
    own = tenant.policies.initiatives.get(key)
    if own is not None:
        return _initiative(tenant, definition_id, definition_id.rpartition("/")[2], own)
    return next((one for one in _behind_recommendations(tenant) if ids.key(one["id"]) == key), None)


def _behind_recommendations(tenant: Tenant) -> Iterator[dict[str, Any]]:
    for definition in tenant.assessor.definitions.values():
        policy_id = definition.metadata.get("policyDefinitionId")
        if policy_id:
            yield _audit_definition(str(policy_id), definition.metadata, definition.resource_type)


def _audit_definition(definition_id: str, metadata: Mapping[str, Any], resource_type: str | None) -> dict[str, Any]:
    # The rule is incomplete: the simulator's own data decides whether a resource is healthy.
    effect = {"type": "String", "allowedValues": ["Audit", "Disabled"], "defaultValue": "Audit"}
    return definition_body(
        definition_id,
        {
            "displayName": metadata["displayName"],
            "policyType": "BuiltIn",
            "mode": "All",
            "metadata": {"version": "1.0.0", "category": "Security Center"},
            "parameters": {"effect": effect},
            "policyRule": {
                "if": {"field": "type", "equals": resource_type},
                "then": {"effect": "[parameters('effect')]"},
            },
            "version": "1.0.0",
            "versions": ["1.0.0"],
        },
    )


def built_in_set(tenant: Tenant) -> dict[str, Any]:
    """Returns Defender's benchmark."""
    return _initiative(tenant, BENCHMARK, "Microsoft cloud security benchmark", None)


def _initiative(tenant: Tenant, set_id: str, shown: str, own: frozenset[str] | None) -> dict[str, Any]:
    members = [
        {
            "policyDefinitionReferenceId": reference_of(definition.metadata),
            "policyDefinitionId": definition.metadata["policyDefinitionId"],
            "parameters": {},
            "groupNames": [],
        }
        for definition in tenant.assessor.definitions.values()
        if reference_of(definition.metadata) and not definition.subscriptions
        if own is None or reference_of(definition.metadata) in own
    ]
    properties = {
        "displayName": shown,
        "policyType": "BuiltIn" if own is None else "Custom",
        "metadata": {"version": "57.0.0", "category": "Security Center"},
        "parameters": {},
        "policyDefinitions": members,
        "version": "57.0.0",
        "versions": ["57.0.0"],
    }
    return definition_body(set_id, properties)


def _kind(call: Call) -> str:
    return _SETS if fold(f"{AUTHORIZATION}/{_SETS}") in fold(call.path) else _POLICIES


def _above(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> str:
    """Returns the scope in a definition's path; empty at the tenant, where everyone may read."""
    if "scope" not in captured:
        return ""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/{_kind(call)}/read", scope)
    return scope


def list_definitions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the built-in definitions (or initiatives) and, at a scope, the custom ones of it and above it."""
    scope = _above(tenant, call, captured)
    text = call.query.get("$filter", "")
    clause = _EQUALS.match(text)
    exact = fold(text.replace(" ", "")) == "atexactscope()"
    if text and clause is None and not exact:
        raise refusal("InvalidFilter", filter=text)
    if clause is not None and fold(clause[1]) == "policytype" and fold(clause[2]) not in _KINDS:
        raise refusal("InvalidFilter", filter=text)
    found = []
    for body in every_definition(tenant, is_set=_kind(call) == _SETS).values():
        owner = body["id"].partition(AUTHORIZATION)[0]
        if (owner and not (scope and tenant.store.covers(owner, scope))) or (
            exact and ids.key(owner) != ids.key(scope)
        ):
            continue
        properties = body["properties"]
        about = {
            "policytype": properties.get("policyType"),
            "category": (properties.get("metadata") or {}).get("category"),
        }
        if clause is None or fold(str(about[fold(clause[1])])) == fold(clause[2]):
            found.append(body)
    return tenant.page(call, found, size=positive_option(call, "$top"))


def get_definition(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a definition or an initiative: a built-in one at the tenant, a custom one only where it was created."""
    return Reply.json(_found(tenant, call, captured))


def _found(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> dict[str, Any]:
    kind = _kind(call)
    found = find_definition(tenant, f"{_above(tenant, call, captured)}{AUTHORIZATION}/{kind}/{captured['name']}")
    if found is None:
        missing = "PolicySetDefinitionNotFound" if kind == _SETS else "PolicyDefinitionNotFound"
        raise refusal(missing, name=captured["name"])
    return found


def put_definition(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces a custom definition or initiative, at a subscription or a management group."""
    scope, kind, target_id = _target(tenant, call, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        body = definition_body(target_id, _checked(tenant, scope, kind, captured["name"], json_body(call)))
        tenant.policies.define(body)
        tenant.store.touch(target_id)
        return Reply.json(body, status=201), False

    return logged(tenant, call, f"{_TYPE}/{kind}/write", target_id, work)


def _checked(tenant: Tenant, scope: str, kind: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    properties = body.get("properties")
    if ids.group_of(scope) or not isinstance(properties, Mapping):
        raise refusal("InvalidPolicy", problem="a definition has properties, and a subscription or management group")
    if fold(str(properties.get("policyType") or "Custom")) != "custom":
        raise refusal("InvalidPolicy", problem="the policyType of a definition of one's own is Custom")
    if kind == _SETS:
        members = _members(tenant, name, properties)
        checked = {**properties, "policyDefinitions": members}
    else:
        check_definition(properties)
        checked = {"mode": "Indexed", **properties}
    version = version_of(properties)
    if not _VERSION.match(version):
        raise refusal("InvalidPolicy", problem=f"the version is {version!r}; use a version such as 1.0.0")
    return {
        "parameters": {},
        "metadata": {},
        **checked,
        "policyType": "Custom",
        "version": version,
        "versions": [version],
    }


def _target(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> tuple[str, str, str]:
    scope, kind = scope_of(tenant, captured), _kind(call)
    return scope, kind, f"{scope}{AUTHORIZATION}/{kind}/{captured['name']}"


def _members(tenant: Tenant, name: str, properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    members = properties.get("policyDefinitions")
    if not isinstance(members, list) or not members or not all(isinstance(one, Mapping) for one in members):
        raise refusal("InvalidPolicy", problem="an initiative needs policyDefinitions")
    known = every_definition(tenant, is_set=False)
    groups = {str(one.get("name")) for one in properties.get("policyDefinitionGroups") or ()}
    named: list[dict[str, Any]] = []
    for place, one in enumerate(members):
        definition = known.get(ids.key(str(one.get("policyDefinitionId"))))
        if definition is None:
            raise refusal("PolicyDefinitionNotFound", name=one.get("policyDefinitionId"))
        check_parameters(definition, one.get("parameters") or {}, name=name)
        unknown = sorted(set(map(str, one.get("groupNames") or ())) - groups)
        if unknown:
            raise refusal("InvalidPolicy", problem=f"the initiative has no group {unknown[0]!r}")
        reference = str(one.get("policyDefinitionReferenceId") or f"{definition['name']}_{place + 1}")
        if any(other["policyDefinitionReferenceId"] == reference for other in named):
            raise refusal("InvalidPolicy", problem=f"two policies have the reference id {reference!r}")
        named.append({**one, "policyDefinitionReferenceId": reference})
    return named


def delete_definition(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes a custom definition or initiative that is not used."""
    _, kind, target_id = _target(tenant, call, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        body = tenant.policies.written.get(ids.key(target_id))
        if body is None:
            return Reply(status=204), False
        used = [one.definition_id for one in tenant.policies.assignments.values()]
        for other in tenant.policies.written.values():
            used += [str(one["policyDefinitionId"]) for one in other["properties"].get("policyDefinitions", ())]
        if ids.key(target_id) in {ids.key(one) for one in used}:
            raise refusal("PolicyDefinitionInUse", name=captured["name"])
        tenant.policies.undefine(target_id)
        tenant.store.touch(target_id)
        return Reply.json(body), False

    return logged(tenant, call, f"{_TYPE}/{kind}/delete", target_id, work)


def list_versions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the versions of a definition or initiative: each has one."""
    return tenant.page(
        call, [_version(_found(tenant, call, captured), _kind(call))], size=positive_option(call, "$top")
    )


def list_all_versions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the versions of every definition (or initiative) of a scope, or of those built in."""
    is_set = "setdefinition" in fold(call.path)
    owner = scope_of(tenant, captured) if "scope" in captured else ""
    kind = _SETS if is_set else _POLICIES
    found = [
        _version(body, kind)
        for body in every_definition(tenant, is_set=is_set).values()
        if ids.key(body["id"].partition(AUTHORIZATION)[0]) == ids.key(owner)
    ]
    return tenant.page(call, found, size=positive_option(call, "$top"))


def get_version(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a version of a definition or initiative."""
    found = _found(tenant, call, captured)
    if captured["version"] not in found["properties"].get("versions", ()):
        raise refusal("PolicyDefinitionVersionNotFound", name=captured["name"], version=captured["version"])
    return Reply.json(_version(found, _kind(call), captured["version"]))


def put_version(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces a version. The newest one is what an assignment applies."""
    scope, kind, target_id = _target(tenant, call, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        version = captured["version"]
        body = json_body(call)
        sent = {**(body.get("properties") or {}), "version": version}
        checked = _checked(tenant, scope, kind, captured["name"], {**body, "properties": sent})
        held = tenant.policies.written.get(ids.key(target_id))
        known = held["properties"].get("versions", []) if held is not None else []
        versions = sorted({*known, version}, key=_parts)
        made = definition_body(target_id, {**checked, "version": version, "versions": versions})
        if versions[-1] == version or held is None:
            tenant.policies.define(made)
        else:
            tenant.policies.define({**held, "properties": {**held["properties"], "versions": versions}})
        return Reply.json(_version(made, kind, version), status=201), False

    return logged(tenant, call, f"{_TYPE}/{kind}/versions/write", target_id, work)


def delete_version(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes a version that is not the only one."""
    _, kind, target_id = _target(tenant, call, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        held = tenant.policies.written.get(ids.key(target_id))
        if held is None or captured["version"] not in held["properties"]["versions"]:
            return Reply(status=204), False
        left = [one for one in held["properties"]["versions"] if one != captured["version"]]
        if left:
            tenant.policies.define(
                {**held, "properties": {**held["properties"], "versions": left, "version": left[-1]}}
            )
        else:
            tenant.policies.undefine(target_id)
        return Reply(status=200), False

    return logged(tenant, call, f"{_TYPE}/{kind}/versions/delete", target_id, work)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("-")[0].split("."))


def _version(body: Mapping[str, Any], kind: str, version: str | None = None) -> dict[str, Any]:
    shown = version or version_of(body["properties"])
    properties = {name: value for name, value in body["properties"].items() if name != "versions"}
    return {
        "id": f"{body['id']}/versions/{shown}",
        "name": shown,
        "type": f"{_TYPE}/{kind}/versions",
        "properties": {**properties, "version": shown},
    }


_AT = f"/{{scope*}}{AUTHORIZATION}"
ROUTES = tuple(
    Route(
        methods=(method,),
        pattern=f"{place}/{kind}{tail}",
        type=f"{_TYPE}/{kind}",
        handler=handler,
        reads=method == "GET",
    )
    for kind in (_POLICIES, _SETS)
    for places, tail, method, handler in (
        ((AUTHORIZATION, _AT), "", "GET", list_definitions),
        ((AUTHORIZATION, _AT), "/{name}", "GET", get_definition),
        ((_AT,), "/{name}", "PUT", put_definition),
        ((_AT,), "/{name}", "DELETE", delete_definition),
        ((AUTHORIZATION, _AT), "/{name}/versions", "GET", list_versions),
        ((AUTHORIZATION, _AT), "/{name}/versions/{version}", "GET", get_version),
        ((_AT,), "/{name}/versions/{version}", "PUT", put_version),
        ((_AT,), "/{name}/versions/{version}", "DELETE", delete_version),
    )
    for place in places
) + tuple(
    Route(
        methods=("POST",),
        pattern=f"{place}/list{kind[0].upper()}{kind[1:-1]}Versions",
        type=f"{_TYPE}/{kind}",
        handler=list_all_versions,
    )
    for kind in (_POLICIES, _SETS)
    for place in (AUTHORIZATION, _AT)
)
