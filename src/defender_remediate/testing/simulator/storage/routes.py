"""The operations of storage accounts that are no resources: keys, names, SKUs and quotas."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.checks import ITEM, check_name, owner_of
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.arm.strictness import check_expand
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Storage/storageAccounts"
_KEYS = ("key1", "key2")
_SKUS = (
    "Standard_LRS",
    "Standard_GRS",
    "Standard_RAGRS",
    "Standard_ZRS",
    "Standard_GZRS",
    "Premium_LRS",
    "Premium_ZRS",
)
_MOST_ACCOUNTS = 250
_RESTORABLE_DAYS = 14


def _key(tenant: Tenant, account: Resource, name: str) -> dict[str, Any]:
    generation = tenant.key_generations.get((ids.key(account.id), name), 0)
    digest = hashlib.sha512(f"{ids.key(account.id)}:{name}:{generation}".encode()).digest()
    return {"keyName": name, "value": base64.b64encode(digest).decode(), "permissions": "FULL"}


def list_keys(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Returns the keys of an account. They open nothing: there is no data plane."""
    check_expand(f"{_TYPE}/listKeys", call.query.get("$expand", ""))
    account = owner_of(tenant, call, captured, _TYPE)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        # A read-only lock also stops actions, and the listing of keys is one.
        tenant.access.check_write("POST", operation.action, account.id)
        return Reply.json({"keys": [_key(tenant, account, name) for name in _KEYS]}), False

    return logged(tenant, call, f"{_TYPE}/listKeys/action", account.id, work)


def regenerate_key(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Replaces one key of an account."""
    account = owner_of(tenant, call, captured, _TYPE)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, account.id)
        name = json_body(call).get("keyName")
        if name not in _KEYS:
            raise refusal("InvalidRequestContent", problem=f"the keyName is {name!r}; use {' or '.join(_KEYS)}")
        place = (ids.key(account.id), str(name))
        tenant.key_generations[place] = tenant.key_generations.get(place, 0) + 1
        tenant.store.touch(account.id)
        return Reply.json({"keys": [_key(tenant, account, one) for one in _KEYS]}), False

    return logged(tenant, call, f"{_TYPE}/regenerateKey/action", account.id, work)


def check_account_name(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Says whether a name is free, and whether it is a name of an account: 3 to 24 lower-case letters and digits."""
    action = "Microsoft.Storage/checknameavailability/read"
    reply = check_name(tenant, call, _TYPE, action, captured["subscription"])
    name = json_body(call)["name"]
    if not (3 <= len(name) <= 24 and name.isascii() and name.isalnum() and name == name.lower()):
        message = f"{name} is not a valid storage account name."
        return Reply.json({"nameAvailable": False, "reason": "AccountNameInvalid", "message": message})
    return reply


def list_skus(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists what can be bought: the SKUs of general-purpose accounts, in one region each."""
    scope = f"/subscriptions/{tenant.store.subscription(captured['subscription']).id}"
    tenant.access.check_read("Microsoft.Storage/skus/read", scope)
    del call
    shown = [
        {
            "resourceType": "storageAccounts",
            "name": name,
            "tier": name.partition("_")[0],
            "kind": "StorageV2",
            "locations": ["westeurope"],
            "locationInfo": [{"location": "westeurope", "zones": []}],
            "capabilities": [],
            "restrictions": [],
        }
        for name in _SKUS
    ]
    return Reply.json({"value": shown})


def list_usages(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows how many accounts a subscription has in a region, and may have."""
    scope = f"/subscriptions/{tenant.store.subscription(captured['subscription']).id}"
    tenant.access.check_read("Microsoft.Storage/locations/usages/read", scope)
    place = fold(captured["location"])
    accounts = [
        one
        for one in tenant.store.resources(scope)
        if one.type.name == _TYPE and fold(str(one.body.get("location"))) == place
    ]
    del call
    name = {"value": "StorageAccounts", "localizedValue": "Storage Accounts"}
    return Reply.json(
        {"value": [{"unit": "Count", "currentValue": len(accounts), "limit": _MOST_ACCOUNTS, "name": name}]}
    )


def _deleted_accounts(tenant: Tenant, subscription: str) -> list[dict[str, Any]]:
    scope = f"/subscriptions/{tenant.store.subscription(subscription).id}"
    tenant.access.check_read("Microsoft.Storage/deletedAccounts/read", scope)
    found = []
    for account, moment in tenant.times.gone(_TYPE, scope):
        deleted, place = tenant.clock.at(moment), str(account.body.get("location") or "")
        if deleted + timedelta(days=_RESTORABLE_DAYS) <= tenant.clock.now():
            continue
        when = deleted.strftime("%Y-%m-%dT%H:%M:%SZ")
        found.append(
            {
                "id": f"{scope}/providers/Microsoft.Storage/locations/{place}/deletedAccounts/{account.name}",
                "name": account.name,
                "type": "Microsoft.Storage/deletedAccounts",
                "properties": {
                    "storageAccountResourceId": account.id,
                    "location": place,
                    "restoreReference": f"{account.name}|{when}",
                    "creationTime": account.body["properties"].get("creationTime"),
                    "deletionTime": when,
                },
            }
        )
    return found


def list_deleted(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the accounts that were deleted in the last two weeks."""
    return tenant.page(call, _deleted_accounts(tenant, captured["subscription"]))


def get_deleted(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows an account that was deleted in the last two weeks."""
    del call
    for account in _deleted_accounts(tenant, captured["subscription"]):
        place = fold(account["properties"]["location"])
        if (place, fold(account["name"])) == (fold(captured["location"]), fold(captured["name"])):
            return Reply.json(account)
    raise refusal("ResourceNotFound", type="Microsoft.Storage/deletedAccounts", name=captured["name"], group="")


_SUB = "/subscriptions/{subscription}/providers/Microsoft.Storage"
ROUTES = (
    *(
        Route(methods=(method,), pattern=pattern, type=_TYPE, handler=handler, reads=method == "GET")
        for method, pattern, handler in (
            ("POST", f"{ITEM}/{_TYPE}/{{name}}/listKeys", list_keys),
            ("POST", f"{ITEM}/{_TYPE}/{{name}}/regenerateKey", regenerate_key),
            ("GET", f"{_SUB}/skus", list_skus),
            ("GET", f"{_SUB}/locations/{{location}}/usages", list_usages),
            ("GET", f"{_SUB}/deletedAccounts", list_deleted),
            ("GET", f"{_SUB}/locations/{{location}}/deletedAccounts/{{name}}", get_deleted),
        )
    ),
    Route(methods=("POST",), pattern=f"{_SUB}/checkNameAvailability", type=_TYPE, handler=check_account_name),
)
