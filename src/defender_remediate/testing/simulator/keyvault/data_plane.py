"""The data of a vault at its own host name: keys, secrets and certificates, as far as tools list and set them.

A vault keeps the newest version of each. Keys have numbers by their form only: nothing can be encrypted.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.published import kind_of
from defender_remediate.testing.simulator.arm.routing import is_version, json_body
from defender_remediate.testing.simulator.authorization.roles import CALLER_APP_ID
from defender_remediate.testing.simulator.keyvault.objects import version_of
from defender_remediate.testing.simulator.state.ids import key as id_key
from defender_remediate.testing.simulator.state.store import TENANT_ID, Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, ConnectionFault, Reply
from defender_remediate.testing.simulator.transport.hosts import host_of

_VAULTS = "Microsoft.KeyVault/vaults"
_AUTHORITY = "https://login.microsoftonline.com"
CALLER_ADDRESS = "203.0.113.10"
"""The address from which the caller comes, as the firewalls of vaults and storage accounts see it."""
_KINDS: Mapping[str, str] = {"keys": "Key", "secrets": "Secret", "certificates": "Certificate"}
_POLICY = "rotationpolicy"
# What an access policy must have, and the data action of a role that has the same effect.
_RIGHTS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("keys", "list"): ("list", "keys/read"),
    ("keys", "get"): ("get", "keys/read"),
    ("keys", "set"): ("create", "keys/create/action"),
    ("keys", "update"): ("update", "keys/update/action"),
    ("keys", "delete"): ("delete", "keys/delete"),
    ("keys", "readpolicy"): ("getrotationpolicy", "keyrotationpolicies/read"),
    ("keys", "setpolicy"): ("setrotationpolicy", "keyrotationpolicies/write"),
    ("secrets", "list"): ("list", "secrets/readMetadata/action"),
    ("secrets", "get"): ("get", "secrets/getSecret/action"),
    ("secrets", "set"): ("set", "secrets/setSecret/action"),
    ("secrets", "update"): ("set", "secrets/update/action"),
    ("secrets", "delete"): ("delete", "secrets/delete"),
    ("certificates", "list"): ("list", "certificates/read"),
    ("certificates", "get"): ("get", "certificates/read"),
}
_SET = {("keys", "POST"): "create", ("secrets", "PUT"): ""}
_DAYS = 90
# The data plane numbered its versions before it dated them.
_NUMBERED = re.compile(r"\d+\.\d+(-preview(\.\d+)?)?\Z")
_NUMBER_BYTES = 256


def answer(tenant: Tenant, call: Call, sign_in: Callable[[], None]) -> Reply:
    """Answers a call to a vault.

    Raises:
        ArmError: The caller is not signed in or lacks a right, the firewall refuses it, or what it asks for does not exist.
        ConnectionFault: There is no vault of this name, so that its host name does not exist.
    """
    vault = _vault(tenant, host_of(call).partition(".")[0])
    if not call.headers.get("authorization"):
        # Clients learn from this answer where to sign in.
        challenge = f'Bearer authorization="{_AUTHORITY}/{TENANT_ID}", resource="https://vault.azure.net"'
        raise refusal("VaultUnauthorized", headers={"WWW-Authenticate": challenge})
    sign_in()
    if not is_version(call.api_version) and not _NUMBERED.match(call.api_version):
        raise refusal("VaultBadParameter", problem="The api-version parameter is missing or not valid.")
    _check_firewall(vault)
    parts = [part for part in call.path.split("/") if part]
    kind = fold(parts[0]) if parts else ""
    if kind not in _KINDS:
        raise refusal("UnknownRoute", method=call.method, path=call.path)
    word = _what(call, kind, parts)
    _check_right(tenant, vault, kind, word)
    if word == "list":
        return _list(tenant, call, vault, kind)
    if word == "set":
        return _set(tenant, call, vault, kind, parts[1])
    found = tenant.store.find(f"{vault.id}/{kind}/{parts[1]}")
    if found is None:
        raise refusal(f"Vault{_KINDS[kind]}NotFound", name=parts[1])
    if word == "delete":
        tenant.store.remove(found.id)
        return Reply.json({**_shown(tenant, call, found, kind), "recoveryId": f"{call.base}/deleted{kind}/{parts[1]}"})
    if word in ("readpolicy", "setpolicy"):
        return _rotation(tenant, call, found)
    if word == "update":
        body, sent = found.render(), json_body(call)
        attributes = {**(body["properties"].get("attributes") or {}), **(sent.get("attributes") or {})}
        changed = {**body, "properties": {**body["properties"], "attributes": attributes}}
        tenant.store.write(found.id, found.type, {**changed, "tags": sent["tags"]} if sent.get("tags") else changed)
    return Reply.json(_shown(tenant, call, found, kind))


def _vault(tenant: Tenant, name: str) -> Resource:
    for one in tenant.store.resources():
        if one.type.name == _VAULTS and fold(one.name) == name:
            return one
    raise ConnectionFault(sent=False)


def _what(call: Call, kind: str, parts: list[str]) -> str:
    """The operation, by its name in ``_RIGHTS``."""
    below = fold(parts[2]) if parts[2:] else ""
    if call.method == "GET":
        if kind == "keys" and below == _POLICY:
            return "readpolicy"
        return "get" if parts[1:] and below != "versions" else "list"
    if kind == "keys" and (call.method, below) == ("PUT", _POLICY):
        return "setpolicy"
    if parts[1:] and _SET.get((kind, call.method)) == below:
        return "set"
    if (kind, call.method) in (("keys", "PATCH"), ("secrets", "PATCH")) and parts[1:]:
        return "update"
    if (kind, call.method) in (("keys", "DELETE"), ("secrets", "DELETE")) and parts[1:] and not below:
        return "delete"
    raise refusal("UnknownRoute", method=call.method, path=call.path)


def _check_firewall(vault: Resource) -> None:
    properties = vault.body["properties"]
    rules = properties.get("networkAcls") or {}
    place = f"Vault: {vault.name};location={vault.body.get('location')}"
    if fold(str(properties.get("publicNetworkAccess"))) == "disabled":
        problem = (
            "Public network access is disabled and request is not from a trusted service nor via an approved private link."
            f"\r\nCaller: appid={CALLER_APP_ID}\r\n{place}"
        )
        raise _forbidden(problem, "ForbiddenByConnection")
    addresses = [str(rule.get("value")).removesuffix("/32") for rule in rules.get("ipRules") or ()]
    if fold(str(rules.get("defaultAction"))) == "deny" and CALLER_ADDRESS not in addresses:
        problem = (
            "Client address is not authorized and caller is not a trusted service."
            f"\r\nClient address: {CALLER_ADDRESS}\r\nCaller: appid={CALLER_APP_ID}\r\n{place}"
        )
        raise _forbidden(problem, "ForbiddenByFirewall")


def _check_right(tenant: Tenant, vault: Resource, kind: str, word: str) -> None:
    """A role with the data action, where the vault uses roles; else an access policy with the permission."""
    permission, action = _RIGHTS[kind, word]
    properties = vault.body["properties"]
    if properties.get("enableRbacAuthorization"):
        if not tenant.access.allows_data(f"{_VAULTS}/{action}", vault.id):
            problem = (
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role"
                " definitions were changed recently, please observe propagation time."
                f"\r\nCaller: appid={CALLER_APP_ID};oid={tenant.access.principal}"
                f"\r\nAction: '{_VAULTS}/{action}'\r\nResource: '{fold(vault.id)}'"
            )
            raise _forbidden(problem, "ForbiddenByRbac")
        return
    names = {fold(one) for one in tenant.access.names_of(tenant.access.principal)}
    for policy in properties.get("accessPolicies") or ():
        granted = {fold(str(one)) for one in (policy.get("permissions") or {}).get(kind) or ()}
        if fold(str(policy.get("objectId"))) in names and granted & {permission, "all"}:
            return
    problem = (
        f"The user, group or application 'appid={CALLER_APP_ID};oid={tenant.access.principal};"
        f"iss=https://sts.windows.net/{TENANT_ID}/' does not have {kind} {permission} permission on key vault"
        f" '{vault.name};location={vault.body.get('location')}'."
    )
    raise _forbidden(problem, "ForbiddenByPolicy")


def _forbidden(problem: str, code: str) -> ArmError:
    return refusal("VaultForbidden", problem=problem, more={"innererror": {"code": code}})


def _list(tenant: Tenant, call: Call, vault: Resource, kind: str) -> Reply:
    parts = [part for part in call.path.split("/") if part]
    type_name = f"{_VAULTS}/{kind}"
    found = [one for one in tenant.store.resources(vault.id) if fold(one.type.name) == fold(type_name)]
    if parts[1:]:
        found = [one for one in found if fold(one.name) == fold(parts[1])]
    items = [_item(call, one, kind, version=bool(parts[1:])) for one in found]
    return Reply.json({"value": items, "nextLink": None})


def _item(call: Call, one: Resource, kind: str, *, version: bool) -> dict[str, Any]:
    """An entry of a list: what it is without its content."""
    name = "kid" if kind == "keys" else "id"
    at = f"/{version_of(one)}" if version else ""
    shown = {
        name: f"{call.base}/{kind}/{one.name}{at}",
        "attributes": _attributes(one),
        "tags": one.body.get("tags") or {},
    }
    content_type = one.body["properties"].get("contentType")
    return {**shown, "contentType": content_type} if content_type else shown


def _shown(tenant: Tenant, call: Call, one: Resource, kind: str) -> dict[str, Any]:
    item = _item(call, one, kind, version=True)
    if kind != "keys":
        return {**item, "value": tenant.secret_values.get(id_key(one.id), "")}
    properties = one.body["properties"]
    digest = hashlib.sha512(item["kid"].encode()).digest()
    number = base64.urlsafe_b64encode((digest * _NUMBER_BYTES)[:_NUMBER_BYTES]).decode().rstrip("=")
    key = {
        "kid": item.pop("kid"),
        "kty": properties.get("kty") or "RSA",
        "key_ops": properties.get("keyOps") or ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"],
    }
    curve = properties.get("curveName")
    figures = {"crv": curve, "x": number[:43], "y": number[43:86]} if curve else {"n": number, "e": "AQAB"}
    return {"key": {**key, **figures}, **item}


def _attributes(one: Resource) -> dict[str, Any]:
    held = one.body["properties"].get("attributes") or {}
    usual = {"enabled": True, "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": _DAYS}
    return {**usual, **held}


def _set(tenant: Tenant, call: Call, vault: Resource, kind: str, name: str) -> Reply:
    """Creates a key, or sets a secret; Resource Manager shows it, too, but never the value."""
    body = json_body(call)
    now = int(tenant.clock.now().timestamp())
    attributes = {"enabled": True, **(body.get("attributes") or {}), "created": now}
    properties: dict[str, Any] = {"attributes": attributes}
    if kind == "keys":
        if body.get("kty") is None:
            raise refusal("VaultBadParameter", problem="Property kty is required.")
        properties |= {"kty": body["kty"], "keyOps": body.get("key_ops"), "keySize": body.get("key_size")}
        properties |= {"curveName": body.get("crv"), "keyUri": f"{call.base}/keys/{name}"}
    else:
        if not isinstance(body.get("value"), str):
            raise refusal("VaultBadParameter", problem="Property value is required.")
        properties |= {"contentType": body.get("contentType"), "secretUri": f"{call.base}/secrets/{name}"}
    kept = {member: value for member, value in properties.items() if value is not None}
    content = {"location": vault.body.get("location"), "tags": body.get("tags") or {}, "properties": kept}
    resource_id = f"{vault.id}/{kind}/{name}"
    resource_type = tenant.types.get(f"{_VAULTS}/{kind}") or kind_of(resource_id, content)
    assert resource_type is not None  # keys and secrets are published
    written = tenant.store.write(resource_id, resource_type, content)
    if kind == "secrets":
        tenant.secret_values[id_key(written.id)] = body["value"]
    return Reply.json(_shown(tenant, call, written, kind))


def _rotation(tenant: Tenant, call: Call, key: Resource) -> Reply:
    """When a key is replaced. One of which nothing was said warns 30 days before it expires."""
    usual = {
        "lifetimeActions": [{"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "Notify"}}],
        "attributes": {},
    }
    body = key.render()
    if call.method == "PUT":
        sent = json_body(call)
        properties = {**body["properties"], "rotationPolicy": {name: sent.get(name) or usual[name] for name in usual}}
        key = tenant.store.write(key.id, key.type, {**body, "properties": properties})
        body = key.render()
    held = body["properties"].get("rotationPolicy") or usual
    actions = [
        {
            "trigger": {name: value for name, value in (one.get("trigger") or {}).items() if value is not None},
            "action": {"type": str((one.get("action") or {}).get("type", "")).capitalize()},
        }
        for one in held.get("lifetimeActions") or ()
    ]
    shown = {"id": f"{call.base}/keys/{key.name}/{_POLICY}", "lifetimeActions": actions}
    return Reply.json({**shown, "attributes": held.get("attributes") or {}})
