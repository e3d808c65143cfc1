"""The data of a storage account at its own host names, as far as tools read it: the settings of a service and its containers.

Requests may be signed with a key, whose signature is not checked, or carry the token of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.keyvault.data_plane import CALLER_ADDRESS
from defender_remediate.testing.simulator.state.ids import key as id_key
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, ConnectionFault, Reply
from defender_remediate.testing.simulator.transport.hosts import host_of

_ACCOUNTS = "Microsoft.Storage/storageAccounts"
_SECTION = re.compile(r"<(?P<name>\w+)>(?P<content>.*?)</(?P=name)>", re.DOTALL)
_EMPTY = re.compile(r"<(?P<name>\w+)\s*/>")
_OFF = "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy>"
_WEEK = "<RetentionPolicy><Enabled>true</Enabled><Days>7</Days></RetentionPolicy>"
_LOGGING = f"<Version>1.0</Version><Delete>false</Delete><Read>false</Read><Write>false</Write>{_OFF}"
_HOURLY = f"<Version>1.0</Version><Enabled>true</Enabled><IncludeAPIs>true</IncludeAPIs>{_WEEK}"
_MINUTELY = f"<Version>1.0</Version><Enabled>false</Enabled>{_OFF}"
_NEW = {"Logging": _LOGGING, "HourMetrics": _HOURLY, "MinuteMetrics": _MINUTELY, "Cors": ""}
_ROOT = "StorageServiceProperties"
_MESSAGES = {
    "AuthorizationFailure": "This request is not authorized to perform this operation.",
    "AuthorizationPermissionMismatch": "This request is not authorized to perform this operation using this permission.",
    "KeyBasedAuthenticationNotPermitted": "Key based authentication is not permitted on this storage account.",
    "NoAuthenticationInformation": "Server failed to authenticate the request. Please refer to the information in the"
    " www-authenticate header.",
    "InvalidXmlDocument": "XML specified is not syntactically valid.",
    "NotImplemented": "The simulator has no content of storage accounts, only the settings of a service and its containers.",
}


def answer(tenant: Tenant, call: Call, sign_in: Callable[[], None]) -> Reply:
    """Answers a call to a service of a storage account.

    Raises:
        ArmError: The caller is refused, or the operation is not simulated.
        ConnectionFault: There is no account of this name, so that its host name does not exist.
    """
    name, _, rest = host_of(call).partition(".")
    service = rest.partition(".")[0]
    account = _account(tenant, name)
    _check_firewall(account)
    asked = (fold(call.query.get("restype", "")), fold(call.query.get("comp", "")))
    action = {("service", "properties"): f"{service}Services/read", ("", "list"): f"{service}Services/containers/read"}
    _check_caller(tenant, call, account, sign_in, action.get(asked, f"{service}Services/read"))
    if asked == ("service", "properties") and call.path == "/":
        if call.method == "PUT":
            return _set_properties(tenant, call, account, service)
        return _xml(_properties(tenant, account, service))
    if asked == ("", "list") and call.path == "/" and service == "blob" and call.method == "GET":
        return _xml(_containers(tenant, call, account))
    raise _refused("NotImplemented", 501)


def _account(tenant: Tenant, name: str) -> Resource:
    for one in tenant.store.resources():
        if one.type.name == _ACCOUNTS and fold(one.name) == name:
            return one
    raise ConnectionFault(sent=False)


def _check_firewall(account: Resource) -> None:
    properties = account.body["properties"]
    rules = properties.get("networkAcls") or {}
    addresses = [rule.get("value") for rule in rules.get("ipRules") or ()]
    is_closed = fold(str(properties.get("publicNetworkAccess"))) in ("disabled", "securedbyperimeter")
    if is_closed or (fold(str(rules.get("defaultAction"))) == "deny" and CALLER_ADDRESS not in addresses):
        raise _refused("AuthorizationFailure", 403)


def _check_caller(tenant: Tenant, call: Call, account: Resource, sign_in: Callable[[], None], action: str) -> None:
    header = call.headers.get("authorization", "")
    if fold(header).startswith("sharedkey") or "sig" in call.query:
        if account.body["properties"].get("allowSharedKeyAccess") is False:
            raise _refused("KeyBasedAuthenticationNotPermitted", 403)
        return
    if not header:
        raise _refused("NoAuthenticationInformation", 401)
    sign_in()
    wanted = f"{_ACCOUNTS}/{action.replace('/read', '/write') if call.method == 'PUT' else action}"
    if not tenant.access.allows(wanted, account.id):
        raise _refused("AuthorizationPermissionMismatch", 403)


def _set_properties(tenant: Tenant, call: Call, account: Resource, service: str) -> Reply:
    """Keeps the sections that a request has; the others stay as they are."""
    text = call.content.decode("utf-8", "replace")
    start, end = text.find(f"<{_ROOT}>"), text.rfind(f"</{_ROOT}>")
    if start < 0 or end < start:
        raise _refused("InvalidXmlDocument", 400)
    inner = text[start + len(_ROOT) + 2 : end]
    sections = {found["name"]: "" for found in _EMPTY.finditer(inner) if found["name"] == "Cors"}
    sections.update({found["name"]: found["content"] for found in _SECTION.finditer(inner)})
    tenant.service_settings.setdefault((id_key(account.id), service), {}).update(sections)
    return Reply(status=202)


def _properties(tenant: Tenant, account: Resource, service: str) -> str:
    sections = dict(_NEW)
    if service == "blob":
        blobs = tenant.store.find(f"{account.id}/blobServices/default")
        policy = (blobs.body["properties"].get("deleteRetentionPolicy") if blobs else None) or {}
        days = f"<Days>{policy['days']}</Days>" if policy.get("enabled") and policy.get("days") else ""
        sections["DeleteRetentionPolicy"] = f"<Enabled>{str(bool(policy.get('enabled'))).lower()}</Enabled>{days}"
        sections["StaticWebsite"] = "<Enabled>false</Enabled>"
    elif service == "file":
        del sections["Logging"]
    sections.update(tenant.service_settings.get((id_key(account.id), service), {}))
    return f"<{_ROOT}>{''.join(f'<{name}>{content}</{name}>' for name, content in sections.items())}</{_ROOT}>"


def _containers(tenant: Tenant, call: Call, account: Resource) -> str:
    names = [
        one.name
        for one in tenant.store.resources(account.id)
        if fold(one.type.name) == fold(f"{_ACCOUNTS}/blobServices/containers")
    ]
    prefix = call.query.get("prefix", "")
    shown = "".join(
        f"<Container><Name>{escape(name)}</Name><Properties><LeaseStatus>unlocked</LeaseStatus><LeaseState>available"
        "</LeaseState></Properties></Container>"
        for name in names
        if name.startswith(prefix)
    )
    base = f'<EnumerationResults ServiceEndpoint="{escape(call.base)}/">'
    return f"{base}<Containers>{shown}</Containers><NextMarker /></EnumerationResults>"


def _refused(code: str, status: int) -> ArmError:
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{_MESSAGES[code]}</Message></Error>'
    )
    headers = {"Content-Type": "application/xml", "x-ms-error-code": code}
    return ArmError(Reply(status=status, headers=headers, content=body.encode()))


def _xml(body: str) -> Reply:
    content = f'<?xml version="1.0" encoding="utf-8"?>{body}'.encode()
    return Reply(status=200, headers={"Content-Type": "application/xml"}, content=content)
