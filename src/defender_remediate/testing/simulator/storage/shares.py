"""File shares, those that were deleted among them, and object replication policies, which get their names from Azure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType
from defender_remediate.testing.simulator.transport.exchange import Call, Reply
from defender_remediate.testing.simulator.web import contracts

_ACCOUNTS = "Microsoft.Storage/storageAccounts"
_SHARES = f"{_ACCOUNTS}/fileServices/shares"
_POLICIES = f"{_ACCOUNTS}/objectReplicationPolicies"
_NEW_POLICY = "default"
_KEPT_DAYS = 7


def list_shares(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the shares of an account; with ``$expand=deleted`` also those that can be restored."""
    account = owner_of(tenant, call, {**captured, "name": captured["account"]}, _ACCOUNTS)
    tenant.access.check_read(f"{_SHARES}/read", account.id)
    service = f"{account.id}/fileServices/default"
    present = tenant.store.children(service, _SHARES)
    found = [contracts.shown(_SHARES, one.id, call.api_version, one.render()) for one in present]
    asked = {fold(word.strip()) for word in call.query.get("$expand", "").split(",")}
    if "deleted" in asked:
        found += _restorable(tenant, service)
    return tenant.page(call, found)


def _restorable(tenant: Tenant, service: str) -> list[dict[str, Any]]:
    """The deleted shares as a list shows them: with the version that a restoration names, and the days that are left."""
    known = tenant.store.find(service)
    policy = (known.body["properties"].get("shareDeleteRetentionPolicy") if known else None) or {}
    if policy.get("enabled") is False:
        return []
    found = []
    for share, moment in tenant.times.gone(_SHARES, service):
        left = int(policy.get("days") or _KEPT_DAYS) - (tenant.clock.now() - tenant.clock.at(moment)).days
        if left <= 0:
            continue
        body = share.render()
        deleted = {
            "deleted": True,
            "deletedTime": tenant.clock.timestamp(moment),
            "remainingRetentionDays": left,
            "version": hashlib.sha256(f"{ids.key(share.id)}:{moment}".encode()).hexdigest()[:16].upper(),
        }
        found.append({**body, "properties": {**body["properties"], **deleted}})
    return found


def restore_share(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Restores a deleted share under a name."""
    account = owner_of(tenant, call, {**captured, "name": captured["account"]}, _ACCOUNTS)
    shares = f"{account.id}/fileServices/default/shares"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, account.id)
        wanted = fold(str(json_body(call).get("deletedShareName") or ""))
        gone = [one for one, _ in tenant.times.gone(_SHARES, account.id) if fold(one.name) == wanted]
        if not gone:
            raise refusal("ResourceNotFound", type=_SHARES, name=captured["name"], group=captured["group"])
        tenant.store.write(f"{shares}/{captured['name']}", gone[-1].type, gone[-1].body)
        tenant.times.forget(gone[-1].id)
        return Reply(status=200), False

    return logged(tenant, call, f"{_SHARES}/restore/action", account.id, work)


def write_policy(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces an object replication policy. A new one is called ``default`` and gets an id, and so do new rules."""
    account = owner_of(tenant, call, {**captured, "name": captured["account"]}, _ACCOUNTS)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, account.id)
        properties = json_body(call).get("properties")
        if not isinstance(properties, Mapping) or not properties.get("sourceAccount"):
            raise refusal("InvalidRequestContent", problem="'properties.sourceAccount' is missing")
        is_new = fold(captured["name"]) == _NEW_POLICY
        name = tenant.new_id() if is_new else captured["name"]
        rules = [
            {**rule, "ruleId": rule.get("ruleId") or tenant.new_id()}
            for rule in properties.get("rules") or ()
            if isinstance(rule, Mapping)
        ]
        kind = ResourceType(name=_POLICIES, versions=(call.api_version,), tracked=False, state=None)
        content = {**properties, "rules": rules, "policyId": name, "enabledTime": tenant.clock.timestamp()}
        written = tenant.store.write(f"{account.id}/objectReplicationPolicies/{name}", kind, {"properties": content})
        return Reply.json(written.render()), False

    return logged(tenant, call, f"{_POLICIES}/write", account.id, work)


_ACCOUNT = f"{ITEM}/{_ACCOUNTS}/{{account}}"
ROUTES = (
    Route(methods=("GET",), pattern=f"{_ACCOUNT}/fileServices/default/shares", type=_SHARES, handler=list_shares),
    Route(
        methods=("POST",),
        pattern=f"{_ACCOUNT}/fileServices/default/shares/{{name}}/restore",
        type=_SHARES,
        handler=restore_share,
        reads=False,
    ),
    Route(
        methods=("PUT",),
        pattern=f"{_ACCOUNT}/objectReplicationPolicies/{{name}}",
        type=_ACCOUNTS,
        handler=write_policy,
        reads=False,
    ),
)
