"""The operations of vaults that are no resources: access policies, names, and the vaults that can be recovered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.checks import ITEM, check_name, owner_of
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.applied import target_of
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.KeyVault/vaults"
_ADD, _REPLACE, _REMOVE = "add", "replace", "remove"
_MEMBERS = frozenset(["tenantId", "objectId", "applicationId", "permissions"])


def update_policies(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Adds, replaces or removes access policies of a vault; the answer has those of the vault afterwards."""
    vault = owner_of(tenant, call, captured, _TYPE)
    word = fold(captured["operation"])

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, vault.id)
        sent = (json_body(call).get("properties") or {}).get("accessPolicies")
        if word not in (_ADD, _REPLACE, _REMOVE):
            raise refusal("InvalidRequestContent", problem=f"the operation {captured['operation']!r} does not exist")
        if not isinstance(sent, list) or not all(isinstance(one, Mapping) and one.get("objectId") for one in sent):
            raise refusal("InvalidRequestContent", problem="accessPolicies is not a list of policies with an objectId")
        for one in sent:
            for member in sorted(set(one) - _MEMBERS):
                raise refusal("InvalidRequestContent", problem=f"Could not find member '{member}'")
        body = vault.render()
        policies = _changed(body["properties"].get("accessPolicies") or [], sent, word)
        changed = {**body, "properties": {**body["properties"], "accessPolicies": policies}}
        changed = tenant.policy_effects.admit(target_of(vault.type, vault.id, changed, call.api_version))
        tenant.store.write(vault.id, vault.type, changed)
        shown = {"id": f"{vault.id}/accessPolicies/", "type": f"{_TYPE}/accessPolicies"}
        return Reply.json({**shown, "properties": {"accessPolicies": policies}}), False

    return logged(tenant, call, f"{_TYPE}/accessPolicies/write", vault.id, work)


def _changed(policies: list[Any], sent: list[Any], word: str) -> list[Any]:
    if word == _REPLACE:
        return list(sent)

    def who(policy: Mapping[str, Any]) -> tuple[str, str]:
        return fold(str(policy["objectId"])), fold(str(policy.get("applicationId")))

    named = {who(policy): policy for policy in sent}
    if word == _REMOVE:
        return [policy for policy in policies if who(policy) not in named]
    merged = [_joined(policy, named.pop(who(policy))) if who(policy) in named else policy for policy in policies]
    return [*merged, *named.values()]


def _joined(policy: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    old, new = policy.get("permissions") or {}, more.get("permissions") or {}
    permissions = {name: list(dict.fromkeys([*old.get(name, ()), *new.get(name, ())])) for name in {**old, **new}}
    return {**policy, "permissions": permissions}


def check_vault_name(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Says whether a name is free."""
    return check_name(tenant, call, _TYPE, "Microsoft.KeyVault/checkNameAvailability/read", captured["subscription"])


ROUTES = (
    Route(
        methods=("PUT",),
        pattern=f"{ITEM}/{_TYPE}/{{name}}/accessPolicies/{{operation}}",
        type=_TYPE,
        handler=update_policies,
        reads=False,
    ),
    Route(
        methods=("POST",),
        pattern="/subscriptions/{subscription}/providers/Microsoft.KeyVault/checkNameAvailability",
        type=_TYPE,
        handler=check_vault_name,
    ),
)
